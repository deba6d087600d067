"""The error bound of a set of approved rows, from what the ledger says about their re-review.

Deterministic: the same events give the same figures, so that `audit` can repeat them. Verified seeds are no part
of it: somebody vouches for them, and nobody drew a sample of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from seedgate.review.bound import ALPHA, BadControls, Stratum, wrong_rows
from seedgate.review.evidence import Facts
from seedgate.review.modelled import ReviewerCounts, model_based_share
from seedgate.review.more_reviews import MoreReviews, more_reviews
from seedgate.review.quarantine import answered_controls
from seedgate.review.rereview import answered_rereview, strata_members
from seedgate.review.state import ReviewState

__all__ = ["ControlAnswer", "ErrorBound", "ReReviewer", "control_answers", "error_bound", "more_for"]

CUTS = 4
"""Unanswered re-reviews before which the sequence is also cut off; each cut costs one computation."""


class ControlAnswer(NamedTuple):
    """Whose control, whether it is a known-bad one, and whether the reviewer got it wrong."""

    reviewer: str
    bad: bool
    erred: bool


def control_answers(state: ReviewState) -> tuple[ControlAnswer, ...]:
    """The first answers to all controls; approving a bad one and rejecting a good one are errors."""
    names = dict.fromkeys(control.reviewer for control in state.controls.values())
    return tuple(
        ControlAnswer(
            name,
            control.truth == "bad",
            verdict.decision == ("approve" if control.truth == "bad" else "reject"),
        )
        for name in names
        for control, _, verdict in answered_controls(state, name)
    )


Judged = Literal["right", "wrong", "open"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReReviewer(_Record):
    """Somebody who looked at approved rows again: how many, and how they did on known-bad controls."""

    name: str
    rows: int
    bad_controls: int
    caught: int


class ErrorBound(_Record):
    """Upper bound on the wrong rows among the generated rows of a release, at `confidence`, whenever one looks.

    Attributes:
        rows: Generated rows of the release; seeds are not among them.
        wrong: The bound; equal to `rows` where nothing is known.
        if_none_missed: The bound if the re-reviewers overlooked nothing: without allowance for their errors.
        if_twice_as_hard: The bound if they overlook real errors twice as often as controls.
        drawn, judged: Rows drawn for a second look, and those of them that got one.
        found: Those found wrong, skipped ones included; `removed` of them are not in the release.
        strata: Per stratum its size, rows judged, found, and found but still in: what the bound is made of.
        modelled: Model-based estimate of the wrong share and its 95 % quantile; no bound.
        voided: Controls that an adjudicator declared void: they say nothing about their reviewer.
        lifted: Quarantines that an adjudicator ended: whose, by whom, and whether its approvals count after all.
    """

    rows: int
    wrong: int
    if_none_missed: int
    if_twice_as_hard: int
    confidence: float = 1 - ALPHA
    drawn: int = 0
    judged: int = 0
    found: int = 0
    removed: int = 0
    rereviewers: tuple[ReReviewer, ...] = ()
    strata: tuple[tuple[int, int, int, int], ...] = ()
    modelled: tuple[float, float] | None = None
    voided: int = 0
    lifted: tuple[tuple[str, str, bool], ...] = ()

    @property
    def share(self) -> float:
        """The bound as a share of the generated rows."""
        return self.wrong / self.rows if self.rows else 0.0

    @property
    def why_none(self) -> str:
        """Why nothing is known, or empty."""
        if not self.rows or self.wrong < self.rows:
            return ""
        if not self.judged:
            return "no approved row was looked at again by a second person"
        if not all(each.bad_controls for each in self.rereviewers):
            return "how much the re-reviewers overlook is unknown: they answered no known-bad controls"
        return "too few rows were looked at again, or too few controls answered"

    def agrees_with(self, other: ErrorBound) -> bool:
        """Whether another computation from the same events may have given this.

        Counts must be equal. A bound is where a sum of floating-point logarithms crosses a threshold: another
        machine's rounding may move it by one row, and the estimate in its last digits.
        """
        bounds = ("wrong", "if_none_missed", "if_twice_as_hard")
        counts = {*bounds, "modelled"}
        mine, theirs = self.modelled or (-1.0, -1.0), other.modelled or (-1.0, -1.0)
        return (
            self.model_dump(exclude=counts) == other.model_dump(exclude=counts)
            and all(abs(getattr(self, name) - getattr(other, name)) <= 1 for name in bounds)
            and all(abs(a - b) < 1e-6 for a, b in zip(mine, theirs, strict=True))
        )

    def __str__(self) -> str:
        if self.why_none:
            return f"no error bound: {self.why_none}"
        return (
            f"at most {self.wrong} of {self.rows} generated rows wrong ({self.share:.1%}, {self.confidence:.0%}"
            f" confidence; {self.judged} looked at again, {self.found} found wrong)"
        )


def error_bound(
    state: ReviewState,
    facts: Iterable[Facts],
    released: Sequence[str],
    answered: Sequence[ControlAnswer] = (),
) -> ErrorBound:
    """The bound for these generated rows.

    Args:
        released: Ids of the candidates that the release has.
        answered: First answers to controls, void ones left out. Without any the re-reviewers' sensitivity is
            unknown, and so is how many rows are wrong.
    """
    known = {each.candidate_id: each for each in facts}
    rows = set(released)
    judged = {id_: _judged(known.get(id_), id_ in rows) for draw in state.draws for id_ in draw.rows}
    controls = _rereviewers(known, judged, answered)
    answers = [BadControls(each.bad_controls, each.caught) for each in controls]
    cuts = [_strata(state, judged, rows, end) for end in _ends(state, judged, rows)]

    def least(of: Sequence[BadControls] | None, harder: float = 1.0) -> int:
        return min(min(wrong_rows(cut, of, harder=harder) for cut in cuts), len(rows))

    found = [id_ for id_, word in judged.items() if word == "wrong"]
    return ErrorBound(
        rows=len(rows),
        wrong=least(answers),
        if_none_missed=least(None),
        if_twice_as_hard=least(answers, 2.0),
        drawn=len(judged),
        judged=sum(word != "open" for word in judged.values()),
        found=len(found),
        removed=sum(id_ not in rows for id_ in found),
        rereviewers=controls,
        strata=tuple((s.size, s.seen, s.found, s.kept) for s in cuts[-1]),
        modelled=model_based_share(list(_counts(state, known, answered).values())),
        voided=len(state.voided),
        lifted=tuple(
            (q.reviewer, q.by, q.stand) for own in state.quarantines.values() for q in own if q.ended
        ),
    )


def more_for(bound: ErrorBound, max_share: float) -> MoreReviews:
    """How many more re-reviews would bring the bound to at most this share of the rows."""
    strata = [Stratum(*each) for each in bound.strata]
    controls = [BadControls(each.bad_controls, each.caught) for each in bound.rereviewers]
    return more_reviews(strata, controls, _within(max_share))


def _within(max_share: float) -> Callable[[int, int], bool]:
    return lambda wrong, rows: wrong <= max_share * rows


def _judged(facts: Facts | None, released: bool) -> Judged:
    """What the second look says about a row. A rejection that was settled in the row's favour was a false alarm."""
    passed = answered_rereview(facts) if facts is not None else None
    if passed is None:
        return "open"
    skipped = facts is not None and not any(_is_rereview(facts, h.verdict.record_id) for h in facts.verdicts)
    return "right" if passed or (released and not skipped) else "wrong"


def _is_rereview(facts: Facts, record_id: str) -> bool:
    assignment = facts.assignments.get(record_id)
    return assignment is not None and assignment.why == "rereview"


def _ends(state: ReviewState, judged: Mapping[str, Judged], rows: set[str]) -> list[int]:
    """Where the sequence of drawn rows may end: before the first ones without an answer, and after all."""
    order = [id_ for draw in state.draws for id_ in draw.rows]
    waiting = [n for n, id_ in enumerate(order) if judged[id_] == "open" and id_ in rows]
    return [*waiting[:CUTS], len(order)]


def _strata(state: ReviewState, judged: Mapping[str, Judged], rows: set[str], end: int) -> list[Stratum]:
    """The strata as the first `end` drawn rows show them.

    An answer that is missing among them counts as if the row had been found wrong, unless the row has left.
    """
    order = [id_ for draw in state.draws for id_ in draw.rows][:end]
    seen = set(order)
    members = strata_members(state, state.draws)
    strata = []
    for ids in members.values():
        drawn = [id_ for id_ in ids if id_ in seen]
        wrong = [id_ for id_ in drawn if judged[id_] == "wrong" or (judged[id_] == "open" and id_ in rows)]
        strata.append(Stratum(len(ids), len(drawn), len(wrong), sum(id_ in rows for id_ in wrong)))
    never = len(rows - {id_ for ids in members.values() for id_ in ids})
    return [*strata, *([Stratum(never)] if never else [])]


def _rereviewers(
    facts: Mapping[str, Facts], judged: Mapping[str, Judged], answered: Sequence[ControlAnswer]
) -> tuple[ReReviewer, ...]:
    rows: dict[str, int] = defaultdict(int)
    for id_, word in judged.items():
        if word != "open":
            for name in {a.reviewer for a in facts[id_].assignments.values() if a.why == "rereview"}:
                rows[name] += 1
    out = []
    for name in sorted(rows):
        answers = [each.erred for each in answered if each.bad and each.reviewer == name]
        out.append(
            ReReviewer(name=name, rows=rows[name], bad_controls=len(answers), caught=answers.count(False))
        )
    return tuple(out)


def _counts(
    state: ReviewState, facts: Mapping[str, Facts], answered: Sequence[ControlAnswer]
) -> dict[str, ReviewerCounts]:
    """What each reviewer did with candidates and controls, whether it counts at present or not."""
    tally: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for heard in state.verdicts.values():
        verdict = heard.verdict
        assignment = state.assignments.get(verdict.record_id)
        if assignment is None or assignment.why in ("control", "rereview") or verdict.problem is not None:
            continue
        if verdict.candidate_id in facts:
            tally[verdict.reviewer]["approvals" if verdict.decision == "approve" else "rejections"] += 1
    for name, bad, erred in answered:
        tally[name]["bad" if bad else "good"] += 1
        tally[name]["missed" if bad else "refused"] += erred
    return {name: ReviewerCounts(**{"approvals": 0, **each}) for name, each in tally.items()}

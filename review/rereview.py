"""Blind re-review: which approved rows are drawn for a second look, and who takes it.

The draw is uniform: every approved row of a stratum that was not drawn before is as likely as any other. Its
seed is the ledger's head after the approvals, so nobody knows at the time of approving what will be looked at
again. The order of drawing is kept: docs/error-bound.md needs it, for a bound that nobody can improve by
leaving answers out.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedgate.canonical import content_hash
from seedgate.ledger import NewEvent
from seedgate.records import Decision
from seedgate.review.evidence import Facts, fault, in_force
from seedgate.review.more_reviews import next_stratum
from seedgate.review.queue import Place, Waiting
from seedgate.review.state import Draw, ReviewState

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Rereviews", "StratumKey", "answered_rereview", "draw_rows", "plan_rereviews", "strata_members"]

StratumKey = tuple[int, bool]
"""Number of the draw before which a row was approved; whether a reviewer's correction made it."""


def strata_members(state: ReviewState, draws: Iterable[Draw]) -> dict[StratumKey, list[str]]:
    """The rows of each stratum, by the draw that they were first part of."""
    members: dict[StratumKey, list[str]] = defaultdict(list)
    for number, draw in enumerate(draws):
        for id_ in draw.joined:
            born = state.candidates.get(id_)
            members[number, born is not None and born.edited_from is not None].append(id_)
    return dict(members)


def draw_rows(state: ReviewState, decided: Mapping[str, Decision], amount: int, seed: str) -> Draw | None:
    """Draws this many approved rows, from the stratum of which the smallest share was drawn so far.

    Returns:
        None if there is nothing to draw.
    """
    approved = {id_ for id_, decision in decided.items() if decision.outcome == "approved"}
    earlier = {id_ for draw in state.draws for id_ in draw.joined}
    taken = {id_ for draw in state.draws for id_ in draw.rows}
    joined = tuple(id_ for id_ in decided if id_ in approved - earlier)
    members = strata_members(state, [*state.draws, Draw("", joined, ())])
    left = {key: [id_ for id_ in ids if id_ in approved - taken] for key, ids in members.items()}
    drawn = {key: sum(id_ in taken for id_ in ids) for key, ids in members.items()}
    rng = random.Random(f"rereview {seed}")  # noqa: S311 - what it must be is repeatable
    rows: list[str] = []
    while len(rows) < amount and (open_ := [key for key in members if left[key]]):
        at = next_stratum([(len(members[key]), drawn[key]) for key in open_])
        key = open_[at or 0]
        rows.append(left[key].pop(rng.randrange(len(left[key]))))
        drawn[key] += 1
    return Draw("", joined, tuple(rows)) if rows else None


def _to_place_again(
    facts: Mapping[str, Facts], decided: Mapping[str, Decision], state: ReviewState
) -> list[str]:
    """Rows that were drawn and wait for nobody's answer: their record vanished, or its reviewer left."""
    rows = [id_ for draw in state.draws for id_ in draw.rows if id_ in facts]
    return [
        id_
        for id_ in rows
        if decided[id_].outcome == "approved"
        and answered_rereview(facts[id_]) is None
        and not _waits(facts[id_])
    ]


def _waits(facts: Facts) -> bool:
    return any(
        assignment.why == "rereview"
        and assignment.record_id not in facts.lost
        and assignment.reviewer not in facts.retired
        and in_force(facts, facts.opened[assignment.round].guideline_hash)
        for assignment in facts.assignments.values()
    )


def answered_rereview(facts: Facts) -> bool | None:
    """Whether the re-reviewer let the row pass; None if there is no answer that counts.

    A row that its re-reviewer skipped did not pass: what is hard to judge may well be wrong. An account that
    approved the row under another name is no second person: its answer is none.
    """
    own = {
        id_: a
        for id_, a in facts.assignments.items()
        if a.why == "rereview" and a.candidate_id == facts.candidate_id
    }
    first = {h.verdict.user_id for h in facts.verdicts if h.verdict.record_id not in own}
    heard = [
        h
        for h in facts.verdicts
        if h.verdict.record_id in own
        and h.verdict.user_id not in first
        and h.verdict.response_id not in facts.held  # G6 holds here whether the row is released or not
        and fault(facts, h.verdict) is None
    ]
    if heard:
        return max(heard).verdict.decision == "approve"
    return False if own.keys() & facts.skipped else None


@dataclass(frozen=True)
class Rereviews:
    """The second looks of a wave: the rows, and the draw that new ones among them came from."""

    rows: tuple[str, ...] = ()
    draw: Draw | None = None
    seed: str = ""

    def events(self, round_id: str) -> tuple[NewEvent, ...]:
        """What the ledger is told about the draw, together with the round that its rows are placed in."""
        if self.draw is None:
            return ()
        joined = list(self.draw.joined)
        payload = {"seed": self.seed, "joined": content_hash(joined), "rows": list(self.draw.rows)}
        return (NewEvent("rereview.drawn", round_id, payload, f"drawn:{round_id}", (joined,)),)


def plan_rereviews(
    ws: Workspace,
    state: ReviewState,
    facts: Mapping[str, Facts],
    decided: Mapping[str, Decision],
    given: dict[str, list[Place]],
    amount: int,
    rng: random.Random,
) -> Rereviews:
    """Draws rows for a second look and puts them among what everybody is `given`.

    Rows that were drawn earlier and wait for nobody's answer go first. Nothing is drawn where there is nobody
    to look again.
    """
    review = ws.config.review
    people = (tuple(dict.fromkeys(review.reviewers)), review.adjudicator)
    again = _to_place_again(facts, decided, state)[:amount]
    seed = ws.ledger.head()[1]
    draw = None
    if any(d.outcome == "approved" and _free(facts[id_], *people) for id_, d in decided.items()):
        draw = draw_rows(state, decided, amount - len(again), seed)
    rows = [
        id_ for id_ in (*again, *(draw.rows if draw else ())) if _give(id_, facts[id_], given, people, rng)
    ]
    return Rereviews(tuple(rows), draw, seed)


def _give(
    id_: str,
    facts: Facts,
    given: dict[str, list[Place]],
    people: tuple[Sequence[str], str],
    rng: random.Random,
) -> bool:
    """Puts a row at a random place among the records of whoever is free and has the least to do."""
    free = _free(facts, *people)
    if not free:
        return False
    person = min(free, key=lambda name: len(given.get(name, ())))
    own = given.setdefault(person, [])
    own.insert(rng.randint(0, len(own)), Place(Waiting(id_, "", 0, (person,)), "rereview"))
    return True


def _free(facts: Facts, reviewers: Sequence[str], adjudicator: str) -> list[str]:
    """Who may look at a row again: reviewers who had nothing to do with it, else such an adjudicator."""
    involved = {
        assignment.reviewer
        for assignment in facts.assignments.values()
        if assignment.why != "rereview" or assignment.record_id not in facts.lost
    }
    involved |= {heard.verdict.reviewer for heard in facts.verdicts}
    involved |= {settled.adjudication.by for settled in facts.adjudications}
    free = [name for name in reviewers if name not in involved]
    return free or [name for name in (adjudicator,) if name and name not in involved]

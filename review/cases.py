"""Which candidates go before an adjudicator next, and the docket made of them.

Where no adjudicator is named and there is one reviewer only, that reviewer is asked a second time about rows
that clash with a verified seed, shown side by side (G8); never about anything else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from seedgate.canonical import content_hash
from seedgate.errors import InputError
from seedgate.records import Case, Decision, Docket, Verdict
from seedgate.review.case_view import case_fields, case_spec, letters_of
from seedgate.review.evidence import Facts
from seedgate.review.facts import decide_all, facts_of, root_of
from seedgate.review.nearest import NearestSeed
from seedgate.review.record_view import spec_hash
from seedgate.review.rulings import needs_ruling, ruling_fault
from seedgate.review.state import ReviewState

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["DocketPlan", "Judge", "judge_of", "plan_docket"]

MAX_CASES = 1000  # what Argilla lists in one page


class Judge(NamedTuple):
    """Who settles what the reviewers could not, and in which part."""

    name: str
    kind: Literal["adjudication", "second_look"]


@dataclass(frozen=True)
class DocketPlan:
    """A docket that could be opened, with what its event refers to by hash; None if nothing waits.

    Attributes:
        not_shown: Candidate id to why the page cannot show it.
    """

    docket: Docket | None = None
    cases: tuple[Case, ...] = ()
    bodies: tuple[Any, ...] = ()
    not_shown: dict[str, str] = field(default_factory=dict)


def judge_of(ws: Workspace) -> Judge | None:
    """The workspace's adjudicator, else its only reviewer for a second look; None if there is neither."""
    review = ws.config.review
    if review.adjudicator:
        return Judge(review.adjudicator, "adjudication")
    return Judge(review.reviewers[0], "second_look") if len(set(review.reviewers)) == 1 else None


def plan_docket(ws: Workspace, state: ReviewState, judge: Judge) -> DocketPlan:
    """What nobody has put before this person yet."""
    text, guideline_hash = ws.guidelines()
    facts = {each.candidate_id: each for each in facts_of(ws, state, guideline_hash)}
    decided = decide_all(ws, state, guideline_hash)
    due = [
        decided[id_]
        for id_, each in facts.items()
        if needs_ruling(decided[id_])
        and _may(judge, decided[id_], each)
        and not _asked_already(state, judge, decided[id_], each)
    ]
    if not due:
        return DocketPlan()
    id_ = f"{state.short}-docket-{len(state.dockets) + 1}"
    made, bodies, not_shown = _cases(ws, state, decided, due[:MAX_CASES], id_)
    if not made:
        return DocketPlan(not_shown=not_shown)
    letters = {letter for case in made for letter in case.corrections}
    name = f"{ws.config.name}-{judge.kind.replace('_', '-')}-{len(state.dockets) + 1}"
    docket = Docket(
        id=id_,
        kind=judge.kind,
        by=judge.name,
        guideline_hash=guideline_hash,
        guidelines=content_hash(text),
        schema_hash=spec_hash(case_spec(ws.task, text, judge.kind, letters)),
        place=(f"{ws.config.name}-{state.short}-{judge.name}", name),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return DocketPlan(docket, tuple(made), (text, *bodies), not_shown)


def _may(judge: Judge, decision: Decision, facts: Facts) -> bool:
    asked = {a.reviewer for a in facts.assignments.values()} | {h.verdict.reviewer for h in facts.verdicts}
    if judge.kind == "adjudication":
        return judge.name not in asked
    return decision.invariant == "G8" and asked == {judge.name}


def _asked_already(state: ReviewState, judge: Judge, decision: Decision, facts: Facts) -> bool:
    """Whether a case with these verdicts waits for this person, or was answered so that the answer counts."""
    answers = {
        s.adjudication.answer.record_id: s.adjudication
        for s in facts.adjudications
        if s.adjudication.answer is not None
    }
    for case in state.cases.values():
        docket = state.dockets[case.docket]
        if (docket.by, docket.kind, case.candidate_id) != (judge.name, judge.kind, facts.candidate_id):
            continue
        if case.settles < _newest(state, decision) or docket.guideline_hash != facts.guideline_hash:
            continue
        answer = answers.get(case.record_id)
        if ruling_fault(facts, answer) is None if answer else case.record_id not in state.lost:
            return True
    return False


def _newest(state: ReviewState, decision: Decision) -> int:
    return max(state.verdicts[response].seq for response in decision.verdicts)


def _cases(
    ws: Workspace, state: ReviewState, decided: Mapping[str, Decision], due: list[Decision], docket: str
) -> tuple[list[Case], list[dict[str, str]], dict[str, str]]:
    nearest, families = NearestSeed(ws), _families(state, decided)
    made: list[Case] = []
    bodies: list[dict[str, str]] = []
    not_shown: dict[str, str] = {}
    for decision in due:
        id_ = decision.candidate_id
        verdicts = [state.verdicts[response].verdict for response in decision.verdicts]
        letters = letters_of(sorted(verdicts, key=lambda v: (v.submitted_at, v.response_id)))
        corrections = dict(_corrections(state, id_, letters))
        rivals = [other for other in families[root_of(state, id_)] if other != id_]
        comments = {v.comment_hash for v in verdicts if v.comment_hash}
        content = ws.ledger.bodies({id_, *corrections.values(), *rivals, *comments})
        try:
            texts = case_fields(
                ws.task,
                content.get(id_, {}),
                invariant=decision.invariant,
                verdicts={x: (v, content.get(v.comment_hash or "", "")) for x, v in letters.items()},
                corrections={x: content.get(made_of, {}) for x, made_of in corrections.items()},
                seed=nearest.to(content.get(id_, {})),
                rivals=[content[rival] for rival in rivals if rival in content],
            )
        except (InputError, KeyError) as error:
            not_shown[id_] = str(error)
            continue
        bodies.append(texts)
        made.append(
            Case(
                docket=docket,
                candidate_id=id_,
                record_id=content_hash([docket, id_])[:32],
                shown_hash=content_hash(texts),
                settles=_newest(state, decision),
                corrections=corrections,
            )
        )
    return made, bodies, not_shown


def _corrections(
    state: ReviewState, candidate_id: str, letters: Mapping[str, Verdict]
) -> Iterator[tuple[str, str]]:
    """Letters of those whose edit of this candidate passed the filters, and what it made."""
    for letter, verdict in letters.items():
        made = verdict.corrected_hash
        if verdict.decision != "edit" or verdict.candidate_id != candidate_id or made is None:
            continue
        if made in state.candidates and state.candidates[made].edited_from == candidate_id:
            yield letter, made


def _families(state: ReviewState, decided: Mapping[str, Decision]) -> dict[str, list[str]]:
    """Root to those of its family that are approved, or would be without each other (G5)."""
    found: dict[str, list[str]] = defaultdict(list)
    for id_, decision in decided.items():
        if decision.outcome == "approved" or (decision.outcome, decision.invariant) == ("conflict", "G5"):
            found[root_of(state, id_)].append(id_)
    return found

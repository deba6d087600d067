"""From the ledger to the gate: the Facts of every candidate, and the decisions made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.errors import SeedgateError
from seedgate.records import Assignment, Decision
from seedgate.review.checks import ContentChecks
from seedgate.review.evidence import Facts, Heard, Settled
from seedgate.review.gate import decide
from seedgate.review.held import held_approvals
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = [
    "Standing",
    "allow_one_descendant",
    "decide_all",
    "decisions",
    "facts_of",
    "outcomes",
    "root_of",
    "standing",
]


class Standing(NamedTuple):
    """What the ledger says about review as of some event, and the gate's word on every candidate as of then.

    To be read once and handed on: both take time that grows with the ledger.
    """

    state: ReviewState
    decisions: dict[str, Decision]


def standing(ws: Workspace, *, up_to: int | None = None, guideline_hash: str | None = None) -> Standing:
    """State and decisions.

    Args:
        ws: The workspace.
        up_to: Decide as of this event of the ledger; an audit repeats a release so.
        guideline_hash: The guidelines to decide under; the workspace's present ones if not given.
    """
    state = read_state(ws.ledger, up_to=up_to)
    return Standing(state, decide_all(ws, state, guideline_hash or ws.guidelines()[1]))


def decisions(
    ws: Workspace, *, up_to: int | None = None, guideline_hash: str | None = None
) -> dict[str, Decision]:
    """The gate's word on every candidate, by candidate id; the arguments are those of `standing`."""
    return standing(ws, up_to=up_to, guideline_hash=guideline_hash).decisions


def decide_all(ws: Workspace, state: ReviewState, guideline_hash: str) -> dict[str, Decision]:
    """Decisions over a state that was read already."""
    facts = {f.candidate_id: f for f in facts_of(ws, state, guideline_hash)}
    out = {candidate_id: decide(each) for candidate_id, each in facts.items()}
    _check_contents(ws, facts, out)
    allow_one_descendant(state, facts, out)
    return out


def facts_of(ws: Workspace, state: ReviewState, guideline_hash: str) -> Iterator[Facts]:
    """What the ledger alone says about each candidate."""
    compatible = state.compatible_with(guideline_hash)
    on_list = {*ws.config.review.reviewers, ws.config.review.adjudicator, ws.simulated_reviewer}
    asked = {assignment.reviewer for assignment in state.assignments.values()}
    assignments, verdicts = state.of_candidate(), _verdicts_of(state)
    held = held_approvals(state)
    for candidate_id, born in state.candidates.items():
        known = _assignments_of(candidate_id, born.edited_from, assignments)
        settled = _adjudications_of(state, candidate_id, born.edited_from)
        heard = verdicts.get(candidate_id, [])
        if candidate_id in state.reopened:  # a recalled row starts anew: nothing said before counts
            void = state.reopened[candidate_id]
            known = {record_id: a for record_id, a in known.items() if a.round not in void}
            heard = [each for each in heard if each.verdict.round not in void]
        rounds = {assignment.round for assignment in known.values()}
        yield Facts(
            candidate_id=candidate_id,
            guideline_hash=guideline_hash,
            verdicts=tuple(heard),
            assignments=known,
            delivered=frozenset(
                (h.verdict.record_id, h.verdict.dataset_id)
                for h in heard
                if (h.verdict.record_id, h.verdict.dataset_id) in state.delivered
            ),
            opened={id_: state.opened[id_] for id_ in rounds},
            rounds={id_: state.pushed[id_] for id_ in rounds if id_ in state.pushed},
            compatible=compatible,
            simulated_reviewer=ws.simulated_reviewer,
            skipped=frozenset(known.keys() & state.skipped),
            lost=frozenset(known.keys() & state.lost),
            retired=frozenset((asked - on_list) | state.in_quarantine().keys()),
            adjudications=settled,
            **_asked_for(state, settled),
            released=candidate_id in state.released and candidate_id not in state.unreleased,
            recalled=state.recalled.get(candidate_id),
            held={
                h.verdict.response_id: held[h.verdict.response_id]
                for h in verdicts.get(candidate_id, ())
                if h.verdict.response_id in held
            },
        )


def _verdicts_of(state: ReviewState) -> dict[str, list[Heard]]:
    """Candidate id to the verdicts on it and the edits that made it, in the ledger's order."""
    out: dict[str, list[Heard]] = defaultdict(list)
    for heard in sorted(state.verdicts.values()):
        verdict = heard.verdict
        if state.is_control(verdict.record_id):
            continue
        out[verdict.candidate_id].append(heard)
        made = verdict.corrected_hash
        if verdict.decision != "edit" or made is None or made == verdict.candidate_id:
            continue
        born = state.candidates.get(made)
        if born is not None and born.edited_from == verdict.candidate_id:
            out[made].append(heard)
    return out


def _assignments_of(
    candidate_id: str, original: str | None, assignments: Mapping[str, list[Assignment]]
) -> dict[str, Assignment]:
    found = [*assignments.get(candidate_id, ()), *(assignments.get(original, ()) if original else ())]
    return {assignment.record_id: assignment for assignment in found}


def _adjudications_of(state: ReviewState, candidate_id: str, original: str | None) -> tuple[Settled, ...]:
    """Those on a candidate, and those on its original that chose it as the correction."""
    inherited = state.adjudications.get(original, ()) if original else ()
    chosen = [settled for settled in inherited if settled.adjudication.corrected_hash == candidate_id]
    return (*state.adjudications.get(candidate_id, ()), *chosen)


def _asked_for(state: ReviewState, settled: Iterable[Settled]) -> dict[str, Any]:
    """The cases and dockets that the adjudications name, as far as there are such."""
    answers = [s.adjudication.answer for s in settled if s.adjudication.answer is not None]
    return {
        "cases": {a.record_id: state.cases[a.record_id] for a in answers if a.record_id in state.cases},
        "dockets": {
            a.docket: state.pushed_dockets[a.docket] for a in answers if a.docket in state.pushed_dockets
        },
    }


def _check_contents(ws: Workspace, facts: dict[str, Facts], out: dict[str, Decision]) -> None:
    """Looks at the content of those that would be approved: G7, G8 and whether it still fits the task."""
    approved = [candidate_id for candidate_id, decision in out.items() if decision.outcome == "approved"]
    if not approved:
        return
    checks = ContentChecks(ws)
    bodies = ws.ledger.bodies(approved)
    checks.prepare(bodies.values())
    for candidate_id in approved:
        found = checks.of(bodies.get(candidate_id))
        if any(found):
            facts[candidate_id] = replace(
                facts[candidate_id], unfit=found.unfit, leak=found.leak, clash=found.clash
            )
            out[candidate_id] = decide(facts[candidate_id])


def allow_one_descendant(state: ReviewState, facts: Mapping[str, Facts], out: dict[str, Decision]) -> None:
    """G5: of an original and everything that edits made of it, at most one stays approved."""
    families: dict[str, list[str]] = defaultdict(list)
    for candidate_id, decision in out.items():
        if decision.outcome == "approved":
            families[root_of(state, candidate_id)].append(candidate_id)
    for family in families.values():
        if len(family) > 1:
            out.update(_one_of({id_: facts[id_] for id_ in family}, out))


def _one_of(family: Mapping[str, Facts], decided: Mapping[str, Decision]) -> dict[str, Decision]:
    """Decisions over rows of which at most one may stay: the released one, or the one an adjudicator left."""
    rivals = {id_: tuple(other for other in family if other != id_) for id_ in family}
    released = [id_ for id_, each in family.items() if each.released]
    again = {id_: decide(replace(each, rivals=rivals[id_])) for id_, each in family.items()}
    alive = [id_ for id_, decision in again.items() if decision.outcome != "rejected"]
    chosen = released or [id_ for id_ in alive if again[id_].outcome == "approved"]
    if len(alive) == 1 or (len(chosen) == 1 and chosen[0] in alive):
        kept = alive[0] if len(alive) == 1 else chosen[0]
        again[kept] = decided[kept]
    else:
        kept = ""
    for id_ in alive:
        if id_ != kept:
            again[id_] = decide(replace(family[id_], rivals=rivals[id_], adjudications=()))
    return again


def root_of(state: ReviewState, candidate_id: str) -> str:
    """The original that a candidate was corrected from, by however many steps; itself if from none."""
    seen = {candidate_id}
    while (original := state.candidates[candidate_id].edited_from) in state.candidates:
        if original is None or original in seen:
            raise SeedgateError(f"candidate {candidate_id[:12]}: corrected from itself in a circle")
        seen.add(original)
        candidate_id = original
    return candidate_id


def outcomes(found: Iterable[Decision]) -> dict[str, int]:
    """How many decisions there are of each outcome."""
    counts: dict[str, int] = defaultdict(int)
    for decision in found:
        counts[decision.outcome] += 1
    return dict(counts)

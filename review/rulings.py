"""Which adjudications count, for which candidate. Pure, as the gate is that asks."""

from __future__ import annotations

from seedgate.records import Adjudication, CaseAnswer, Decision
from seedgate.review.evidence import STALE, Facts, Fault, Heard, in_force, person

__all__ = ["needs_ruling", "ruling_fault", "ruling_on", "second_look", "upholds"]


def needs_ruling(decision: Decision) -> bool:
    """Whether only an adjudicator can take this candidate further."""
    return decision.outcome == "conflict" or (decision.outcome, decision.invariant) == ("pending", "G8")


def ruling_on(facts: Facts, heard: list[Heard]) -> Adjudication | None:
    """What an adjudicator made of these verdicts: one who is no reviewer of them, and has seen them all."""
    accounts = {h.verdict.user_id for h in facts.verdicts}
    for adjudication in _standing(facts, heard, "adjudication"):
        answer = adjudication.answer
        # By name and by account: a reviewer's account may have been renamed.
        if person(adjudication.by) not in _asked(facts) and (
            answer is None or answer.user_id not in accounts
        ):
            return adjudication
    return None


def second_look(facts: Facts, approvals: list[Heard]) -> Adjudication | None:
    """What the only reviewer said on seeing the row beside the seed that it clashes with (G8)."""
    reviewers = {person(h.verdict.reviewer) for h in approvals}
    for adjudication in _standing(facts, approvals, "second_look"):
        if {person(adjudication.by)} == reviewers == _asked(facts):
            return adjudication
    return None


def upholds(facts: Facts, adjudication: Adjudication) -> bool:
    """Whether it lets this candidate in."""
    if adjudication.candidate_id == facts.candidate_id:
        return adjudication.decision == "approve"
    return adjudication.decision == "correct" and adjudication.corrected_hash == facts.candidate_id


def ruling_fault(facts: Facts, adjudication: Adjudication) -> Fault | None:
    """Why this adjudication cannot count, or None if it counts."""
    answer = adjudication.answer
    found = _answer_fault(facts, adjudication, answer) if answer is not None else None
    if found is not None:
        return found
    if adjudication.decision is None:
        return Fault("G9", "no decision was given")
    if not (facts.released or in_force(facts, adjudication.guideline_hash)):
        return STALE
    return None


def _answer_fault(facts: Facts, adjudication: Adjudication, answer: CaseAnswer) -> Fault | None:
    """As strict as with a verdict: the person asked, the account, the dataset, the texts, the guidelines."""
    if answer.problem is not None:
        return Fault("G9", answer.problem)
    case, pushed = facts.cases.get(answer.record_id), facts.dockets.get(answer.docket)
    if case is None or pushed is None:
        return Fault("G3", "nobody was asked about this record")
    asked = (case.docket, case.candidate_id, case.settles, pushed.docket.by)
    if asked != (answer.docket, adjudication.candidate_id, adjudication.settles, adjudication.by):
        return Fault("G3", f"{adjudication.by} was not asked to settle this")
    if answer.dataset_id != pushed.dataset_id:
        return Fault("G2", "the record is not the one that was pushed")
    if answer.user_id == pushed.pusher:
        return Fault("G3", "given by the account that pushes")
    if answer.user_id != pushed.user_id:
        return Fault("G3", f"not given by the account of {adjudication.by}")
    if answer.shown_hash != case.shown_hash:
        return Fault("G2", "the record showed something else than the case")
    if adjudication.guideline_hash != pushed.docket.guideline_hash:
        return Fault("G2", "the dataset showed other guidelines than the docket's")
    if adjudication.decision == "correct" and adjudication.corrected_hash not in case.corrections.values():
        return Fault("G5", "approves a correction that was not shown")
    return None


def _standing(facts: Facts, heard: list[Heard], kind: str) -> list[Adjudication]:
    """Those of a kind that count and have seen these verdicts, the newest first."""
    newest = max(h.seq for h in heard)
    found = sorted(facts.adjudications, key=lambda settled: settled.seq, reverse=True)
    return [
        adjudication
        for _, adjudication in found
        if _kind(facts, adjudication) == kind
        and facts.candidate_id in (adjudication.candidate_id, adjudication.corrected_hash)
        and adjudication.settles >= newest
        and ruling_fault(facts, adjudication) is None
    ]


def _kind(facts: Facts, adjudication: Adjudication) -> str | None:
    if adjudication.answer is None:
        return "adjudication"
    pushed = facts.dockets.get(adjudication.answer.docket)
    return pushed.docket.kind if pushed else None


def _asked(facts: Facts) -> set[str]:
    """Everybody who was asked about the candidate as a reviewer, or answered."""
    names = [a.reviewer for a in facts.assignments.values()] + [h.verdict.reviewer for h in facts.verdicts]
    return {person(name) for name in names}

"""The gate: what is known about one candidate in, a Decision with its reason out. Pure, and closed by default.

Nothing here reads a file, a clock or a setting: `Facts` holds all that counts. Whoever changes this file
changes what may enter a training set; the invariants G1 to G10 are in docs/design.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from seedgate.records import Adjudication, Decision, Outcome, Verdict
from seedgate.review.evidence import STALE, Facts, Fault, Heard, fault
from seedgate.review.rulings import ruling_on, second_look, upholds

__all__ = ["decide"]


def decide(facts: Facts) -> Decision:
    """The gate's word on one candidate. Approved only if every condition holds; else it says which fails."""
    if facts.recalled is not None:
        return _decision(facts, "void", "G9", f"recalled: {facts.recalled}")
    if facts.leak is not None:
        return _decision(facts, "void", "G7", f"too close to the evaluation set: {facts.leak}")
    latest = _latest(facts)
    faults = {heard: found for heard in latest if (found := fault(facts, heard.verdict)) is not None}
    # A second look only takes away: to approve, others were asked.
    approvals = [
        heard
        for heard in latest
        if heard not in faults and _approves(facts, heard.verdict) and not _second_look(facts, heard.verdict)
    ]
    # A rejection is no weaker for being old: under other guidelines it still asks for a second look.
    refusals = [
        heard
        for heard in latest
        if not _approves(facts, heard.verdict)
        and (heard not in faults or _stale_refusal(faults[heard], heard))
    ]
    if approvals and refusals:
        return _disputed(facts, approvals, refusals)
    if refusals:
        return _refused(facts, refusals)
    if _quorum(facts, approvals) or _chosen_correction(facts, approvals):
        return _approved(facts, approvals)
    return _pending(facts, approvals, faults)


def _latest(facts: Facts) -> list[Heard]:
    """Each account's newest word: one person, one voice."""
    newest: dict[str, Heard] = {}
    for heard in sorted(facts.verdicts, key=lambda heard: heard.seq):
        known = newest.get(heard.verdict.user_id)
        if known is None or _newer(facts, heard, known):
            newest[heard.verdict.user_id] = heard
    return sorted(newest.values(), key=lambda heard: heard.seq)


def _newer(facts: Facts, heard: Heard, known: Heard) -> bool:
    """Whether `heard`, which stands later in the ledger, is the later word, too.

    Argilla's clock says so; but an answer to a round that was pushed after the other answer had been recorded
    is later whatever the clock was set to.
    """
    pushed = facts.rounds.get(heard.verdict.round)
    if pushed is not None and pushed.seq > known.seq:
        return True
    return (heard.verdict.submitted_at, heard.seq) > (known.verdict.submitted_at, known.seq)


def _approves(facts: Facts, verdict: Verdict) -> bool:
    if verdict.candidate_id == facts.candidate_id:
        return verdict.decision == "approve"
    return verdict.decision == "edit" and verdict.corrected_hash == facts.candidate_id


def _second_look(facts: Facts, verdict: Verdict) -> bool:
    assignment = facts.assignments.get(verdict.record_id)
    return assignment is not None and assignment.why == "rereview"


def _stale_refusal(found: Fault, heard: Heard) -> bool:
    verdict = heard.verdict
    changed = verdict.corrected_hash not in (None, verdict.candidate_id)
    return found == STALE and (verdict.decision == "reject" or (verdict.decision == "edit" and changed))


def _quorum(facts: Facts, approvals: list[Heard]) -> bool:
    """Whether the approvals suffice, each by the quorum of the round it was given in."""
    needs = {heard: facts.rounds[heard.verdict.round].round.quorum for heard in approvals}
    for quorum in sorted(set(needs.values())):
        enough = [heard for heard in approvals if needs[heard] <= quorum]
        if len({heard.verdict.reviewer for heard in enough}) >= max(quorum, 1):
            return True
    return False


def _chosen_correction(facts: Facts, approvals: list[Heard]) -> bool:
    """Whether an adjudicator decided a conflict over the original for this correction of it."""
    ruling = ruling_on(facts, approvals) if approvals else None
    return ruling is not None and ruling.decision == "correct" and upholds(facts, ruling)


def _approved(facts: Facts, approvals: list[Heard]) -> Decision:
    ruling = ruling_on(facts, approvals)
    look = second_look(facts, approvals)
    for settled in (ruling, look):
        if settled is not None and not upholds(facts, settled):
            return _overruled(facts, settled, approvals)
    if facts.unfit is not None:
        return _decision(facts, "pending", "G9", f"no example of the task any more: {facts.unfit}", approvals)
    # Who chose a correction has not seen what it clashes with: that is asked about the correction itself.
    if ruling is not None and ruling.decision == "approve":
        return _decision(facts, "approved", "G4", f"settled by {ruling.by}", approvals)
    if facts.rivals:
        reason = f"another correction of the same original is approved: {facts.rivals[0][:12]}"
        return _decision(facts, "conflict", "G5", reason, approvals)
    if facts.clash is not None and look is None:
        return _decision(facts, "pending", "G8", f"needs adjudication: {facts.clash}", approvals)
    said = f"settled by {ruling.by}" if ruling else f"approved by {', '.join(_names(approvals))}"
    return _decision(facts, "approved", "G4", said, approvals)


def _disputed(facts: Facts, approvals: list[Heard], refusals: list[Heard]) -> Decision:
    ruling = ruling_on(facts, [*approvals, *refusals])
    if ruling is not None:
        upheld = upholds(facts, ruling)
        return _approved(facts, approvals) if upheld else _overruled(facts, ruling, refusals)
    reason = f"{', '.join(_names(approvals))} approved, {', '.join(_names(refusals))} did not"
    return _decision(facts, "conflict", "G4", reason, [*approvals, *refusals])


def _overruled(facts: Facts, ruling: Adjudication, heard: list[Heard]) -> Decision:
    if ruling.decision == "correct":
        reason = f"settled by {ruling.by}, who chose the correction {str(ruling.corrected_hash)[:12]}"
        return _decision(facts, "rejected", "G5", reason, heard)
    return _decision(facts, "rejected", "G4", f"settled by {ruling.by}", heard)


def _refused(facts: Facts, refusals: list[Heard]) -> Decision:
    waiting = _waiting(facts)
    if waiting:
        names = ", ".join(_names(refusals))
        return _decision(facts, "pending", "G4", f"refused by {names}; waiting for {waiting[0]}", refusals)
    edits = [h.verdict for h in refusals if h.verdict.decision == "edit"]
    if edits:
        reason = f"edited by {edits[-1].reviewer} into {str(edits[-1].corrected_hash)[:12]}"
        return _decision(facts, "rejected", "G5", reason, refusals)
    codes = sorted({code for h in refusals for code in h.verdict.reasons})
    said = f" ({', '.join(codes)})" if codes else ""
    return _decision(facts, "rejected", "G4", f"rejected by {', '.join(_names(refusals))}{said}", refusals)


def _pending(facts: Facts, approvals: list[Heard], faults: Mapping[Heard, Fault]) -> Decision:
    heard = [*approvals, *faults]
    if faults:
        newest = max(faults)
        said = f"verdict of {newest.verdict.reviewer}: {faults[newest].reason}"
        return _decision(facts, "pending", faults[newest].invariant, said, heard)
    waiting = _waiting(facts)
    if waiting:
        return _decision(facts, "pending", "G4", f"waiting for {', '.join(waiting)}", heard)
    if approvals:
        return _decision(facts, "pending", "G4", "too few approvals: one more reviewer is needed", heard)
    own = [a for a in facts.assignments.values() if a.candidate_id == facts.candidate_id]
    if not own:
        return _decision(facts, "pending", "G1", "nobody has been asked yet", heard)
    if any(a.record_id in facts.lost for a in own):
        return _decision(facts, "pending", "G9", "its record vanished from Argilla unanswered", heard)
    return _decision(facts, "pending", "G3", "skipped by its reviewer", heard)


def _waiting(facts: Facts) -> list[str]:
    """Reviewers who were asked about this candidate and may still answer."""
    answered = {heard.verdict.record_id for heard in facts.verdicts}
    closed = answered | facts.skipped | facts.lost
    return sorted(
        assignment.reviewer
        for assignment in facts.assignments.values()
        if assignment.candidate_id == facts.candidate_id
        and assignment.why != "rereview"
        and assignment.record_id not in closed
        and assignment.reviewer not in facts.retired
    )


def _names(heard: Iterable[Heard]) -> list[str]:
    return sorted({h.verdict.reviewer for h in heard})


def _decision(
    facts: Facts, outcome: Outcome, invariant: str, reason: str, heard: Iterable[Heard] = ()
) -> Decision:
    rests_on = list(heard)
    approvals = [h for h in rests_on if _approves(facts, h.verdict) and fault(facts, h.verdict) is None]
    quorums = [facts.rounds[h.verdict.round].round.quorum for h in approvals]
    return Decision(
        candidate_id=facts.candidate_id,
        outcome=outcome,
        reason=reason,
        invariant=invariant,
        approvers=tuple(_names(approvals)),
        verdicts=tuple(h.verdict.response_id for h in rests_on),
        rounds=tuple(dict.fromkeys(h.verdict.round for h in rests_on)),
        simulated=any(h.verdict.simulated for h in approvals),
        guideline_hash=max(approvals).verdict.guideline_hash if approvals else None,
        quorum=max(quorums, default=None),
    )

"""G6 as the gate reads it: which approvals do not count for now, from events and submission times alone."""

from __future__ import annotations

from seedgate.review.pace import stamped
from seedgate.review.state import ReviewState

__all__ = ["held_approvals", "released_in_doubt"]


def held_approvals(state: ReviewState) -> dict[str, str]:
    """Response id of each approval or edit that does not count for now, and why."""
    held = {
        id_: f"submitted {gap:.1f} s from another answer of {state.verdicts[id_].verdict.reviewer}: nobody read it"
        for id_, gap in stamped(state).items()
    }
    for id_, heard in state.verdicts.items():
        name = heard.verdict.reviewer
        if any(each.holds(heard.seq) for each in state.quarantines.get(name, ())):
            held[id_] = f"the approvals of {name} are in quarantine"
    return {id_: why for id_, why in held.items() if state.verdicts[id_].verdict.decision != "reject"}


def released_in_doubt(state: ReviewState) -> dict[str, str]:
    """Released candidates that rest on an approval in quarantine, and whose it is: to be reviewed again."""
    found = {}
    for heard in state.verdicts.values():
        verdict = heard.verdict
        id_ = verdict.corrected_hash if verdict.decision == "edit" else verdict.candidate_id
        if (
            id_ in state.released
            and verdict.decision in ("approve", "edit")
            and not state.is_control(verdict.record_id)
            and any(each.holds(heard.seq) for each in state.quarantines.get(verdict.reviewer, ()))
        ):
            found[str(id_)] = verdict.reviewer
    return found

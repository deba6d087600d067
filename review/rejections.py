"""What review says to the next generation: what became of each candidate, and which rejections can be repaired.

Only the gate's own decisions count, and of them the verdicts that they rest on. So a control's verdict is never
among them: that a control was rejected would tell which records are controls.
"""

from __future__ import annotations

from collections.abc import Iterable

from seedgate.generator import Rejected, Reviewed
from seedgate.records import Decision, Example, Verdict
from seedgate.review.facts import Standing, standing
from seedgate.review.learnt_from import decided_facts
from seedgate.review.state import ReviewState
from seedgate.workspace import Workspace

__all__ = ["reviewed"]

BEYOND_REPAIR = frozenset({"unsafe", "personal_data"})
"""Reasons after which a text goes into no prompt."""


def reviewed(ws: Workspace, up_to: int | None = None, now: Standing | None = None) -> Reviewed:
    """Outcomes and rejections.

    Args:
        ws: The workspace.
        up_to: As of this event of the ledger; the newest one if not given.
        now: State and decisions as of then, if they are known already.
    """
    state, decided = now or standing(ws, up_to=up_to)
    beyond = _beyond_repair(state)
    refusals = {
        id_: said for id_, each in decided.items() if id_ not in beyond and (said := _refusals(state, each))
    }
    bodies = ws.ledger.bodies(refusals)
    comments = ws.ledger.bodies(v.comment_hash for said in refusals.values() for v in said if v.comment_hash)
    tags = _tags(ws, refusals)
    order = sorted(refusals.keys() & bodies.keys(), key=lambda id_: _place(state, refusals[id_]))
    return Reviewed(
        outcomes={id_: each.outcome for id_, each in decided.items()},
        rejected=tuple(
            Rejected(
                Example(fields=bodies[id_], tags=tags.get(id_, ())),
                tuple(dict.fromkeys(code for verdict in refusals[id_] for code in verdict.reasons)),
                "\n".join(str(comments[v.comment_hash]) for v in refusals[id_] if v.comment_hash in comments),
            )
            for id_ in order
        ),
        decided=decided_facts(ws, state, decided),
    )


def _refusals(state: ReviewState, decision: Decision) -> list[Verdict]:
    """The rejections that a decision rests on, if they say what is wrong."""
    if decision.outcome != "rejected":
        return []
    heard = [state.verdicts[id_].verdict for id_ in decision.verdicts if id_ in state.verdicts]
    if any(verdict.decision != "reject" for verdict in heard):  # corrected already, or others approved it
        return []
    return [verdict for verdict in heard if verdict.reasons or verdict.comment_hash]


def _beyond_repair(state: ReviewState) -> set[str]:
    """Candidates of which anybody said so, in whatever round, whether or not the verdict counts."""
    return {
        heard.verdict.candidate_id
        for heard in state.verdicts.values()
        if BEYOND_REPAIR & set(heard.verdict.reasons) and not state.is_control(heard.verdict.record_id)
    }


def _place(state: ReviewState, verdicts: list[Verdict]) -> int:
    """Where the first of them stands in the ledger."""
    return min(state.verdicts[verdict.response_id].seq for verdict in verdicts)


def _tags(ws: Workspace, ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    wanted = set(ids)
    return {
        event.subject: tuple(event.payload.get("example", {}).get("tags", ()))
        for event in (ws.ledger.events("candidate.created") if wanted else ())
        if event.subject in wanted
    }

"""G6: whose approvals are set aside, why, and how an adjudicator lifts it. All of it events; the gate reads those.

A reviewer goes into quarantine when a sequential test on their bad controls shows a miss rate above policy, or
when they stamp again and again. The test is an e-process (`seedgate.review.anytime`): false quarantine of
somebody whose miss rate is within policy has probability `ALPHA` at most, over any horizon. Pull and release
run the measurement; what it finds is appended once per window, and a window begins where a quarantine ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from seedgate.errors import InputError, RefusedError
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Verdict
from seedgate.review.adjudication import check_adjudicator
from seedgate.review.anytime import evidence_above
from seedgate.review.pace import stamped
from seedgate.review.state import Control, ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = [
    "ALPHA",
    "allowed_misses",
    "answered_controls",
    "end_quarantine",
    "quarantine_due",
    "strongest_evidence",
    "void_control",
    "window_start",
]

ALPHA = 0.01
"""Probability that somebody within policy ever gets into quarantine for missed controls."""

STAMPS = 10
"""Submissions in one window that nobody can have read, from which they are a habit and no slip."""


def quarantine_due(ws: Workspace, lease: Lease) -> tuple[str, ...]:
    """Runs the measurement and appends the quarantines that are due; who got into one, and why.

    Args:
        ws: The workspace.
        lease: Of the stage that runs it.
    """
    state = read_state(ws.ledger)
    most = ws.config.review.max_miss_rate
    names = dict.fromkeys(a.reviewer for a in state.assignments.values())
    resting = state.in_quarantine()
    due = [event for name in names if name not in resting and (event := _due(state, name, most)) is not None]
    written = ws.ledger.append(due, lease=lease) if due else []
    return tuple(f"{event.subject}: {event.payload['why']}" for event in written)


def _due(state: ReviewState, name: str, most: float) -> NewEvent | None:
    since = window_start(state, name)
    answers = [a for a in answered_controls(state, name) if a[0].truth == "bad" and a[1] > since]
    most = allowed_misses(state, (v for _, _, v in answers), most)
    evidence, at = strongest_evidence([v.decision == "approve" for _, _, v in answers], most)
    if evidence >= 1 / ALPHA:
        missed = [c.record_id for c, _, v in answers[:at] if v.decision == "approve"]
        why = f"approved {len(missed)} of {at} wrong controls; policy allows {most:.0%}"
        return _started(name, since, why, missed, {"max_miss_rate": most, "alpha": ALPHA})
    by_response = {
        id_: h for id_, h in state.verdicts.items() if h.verdict.reviewer == name and h.seq > since
    }
    quick = [by_response[id_].verdict.record_id for id_ in stamped(state) if id_ in by_response]
    if len(quick) >= STAMPS:
        why = f"submitted {len(quick)} answers faster than anybody can read"
        return _started(name, since, why, quick, {"stamps": STAMPS})
    return None


def _started(name: str, since: int, why: str, evidence: list[str], policy: dict[str, float]) -> NewEvent:
    payload = {"since": since, "why": why, "evidence": evidence, "policy": policy}
    return NewEvent("quarantine.started", name, payload, f"quarantine:{name}:{since}")


def window_start(state: ReviewState, name: str) -> int:
    """Number of the event after which this reviewer is measured: the end of the last quarantine, else 0."""
    return max((each.ended or 0 for each in state.quarantines.get(name, ())), default=0)


def answered_controls(state: ReviewState, name: str) -> list[tuple[Control, int, Verdict]]:
    """A reviewer's controls with the first answer to each, in the ledger's order; voided ones are left out."""
    return [
        (state.controls[record_id], heard.seq, heard.verdict)
        for record_id, heard in sorted(state.control_answers.items(), key=lambda item: item[1].seq)
        if state.controls[record_id].reviewer == name
        and record_id not in state.voided
        and state.is_control(record_id)
    ]


def allowed_misses(state: ReviewState, answers: Iterable[Verdict], most: float) -> float:
    """The strictest miss rate of today's setting and of the rounds in which the controls were answered."""
    return min([most, *(state.opened[v.round].max_miss_rate for v in answers if v.round in state.opened)])


def strongest_evidence(missed: list[bool], most: float) -> tuple[float, int]:
    """The e-process's highest value so far that a miss rate is above `most`, and after how many controls."""
    best, at, misses = 1.0, 0, 0
    for n, miss in enumerate(missed, 1):
        misses += miss
        value = evidence_above(misses, n, most) if miss else 0.0
        if value > best:
            best, at = value, n
    return best, at


# -- what an adjudicator does ----------------------------------------------------------------------------


def void_control(ws: Workspace, record_id: str, *, by: str, statement: str) -> Control:
    """Takes a disputed control out of its reviewer's measure.

    Args:
        ws: The workspace.
        record_id: Id of the control's record, at least its first 8 characters.
        by: The workspace's adjudicator; none of its reviewers.
        statement: Why its truth is disputed.

    Raises:
        InputError: No answered control has this id, or there is no statement.
        RefusedError: `by` may not decide this.
    """
    state = read_state(ws.ledger)
    check_adjudicator(ws, state, by)
    # Only what was answered: to name an open one would tell that it is a control.
    found = [id_ for id_ in state.control_answers if len(record_id) >= 8 and id_.startswith(record_id)]
    if len(found) != 1:
        raise InputError(f"record {record_id!r}: no control that was answered has this id")
    _said(statement, "say why the control is void")
    payload = {"by": by, "statement": statement}
    ws.ledger.append([NewEvent("control.voided", found[0], payload, f"voided:{found[0]}")])
    return state.controls[found[0]]


def end_quarantine(ws: Workspace, reviewer: str, *, by: str, statement: str, stand: bool = False) -> None:
    """Lets a reviewer's approvals count again from now on; a new window begins.

    Args:
        ws: The workspace.
        reviewer: Whose quarantine.
        by: The workspace's adjudicator; none of its reviewers.
        statement: Why.
        stand: Whether the approvals that were set aside count after all; else they stay pending, and their
            candidates go before reviewers again.

    Raises:
        RefusedError: The reviewer is in no quarantine, or `by` may not decide this.
        InputError: There is no statement.
    """
    state = read_state(ws.ledger)
    check_adjudicator(ws, state, by)
    lasting = state.in_quarantine().get(reviewer)
    if lasting is None:
        raise RefusedError(f"{reviewer!r} is in no quarantine")
    _said(statement, "say why the quarantine ends")
    payload = {"by": by, "statement": statement, "stand": stand}
    ws.ledger.append([NewEvent("quarantine.ended", reviewer, payload, f"quarantine.ended:{lasting.started}")])


def _said(statement: str, otherwise: str) -> None:
    if not statement.strip():
        raise InputError(otherwise)

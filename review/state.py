"""What the ledger says about review, read in one pass: the ground that push, pull, gate and status stand on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from seedgate.errors import LedgerError
from seedgate.ledger import Event, Ledger
from seedgate.records import Adjudication, Assignment, Case, Docket, Round, Verdict
from seedgate.review.evidence import Heard, PushedDocket, PushedRound, Settled

__all__ = ["Born", "Control", "Draw", "Quarantine", "ReviewState", "read_state"]

GONE = ("dataset gone", "record gone")
"""Anomalies after which an unanswered assignment can't be answered any more."""


class Born(NamedTuple):
    """Where a candidate came from: its cycle, and the candidate it was corrected from, if any."""

    cycle: int
    edited_from: str | None


class Draw(NamedTuple):
    """Approved rows drawn for blind re-review.

    Attributes:
        round: The round that they are placed in.
        joined: Rows that had been approved since the draw before, and could be drawn from here on.
        rows: Those that were drawn, in order.
    """

    round: str
    joined: tuple[str, ...]
    rows: tuple[str, ...]


class Control(NamedTuple):
    """A record whose right answer is known; its verdict says something about the reviewer alone.

    Attributes:
        truth: Whether the example is `good` or `bad`.
        corruption: What makes it bad, or where a good one comes from.
        sources: Ids of the candidates or seeds that it was made of.
    """

    record_id: str
    candidate_id: str
    reviewer: str
    truth: str
    corruption: str
    sources: tuple[str, ...]


class Quarantine(NamedTuple):
    """A reviewer's approvals set aside (G6): those given after event `since`, up to `ended` if it has ended.

    Attributes:
        started, ended: Numbers of the events; `ended` is None while it lasts.
        stand: Whether the adjudicator who ended it, `by`, let these approvals count after all.
    """

    reviewer: str
    since: int
    started: int
    why: str
    ended: int | None = None
    stand: bool = False
    by: str = ""

    def holds(self, seq: int) -> bool:
        """Whether an approval that is event `seq` does not count."""
        return not self.stand and self.since < seq and (self.ended is None or seq <= self.ended)


@dataclass
class ReviewState:
    """Everything about review that is in the ledger up to event `head`.

    Attributes:
        first_hash: Hash of the ledger's first event: tells workspaces on one Argilla apart.
        opened: Every round, in order; `pushed` those whose records are before their reviewers.
        assignments: By record id.
        delivered: (record id, dataset id) pairs.
        verdicts: The standing verdict of each response, by response id.
        keys: Response id to the key of the event that its standing verdict or adjudication stands in.
        skipped: Record ids that their reviewer discarded last.
        lost: Record ids that are gone from Argilla.
        dockets: Every docket, in order; `pushed_dockets` those whose records are before the person asked.
        cases: By record id.
        adjudications: Candidate id to the standing ones.
        released: Candidate id to the last release that has it.
        recalled: Candidate id to why it was taken out of a release, or redacted.
        redacted: Ids of rows whose content was removed for good.
        reopened: Candidate id to the rounds that its reopening after a recall made void; `unreleased` are
            those of them that are in no release made since.
        draws: What was drawn for blind re-review, in order.
        controls: Record id to what is known about it, for records that are controls.
        control_answers: Record id of a control to its first answer; second thoughts mend nothing.
        voided: Record ids of controls that an adjudicator declared void.
        quarantines: Reviewer to their quarantines, in order.
    """

    head: int = 0
    first_hash: str = ""
    candidates: dict[str, Born] = field(default_factory=dict)
    opened: dict[str, Round] = field(default_factory=dict)
    pushed: dict[str, PushedRound] = field(default_factory=dict)
    datasets: dict[str, dict[str, str]] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    delivered: set[tuple[str, str]] = field(default_factory=set)
    verdicts: dict[str, Heard] = field(default_factory=dict)
    keys: dict[str, str | None] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    dockets: dict[str, Docket] = field(default_factory=dict)
    pushed_dockets: dict[str, PushedDocket] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    adjudications: dict[str, list[Settled]] = field(default_factory=lambda: defaultdict(list))
    compatible: set[frozenset[str]] = field(default_factory=set)
    released: dict[str, str] = field(default_factory=dict)
    recalled: dict[str, str] = field(default_factory=dict)
    redacted: set[str] = field(default_factory=set)
    reopened: dict[str, frozenset[str]] = field(default_factory=dict)
    unreleased: set[str] = field(default_factory=set)
    draws: list[Draw] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    control_answers: dict[str, Heard] = field(default_factory=dict)
    voided: set[str] = field(default_factory=set)
    quarantines: dict[str, list[Quarantine]] = field(default_factory=lambda: defaultdict(list))

    @property
    def short(self) -> str:
        """A short id of the workspace, for names in Argilla."""
        return self.first_hash[:8]

    def half_pushed(self) -> Round | None:
        """The round that a killed push left behind, if any."""
        return next((r for r in self.opened.values() if r.id not in self.pushed), None)

    def rulings(self) -> dict[str, Settled]:
        """The standing adjudications that were given in Argilla, by response id."""
        given = (settled for each in self.adjudications.values() for settled in each)
        return {s.adjudication.answer.response_id: s for s in given if s.adjudication.answer is not None}

    def of_candidate(self) -> dict[str, list[Assignment]]:
        """Candidate id to its assignments; a control is none, even where it shows a candidate."""
        out: dict[str, list[Assignment]] = defaultdict(list)
        for assignment in self.assignments.values():
            if assignment.why != "control":
                out[assignment.candidate_id].append(assignment)
        return out

    def is_rereview(self, record_id: str) -> bool:
        """Whether this record shows an approved row for a second look."""
        assignment = self.assignments.get(record_id)
        return assignment is not None and assignment.why == "rereview"

    def open_rereviews(self) -> set[str]:
        """Record ids of re-reviews that wait for an answer; no wave and no cycle waits for them."""
        closed = self.answered() | self.skipped | self.lost
        return {
            a.record_id
            for a in self.assignments.values()
            if a.why == "rereview" and a.record_id not in closed and a.round in self.pushed
        }

    def is_control(self, record_id: str) -> bool:
        """Whether this record was placed as a control."""
        assignment = self.assignments.get(record_id)
        return assignment is not None and assignment.why == "control"

    def open_controls(self) -> list[Control]:
        """Controls that their reviewer has not answered yet and still may."""
        closed = self.answered() | self.skipped | self.lost
        return [control for id_, control in self.controls.items() if id_ not in closed]

    def in_quarantine(self) -> dict[str, Quarantine]:
        """Reviewer to the quarantine that lasts now."""
        newest = {name: own[-1] for name, own in self.quarantines.items() if own}
        return {name: each for name, each in newest.items() if each.ended is None}

    def answered(self) -> set[str]:
        """Record ids with a standing verdict."""
        return {heard.verdict.record_id for heard in self.verdicts.values()}

    def compatible_with(self, guideline_hash: str) -> frozenset[str]:
        """Guideline versions under which approvals count as under this one."""
        pairs = [pair for pair in self.compatible if guideline_hash in pair]
        return frozenset(version for pair in pairs for version in pair) - {guideline_hash}


def read_state(
    ledger: Ledger, *, up_to: int | None = None, purpose: Literal["candidates", "seeds"] = "candidates"
) -> ReviewState:
    """Reads the ledger's events about review, in order.

    Args:
        ledger: The workspace's.
        up_to: Number of the last event to take into account; all if not given.
        purpose: Which rounds to read: a verdict on a seed must never speak of a candidate of the same
            content, nor the other way round.

    Raises:
        LedgerError: An event about review is none that seedgate writes.
    """
    state = ReviewState()
    folds = _FOLDS if purpose == "candidates" else _SEED_FOLDS
    others: set[str] = set()
    for event in ledger.events(*folds):
        if up_to is not None and event.seq > up_to:
            break
        if _is_elsewhere(event, purpose, others):
            continue
        try:
            folds[event.kind](state, event, ledger)
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # pydantic's are ValueErrors
            raise LedgerError(
                f"event {event.seq} ({event.kind}) was not written by seedgate: its payload does not fit",
                hint="run `seedgate audit`; restore a backup from before it",
            ) from error
        state.head = event.seq
    return state


def _is_elsewhere(event: Event, purpose: str, others: set[str]) -> bool:
    """Whether an event belongs to a round of the other purpose; those are noted in `others`."""
    round_id = event.payload.get("round")
    if event.kind == "round.opened":
        if event.payload["round"].get("purpose", "candidates") != purpose:
            others.add(event.subject)
        return event.subject in others
    return (event.subject if event.kind == "round.pushed" else round_id) in others


def _workspace(state: ReviewState, event: Event, _: Ledger) -> None:
    state.first_hash = state.first_hash or event.hash


def _candidate(state: ReviewState, event: Event, _: Ledger) -> None:
    provenance = event.payload["provenance"]
    state.candidates[event.subject] = Born(provenance["cycle"], provenance.get("edited_from"))


def _seed(state: ReviewState, event: Event, _: Ledger) -> None:
    state.candidates[event.subject] = Born(0, event.payload.get("edited_from"))


def _round_opened(state: ReviewState, event: Event, _: Ledger) -> None:
    state.opened[event.subject] = Round.model_validate(event.payload["round"])
    for item in event.payload["assignments"]:
        assignment = Assignment.model_validate(item)
        state.assignments[assignment.record_id] = assignment


def _drawn(state: ReviewState, event: Event, ledger: Ledger) -> None:
    joined = ledger.body(event.payload["joined"])
    state.draws.append(Draw(event.subject, tuple(joined), tuple(event.payload["rows"])))


def _control_made(state: ReviewState, event: Event, _: Ledger) -> None:
    payload = event.payload
    state.controls[event.subject] = Control(
        event.subject,
        payload["candidate_id"],
        payload["reviewer"],
        payload["truth"],
        payload["corruption"],
        tuple(payload["sources"]),
    )


def _control_voided(state: ReviewState, event: Event, _: Ledger) -> None:
    state.voided.add(event.subject)


def _quarantine_started(state: ReviewState, event: Event, _: Ledger) -> None:
    payload = event.payload
    started = Quarantine(event.subject, payload["since"], event.seq, payload["why"])
    state.quarantines[event.subject].append(started)


def _quarantine_ended(state: ReviewState, event: Event, _: Ledger) -> None:
    own = state.quarantines[event.subject]
    if own:
        stand, by = bool(event.payload.get("stand")), str(event.payload.get("by", ""))
        own[-1] = own[-1]._replace(ended=event.seq, stand=stand, by=by)


def _record_pushed(state: ReviewState, event: Event, _: Ledger) -> None:
    state.delivered.add((event.subject, event.payload["dataset_id"]))


def _round_pushed(state: ReviewState, event: Event, _: Ledger) -> None:
    payload = event.payload
    state.pushed[event.subject] = PushedRound(
        state.opened[event.subject], dict(payload["users"]), payload["pusher"], event.seq
    )
    state.datasets[event.subject] = dict(payload["datasets"])


def _verdict(state: ReviewState, event: Event, _: Ledger) -> None:
    verdict = Verdict.model_validate(event.payload)
    state.verdicts[verdict.response_id] = Heard(event.seq, verdict)
    state.keys[verdict.response_id] = event.key
    state.skipped.discard(verdict.record_id)
    if verdict.record_id in state.controls and verdict.problem is None and verdict.decision is not None:
        state.control_answers.setdefault(verdict.record_id, Heard(event.seq, verdict))


def _verdict_changed(state: ReviewState, event: Event, _: Ledger) -> None:
    # What it changed into, if it is an answer again, follows as a verdict of its own.
    state.verdicts.pop(event.payload["response_id"], None)


def _skipped(state: ReviewState, event: Event, _: Ledger) -> None:
    state.skipped.add(event.subject)


def _anomaly(state: ReviewState, event: Event, _: Ledger) -> None:
    if event.payload["what"] in GONE:
        state.lost.update(event.payload.get("record_ids", ()))


def _compatible(state: ReviewState, event: Event, _: Ledger) -> None:
    state.compatible.add(frozenset((event.subject, event.payload["with"])))


def _docket_opened(state: ReviewState, event: Event, _: Ledger) -> None:
    state.dockets[event.subject] = Docket.model_validate(event.payload["docket"])
    for item in event.payload["cases"]:
        case = Case.model_validate(item)
        state.cases[case.record_id] = case


def _docket_pushed(state: ReviewState, event: Event, _: Ledger) -> None:
    payload = event.payload
    state.pushed_dockets[event.subject] = PushedDocket(
        state.dockets[event.subject], payload["dataset_id"], payload["user_id"], payload["pusher"]
    )


def _adjudication(state: ReviewState, event: Event, _: Ledger) -> None:
    settled = Settled(event.seq, Adjudication.model_validate(event.payload))
    answer = settled.adjudication.answer
    if answer is not None:
        _forget(state, event.subject, answer.response_id)
        state.keys[answer.response_id] = event.key
    state.adjudications[event.subject].append(settled)


def _adjudication_changed(state: ReviewState, event: Event, _: Ledger) -> None:
    # What it changed into, if it is an answer again, follows as an adjudication of its own.
    _forget(state, event.subject, event.payload["response_id"])


def _forget(state: ReviewState, candidate_id: str, response_id: str) -> None:
    state.adjudications[candidate_id] = [
        settled
        for settled in state.adjudications[candidate_id]
        if settled.adjudication.answer is None or settled.adjudication.answer.response_id != response_id
    ]


def _release(state: ReviewState, event: Event, ledger: Ledger) -> None:
    digest = event.payload.get("ids")
    for candidate_id in ledger.body(digest) if digest else ():
        state.released[candidate_id] = event.subject
        state.unreleased.discard(candidate_id)


def _recalled(state: ReviewState, event: Event, _: Ledger) -> None:
    if event.subject in state.redacted:
        return
    state.recalled[event.subject] = str(event.payload.get("reason", "recalled"))


def _redacted(state: ReviewState, event: Event, _: Ledger) -> None:
    rows = set(event.payload["rows"])
    state.redacted |= rows
    state.recalled |= dict.fromkeys(rows, f"redacted by {event.payload['by']}")
    state.lost |= {a.record_id for a in state.assignments.values() if a.candidate_id in rows}


def _reopened(state: ReviewState, event: Event, _: Ledger) -> None:
    if event.subject not in state.redacted:
        state.recalled.pop(event.subject, None)
        state.reopened[event.subject] = frozenset(state.opened)
        state.unreleased.add(event.subject)


_Fold = Callable[[ReviewState, Event, Ledger], Any]
_FOLDS: dict[str, _Fold] = {
    "workspace.created": _workspace,
    "candidate.created": _candidate,
    "round.opened": _round_opened,
    "rereview.drawn": _drawn,
    "control.made": _control_made,
    "control.voided": _control_voided,
    "quarantine.started": _quarantine_started,
    "quarantine.ended": _quarantine_ended,
    "record.pushed": _record_pushed,
    "round.pushed": _round_pushed,
    "verdict.recorded": _verdict,
    "verdict.changed": _verdict_changed,
    "record.skipped": _skipped,
    "review.anomaly": _anomaly,
    "guidelines.compatible": _compatible,
    "docket.opened": _docket_opened,
    "docket.pushed": _docket_pushed,
    "adjudication.recorded": _adjudication,
    "adjudication.changed": _adjudication_changed,
    "release.created": _release,
    "row.recalled": _recalled,
    "row.reopened": _reopened,
    "body.redacted": _redacted,
}
_SEED_FOLDS: dict[str, _Fold] = {"seed.added": _seed} | {
    kind: _FOLDS[kind]
    for kind in (
        "workspace.created",
        "round.opened",
        "record.pushed",
        "round.pushed",
        "verdict.recorded",
        "verdict.changed",
        "record.skipped",
        "review.anomaly",
        "guidelines.compatible",
    )
}

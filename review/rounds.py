"""Push: open a round in the ledger, then bring Argilla to what the ledger says.

A round is written down first, with every assignment and every text it will show, in one transaction. What
follows only creates what is missing, so a push that was killed is completed by running it again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError, RefusedError
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Assignment, Round, dump
from seedgate.review.board import Board, DatasetSpec
from seedgate.review.connect import connect
from seedgate.review.delivery import Delivery, deliver
from seedgate.review.facts import decide_all, facts_of
from seedgate.review.nearest import NearestSeed
from seedgate.review.queue import Place, Waiting, choose, open_of, reviewers_left, spread
from seedgate.review.record_view import dataset_spec, record_fields, spec_hash
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Progress", "PushReport", "push"]

MAX_WAVE = 1000  # what Argilla lists in one page
_REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

Progress = Callable[[int, int], None]
"""Called with how many records are done, and of how many."""


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Attributes:
        round: Id of the round that is before reviewers now; None if none was opened.
        wave: Its number.
        candidates: How many candidates it has.
        records: Reviewer to the number of records.
        places: Reviewer to (Argilla workspace, Argilla dataset) names.
        created: Records that this run created in Argilla.
        resumed: Whether it completed a round that an earlier push left half done.
        open: Records that wait for an answer: why nothing new was pushed, if nothing was.
        not_shown: Candidate id to why the page cannot show it; they stay pending.
        url: Where reviewers sign in; empty for a dry run.
        dry_run: Nothing was written.
    """

    round: str | None = None
    wave: int | None = None
    candidates: int = 0
    records: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    created: int = 0
    resumed: bool = False
    open: int = 0
    not_shown: dict[str, str] = field(default_factory=dict)
    url: str = ""
    dry_run: bool = False


def push(
    ws: Workspace,
    *,
    cycle: int,
    reviewers: Sequence[str] | None = None,
    simulated: bool = False,
    limit: int | None = None,
    ahead: bool = False,
    on_progress: Progress | None = None,
    dry_run: bool = False,
    board: Board | None = None,
) -> PushReport:
    """Puts the next wave of candidates before reviewers in Argilla.

    A round that an earlier push left half done is completed instead. While a wave waits for these reviewers,
    no other is opened.

    Args:
        ws: The workspace.
        cycle: The cycle that the round belongs to; candidates of earlier cycles that are still pending
            are carried over.
        reviewers: Those of the workspace's reviewers to ask; all if not given.
        simulated: Ask the workspace's simulated reviewer, and nobody else.
        limit: Candidates at most; the workspace's `wave_size` if not given.
        ahead: Open a further wave although one is waiting.
        on_progress: Called as records are created.
        dry_run: Say what would be pushed; write nothing, ask Argilla nothing.
        board: Where to push to; the workspace's Argilla if not given.

    Raises:
        ConfigError: The quorum is higher than the number of reviewers, or a name cannot be used.
        RefusedError: `simulated` in a workspace without a simulated reviewer, or an account of the wrong role.
        ServiceError: Argilla cannot be used.
        BusyError: Another push is running.
    """
    names = _reviewers(ws, reviewers, simulated)
    if limit is not None and not 1 <= limit <= MAX_WAVE:
        raise InputError(f"limit {limit}: a wave has between 1 and {MAX_WAVE} candidates")
    if dry_run:
        plan = _plan(ws, read_state(ws.ledger), names, cycle, limit, simulated=simulated, ahead=ahead)
        return _report(plan, dry_run=True)
    with ws.ledger.lease("push") as lease:
        state = read_state(ws.ledger)
        left = state.half_pushed()
        if left is not None:
            with connect(ws, board) as argilla:
                return _delivered(ws, argilla, state, left, lease, on_progress, resumed=True)
        plan = _plan(ws, state, names, cycle, limit, simulated=simulated, ahead=ahead)
        if plan.round is None:
            return _report(plan)
        # Argilla is asked before the round is opened: what is wrong there leaves nothing half done.
        with connect(ws, board) as argilla:
            Delivery(ws, argilla).check_accounts(plan.round)
            _open(ws, plan, lease)
            state = read_state(ws.ledger)
            done = _delivered(ws, argilla, state, plan.round, lease, on_progress, resumed=False)
            return _report(plan, done=done)


@dataclass(frozen=True)
class _Plan:
    """A wave that could be pushed; `round` is None if there is nothing to push, or something to wait for."""

    round: Round | None = None
    assignments: tuple[Assignment, ...] = ()
    bodies: tuple[Any, ...] = ()
    open: int = 0
    not_shown: dict[str, str] = field(default_factory=dict)


def _reviewers(ws: Workspace, wanted: Sequence[str] | None, simulated: bool) -> tuple[str, ...]:
    if simulated:
        if ws.simulated_reviewer is None:
            raise RefusedError(
                "this workspace has no simulated reviewer: people decide here",
                hint="push without it; only `seedgate init` can make a workspace for demonstrations",
            )
        listed: tuple[str, ...] = (ws.simulated_reviewer,)
    else:
        listed = tuple(dict.fromkeys(ws.config.review.reviewers))
    strange = [name for name in wanted or () if name not in listed]
    if strange:
        raise InputError(f"{strange[0]!r} is not one of the reviewers ({', '.join(listed)})")
    for name in listed:
        if not _REVIEWER.fullmatch(name):
            raise ConfigError(
                f"[review] reviewer {name!r}: use letters, digits, '.', '_' and '-', at most 40"
            )
        if not simulated and name == ws.simulated_reviewer:
            raise ConfigError(f"[review] reviewer {name!r} is the simulated one; name people here")
    if ws.config.review.quorum > len(listed):
        raise ConfigError(
            f"[review] quorum {ws.config.review.quorum} is more than the {len(listed)} reviewers there are"
        )
    return tuple(name for name in listed if wanted is None or name in wanted)


def _plan(
    ws: Workspace,
    state: ReviewState,
    reviewers: tuple[str, ...],
    cycle: int,
    limit: int | None,
    *,
    simulated: bool,
    ahead: bool,
) -> _Plan:
    text, guideline_hash = ws.guidelines()
    facts = {each.candidate_id: each for each in facts_of(ws, state, guideline_hash)}
    waiting_for = [a for each in facts.values() for a in open_of(each) if a.reviewer in reviewers]
    if waiting_for and not ahead:
        return _Plan(open=len(waiting_for))
    decided = decide_all(ws, state, guideline_hash)
    quorum = ws.config.review.quorum
    needing = {
        id_: reviewers_left(facts[id_], reviewers=reviewers, quorum=quorum)
        for id_, decision in decided.items()
        if decision.outcome == "pending" and decision.invariant != "G8"
    }
    bodies = ws.ledger.bodies([id_ for id_, (needs, _) in needing.items() if needs])
    label = ws.task.label_field
    waiting = [
        Waiting(
            id_,
            str(bodies[id_].get(label.name, "")) if label else "",
            *needing[id_],
            begun=bool(decided[id_].approvers),
        )
        for id_ in bodies
    ]
    rng = random.Random(ws.ledger.head()[1])  # noqa: S311 - an order, not a secret; the same until events follow
    size = limit or ws.config.review.wave_size
    places = choose(waiting, size, ws.config.review.random_share, rng)
    spec = dataset_spec(ws.task, text)
    return _Wave(ws, state, cycle, quorum, simulated).of(
        places, bodies, spec, guideline_hash, len(waiting_for)
    )


class _Wave:
    """Makes the round and its assignments out of the chosen places."""

    def __init__(self, ws: Workspace, state: ReviewState, cycle: int, quorum: int, simulated: bool) -> None:
        self._ws = ws
        self._short = state.short
        self._cycle = cycle
        self._quorum = quorum
        self._simulated = simulated
        self._wave = len(state.opened) + 1
        self._id = f"{state.short}-{self._wave}"

    def of(
        self,
        places: Sequence[Place],
        bodies: Mapping[str, Mapping[str, Any]],
        spec: DatasetSpec,
        guideline_hash: str,
        already_open: int,
    ) -> _Plan:
        shown, not_shown = self._show(places, bodies)
        assignments = tuple(
            self._assignment(place, name, shown[place.waiting.candidate_id])
            for name, given in spread([p for p in places if p.waiting.candidate_id in shown]).items()
            for place in given
        )
        if not assignments:
            return _Plan(open=already_open, not_shown=not_shown)
        names = tuple(dict.fromkeys(assignment.reviewer for assignment in assignments))
        opened = Round(
            id=self._id,
            cycle=self._cycle,
            wave=self._wave,
            guideline_hash=guideline_hash,
            guidelines=content_hash(spec.guidelines),
            task_hash=self._ws.task.hash,
            schema_hash=spec_hash(spec),
            quorum=self._quorum,
            reviewers=names,
            simulated=names if self._simulated else (),
            datasets={name: self._names(name) for name in names},
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return _Plan(opened, assignments, (spec.guidelines, *shown.values()), already_open, not_shown)

    def _show(
        self, places: Sequence[Place], bodies: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
        nearest = NearestSeed(self._ws)
        shown: dict[str, dict[str, str]] = {}
        not_shown: dict[str, str] = {}
        for place in places:
            fields = bodies[place.waiting.candidate_id]
            try:
                shown[place.waiting.candidate_id] = record_fields(self._ws.task, fields, nearest.to(fields))
            except InputError as error:
                not_shown[place.waiting.candidate_id] = error.message
        return shown, not_shown

    def _assignment(self, place: Place, reviewer: str, shown: Mapping[str, str]) -> Assignment:
        candidate_id = place.waiting.candidate_id
        return Assignment(
            round=self._id,
            candidate_id=candidate_id,
            reviewer=reviewer,
            # A hash, so that nothing about the candidate can be read from it.
            record_id=content_hash([self._id, candidate_id, reviewer])[:32],
            shown_hash=content_hash(shown),
            why=place.why,
        )

    def _names(self, reviewer: str) -> tuple[str, str]:
        name = self._ws.config.name
        return f"{name}-{self._short}-{reviewer}", f"{name}-cycle{self._cycle}-wave{self._wave}"


def _open(ws: Workspace, plan: _Plan, lease: Lease) -> None:
    if plan.round is None:
        raise AssertionError("only a plan with a round is opened")
    payload = {"round": dump(plan.round), "assignments": [dump(a) for a in plan.assignments]}
    event = NewEvent("round.opened", plan.round.id, payload, f"round:{plan.round.id}", plan.bodies)
    ws.ledger.append([event], lease=lease)


def _delivered(
    ws: Workspace,
    argilla: Board,
    state: ReviewState,
    opened: Round,
    lease: Lease,
    on_progress: Progress | None,
    *,
    resumed: bool,
) -> PushReport:
    assignments = tuple(a for a in state.assignments.values() if a.round == opened.id)
    created = deliver(Delivery(ws, argilla), opened, assignments, lease, on_progress)
    report = _report(_Plan(opened, assignments))
    return PushReport(**(vars(report) | {"created": created, "resumed": resumed, "url": argilla.url}))


def _report(plan: _Plan, *, done: PushReport | None = None, dry_run: bool = False) -> PushReport:
    records: dict[str, int] = {}
    for assignment in plan.assignments:
        records[assignment.reviewer] = records.get(assignment.reviewer, 0) + 1
    return PushReport(
        round=plan.round.id if plan.round else None,
        wave=plan.round.wave if plan.round else None,
        candidates=len({assignment.candidate_id for assignment in plan.assignments}),
        records=records,
        places=dict(plan.round.datasets) if plan.round else {},
        created=done.created if done else 0,
        open=plan.open,
        not_shown=plan.not_shown,
        url=done.url if done else "",
        dry_run=dry_run,
    )

"""Push: open a round in the ledger, then bring Argilla to what the ledger says.

A round is written down first, with every assignment and every text it will show, in one transaction. What
follows only creates what is missing, so a push that was killed is completed by running it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seedgate.config import ACCOUNT
from seedgate.errors import ConfigError, InputError, RefusedError
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Round, dump
from seedgate.review.board import Board
from seedgate.review.connect import connect
from seedgate.review.controls import MOST_RECORDS
from seedgate.review.delivery import Delivery, Progress, deliver
from seedgate.review.evidence import person
from seedgate.review.planning import Plan, plan_wave
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["PushReport", "push", "reviewers_of"]


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    Attributes:
        round: Id of the round that is before reviewers now; None if none was opened.
        wave: Its number.
        candidates: How many candidates it has; `rereviews` of approved rows, and controls, come on top.
        records: Reviewer to the number of records, controls and re-reviews among them.
        places: Reviewer to (Argilla workspace, Argilla dataset) names.
        created: Records that this run created in Argilla.
        resumed: Whether it completed a round that an earlier push left half done.
        open: Records that wait for an answer already: why nothing new was pushed, if nothing was.
        not_shown: Candidate id to why the page cannot show it; they stay pending.
        url: Where reviewers sign in; empty if Argilla was not asked.
        dry_run: Nothing was written.
    """

    round: str | None = None
    wave: int | None = None
    candidates: int = 0
    rereviews: int = 0
    records: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    created: int = 0
    resumed: bool = False
    open: int = 0
    not_shown: dict[str, str] = field(default_factory=dict)
    url: str = ""
    dry_run: bool = False

    def __str__(self) -> str:
        hidden = f"; {len(self.not_shown)} cannot be shown" if self.not_shown else ""
        if self.round is None:
            why = f"{self.open} records wait for an answer" if self.open else "no candidate waits for review"
            return f"nothing pushed: {why}{hidden}"
        done = "would push" if self.dry_run else "completed" if self.resumed else "pushed"
        shares = ", ".join(f"{name} {n}" for name, n in self.records.items())
        again = f" and {self.rereviews} re-reviews" if self.rereviews else ""
        return f"{done} wave {self.wave}: {self.candidates} candidates{again} ({shares}){hidden}"


def push(
    ws: Workspace,
    *,
    cycle: int,
    reviewers: Sequence[str] | None = None,
    simulated: bool = False,
    limit: int | None = None,
    ahead: bool = False,
    rereview: int | None = None,
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
        rereview: Approved rows to have looked at again by somebody else; the workspace's share of the wave if
            not given.
        on_progress: Called as records are created.
        dry_run: Say what would be pushed; write nothing, ask Argilla nothing.
        board: Where to push to; the workspace's Argilla if not given.

    Raises:
        ConfigError: The quorum is higher than the number of reviewers, or a name cannot be used.
        RefusedError: `simulated` in a workspace without a simulated reviewer, or an account of the wrong role.
        ServiceError: Argilla cannot be used.
        BusyError: Another push is running.
    """
    names = _asked(reviewers_of(ws, simulated=simulated), reviewers)
    size = ws.config.review.wave_size if limit is None else limit
    if not 0 <= (rereview or 0) <= MOST_RECORDS:
        raise InputError(f"rereview {rereview}: a wave has at most {MOST_RECORDS} of them")
    if not 1 <= size <= MOST_RECORDS:
        raise InputError(f"limit {size}: a wave has between 1 and {MOST_RECORDS} candidates")

    def plan(state: ReviewState) -> Plan:
        return plan_wave(
            ws, state, names, cycle=cycle, size=size, simulated=simulated, ahead=ahead, rereview=rereview
        )

    if dry_run:
        return _report(plan(read_state(ws.ledger)), dry_run=True)
    with ws.ledger.lease("push") as lease:
        state = read_state(ws.ledger)
        left = state.half_pushed()
        if left is not None:
            with connect(ws, board) as argilla:
                return replace(_deliver(ws, argilla, left, lease, on_progress), resumed=True)
        planned = plan(state)
        if planned.round is None:
            return _report(planned)
        # Argilla is asked before the round is opened: what is wrong there leaves nothing half done.
        with connect(ws, board) as argilla:
            Delivery(ws, argilla).accounts(planned.round)
            _open(ws, planned, planned.round, lease)
            done = _deliver(ws, argilla, planned.round, lease, on_progress)
        return replace(done, open=planned.open, not_shown=planned.not_shown)


def reviewers_of(ws: Workspace, *, simulated: bool) -> tuple[str, ...]:
    """The workspace's reviewers: its people, or its simulated one.

    Raises:
        ConfigError: The quorum is higher than their number, or a name cannot be used.
        RefusedError: `simulated` in a workspace without a simulated reviewer.
    """
    if simulated:
        if ws.simulated_reviewer is None:
            raise RefusedError(
                "this workspace has no simulated reviewer: people decide here",
                hint="push without it; only `seedgate init` can make a workspace for demonstrations",
            )
        listed: tuple[str, ...] = (ws.simulated_reviewer,)
    else:
        listed = tuple(dict.fromkeys(ws.config.review.reviewers))
    if len({person(name) for name in listed}) < len(listed):
        raise ConfigError("[review] reviewers: two names differ only in case; one person has one account")
    for name in listed:
        if not ACCOUNT.fullmatch(name):  # the simulated one; people's names are checked as they are read
            raise ConfigError(
                f"[review] reviewer {name!r}: use letters, digits, '.', '_' and '-', at most 40"
            )
        if not simulated and name == ws.simulated_reviewer:
            raise ConfigError(f"[review] reviewer {name!r} is the simulated one; name people here")
    if ws.config.review.quorum > len(listed):
        raise ConfigError(
            f"[review] quorum {ws.config.review.quorum} is more than the {len(listed)} reviewers there are"
        )
    return listed


def _asked(listed: tuple[str, ...], wanted: Sequence[str] | None) -> tuple[str, ...]:
    strange = [name for name in wanted or () if name not in listed]
    if strange:
        raise InputError(f"{strange[0]!r} is not one of the reviewers ({', '.join(listed)})")
    return tuple(name for name in listed if wanted is None or name in wanted)


def _open(ws: Workspace, plan: Plan, opened: Round, lease: Lease) -> None:
    payload = {"round": dump(opened), "assignments": [dump(a) for a in plan.assignments]}
    event = NewEvent("round.opened", opened.id, payload, f"round:{opened.id}", plan.bodies)
    ws.ledger.append([event, *plan.controls, *plan.told], lease=lease)


def _deliver(
    ws: Workspace, argilla: Board, opened: Round, lease: Lease, on_progress: Progress | None
) -> PushReport:
    # From the ledger, also for a round of this run: what is pushed is what is written down.
    state = read_state(ws.ledger)
    assignments = tuple(a for a in state.assignments.values() if a.round == opened.id)
    created = deliver(Delivery(ws, argilla), opened, assignments, lease, on_progress)
    return replace(_report(Plan(opened, assignments)), created=created, url=argilla.url)


def _report(plan: Plan, *, dry_run: bool = False) -> PushReport:
    return PushReport(
        round=plan.round.id if plan.round else None,
        wave=plan.round.wave if plan.round else None,
        candidates=len({a.candidate_id for a in plan.assignments if a.why not in ("control", "rereview")}),
        rereviews=sum(a.why == "rereview" for a in plan.assignments),
        records=dict(Counter(assignment.reviewer for assignment in plan.assignments)),
        places=dict(plan.round.datasets) if plan.round else {},
        open=plan.open,
        not_shown=plan.not_shown,
        dry_run=dry_run,
    )

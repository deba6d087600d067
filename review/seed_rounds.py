"""`seeds verify --in-argilla`: the experts sign the baseline off where they review.

Seeds go out in rounds of their own, through the same datasets, verdicts and gate as candidates; only that
an approved one becomes a verified seed. `seeds.jsonl` stays the user's file: an edit adds the corrected
example to the ledger as a seed of its own, and leaves the file and the original, unverified, alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.errors import InputError
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Assignment, Example, Round, dump
from seedgate.review.board import Board
from seedgate.review.connect import connect
from seedgate.review.controls import MOST_RECORDS
from seedgate.review.delivery import Delivery, Progress, deliver
from seedgate.review.evidence import Facts
from seedgate.review.facts import facts_of
from seedgate.review.gate import decide
from seedgate.review.queue import Place, Waiting, open_of, reviewers_left, spread
from seedgate.review.record_view import dataset_spec, record_fields, spec_hash
from seedgate.review.rounds import reviewers_of
from seedgate.review.state import Born, ReviewState, read_state
from seedgate.seeds import added, seed_rows, verified_seeds

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["SeedPushReport", "push_seeds"]


@dataclass(frozen=True)
class SeedPushReport:
    """What went before the experts.

    Attributes:
        round: Id of the round that is before them now; None if none was opened.
        seeds: How many seeds it has; `records`: reviewer to the number of records.
        verified: Seeds that are verified already.
        left: Seeds that a further wave would show.
        open: Records that wait for an answer already: why nothing new was pushed, if nothing was.
        refused: Seeds that reviewers rejected, edited or disagree on; they stay unverified.
        not_shown: Seed id to why the page cannot show it.
        url: Where reviewers sign in; empty if Argilla was not asked.
    """

    round: str | None = None
    seeds: int = 0
    records: dict[str, int] = field(default_factory=dict)
    created: int = 0
    verified: int = 0
    left: int = 0
    open: int = 0
    refused: int = 0
    not_shown: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {n}" for name, n in self.records.items())
        parts = [f"{self.seeds} seeds before reviewers ({shares})" if self.round else "nothing pushed"]
        for count, what in (
            (self.open, "records wait for an answer"),
            (self.left, "seeds for further waves"),
            (self.verified, "verified already"),
            (self.refused, "rejected, edited or disagreed on"),
            (len(self.not_shown), "cannot be shown"),
        ):
            parts += [f"{count} {what}"] if count else []
        return "; ".join(parts)


@dataclass(frozen=True)
class _Plan:
    report: SeedPushReport
    round: Round | None = None
    assignments: tuple[Assignment, ...] = ()
    bodies: tuple[Any, ...] = ()
    rows: tuple[Example, ...] = ()


def push_seeds(
    ws: Workspace,
    *,
    limit: int | None = None,
    on_progress: Progress | None = None,
    dry_run: bool = False,
    board: Board | None = None,
) -> SeedPushReport:
    """Puts the next wave of unverified seeds before the workspace's reviewers.

    A wave that an earlier run left half pushed is completed instead; none is opened while one waits.

    Args:
        ws: The workspace.
        limit: Seeds at most; the workspace's `wave_size` if not given.
        on_progress: Called as records are created.
        dry_run: Say what would be pushed; write nothing, ask Argilla nothing.
        board: Where to push to; the workspace's Argilla if not given.

    Raises:
        InputError: `seeds.jsonl` cannot be read.
        RefusedError: Its check finds errors, or a row resembles a stored candidate.
        ServiceError: Argilla cannot be used.
        BusyError: Another push is running.
    """
    size = ws.config.review.wave_size if limit is None else limit
    if not 1 <= size <= MOST_RECORDS:
        raise InputError(f"limit {size}: a wave has between 1 and {MOST_RECORDS} seeds")
    names = reviewers_of(ws, simulated=False)
    if dry_run:
        return _planned(ws, read_state(ws.ledger, purpose="seeds"), names, size).report
    with ws.ledger.lease("push") as lease:
        state = read_state(ws.ledger, purpose="seeds")
        half = state.half_pushed()
        plan = _Plan(SeedPushReport(), half) if half else _planned(ws, state, names, size)
        if plan.round is None:
            return plan.report
        # Argilla is asked before the round is opened: what is wrong there leaves nothing half done.
        with connect(ws, board) as argilla:
            delivery = Delivery(ws, argilla)
            delivery.accounts(plan.round)
            if half is None:
                _open(ws, plan, plan.round, lease)
            own = read_state(ws.ledger, purpose="seeds").assignments.values()
            assignments = tuple(a for a in own if a.round == plan.round.id)
            created = deliver(delivery, plan.round, assignments, lease, on_progress)
            return _report(plan, plan.round, assignments, created=created, url=argilla.url)


def _planned(ws: Workspace, state: ReviewState, names: tuple[str, ...], size: int) -> _Plan:
    rows = {row.id: row for row in seed_rows(ws)}
    verified, _ = verified_seeds(ws)
    fresh = {id_: row for id_, row in rows.items() if id_ not in verified}
    for id_ in fresh:
        state.candidates.setdefault(id_, Born(0, None))
    text, guideline_hash = ws.guidelines()
    asked = _asked_about(ws, state, fresh, verified, guideline_hash)
    decided = {id_: decide(each) for id_, each in asked.items()}
    waiting = {id_: each for id_, each in asked.items() if decided[id_].outcome == "pending"}
    still_open = sum(len(open_of(each)) for each in waiting.values())
    report = SeedPushReport(
        verified=len(verified), open=still_open, refused=sum(d.outcome != "pending" for d in decided.values())
    )
    if still_open:
        return _Plan(report)
    shown, not_shown = _shown(ws, waiting, fresh)
    needs = [
        Waiting(id_, "", *reviewers_left(waiting[id_], reviewers=names, quorum=_quorum(ws))) for id_ in shown
    ]
    places = [Place(each, "ranked") for each in needs if each.needs]
    chosen = places[:size]
    report = SeedPushReport(
        verified=report.verified, refused=report.refused, left=len(places) - len(chosen), not_shown=not_shown
    )
    if not chosen:
        return _Plan(report)
    opened, assignments = _round(ws, state, chosen, shown, guideline_hash)
    bodies = (text, *(shown[place.waiting.candidate_id] for place in chosen))
    plan = _Plan(report, opened, assignments, bodies, tuple(fresh.values()))
    return _Plan(_report(plan, opened, assignments), opened, assignments, bodies, plan.rows)


def _quorum(ws: Workspace) -> int:
    return ws.config.review.quorum


def _asked_about(
    ws: Workspace,
    state: ReviewState,
    fresh: Mapping[str, Example],
    verified: Mapping[str, Example],
    guideline_hash: str,
) -> dict[str, Facts]:
    """Unverified rows of the file, and corrections that reviewers made of seeds."""
    return {
        each.candidate_id: each
        for each in facts_of(ws, state, guideline_hash)
        if each.candidate_id in fresh
        or (state.candidates[each.candidate_id].edited_from and each.candidate_id not in verified)
    }


def _shown(
    ws: Workspace, waiting: Mapping[str, Facts], fresh: Mapping[str, Example]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Seed id to the texts of its record, and to why there are none. Its own text is no comparison for it."""
    contents = ws.ledger.bodies(waiting) | {id_: row.fields for id_, row in fresh.items() if id_ in waiting}
    shown, not_shown = {}, {}
    for id_ in waiting:
        try:
            shown[id_] = record_fields(ws.task, contents.get(id_, {}), None)
        except InputError as error:
            not_shown[id_] = error.message
    return shown, not_shown


def _round(
    ws: Workspace,
    state: ReviewState,
    places: list[Place],
    shown: Mapping[str, dict[str, str]],
    guideline_hash: str,
) -> tuple[Round, tuple[Assignment, ...]]:
    wave = len(state.opened) + 1
    round_id, prefix = f"{state.short}-seeds-{wave}", ws.config.name
    assignments = tuple(
        Assignment(
            round=round_id,
            candidate_id=place.waiting.candidate_id,
            reviewer=reviewer,
            record_id=content_hash([round_id, place.waiting.candidate_id, reviewer])[:32],
            shown_hash=content_hash(shown[place.waiting.candidate_id]),
        )
        for reviewer, given in spread(places).items()
        for place in given
    )
    names = tuple(dict.fromkeys(assignment.reviewer for assignment in assignments))
    text = ws.guidelines()[0]
    opened = Round(
        id=round_id,
        cycle=0,
        wave=wave,
        guideline_hash=guideline_hash,
        guidelines=content_hash(text),
        task_hash=ws.task.hash,
        schema_hash=spec_hash(dataset_spec(ws.task, text, "seeds")),
        quorum=_quorum(ws),
        reviewers=names,
        datasets={name: (f"{prefix}-{state.short}-{name}", f"{prefix}-seeds-{wave}") for name in names},
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        purpose="seeds",
    )
    return opened, assignments


def _open(ws: Workspace, plan: _Plan, opened: Round, lease: Lease) -> None:
    payload = {"round": dump(opened), "assignments": [dump(a) for a in plan.assignments]}
    event = NewEvent("round.opened", opened.id, payload, f"round:{opened.id}", plan.bodies)
    ws.ledger.append([*map(added, plan.rows), event], lease=lease)


def _report(
    plan: _Plan, opened: Round, assignments: tuple[Assignment, ...], *, created: int = 0, url: str = ""
) -> SeedPushReport:
    return SeedPushReport(
        round=opened.id,
        seeds=len({a.candidate_id for a in assignments}),
        records=dict(Counter(a.reviewer for a in assignments)),
        created=created,
        verified=plan.report.verified,
        left=plan.report.left,
        refused=plan.report.refused,
        not_shown=plan.report.not_shown,
        url=url,
    )

"""Bringing cases before an adjudicator in Argilla; what `push` is to reviewers.

A docket is written down first, with every text it will show; what follows only creates what is missing, so
a run that was killed is completed by the next. Nothing waits for a docket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedgate.errors import RefusedError
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Case, Docket, dump
from seedgate.review.board import Account, Board, NewRecord
from seedgate.review.case_view import case_spec
from seedgate.review.cases import DocketPlan, judge_of, plan_docket
from seedgate.review.connect import connect
from seedgate.review.delivery import password_name
from seedgate.review.evidence import person
from seedgate.review.record_view import spec_hash
from seedgate.review.state import ReviewState, read_state
from seedgate.review.visible import show

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["DocketReport", "push_cases"]


@dataclass(frozen=True)
class DocketReport:
    """What went before the adjudicator.

    Attributes:
        docket: Id of the docket; None if nothing waits for a ruling that is not there already.
        by: Who is asked.
        second_look: Whether it is the only reviewer, about rows that clash with a seed.
        place: (Argilla workspace, Argilla dataset) names.
        created: Records that this run created.
        not_shown: Candidate id to why the page cannot show it.
    """

    docket: str | None = None
    by: str = ""
    second_look: bool = False
    cases: int = 0
    place: tuple[str, str] | None = None
    created: int = 0
    not_shown: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.docket is None:
            return "nothing new for an adjudicator"
        asked = "a second look" if self.second_look else "adjudication"
        return f"{self.cases} cases before {self.by} for {asked}"


def push_cases(ws: Workspace, *, board: Board | None = None, dry_run: bool = False) -> DocketReport:
    """Puts what reviewers cannot settle before the workspace's adjudicator, as a docket of its own.

    Args:
        ws: The workspace.
        board: Where to push to; the workspace's Argilla if not given.
        dry_run: Say what would be pushed; write nothing, ask Argilla nothing.

    Raises:
        RefusedError: The adjudicator is one of the reviewers, or the account has the wrong role.
        ServiceError: Argilla cannot be used.
        BusyError: Another push is running.
    """
    if dry_run:
        return _report(_planned(ws, read_state(ws.ledger)))
    with ws.ledger.lease("push") as lease:
        state = read_state(ws.ledger)
        half = next((d for d in state.dockets.values() if d.id not in state.pushed_dockets), None)
        plan = DocketPlan(half) if half else _planned(ws, state)
        if plan.docket is None:
            return _report(plan)
        # Argilla is asked before the docket is opened: what is wrong there leaves nothing half done.
        with connect(ws, board) as argilla:
            account = _account(ws, argilla, plan.docket.by)
            if half is None:
                _open(ws, plan, plan.docket, lease)
            cases = [c for c in read_state(ws.ledger).cases.values() if c.docket == plan.docket.id]
            return _deliver(ws, argilla, plan, cases, account, lease)


def _planned(ws: Workspace, state: ReviewState) -> DocketPlan:
    judge = judge_of(ws)
    if judge is None:
        return DocketPlan()
    reviewers = {person(name) for name in ws.config.review.reviewers}
    if judge.kind == "adjudication" and person(judge.name) in reviewers:
        raise RefusedError(
            f"[review] adjudicator {judge.name!r} is one of the reviewers",
            hint="name somebody else: a conflict is settled by none of those who are in it",
        )
    return plan_docket(ws, state, judge)


def _account(ws: Workspace, board: Board, name: str) -> Account:
    # Kept before the account is made, so that a kill in between loses no password.
    present = name in board.accounts()
    return board.ensure_reviewer(name, "" if present else ws.secrets.ensure(password_name(name)))


def _open(ws: Workspace, plan: DocketPlan, docket: Docket, lease: Lease) -> None:
    payload = {"docket": dump(docket), "cases": [dump(case) for case in plan.cases]}
    event = NewEvent("docket.opened", docket.id, payload, f"docket:{docket.id}", plan.bodies)
    ws.ledger.append([event], lease=lease)


def _deliver(
    ws: Workspace, board: Board, plan: DocketPlan, cases: list[Case], account: Account, lease: Lease
) -> DocketReport:
    docket = plan.docket
    if docket is None:
        return _report(plan)
    letters = {letter for case in cases for letter in case.corrections}
    spec = case_spec(ws.task, ws.ledger.body(docket.guidelines), docket.kind, letters)
    if spec_hash(spec) != docket.schema_hash:
        raise RefusedError(
            f"docket {docket.id} was opened with another [task] and is half pushed",
            hint="undo the change in seedgate.toml, push, then change it again",
        )
    workspace_id = board.ensure_workspace(docket.place[0], [account])
    dataset_id = board.ensure_dataset(workspace_id, docket.place[1], spec)
    created = board.add_records(dataset_id, _records(cases, ws.ledger.bodies(c.shown_hash for c in cases)))
    payload = {
        "dataset_id": dataset_id,
        "user_id": account.id,
        "pusher": board.pusher.id,
        "records": len(cases),
    }
    event = NewEvent("docket.pushed", docket.id, payload, f"docket.pushed:{docket.id}")
    ws.ledger.append([event], lease=lease)
    return _report(DocketPlan(docket, tuple(cases), (), plan.not_shown), created)


def _records(cases: list[Case], shown: Mapping[str, Any]) -> list[NewRecord]:
    """The records as they will be shown, escaped; nothing is suggested."""
    return [
        NewRecord(case.record_id, {name: show(text) for name, text in shown[case.shown_hash].items()})
        for case in cases
        if case.shown_hash in shown
    ]


def _report(plan: DocketPlan, created: int = 0) -> DocketReport:
    if plan.docket is None:
        return DocketReport(not_shown=plan.not_shown)
    return DocketReport(
        docket=plan.docket.id,
        by=plan.docket.by,
        second_look=plan.docket.kind == "second_look",
        cases=len(plan.cases),
        place=plan.docket.place,
        created=created,
        not_shown=plan.not_shown,
    )

"""Bringing Argilla to what an opened round says; only what is missing is created."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seedgate.errors import RefusedError
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Assignment, Round
from seedgate.review.board import Account, Board, NewRecord
from seedgate.review.record_view import dataset_spec, spec_hash, suggestions
from seedgate.review.visible import show

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Delivery", "Progress", "deliver", "password_name"]

Progress = Callable[[int, int, str], None]
"""Told how many are done, of how many, and what is being done."""


def password_name(reviewer: str) -> str:
    """The secret that holds the password generated for a reviewer's account."""
    return f"reviewer_{reviewer}_password"


class Delivery:
    """One workspace's way to one Argilla."""

    def __init__(self, ws: Workspace, board: Board) -> None:
        self.ws = ws
        self.board = board

    def accounts(self, opened: Round) -> dict[str, Account]:
        """The reviewers' accounts, made where missing; the password of an account made here is kept.

        Raises:
            RefusedError: An account has another role than annotator.
        """
        present = self.board.accounts()
        # Kept before the account is made, so that a kill in between loses no password.
        passwords = {
            name: "" if name in present else self.ws.secrets.ensure(password_name(name))
            for name in opened.reviewers
        }
        return {name: self.board.ensure_reviewer(name, password) for name, password in passwords.items()}

    def new_records(self, assignments: Sequence[Assignment]) -> list[NewRecord]:
        """The records as they will be shown: texts from the ledger, escaped, corrections pre-filled.

        A candidate whose content was removed from the ledger since has none.
        """
        shown = self.ws.ledger.bodies(a.shown_hash for a in assignments)
        fields = self.ws.ledger.bodies(a.candidate_id for a in assignments)
        return [
            NewRecord(
                a.record_id,
                {name: show(text) for name, text in shown[a.shown_hash].items()},
                suggestions(self.ws.task, fields[a.candidate_id]),
            )
            for a in assignments
            if a.shown_hash in shown and a.candidate_id in fields
        ]


def deliver(
    delivery: Delivery,
    opened: Round,
    assignments: Sequence[Assignment],
    lease: Lease,
    on_progress: Progress | None = None,
) -> int:
    """Creates accounts, workspaces, datasets and records that are missing; says how many records.

    Raises:
        RefusedError: The task changed since the round was opened, or Argilla holds something else in its place.
        ServiceError: Argilla cannot be used; run again to go on.
    """
    ws, board = delivery.ws, delivery.board
    spec = dataset_spec(ws.task, ws.ledger.body(opened.guidelines), opened.purpose)
    if spec_hash(spec) != opened.schema_hash:
        raise RefusedError(
            f"round {opened.id} was opened with another [task] and is half pushed",
            hint="undo the change in seedgate.toml, push, then change it again",
        )
    accounts = delivery.accounts(opened)
    datasets: dict[str, str] = {}
    done = created = 0
    for name in opened.reviewers:
        workspace_name, dataset_name = opened.datasets[name]
        workspace_id = board.ensure_workspace(workspace_name, [accounts[name]])
        datasets[name] = dataset_id = board.ensure_dataset(workspace_id, dataset_name, spec)
        own = [a for a in assignments if a.reviewer == name]
        created += board.add_records(dataset_id, delivery.new_records(own))
        ws.ledger.append([_pushed(a, dataset_id) for a in own], lease=lease)
        done += len(own)
        if on_progress is not None:
            on_progress(done, len(assignments), name)
    payload = {
        "datasets": datasets,
        "users": {name: account.id for name, account in accounts.items()},
        "pusher": board.pusher.id,
        "records": len(assignments),
    }
    event = NewEvent("round.pushed", opened.id, payload, f"round.pushed:{opened.id}")
    ws.ledger.append([event], lease=lease)
    return created


def _pushed(assignment: Assignment, dataset_id: str) -> NewEvent:
    payload = {
        "round": assignment.round,
        "candidate_id": assignment.candidate_id,
        "reviewer": assignment.reviewer,
        "dataset_id": dataset_id,
    }
    key = f"record:{assignment.record_id}:{dataset_id}"
    return NewEvent("record.pushed", assignment.record_id, payload, key)

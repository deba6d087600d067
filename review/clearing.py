"""Deleting from Argilla the records that show redacted text: the one thing that is ever deleted there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from seedgate.review.board import Board
from seedgate.review.connect import connect
from seedgate.review.state import read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["clear_records"]


def clear_records(ws: Workspace, *, board: Board | None = None) -> int:
    """Deletes the records of redacted rows, and those that showed their text beside another row.

    Verdicts that were pulled stand in the ledger; of a record of another row that is unanswered, `pull` says
    that it is gone, and the row is put before a reviewer again.

    Returns:
        How many records were still there. Asks Argilla nothing if none can be.

    Raises:
        ServiceError: Argilla cannot be used.
    """
    state, gone = read_state(ws.ledger), ws.ledger.redacted()
    shown = {
        assignment.record_id
        for assignment in state.assignments.values()
        if assignment.candidate_id in state.redacted or assignment.shown_hash in gone
    }
    places: dict[str, set[str]] = defaultdict(set)
    for record_id, dataset_id in state.delivered:
        if record_id in shown:
            places[dataset_id].add(record_id)
    if not places:
        return 0
    with connect(ws, board) as argilla:
        return sum(argilla.remove_records(dataset_id, sorted(ids)) for dataset_id, ids in places.items())

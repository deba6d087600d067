"""Deleting from Argilla the records that show redacted text: the one thing that is ever deleted there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
    places: dict[str, set[str]] = defaultdict(set)
    for dataset_id, record_id in _shown(ws):
        places[dataset_id].add(record_id)
    if not places:
        return 0
    with connect(ws, board) as argilla:
        return sum(argilla.remove_records(dataset_id, sorted(ids)) for dataset_id, ids in places.items())


def _shown(ws: Workspace) -> Iterator[tuple[str, str]]:
    """(dataset id, record id) of every record that shows text that is gone: of candidates, seeds and cases."""
    state, gone = read_state(ws.ledger), ws.ledger.redacted()
    for each in (state, read_state(ws.ledger, purpose="seeds")):
        for record_id, dataset_id in each.delivered:
            assignment = each.assignments[record_id]
            if assignment.candidate_id in state.redacted or assignment.shown_hash in gone:
                yield dataset_id, record_id
    for case in state.cases.values():
        pushed = state.pushed_dockets.get(case.docket)
        if pushed and (case.candidate_id in state.redacted or case.shown_hash in gone):
            yield pushed.dataset_id, case.record_id

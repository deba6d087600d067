"""Recall: a row that a release has, and that must not be trained on any more; and its way back.

A recall stands even if what caused it is undone: a reviewer who changes a verdict and changes it back has not
looked twice, the page was only clicked twice. `reopen` gives such a row another chance, from nothing: it goes
before reviewers in a new round, and whatever was said about it before counts no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from seedgate.errors import InputError, RefusedError
from seedgate.ledger import NewEvent
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Why", "recalls", "reopen"]

Why = Literal["verdict changed", "adjudicated wrong", "redacted"]
"""What recalled a row: the kinds that cards and reports count."""


def recalls(state: ReviewState, ids: Iterable[str], *, why: Why, reason: str) -> Iterator[NewEvent]:
    """The events that recall those of these candidates which a release has; others need none.

    Args:
        state: The ledger's, as the caller read it.
        why: The kind, for counts.
        reason: For people; a name and an act, never text of the row.
    """
    for id_ in dict.fromkeys(ids):
        release = state.released.get(id_)
        if release is not None:
            payload = {"release": release, "reason": reason, "why": why}
            key = f"recalled:{id_}:{release}"
            if id_ in state.reopened:  # a second recall of a row that the release got back
                key += f":{len(state.reopened[id_])}"
            yield NewEvent("row.recalled", id_, payload, key)


def reopen(ws: Workspace, candidate_id: str, *, by: str, reason: str) -> str:
    """Lets a recalled row go before reviewers again; it approves nothing.

    Args:
        ws: The workspace.
        candidate_id: Id of the row, at least its first 8 characters.
        by: Who wants it.
        reason: Why.

    Returns:
        The row's whole id.

    Raises:
        InputError: No candidate has this id, or there is no name or reason.
        RefusedError: The row is not recalled, or was redacted.
    """
    if not by.strip() or not reason.strip():
        raise InputError("reopening a row needs a name and a reason", hint="say who wants it, and why")
    state = read_state(ws.ledger)
    found = [id_ for id_ in state.candidates if len(candidate_id) >= 8 and id_.startswith(candidate_id)]
    if len(found) != 1:
        raise InputError(f"candidate {candidate_id!r}: {'several have' if found else 'none has'} this id")
    (id_,) = found
    if id_ in state.redacted:
        raise RefusedError(f"row {id_[:12]} was redacted: its content is gone for good")
    if id_ not in state.recalled:
        raise RefusedError(
            f"row {id_[:12]} is not recalled: there is nothing to reopen",
            hint="`seedgate status` lists recalled rows",
        )
    payload = {"by": by.strip(), "reason": reason.strip()}
    # Opening rounds and pulling verdicts wait, so that it is plain which of them came before.
    with ws.ledger.lease("push") as lease, ws.ledger.lease("pull"):
        ws.ledger.append([NewEvent("row.reopened", id_, payload)], lease=lease)
    return id_

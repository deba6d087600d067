"""Opening a workspace's Argilla, or using one that was handed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedgate.review.board import Board

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["connect"]


@contextmanager
def connect(ws: Workspace, board: Board | None = None) -> Iterator[Board]:
    """The given board, or the workspace's Argilla, closed afterwards.

    Raises:
        ServiceError: Argilla does not answer, is no 2.x, or refuses the key.
        RefusedError: The key's account is not an owner.
    """
    if board is not None:
        yield board
        return
    from seedgate.review.argilla import ArgillaBoard

    with ArgillaBoard(ws.argilla_url(), ws.argilla_key()) as argilla:
        yield argilla

"""Who gets the next wave before the last one is done, so that nobody waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedgate.review.rounds import reviewers_of
from seedgate.review.status import review_status

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["nearly_done"]


def nearly_done(ws: Workspace, *, simulated: bool = False) -> tuple[str, ...]:
    """Reviewers with fewer than `[review] ahead` records left, if candidates wait for a wave; else nobody.

    At least as many as the quorum takes, the least burdened first: fewer could approve nothing. A wave smaller
    than `ahead` counts as nearly done from its first answer on.
    """
    ahead = min(ws.config.review.ahead, ws.config.review.wave_size)
    status = review_status(ws, simulated=simulated)
    left = {who.name: who.open for who in status.reviewers}
    names = sorted(reviewers_of(ws, simulated=simulated), key=lambda name: left.get(name, 0))
    low = [name for name in names if left.get(name, 0) < ahead]
    if not low or not status.unassigned:
        return ()
    return tuple(names[: max(len(low), ws.config.review.quorum)])

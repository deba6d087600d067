"""How near a candidate is to the seeds as a whole, measured by how near they are to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedgate.generator.scores.base import Pool
from seedgate.generator.scores.cosines import cosines_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Fit"]

NEIGHBOURS = 5


class Fit:
    """Share of the seeds that lie further from the other seeds than the candidate does (mean of the nearest few).

    0: further out than every seed; 1: nearer to some seeds than any seed is to others, which copies are.
    """

    name = "fit"
    version = 1

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """See `Scorer.score`."""
        import numpy as np

        if len(pool.seeds) < 2:
            return np.full(len(pool.vectors), np.nan)
        own = np.sort(_nearness(pool.seeds, pool.seeds, itself=True))
        found = _nearness(pool.vectors, pool.seeds)
        # The middle of equals, as for any percentile: a candidate as near as one seed is neither before nor behind it.
        places = np.searchsorted(own, found, "left") + np.searchsorted(own, found, "right")
        return np.asarray(places / (2 * len(own)), np.float64)


def _nearness(
    rows: NDArray[np.float32], seeds: NDArray[np.float32], *, itself: bool = False
) -> NDArray[np.float64]:
    """Mean cosine of each row to its nearest seeds; `itself`: the rows are the seeds, and each leaves itself out."""
    import numpy as np

    count = min(NEIGHBOURS, len(seeds) - itself)
    out = np.zeros(len(rows))
    for places, cosines in cosines_of(rows, seeds):
        if itself:
            cosines[np.arange(len(cosines)), np.arange(places.start, places.stop)] = -2
        out[places] = np.partition(cosines, -count, axis=1)[:, -count:].mean(1)
    return out

"""How far a candidate's meaning is from everything that the workspace has and reviewers have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedgate.generator.scores.base import Pool
from seedgate.generator.scores.cosines import cosines_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Novelty"]


class Novelty:
    """1 minus the highest cosine to a seed or to a candidate that reviewers were shown lately.

    Candidates that only wait are no reason to leave another out: nobody knows yet whether they are any good.
    """

    name = "novelty"
    version = 1

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """See `Scorer.score`: 0 for a repetition."""
        import numpy as np

        highest = np.full(len(pool.vectors), -1.0)
        for known in (pool.seeds, pool.earlier):
            if len(known):
                for places, cosines in cosines_of(pool.vectors, known):
                    highest[places] = np.maximum(highest[places], cosines.max(1))
        found: NDArray[np.float64] = np.clip(1 - highest, 0, 1)
        return found

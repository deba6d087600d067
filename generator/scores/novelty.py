"""How far a candidate's meaning is from everything that the workspace has and reviewers have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedgate.generator.scores.base import Pool
from seedgate.seeds import MeaningIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Novelty"]


class Novelty:
    """1 minus the highest cosine to a seed or to a candidate that reviewers were shown before.

    Candidates that only wait are no reason to leave another out: nobody knows yet whether they are any good.
    """

    name = "novelty"
    version = 1

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """See `Scorer.score`: 0 for a repetition."""
        import numpy as np

        known = MeaningIndex()
        rows = np.concatenate([each for each in (pool.seeds, pool.earlier) if len(each)] or [pool.seeds])
        known.add([f"{number:016x}" for number in range(len(rows))], rows)
        found: NDArray[np.float64] = np.clip(1 - known.highest(pool.vectors).astype(np.float64), 0, 1)
        return found

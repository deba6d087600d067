"""Means and differences over training seeds x rows, with intervals that allow for both.

A model that is trained again on the same rows answers a little differently, and another evaluation set would have other
rows: resampling rows alone takes the first for nothing. Both are resampled here, each independently of the other: the
two-way ("pigeonhole") bootstrap of Owen, Annals of Applied Statistics 1 (2007), 386-411, which errs on the wide side.
With few seeds a plain bootstrap would see too little of their spread: their deviations are scaled by
sqrt(s / (s - 1)) (Rao and Wu, Journal of the American Statistical Association 83 (1988), 231-241).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

__all__ = ["Effect", "deviating", "gain_of", "mean_of", "weights_of"]

RESAMPLES = 4000
SEED = 0  # of resampling: the same scores give the same interval


@dataclass(frozen=True, slots=True)
class Effect:
    """A mean, or a difference of means, and its interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Effect:
        """The same per another unit; `factor` is positive."""
        return Effect(self.value * factor, self.low * factor, self.high * factor)

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def mean_of(scores: Scores, confidence: float) -> Effect:
    """The mean score.

    Args:
        scores: Shape [seeds, rows], each 0 to 1.
        confidence: Of the interval, as .95.
    """
    import numpy as np

    spread = deviating(scores)
    by_seed, by_row = weights_of(scores.shape[0], scores.shape[1])
    means = ((by_seed @ spread) * by_row).sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Effect(float(scores.mean()), float(low), float(high))


def gain_of(before: Scores, after: Scores, confidence: float) -> Effect:
    """How much higher the second is; paired by row, and by seed.

    Args:
        before, after: Shape [seeds, rows]; the rows are the same, and so many seeds are in both, or `before` is a
            single model, which is taken as it is.
        confidence: As for `mean_of`.
    """
    return mean_of(after - before, confidence)


def weights_of(seeds: int, rows: int, *, resamples: int = RESAMPLES) -> tuple[Scores, Scores]:
    """Weights of seeds [resamples, seeds] and of rows [resamples, rows]; each line of both sums to one."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    return (
        rng.multinomial(seeds, [1 / seeds] * seeds, size=resamples) / seeds,
        rng.multinomial(rows, [1 / rows] * rows, size=resamples) / rows,
    )


def deviating(scores: Scores) -> Scores:
    """The same means per row, with the seeds' deviations from them as far apart as resampling needs them."""
    seeds = len(scores)
    if seeds == 1:
        return scores
    mean: Scores = scores.mean(axis=0)
    apart: Scores = (seeds / (seeds - 1)) ** 0.5 * (scores - mean)
    return mean + apart

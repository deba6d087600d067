"""Chances that depend on a few factors, partially pooled: logistic regression with a normal prior on the effects.

The effects of a factor (of each strategy, say) are drawn together the more, the less the data say that they differ:
their spread is the one of a few that makes the data likeliest (empirical Bayes, by Laplace's approximation of the
marginal likelihood; Gelman & Hill 2007, Data Analysis Using Regression and Multilevel/Hierarchical Models, ch. 12
to 14; Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, 3.4). What is believed then is a normal
distribution about the mode. Each cell is in one group of each factor, so nothing larger than groups x groups is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]

__all__ = ["Pooled", "fit"]

SPREADS = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Standard deviations of effects that are tried, in logits: from no difference to .12 against .88."""
INTERCEPT_SPREAD = 1.5
"""A weak prior about .5; as a chance it is nearly flat."""
SWEEPS, STEPS, ENOUGH = 2, 30, 1e-6


@dataclass(frozen=True)
class Pooled:
    """A fitted model.

    Attributes:
        mode: The intercept, then the effects of each factor, shape [effects].
        lower: Cholesky factor of the curvature there, shape [effects, effects].
        places: Which effects each cell has, shape [cells, 1 + factors].
        spreads: Standard deviation of each factor's effects.
    """

    mode: Array
    lower: Array
    places: Codes
    spreads: tuple[float, ...]

    def draws(self, number: int, rng: np.random.Generator) -> Array:
        """Chances that are believed, shape [number, cells]."""
        import numpy as np
        from scipy.linalg import solve_triangular
        from scipy.special import expit

        noise = rng.standard_normal((len(self.mode), number))
        effects = self.mode[:, None] + solve_triangular(self.lower, noise, lower=True, trans=1)
        logits = np.zeros((len(self.places), number))
        for each in self.places.T:
            logits += effects[each]
        found: Array = expit(logits).T
        return found


def fit(yes: Array, of: Array, factors: Sequence[Codes]) -> Pooled:
    """The model of `yes` among `of`.

    Args:
        yes, of: Counts of each cell, not necessarily whole; shape [cells].
        factors: Number of the group that each cell is in, for each factor; shape [cells].
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    sizes = [int(codes.max()) + 1 for codes in factors]
    starts = np.cumsum([1, *sizes])
    columns = [codes + start for codes, start in zip(factors, starts, strict=False)]
    places = np.stack([np.zeros(len(yes), np.int64), *columns], axis=1)
    spreads = [SPREADS[1]] * len(sizes)
    with threadpool_limits(1):  # threads wait for each other at this size
        best = _mode(yes, of, places, sizes, spreads)
        for _ in range(SWEEPS):
            for factor in range(len(sizes)):
                for spread in SPREADS:
                    tried = [*spreads[:factor], spread, *spreads[factor + 1 :]]
                    found = _mode(yes, of, places, sizes, tried, best[1])
                    if found[0] > best[0]:
                        best, spreads = found, tried
    return Pooled(best[1], best[2], places, tuple(spreads))


def _mode(
    yes: Array,
    of: Array,
    places: Codes,
    sizes: Sequence[int],
    spreads: Sequence[float],
    start: Array | None = None,
) -> tuple[float, Array, Array]:
    """Log evidence, mode, and Cholesky factor of the curvature: Newton's method."""
    import numpy as np
    from scipy.linalg import cho_solve
    from scipy.special import expit

    precision = 1 / np.square(np.repeat([INTERCEPT_SPREAD, *spreads], [1, *sizes]))
    effects = np.zeros(len(precision)) if start is None else start.copy()
    for _ in range(STEPS):
        chances = expit(effects[places].sum(1))
        pull = -precision * effects
        for each in places.T:
            np.add.at(pull, each, yes - of * chances)
        curvature = np.diag(precision)
        for one in places.T:
            for other in places.T:
                np.add.at(curvature, (one, other), of * chances * (1 - chances))
        lower = np.linalg.cholesky(curvature)
        move = cho_solve((lower, True), pull)
        effects = effects + np.clip(move, -2, 2)  # far from the mode, a whole step would overshoot
        if np.abs(move).max() < ENOUGH:
            break
    logits = effects[places].sum(1)
    likelihood = float(np.sum(yes * logits - of * np.logaddexp(0, logits)))
    prior = 0.5 * float(np.sum(np.log(precision) - precision * np.square(effects)))
    return likelihood + prior - float(np.log(np.diag(lower)).sum()), effects, lower

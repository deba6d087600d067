"""Probabilities behind the error bound: of what re-reviews found, and of how bad controls were answered.

What is formed of them are ratios, so it makes no difference whether all orders of the answers are counted, as of
re-reviews, or one, as of controls.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

__all__ = ["found_given_wrong", "log_coin"]

_CHUNK = 2_000_000
"""Entries of the table of hypergeometric probabilities that are held at a time."""


def log_coin(heads: int, tails: int, probability: float) -> float:
    """Log probability of these independent answers, each `heads` with the same probability."""
    return _times_log(heads, probability) + _times_log(tails, 1 - probability)


def _times_log(count: int, probability: float) -> float:
    if not count:
        return 0.0
    return count * math.log(probability) if probability > 0 else -math.inf


def found_given_wrong(size: int, seen: int, most_found: int, sensitivities: Floats) -> Floats:
    """Log probability to find so many wrong among `seen` rows drawn without replacement from `size`.

    Of the rows drawn, hypergeometrically many are wrong; each wrong one is found with a chance of
    `sensitivity`, a right one never.

    Returns:
        Array [found = 0 .. most_found, sensitivity, wrong rows = 0 .. size]; -inf where impossible.
    """
    import numpy as np
    from scipy.special import gammaln, xlog1py, xlogy

    def log_choose(n: Any, k: Any) -> Any:
        inside = (k >= 0) & (k <= n)
        top, part = np.where(inside, n, 0), np.where(inside, k, 0)
        value = gammaln(top + 1) - gammaln(part + 1) - gammaln(top - part + 1)
        return np.where(inside, value, -np.inf)

    found = np.arange(most_found + 1)
    drawn_wrong = np.arange(seen + 1)
    s = np.asarray(sensitivities, dtype=float)
    w, d, each = drawn_wrong[:, None, None], found[None, :, None], s[None, None, :]
    missed = np.maximum(w - d, 0)
    thinning = np.exp(log_choose(w, d) + xlogy(d, each) + xlog1py(missed, -each))
    columns = thinning.reshape(seen + 1, -1)
    out = np.empty((size + 1, columns.shape[1]))
    step = max(_CHUNK // (seen + 1), 1)
    for start in range(0, size + 1, step):
        wrong = np.arange(start, min(start + step, size + 1))[:, None]
        k = drawn_wrong[None, :]
        drawing = log_choose(wrong, k) + log_choose(size - wrong, seen - k) - log_choose(size, seen)
        out[start : start + len(wrong)] = np.exp(drawing) @ columns
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(out).T.reshape(most_found + 1, len(s), size + 1)
    return logs

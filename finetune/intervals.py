"""Intervals and tests on scores, paired or not. SciPy where SciPy has it; sources at each function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from seedgate.scoring import Metric

__all__ = ["difference_interval", "f1_interval", "paired_p_value", "score_interval", "share_interval"]

RESAMPLES = 4000
SEED = 0  # of resampling: the same scores give the same interval


def score_interval(scores: Sequence[float], metric: Metric, confidence: float) -> tuple[float, float]:
    """Interval of a mean score: Wilson's for accuracy, a percentile bootstrap for token_f1.

    >>> [round(bound, 4) for bound in score_interval([1.0] * 8 + [0.0] * 2, "accuracy", 0.95)]
    [0.4902, 0.9433]
    """
    if metric == "accuracy":
        return share_interval(round(sum(scores)), len(scores), confidence)
    return _bootstrap(scores, confidence)


def share_interval(found: int, among: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share."""
    from scipy.stats import binomtest

    interval = binomtest(found, among).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def f1_interval(right: int, either: int, confidence: float) -> tuple[float, float]:
    """Interval of the F1 of one label, which is 2 j / (1 + j) for the Jaccard index j.

    j is a share of the rows that have the label or were given it, so Wilson's interval is that of j, and carried over.
    A bootstrap over rows fails with few rows a label: it held in 53 to 93 % of cases, this in 94 to 98 (docs/log.md).

    Args:
        right: Rows that have the label and were given it.
        either: Rows that have it or were given it.

    >>> [round(bound, 4) for bound in f1_interval(4, 4, 0.95)]
    [0.6756, 1.0]
    """
    low, high = share_interval(right, either, confidence)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def difference_interval(
    before: Sequence[float], after: Sequence[float], metric: Metric, confidence: float
) -> tuple[float, float]:
    """Interval of the mean of `after` minus `before`, for the same rows in the same order.

    For accuracy the square-and-add interval from two Wilson intervals, with the correlation of the pairs:
    method 10 of Newcombe, Statistics in Medicine 17 (1998), 2635-2650. A percentile bootstrap otherwise.
    """
    if metric == "accuracy":
        return _newcombe(before, after, confidence)
    return _bootstrap([b - a for a, b in zip(before, after, strict=True)], confidence)


def paired_p_value(before: Sequence[float], after: Sequence[float], metric: Metric) -> float:
    """Two-sided p-value of "no difference", for the same rows in the same order.

    Exact McNemar for accuracy: of the rows that only one of the two has right, half should be each one's
    (McNemar, Psychometrika 12 (1947), 153-157). Sign flips of the differences otherwise.
    """
    differences = [b - a for a, b in zip(before, after, strict=True)]
    if not any(differences):
        return 1.0
    if metric == "accuracy":
        from scipy.stats import binomtest

        gained = sum(d > 0 for d in differences)
        return float(binomtest(gained, sum(d != 0 for d in differences)).pvalue)
    return _sign_flips(differences)


def _newcombe(before: Sequence[float], after: Sequence[float], confidence: float) -> tuple[float, float]:
    pairs = list(zip(after, before, strict=True))
    both, gained = sum(a * b for a, b in pairs), sum(a * (1 - b) for a, b in pairs)
    lost, neither = sum((1 - a) * b for a, b in pairs), sum((1 - a) * (1 - b) for a, b in pairs)
    n = len(pairs)
    first, second = (both + gained) / n, (both + lost) / n
    low1, high1 = score_interval(after, "accuracy", confidence)
    low2, high2 = score_interval(before, "accuracy", confidence)
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    product = both * neither - gained * lost
    if margins and product > 0:  # continuity correction of the correlation, never past zero
        product = max(product - n / 2, 0.0)
    phi = product / math.sqrt(margins) if margins else 0.0

    def reach(x: float, y: float) -> float:
        return math.sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0))

    difference = first - second
    return difference - reach(first - low1, high2 - second), difference + reach(high1 - first, second - low2)


def _bootstrap(values: Sequence[float], confidence: float) -> tuple[float, float]:
    import numpy as np

    data = np.asarray(values, dtype=float)
    picks = np.random.default_rng(SEED).integers(len(data), size=(RESAMPLES, len(data)))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(data[picks].mean(axis=1), [tail, 100 - tail])
    return float(low), float(high)


def _sign_flips(differences: Sequence[float]) -> float:
    import numpy as np

    data: Any = np.asarray(differences, dtype=float)
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), size=(RESAMPLES, len(data)))
    extreme = np.abs((signs * data).mean(axis=1)) >= abs(data.mean()) - 1e-12
    # The data's own arrangement is one of the possible ones: p is never 0.
    return float((extreme.sum() + 1) / (RESAMPLES + 1))

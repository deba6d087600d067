"""A second, model-based look at the errors among approved rows: from control misses and approval rates.

It needs no re-review and covers every reviewer, but it believes what the primary bound does not: that a
reviewer misses real errors as often as controls, and treats all candidates alike. So it is an estimate with a
label, never a bound that a policy may rest on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ReviewerCounts", "model_based_share"]

DRAWS, SEED = 4000, 0
"""Draws from the posterior distributions; with a fixed seed the same counts give the same figure."""

HALF = 0.5
"""Jeffreys' prior: half a success and half a failure."""


@dataclass(frozen=True, slots=True)
class ReviewerCounts:
    """What one reviewer did, quarantined approvals included: leaving those out would flatter everybody else.

    Attributes:
        approvals, rejections: Of candidates; an edit is a rejection of the original.
        bad, missed: Controls known to be wrong that were answered, and those of them that were approved.
        good, refused: Controls known to be right that were answered, and those of them that were not approved.
    """

    approvals: int
    rejections: int = 0
    bad: int = 0
    missed: int = 0
    good: int = 0
    refused: int = 0


def model_based_share(reviewers: Sequence[ReviewerCounts]) -> tuple[float, float] | None:
    """Posterior mean and 95 % quantile of the wrong share among approvals; None if no bad control was answered.

    Of a reviewer who approves a share p of candidates, passes a share b of wrong and g of right ones, a share
    x = (g - p) / (g - b) of candidates is wrong, and x * b / p of what they approve: Rogan and Gladen, American
    Journal of Epidemiology 107 (1978), 71-76. Reviewers are averaged, weighted by approvals: miss rates are
    never multiplied across a quorum, since people tend to miss the same things. Who answered no bad
    controls is taken to miss as many as all others together.

    >>> mean, upper = model_based_share([ReviewerCounts(300, 100, bad=40, missed=4, good=10)])
    >>> round(mean, 2), round(upper, 2)
    (0.04, 0.08)
    """
    import numpy as np

    working = [each for each in reviewers if each.approvals]
    if not working or not any(each.bad for each in reviewers):
        return None
    rng = np.random.default_rng(SEED)

    def rate(hits: int, of: int) -> np.ndarray:
        return rng.beta(HALF + hits, HALF + of - hits, DRAWS)

    all_bad, all_good = sum(r.bad for r in reviewers), sum(r.good for r in reviewers)
    all_missed, all_refused = sum(r.missed for r in reviewers), sum(r.refused for r in reviewers)
    wrong = np.zeros(DRAWS)
    for each in working:
        missed = rate(each.missed, each.bad) if each.bad else rate(all_missed, all_bad)
        passed = 1 - (rate(each.refused, each.good) if each.good else rate(all_refused, all_good))
        approved = rate(each.approvals, each.approvals + each.rejections)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(passed > missed, (passed - approved) / (passed - missed), 1.0)
        wrong += each.approvals * np.clip(np.clip(share, 0, 1) * missed / approved, 0, 1)
    wrong /= sum(each.approvals for each in working)
    return float(wrong.mean()), float(np.quantile(wrong, 0.95))

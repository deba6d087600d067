"""How small a difference an evaluation set can show."""

from __future__ import annotations

import math

__all__ = ["DISCORDANT_SHARE", "smallest_difference"]

DISCORDANT_SHARE = 0.2
"""Assumed share of items on which the two models differ in being right; a guess to plan with, since it is
known only after both have answered. More disagreement makes the same difference harder to see."""


def smallest_difference(
    n: int, *, discordant: float = DISCORDANT_SHARE, power: float = 0.8, alpha: float = 0.05
) -> float | None:
    """The smallest difference in accuracy that McNemar's test on `n` paired items shows with this power.

    Solves the normal approximation of Connor 1987 (Biometrics 43, 207-211, https://doi.org/10.2307/2531961)
    for the difference d: n d^2 = (z_(1-alpha/2) sqrt(s) + z_power sqrt(s - d^2))^2, s being the discordant
    share. Where s is too little to reach it, every discordant item counts for one side (s = d).

    Returns:
        A share, e.g. 0.10 for ten points of accuracy; None if not even the largest difference would show.

    >>> round(smallest_difference(150), 3)
    0.101
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z_alpha, z_power = float(norm.ppf(1 - alpha / 2)), float(norm.ppf(power))

    def excess(d: float) -> float:
        s = max(discordant, d)
        return d * math.sqrt(n) - z_alpha * math.sqrt(s) - z_power * math.sqrt(s - d * d)

    if n < 1 or excess(1.0) < 0:
        return None
    return float(brentq(excess, 0.0, 1.0))

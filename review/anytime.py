"""Statements about a share that hold whenever one looks: a test and an interval for a stream of yes and no.

Both rest on the likelihood ratio of a mixture over the possible shares to one share (Robbins 1970, Statistical
methods related to the law of the iterated logarithm; for bounded streams Howard et al. 2021, Time-uniform,
nonparametric, nonasymptotic confidence sequences, https://arxiv.org/abs/1810.08240). Under that share the
ratio is a martingale that starts at 1, so by Ville's inequality it ever reaches 1/alpha with probability alpha
at most: for any horizon, however often one looks and whenever one stops.
"""

from __future__ import annotations

from math import exp, inf, log

__all__ = ["evidence_above", "interval"]

PRIOR = 0.5
"""Both parameters of the mixing Beta distribution: Jeffreys' prior."""


def evidence_above(yes: int, n: int, most: float) -> float:
    """How strongly `yes` of `n` speak for a share above `most`: an e-value, 1 where nothing is known.

    The mixture is Jeffreys' prior cut off to (most, 1]. For a share of exactly `most` the running value is
    a martingale, for a smaller one a supermartingale: each factor's mean is at most 1, since a "yes" is what
    every share in the mixture expects more often.

    >>> round(evidence_above(3, 3, 0.15))
    124
    """
    from scipy.special import betainc, betaln

    prior = float(betainc(PRIOR, PRIOR, 1 - most))
    posterior = float(betainc(n - yes + PRIOR, yes + PRIOR, 1 - most))
    if posterior <= 0 or prior <= 0:
        return 0.0
    ratio = betaln(yes + PRIOR, n - yes + PRIOR) - betaln(PRIOR, PRIOR) + log(posterior) - log(prior)
    return exp(min(700.0, float(ratio) - yes * log(most) - (n - yes) * log(1 - most)))


def interval(yes: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Shares that `yes` of `n` leave possible, jointly over all n with probability 1 - alpha at least.

    >>> interval(0, 0)
    (0.0, 1.0)
    >>> low, high = interval(2, 40)
    >>> round(low, 3), round(high, 3)
    (0.002, 0.234)
    """
    if n == 0:
        return 0.0, 1.0
    centre = yes / n
    low = 0.0 if yes == 0 else _edge(yes, n, 0.0, centre, alpha)
    high = 1.0 if yes == n else _edge(yes, n, 1.0, centre, alpha)
    return low, high


def _edge(yes: int, n: int, outside: float, inside: float, alpha: float) -> float:
    """Where the evidence against a share reaches 1/alpha, by bisection; the outer end of the last step."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if _against(yes, n, middle) >= 1 / alpha:
            outside = middle
        else:
            inside = middle
    return outside


def _against(yes: int, n: int, share: float) -> float:
    from scipy.special import betaln

    if (share <= 0 and yes) or (share >= 1 and yes < n):
        return inf
    ratio = float(betaln(yes + PRIOR, n - yes + PRIOR) - betaln(PRIOR, PRIOR))
    said = (yes * log(share) if yes else 0.0) + ((n - yes) * log(1 - share) if n > yes else 0.0)
    return exp(min(700.0, ratio - said))

"""Which stratum the next row to re-review comes from, and how many more would bring a bound under a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from seedgate.review.bound import BadControls, Stratum, wrong_rows

__all__ = ["MoreReviews", "more_reviews", "next_stratum"]


class MoreReviews(NamedTuple):
    """How many more re-reviews: at least, if they find nothing wrong, and probably, if they find as much as so far.

    None where not even judging every row again would do. `rows` are those that were not drawn yet.
    """

    least: int | None
    probable: int | None
    rows: int


def next_stratum(drawn: Sequence[tuple[int, int]]) -> int | None:
    """Index of the stratum that the next row is drawn from: where the smallest share has been drawn so far.

    Args:
        drawn: Per stratum its size and how many of its rows have been drawn.

    Returns:
        None if every row has been drawn.
    """
    open_ = [(Fraction(n, size), i) for i, (size, n) in enumerate(drawn) if n < size]
    return min(open_)[1] if open_ else None


def more_reviews(
    strata: Sequence[Stratum], controls: Sequence[BadControls] | None, allowed: Callable[[int, int], bool]
) -> MoreReviews:
    """How many more re-reviews would do.

    Args:
        allowed: Whether a bound on the wrong rows left is low enough, given how many rows are left.
    """
    seen, found = sum(s.seen for s in strata), sum(s.found for s in strata)
    rate = found / seen if seen else 0.0
    rows = sum(s.size - s.seen for s in strata)

    def enough(extra: int, rate: float) -> bool:
        grown = _grown(strata, extra, rate)
        left = sum(s.size - (s.found - s.kept) for s in grown)
        return allowed(wrong_rows(grown, controls), left)

    return MoreReviews(
        _fewest(rows, lambda n: enough(n, 0.0)), _fewest(rows, lambda n: enough(n, rate)), rows
    )


def _fewest(most: int, enough: Callable[[int], bool]) -> int | None:
    """By bisection: more reviews are taken to be better, which a rounded number of finds breaks only locally."""
    if not most or not enough(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _grown(strata: Sequence[Stratum], extra: int, rate: float) -> list[Stratum]:
    """The strata after `extra` more re-reviews that find the share `rate` wrong."""
    drawn = [(s.size, s.seen) for s in strata]
    for _ in range(extra):
        at = next_stratum(drawn)
        if at is None:
            break
        drawn[at] = (drawn[at][0], drawn[at][1] + 1)
    more = [seen - s.seen for s, (_, seen) in zip(strata, drawn, strict=True)]
    out, owed, given = [], 0.0, 0
    for stratum, number in zip(strata, more, strict=True):
        owed += rate * number
        finds = min(round(owed) - given, number)
        given += finds
        out.append(replace(stratum, seen=stratum.seen + number, found=stratum.found + finds))
    return out

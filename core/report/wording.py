"""Numbers as the page writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FILTERS", "count", "duration", "fixed", "percent", "rate", "signed"]


def count(value: float) -> str:
    """A whole number, its thousands set apart.

    >>> count(12345)
    '12,345'
    """
    return f"{value:,.0f}"


def percent(value: float, digits: int = 0) -> str:
    """A share.

    >>> percent(0.125, 1)
    '12.5%'
    """
    return f"{100 * value:.{digits}f}%"


def fixed(value: float, digits: int = 3) -> str:
    """A figure with so many digits."""
    return f"{value:.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """A difference, with its sign."""
    return f"{value:+.{digits}f}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(42.4), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def rate(value: Any) -> str:
    """A rate with its interval."""
    if not value["of"]:
        return "-"
    return f"{value['found']} of {value['of']} ({value['low']:.0%} to {value['high']:.0%})"


FILTERS: dict[str, Callable[..., str]] = {
    "count": count,
    "percent": percent,
    "fixed": fixed,
    "signed": signed,
    "duration": duration,
    "rate": rate,
}

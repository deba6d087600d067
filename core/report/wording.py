"""Numbers as the page writes them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

__all__ = ["FILTERS", "changes", "count", "duration", "fixed", "percent", "rate", "signed"]

LEAST_ALIKE = 0.4
MOST_COMPARED = 2000
"""Words that are compared one by one; the time of it grows with their square."""


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


def changes(before: Any, after: Any) -> list[tuple[str, str]]:
    """Words that stayed (`same`), are `gone` and are `new`, in their order; texts that are hardly alike as wholes.

    >>> changes("a late parcel", "a lost parcel")
    [('same', 'a'), ('gone', 'late'), ('new', 'lost'), ('same', 'parcel')]
    """
    old, new = str(before or "").split(" "), str(after).split(" ")
    matcher = SequenceMatcher(None, old, new, autojunk=False) if len(old) + len(new) < MOST_COMPARED else None
    if matcher is None or matcher.ratio() < LEAST_ALIKE:
        return [("gone", " ".join(old)), ("new", " ".join(new))]
    found = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found.append(("same", " ".join(old[a:b])))
            continue
        found += [("gone", " ".join(old[a:b]))] if b > a else []
        found += [("new", " ".join(new[c:d]))] if d > c else []
    return found


FILTERS: dict[str, Callable[..., str]] = {
    "count": count,
    "percent": percent,
    "fixed": fixed,
    "signed": signed,
    "duration": duration,
    "rate": rate,
}

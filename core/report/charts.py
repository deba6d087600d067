"""Charts as inline SVG: bars, dots with intervals, and a curve, each with a name that says its figures.

Places along x are percentages and heights are pixels, so that a chart fits any width while its text and its dots keep
their size. Colours are classes: the page's style decides, for light, dark and print.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import NamedTuple

from markupsafe import Markup, escape

from seedgate.review.visible import reveal

__all__ = ["Part", "Point", "axis", "bar", "curve", "dot", "scale_of", "seen", "ticks_of"]

SVG = Markup(
    '<svg class="{kind}" role="img" width="100%" height="{height}"><title>{title}</title>{inner}</svg>'
)
INSET = 3.0
"""Per cent that are left free at both ends, so that dots and their labels are not cut off."""


class Part(NamedTuple):
    """One part of a bar: its class, how much it is, and what it is called."""

    kind: str
    value: float
    name: str


class Point(NamedTuple):
    """One measurement over `x`, with its interval."""

    x: float
    value: float
    low: float
    high: float
    name: str


def seen(text: object) -> Markup:
    """Text for the page: invisible characters as marks, then escaped. What is markup already stays."""
    if isinstance(text, Markup):
        return text
    return escape(reveal(text) if isinstance(text, str) else text)


def _svg(kind: str, height: int, title: str, inner: Sequence[Markup]) -> Markup:
    return SVG.format(kind=kind, height=height, title=seen(title), inner=Markup("").join(inner))


def bar(parts: Sequence[Part], whole: float, *, height: int = 18, marks: Sequence[float] = ()) -> Markup:
    """A stacked bar; the longest one of a table fills its width.

    Args:
        whole: What the full width stands for.
        marks: Values at which a line crosses it.
    """
    rect = Markup('<rect class="{}" x="{:.2f}%" y="0" width="{:.2f}%" height="{}" rx="2"/>')
    line = Markup('<line class="mark" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="{1}"/>')
    inner, at = [], 0.0
    for part in parts:
        width = 100 * part.value / whole if whole else 0.0
        if width > 0:
            inner.append(rect.format(part.kind, at, width, height))
        at += width
    inner += [line.format(100 * mark / whole, height) for mark in marks if whole]
    title = ", ".join(f"{part.name} {part.value:,g}" for part in parts)
    return _svg("bar", height, title, inner)


def scale_of(values: Sequence[float], *, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """Round ends of an axis that holds these shares.

    >>> scale_of([0.43, 0.68])
    (0.4, 0.7)
    """
    if not values:
        return least, most
    low = max(least, floor(10 * min(values) + 1e-9) / 10)
    high = min(most, ceil(10 * max(values) - 1e-9) / 10)
    return (low, high) if high > low else (low, low + 0.1)


def ticks_of(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high, at most one more than `most`.

    >>> ticks_of(0, 1000)
    [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    """
    if high <= low:
        return [low]
    rough = (high - low) / most
    unit = 10.0 ** floor(log10(rough))
    step = unit * next(each for each in (1, 2, 5, 10) if unit * each >= rough * 0.999)
    first = ceil(low / step - 1e-9)
    last = floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def _place(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    share = (value - low) / (high - low)
    return INSET + (100 - 2 * INSET) * min(1.0, max(0.0, share))


def dot(
    value: float, low: float, high: float, scale: tuple[float, float], name: str, *, mark: float | None = None
) -> Markup:
    """A dot with its interval, above an `axis` of the same scale.

    Args:
        mark: Where a line says what it is compared with.
    """
    at, left, right = (_place(each, scale) for each in (value, low, high))
    inner = []
    if mark is not None:
        inner.append(
            Markup('<line class="mark" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="22"/>').format(
                _place(mark, scale)
            )
        )
    inner += [
        Markup('<line class="range" x1="{:.2f}%" x2="{:.2f}%" y1="11" y2="11"/>').format(left, right),
        Markup('<circle class="dot" cx="{:.2f}%" cy="11" r="5"/>').format(at),
    ]
    return _svg("dots", 22, f"{name}: {value:.3f} ({low:.3f} to {high:.3f})", inner)


def axis(scale: tuple[float, float], title: str, *, signed: bool = False) -> Markup:
    """The axis below a column of dots."""
    inner = [
        Markup('<line class="axis" x1="{:.2f}%" x2="{:.2f}%" y1="1" y2="1"/>').format(INSET, 100 - INSET)
    ]
    for tick in ticks_of(*scale, most=4):
        label = f"{tick:+.1f}" if signed else f"{tick:g}"
        inner.append(
            Markup(
                '<line class="axis" x1="{0:.2f}%" x2="{0:.2f}%" y1="1" y2="5"/>'
                '<text class="tick" x="{0:.2f}%" y="18" text-anchor="middle">{1}</text>'
            ).format(_place(tick, scale), label)
        )
    return _svg("dots", 22, title, inner)


def curve(points: Sequence[Point], title: str, across_is: str) -> Markup:
    """Measurements joined in the order of x, each with its interval; `across_is` says what x counts."""
    height, top, bottom = 260, 16, 216
    ys = scale_of([each for p in points for each in (p.low, p.high)])
    xs = (0.0, max(p.x for p in points) or 1.0)
    across = [7 + 90 * (p.x - xs[0]) / (xs[1] - xs[0]) for p in points]

    def up(value: float) -> float:
        return bottom - (bottom - top) * (value - ys[0]) / (ys[1] - ys[0])

    grid = Markup(
        '<line class="grid" x1="7%" x2="97%" y1="{0:.1f}" y2="{0:.1f}"/>'
        '<text class="tick" x="5.5%" y="{1:.1f}" text-anchor="end">{2}</text>'
    )
    below = Markup('<text class="tick" x="{:.2f}%" y="236" text-anchor="middle">{}</text>')
    inner = [grid.format(up(tick), up(tick) + 4, f"{tick:g}") for tick in ticks_of(*ys, most=5)]
    inner += [below.format(7 + 90 * tick / xs[1], f"{tick:,g}") for tick in ticks_of(*xs, most=5)]
    inner.append(Markup('<text class="tick" x="97%" y="254" text-anchor="end">{}</text>').format(across_is))
    joined = list(zip(points, across, strict=True))
    for (one, x1), (other, x2) in pairwise(joined):
        inner.append(
            Markup('<line class="path" x1="{:.2f}%" y1="{:.1f}" x2="{:.2f}%" y2="{:.1f}"/>').format(
                x1, up(one.value), x2, up(other.value)
            )
        )
    for point, x in joined:
        inner.append(
            Markup(
                '<g><title>{4}</title><line class="range" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:.1f}" y2="{2:.1f}"/>'
                '<circle class="dot" cx="{0:.2f}%" cy="{3:.1f}" r="5"/></g>'
            ).format(x, up(point.low), up(point.high), up(point.value), seen(point.name))
        )
    return _svg("curve", height, title, inner)

"""A picture of arms: accuracy as a dot with its interval, one block of lines for each cell. One SVG file by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["arms_picture"]

LINE, LEFT, WIDTH, TOP = 18, 250, 760, 58
COLOURS = {"seeds": "#6b7280", "gated": "#15803d"}
OTHER = "#b45309"
TEXT = "font-family='system-ui, sans-serif' font-size='12'"


def arms_picture(title: str, blocks: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]]) -> str:
    """An SVG on white, so that it can be read on a page of any colour.

    Args:
        title: Above all of it.
        blocks: Name of a cell, and arm to `rows` and `accuracy` (`value`, `low`, `high`).
    """
    found = [arm["accuracy"] for _, arms in blocks for arm in arms.values()]
    low = int(min(each["low"] for each in found) * 20) / 20
    high = int(max(each["high"] for each in found) * 20 + 1) / 20

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 20)

    lines = sum(len(arms) + 1.5 for _, arms in blocks)
    bottom = TOP + lines * LINE
    out = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {bottom + 30:.0f}' role='img'>",
        f"<title>{escape(title)}</title><rect width='100%' height='100%' fill='#fff'/>",
        f"<text x='12' y='24' {TEXT} font-weight='600'>{escape(title)}</text>",
    ]
    steps = round((high - low) / 0.05)
    for number in range(steps + 1):
        at = low + number * 0.05
        out.append(f"<path d='M{x(at):.1f} {TOP - 12}V{bottom:.0f}' stroke='#e5e7eb'/>")
        out.append(f"<text x='{x(at):.1f}' y='{bottom + 18:.0f}' {TEXT} text-anchor='middle'>{at:.2f}</text>")
    y = TOP + 0.0
    for name, arms in blocks:
        out.append(f"<text x='12' y='{y + 4:.1f}' {TEXT} font-weight='600'>{escape(name)}</text>")
        y += LINE
        for arm, each in arms.items():
            colour, score = COLOURS.get(arm, OTHER), each["accuracy"]
            label = f"{arm}, {each['rows']:.0f} rows added" if each["rows"] else f"{arm} alone"
            out.append(
                f"<text x='{LEFT - 12}' y='{y + 4:.1f}' {TEXT} text-anchor='end'>{escape(label)}</text>"
            )
            line = f"M{x(score['low']):.1f} {y:.1f}H{x(score['high']):.1f}"
            out.append(f"<path d='{line}' stroke='{colour}' stroke-width='2'/>")
            out.append(f"<circle cx='{x(score['value']):.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>")
            y += LINE
        y += LINE / 2
    return "\n".join([*out, "</svg>\n"])

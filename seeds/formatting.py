"""Formatting habits of a text field, and the rows that break them: capitals, full stops, quotes, spaces, units, dates.

A habit is what nearly all rows do that could do otherwise; where rows differ more, there is none and nothing is said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from seedgate.records import Example
from seedgate.seeds.findings import MOST_ROWS, Finding
from seedgate.task import Field, Task

__all__ = ["HABIT_ROWS", "HABIT_SHARE", "formatting"]

HABIT_ROWS = 20
HABIT_SHARE = 0.9
"""A habit: of at least so many rows in which it can be seen, at least this share do alike, but not all."""

_UNIT = re.compile(
    r"(?<![\w.,])\d+(?:[.,]\d+)?( ?)(?:km|cm|mm|kg|mg|ml|GB|MB|kB|TB|kWh|kW|Hz|MHz|GHz|lbs?|oz|mph|km/h|°C|°F|%)(?!\w)"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_DATES = {
    "YYYY-MM-DD": re.compile(r"(?<![\d-])\d{4}-\d\d-\d\d(?![\d-])"),
    "with slashes": re.compile(r"(?<![\d/])\d{1,2}/\d{1,2}/\d{2,4}(?![\d/])"),
    "with dots": re.compile(r"(?<![\d.])\d{1,2}\.\d{1,2}\.\d{4}(?![\d.])"),
    "day before month": re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}(?!\w)"),
    "month before day": re.compile(rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?![\d:])"),
}


def formatting(seeds: Sequence[Example], task: Task) -> Iterator[Finding]:
    """One finding for each habit that some rows break, naming them.

    A warning where the model learns to write the field, else only information: people may write as they like.
    """
    for field in task.fields:
        if field.type == "text":
            for ways in _HABITS:
                yield from _against(seeds, field, ways)


def _against(seeds: Sequence[Example], field: Field, way_of: Callable[[str], str]) -> Iterator[Finding]:
    rows: dict[str, list[str]] = defaultdict(list)
    for seed in seeds:
        if way := way_of(str(seed.fields.get(field.name, ""))):
            rows[way].append(seed.source)
    seen = sum(map(len, rows.values()))
    if seen < HABIT_ROWS or len(rows) < 2:
        return
    habit = max(rows, key=lambda way: len(rows[way]))
    if len(rows[habit]) < HABIT_SHARE * seen:
        return
    for way, sources in rows.items():
        if way != habit:
            yield Finding(
                code="formatting",
                severity="warning" if field.role == "output" else "info",
                rows=tuple(sources[:MOST_ROWS]),
                what=f"field {field.name!r}: {way} in {len(sources)} of {seen} rows, {habit} in {len(rows[habit])}",
                advice="write them like the others, unless they are meant so",
            )


def _first_letter(text: str) -> str:
    """Caseless scripts, digits and lines of capitals say nothing about sentences."""
    first = text.strip()[:1]
    if first.lower() == first.upper() or _capitals(text) == ALL_CAPITALS:
        return ""
    return "a capital at the start" if first.isupper() else "a small letter at the start"


ALL_CAPITALS = "capitals only"


def _capitals(text: str) -> str:
    letters = [char for char in text if char.lower() != char.upper()]
    if len(letters) < 12:
        return ""
    return ALL_CAPITALS if all(char.isupper() for char in letters) else "small letters and capitals"


def _end(text: str) -> str:
    """Brackets and quotes behind the mark belong to it; emoji and links end as they please."""
    last = text.rstrip().rstrip("\"'”’»)]")[-1:]
    if last in (".", "!", "?", "…", "。", "！", "？"):
        return "a full stop, ! or ? at the end"
    return "no mark at the end" if last.isalnum() else ""


def _quotes(text: str) -> str:
    straight = '"' in text or re.search(r"\w'\w", text) is not None
    curly = re.search("[“”‘’„]", text) is not None
    if straight and curly:
        return "both straight and curly quotes"
    return "straight quotes" if straight else "curly quotes" if curly else ""


def _spaces(text: str) -> str:
    """Double spaces inside a line; indentation and tables of code are no slip."""
    if not text.strip():
        return ""
    return "double spaces" if re.search(r"(?<=[^\s|])  (?=[^\s|])", text) else "single spaces"


def _units(text: str) -> str:
    ways = {match.group(1) for match in _UNIT.finditer(text)}
    if len(ways) == 2:
        return "units both with and without a space"
    return "" if not ways else "a space before units" if " " in ways else "no space before units"


def _dates(text: str) -> str:
    ways = [name for name, pattern in _DATES.items() if pattern.search(text)]
    return "" if not ways else f"dates {ways[0]}" if len(ways) == 1 else "dates in several forms"


_HABITS = (_first_letter, _capitals, _end, _quotes, _spaces, _units, _dates)

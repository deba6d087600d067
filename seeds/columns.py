"""Columns of a source: by what names they hold a field, and how `init` learns labels or JSON fields from one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from seedgate.errors import InputError
from seedgate.fields import plain_answer
from seedgate.seeds.rows import Problem, RawRow
from seedgate.seeds.sources import open_source
from seedgate.shown import read_json

__all__ = ["ANSWER", "ASKED", "column_values", "json_values", "label_text", "standing_for"]

_MOST = 1000
ASKED = ("user", "input", "text")
ANSWER = ("assistant", "output", "response", "completion", "answer", "target")
"""Names by which a column holds the only field that is asked, or answered, if no other column may be meant."""


def standing_for(field: str, names: Collection[str], columns: Collection[str]) -> str | None:
    """The column that holds a field: the one with its name, else the only one with one of these names.

    >>> standing_for("data", ANSWER, ["text", "output"])
    'output'
    >>> standing_for("data", ANSWER, ["output", "answer"]) is None
    True
    """
    if field in columns:
        return field
    found = [name for name in names if name in columns]
    return found[0] if len(found) == 1 else None


def label_text(value: Any) -> Any:
    """A label as the text it has in a CSV, where a typed file holds a whole number or a truth value.

    >>> label_text(3), label_text(True), label_text("bug")
    ('3', 'true', 'bug')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def column_values(
    source: str, column: str, *, split: str = "train", mapped: Collection[str] = ()
) -> list[str]:
    """The distinct labels in `column`, in order of first appearance.

    Args:
        source: As for `read_examples`, as is `split`.
        column: Its name.
        mapped: The columns that a mapping names.

    Raises:
        InputError: A row is broken, has no label there or one that differs from another in case or a final full
            stop alone; there are fewer than two labels or more than 1,000 (then it is hardly a column of labels).
    """
    found: dict[str, tuple[str, str]] = {}
    for row in open_source(source, split=split, mapped=mapped):
        place, value = _value(row, column, "label", mapped)
        label = label_text(value)
        if not isinstance(label, str) or not label.strip():
            raise InputError(
                f"{place}: column {column!r} holds {_shown(label)} where a label belongs",
                hint="write the label there, or leave the row out",
            )
        if label != label.strip():
            raise InputError(f"{place}: the label {label!r} has space around it", hint="take the space away")
        like, first = found.setdefault(plain_answer(label), (label, place))
        if like != label:
            raise InputError(
                f"{place}: the label {label!r} reads like {like!r} of {first}", hint="spell a label one way"
            )
        if len(found) > _MOST:
            raise InputError(f"{source}: column {column!r} has over {_MOST} values: these are no labels")
    if len(found) < 2:
        what = f"only the label {next(iter(found.values()))[0]!r}" if found else "no rows"
        raise InputError(f"{source}: holds {what}", hint="give examples of at least two labels")
    return [label for label, _ in found.values()]


def json_values(
    source: str, column: str, *, split: str = "train", mapped: Collection[str] = ()
) -> list[Mapping[str, Any]]:
    """The JSON objects of `column`, given as objects or as text.

    Args: as for `column_values`.

    Raises:
        InputError: A row is broken, or has no object there; it names the row.
    """
    found: list[Mapping[str, Any]] = []
    for row in open_source(source, split=split, mapped=mapped):
        place, value = _value(row, column, "data", mapped)
        if isinstance(value, str):
            try:
                value = read_json(value)
            except InputError as error:
                raise InputError(f"{place}: {error.message}") from None
        if not isinstance(value, Mapping):
            raise InputError(f"{place}: column {column!r} holds {_shown(value)} where a JSON object belongs")
        found.append(value)
    return found


def _value(row: RawRow | Problem, column: str, field: str, mapped: Collection[str]) -> tuple[str, Any]:
    """A row's place, and what it has in the column or in the one that stands for it."""
    if isinstance(row, Problem):
        raise InputError(f"{row.place}: {row.what}")
    name = standing_for(column, ANSWER, row.values)
    if name is None and column in mapped:  # the other source's
        name = standing_for(field, ANSWER, row.values)
    if name is None:
        known = ", ".join(map(str, row.values))
        raise InputError(
            f"{row.place}: no column {column!r} (columns: {known[:200]})",
            hint=f"name it with --map COLUMN={field}",
        )
    return row.place, row.values[name]


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

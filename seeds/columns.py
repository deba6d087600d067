"""Columns of a source: by what names they hold a field, and how `init` learns labels or JSON fields from one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from seedgate.errors import InputError
from seedgate.seeds.rows import Problem
from seedgate.seeds.sources import open_source
from seedgate.shown import read_json

__all__ = ["ANSWER", "ASKED", "column_values", "json_values", "standing_for"]

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


def column_values(source: str, column: str, *, split: str = "train") -> list[str]:
    """The distinct texts of `column`, in order of first appearance.

    Raises:
        InputError: A row is broken or lacks the column, or there are fewer than two values or more than
            1,000 (then it is hardly a column of labels).
    """
    found: dict[str, None] = {}
    for row in open_source(source, split=split):
        if isinstance(row, Problem):
            raise InputError(f"{row.place}: {row.what}")
        value = row.values.get(standing_for(column, ANSWER, row.values) or column)
        if not isinstance(value, str) or not value.strip():
            known = ", ".join(map(str, row.values))
            raise InputError(
                f"{row.place}: no text in column {column!r} (columns: {known})",
                hint="name the label's column with --map COLUMN=label",
            )
        found.setdefault(value)
        if len(found) > _MOST:
            raise InputError(f"{source}: column {column!r} has over {_MOST} values: these are no labels")
    if len(found) < 2:
        what = f"only the label {next(iter(found))!r}" if found else "no rows"
        raise InputError(f"{source}: holds {what}", hint="give examples of at least two labels")
    return list(found)


def json_values(source: str, column: str, *, split: str = "train") -> list[Mapping[str, Any]]:
    """The JSON objects of `column`, given as objects or as text.

    Raises:
        InputError: A row is broken, or has no object there; it names the row.
    """
    found: list[Mapping[str, Any]] = []
    for row in open_source(source, split=split):
        if isinstance(row, Problem):
            raise InputError(f"{row.place}: {row.what}")
        value = row.values.get(standing_for(column, ANSWER, row.values) or column)
        if isinstance(value, str):
            try:
                value = read_json(value)
            except InputError as error:
                raise InputError(f"{row.place}: {error.message}") from None
        if not isinstance(value, Mapping):
            known = ", ".join(map(str, row.values))
            raise InputError(
                f"{row.place}: no JSON object there (columns: {known})",
                hint="name the column with --map COLUMN=data",
            )
        found.append(value)
    return found

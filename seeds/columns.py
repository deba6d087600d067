"""The values of one column of a source: how `init` learns the labels of a classification task."""

from __future__ import annotations

from seedgate.errors import InputError
from seedgate.seeds.rows import Problem
from seedgate.seeds.sources import open_source

__all__ = ["column_values"]

_MOST = 1000


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
        value = row.values.get(column)
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

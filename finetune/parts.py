"""Parts of the locked set, by label and by tag: which rows, by their place, each is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedgate.records import Example
    from seedgate.task import Task

__all__ = ["by_label", "by_tag"]


def by_label(task: Task, rows: Sequence[Example]) -> dict[str, list[int]]:
    """Label of the first label field to places of its rows; empty where a task has none."""
    label = task.label_field
    return _places((str(row.fields[label.name]),) for row in rows) if label is not None else {}


def by_tag(rows: Sequence[Example]) -> dict[str, list[int]]:
    """Tag to places of its rows; a row is at each of its tags."""
    return _places(row.tags for row in rows)


def _places(names_of_rows: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, names in enumerate(names_of_rows):
        for name in names:
            places[name].append(place)
    return dict(sorted(places.items()))

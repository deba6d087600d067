"""Drops what is no example of the task: a field missing or unknown, a label of its own making, too long.

Servers have been known to ignore a grammar silently, so structured output is checked like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from seedgate.errors import InputError
from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.task import Task

__all__ = ["SchemaFilter", "validated"]


def validated(task: Task, fields: Mapping[str, Any]) -> dict[str, Any] | Drop:
    """The fields as the task spells them (NFC, defaults filled in), or why they do not fit."""
    try:
        return task.validate_fields(fields)
    except InputError as error:
        return Drop("schema", "fields", str(error))


class SchemaFilter:
    """Fields must be the task's, spelled as `validated` spells them."""

    name = "schema"

    def __init__(self, task: Task) -> None:
        self._task = task

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        fields = validated(self._task, example.fields)
        if isinstance(fields, Drop):
            return fields
        if fields != example.fields:
            return Drop("schema", "spelling", "the fields are not in their normal form")
        return None

    def accept(self, example: Example) -> None:
        """Nothing to remember."""

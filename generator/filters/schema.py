"""Drops what is no example of the task: a field missing or unknown, a label of its own making, too long.

Servers have been known to ignore a grammar silently, so structured output is checked like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

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
        return Drop("schema", "fields", _place(task, error.__cause__))


def _place(task: Task, cause: BaseException | None) -> str:
    """Field and kind of the first fault, as pydantic names it (`label: literal_error`), without what was found."""
    if not isinstance(cause, ValidationError):
        return "a value that is none of its field's"
    first = cause.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    known = name in {field.name for field in task.fields}
    return f"{name}: {first['type']}" if known else str(first["type"])


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

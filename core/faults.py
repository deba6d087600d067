"""What pydantic finds wrong with a task or a row, in one line that names the key and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pydantic import ValidationError

from seedgate.errors import ConfigError
from seedgate.fields import Field

__all__ = ["row_fault", "task_fault"]


def row_fault(fields: Sequence[Field], error: ValidationError) -> str:
    """What is wrong with a row, in the words of the task."""
    own = {field.name: field for field in fields}
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "the row"
    found = "null" if first.get("input") is None else repr(first["input"])
    found = found if len(found) <= 60 else found[:57] + "..."
    if first["type"] == "missing":
        return f"field {name!r} is missing"
    if first["type"] == "extra_forbidden":
        return f"unknown field {name!r} (the task has: {', '.join(own)})"
    if first["type"] == "literal_error":
        labels = own[name].labels
        shown = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
        return f"field {name!r}: unknown label {found} (known: {shown})"
    if first["type"] == "string_too_long":
        size = len(str(first["input"]))
        return (
            f"field {name!r} has {size} characters; at most {own[name].max_chars} are allowed:"
            " shorten it, or raise max_chars in the task"
        )
    if first["type"] == "string_too_short":
        size = len(str(first["input"]))
        return f"field {name!r} has {size} characters; at least {own[name].min_chars} are needed"
    return f"field {name!r}: {first['msg'].lower()}, found {found}"


def task_fault(error: ValidationError, known: Sequence[str]) -> ConfigError:
    """What is wrong with a `[task]` table.

    Args:
        error: What pydantic found.
        known: The keys that a task can have.
    """
    errors = error.errors(include_url=False)
    # An unknown key first: what seems missing elsewhere may just be misspelt.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return ConfigError(f"[task] unknown key {where!r}: {_near_key(first['loc'], known)}")
    if first["type"] == "missing":
        return ConfigError(f"[task] key {where!r} is missing")
    message = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"[task]{' ' + where if where else ''}: {message}")


def _near_key(place: tuple[int | str, ...], of_task: Sequence[str]) -> str:
    presets = ("labels", "schema", "max_chars", "class")
    known = [*of_task, *presets] if len(place) == 1 else [*Field.model_fields, "schema"]
    if place[-1] in known:  # a preset's own key that was left behind, or a class's
        return "it does not go with this preset, class or list of fields: take it out"
    near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"

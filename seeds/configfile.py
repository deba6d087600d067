"""Writing `seedgate.toml`: what was chosen, with every other key beside it as a comment with its default."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from seedgate.config import Config
from seedgate.errors import InputError

__all__ = ["config_text", "toml_value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")

_OPENING = """\
# A seedgate workspace. Keys behind a # show their defaults.
"""
_TASK = """\
# What an example is. A preset completed by the keys below, or all fields by themselves. Labels may be a
# list, or a table that says what each one means: prompts and reviewers see it."""


def config_text(name: str, task: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a `seedgate.toml`, comments included."""
    parts = [_OPENING + f"name = {toml_value(name)}", _TASK + "\n" + "\n".join(_table("task", task))]
    for key, field in Config.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            parts.append("\n".join(_settings(key, model, settings.get(key, {}))))
    unknown = set(settings) - set(Config.model_fields)
    if unknown:
        raise InputError(f"settings: unknown table {min(unknown)!r}")
    return "\n\n".join(parts) + "\n"


def toml_value(value: Any) -> str:
    """A value as TOML on one line; dictionaries become inline tables.

    >>> toml_value({"a b": ["x", 1.5, True]})
    '{"a b" = ["x", 1.5, true]}'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but TOML also wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise InputError(f"{value!r} cannot be written as TOML")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml_value(key)


def _table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """A table, its own dictionaries as tables of their own after its plain keys."""
    yield f"[{name}]"
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    for key, value in table.items():
        if key in nested:
            continue
        if isinstance(value, Sequence) and value and all(isinstance(item, Mapping) for item in value):
            yield f"{_key(key)} = ["
            yield from (f"  {toml_value(item)}," for item in value)
            yield "]"
        else:
            yield f"{_key(key)} = {toml_value(value)}"
    for key, value in nested.items():
        yield ""
        yield from _table(f"{name}.{_key(key)}", value)


def _settings(name: str, model: type[BaseModel], chosen: Mapping[str, Any]) -> Iterator[str]:
    doc = (model.__doc__ or "").strip().split("\n\n")[0]
    yield from (f"# {line.strip()}" for line in doc.splitlines())
    yield f"[{name}]"
    for key, field in model.model_fields.items():
        if key in chosen:
            yield f"{key} = {toml_value(chosen[key])}"
        else:
            yield f"# {key} = {toml_value(field.default)}"
    # Kept as they are: reading the file says what is wrong with an unknown key.
    yield from (f"{_key(key)} = {toml_value(chosen[key])}" for key in chosen if key not in model.model_fields)

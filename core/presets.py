"""Tables of ready tasks, and of a user's pydantic class: what `[task]` says in a few words, written out."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, PydanticUserError, TypeAdapter

from seedgate.errors import ConfigError
from seedgate.fields import Role

__all__ = ["Input", "Output", "Preset", "complete_preset", "field_of"]

Preset = Literal["classification", "instruction", "chat", "extraction"]
"""A ready Task shape that `seedgate.toml` completes."""


class _RoleMark:
    """Marks a field of a user's pydantic class: `Annotated[str, Input]`, `Annotated[str, Output]`."""

    def __init__(self, role: Role) -> None:
        self.role = role


Input = _RoleMark("input")
Output = _RoleMark("output")


def complete_preset(preset: str, data: dict[str, Any]) -> dict[str, Any]:
    """The whole `[task]` table of one that names a preset.

    Raises:
        ConfigError: There is no such preset.
    """
    if preset == "classification":
        labels = data.pop("labels", ())
        text = {"name": "text", "role": "input", "max_chars": data.pop("max_chars", 600)}
        return {
            "fields": [text, {"name": "label", "role": "output", "type": "label", "labels": labels}],
            "instructions": "Name the topic of the text.",
            "prompt_template": "{text}",
            "completion_template": "{label}",
        } | data
    if preset == "instruction":
        limit = data.pop("max_chars", 4000)
        return {
            "fields": [
                {"name": "instruction", "role": "input", "max_chars": limit},
                {"name": "input", "role": "input", "max_chars": limit, "min_chars": 0, "required": False},
                {"name": "output", "role": "output", "max_chars": limit},
            ],
            "instructions": "Follow the instruction.",
            "audience": "instructions",
            "prompt_template": "{instruction}\n\n{input}",
            "completion_template": "{output}",
        } | data
    if preset == "extraction":
        text = {"name": "text", "role": "input", "max_chars": data.pop("max_chars", 4000)}
        return {
            "fields": [
                text,
                {"name": "data", "role": "output", "type": "json", "schema": data.pop("schema", {})},
            ],
            "instructions": "Extract what the text says, as JSON.",
            "prompt_template": "{text}",
            "completion_template": "{data}",
        } | data
    if preset == "chat":
        limit = data.pop("max_chars", 8000)
        return {
            "fields": [{"name": "messages", "role": "output", "type": "chat", "max_chars": limit}],
            "instructions": "Answer the user as an assistant.",
            "audience": "conversations",
        } | data
    raise ConfigError(f"[task] preset {preset!r} is unknown: use one of {', '.join(typing.get_args(Preset))}")


def field_of(name: str, info: Any) -> dict[str, Any]:
    """The table of a field of a user's pydantic class.

    Raises:
        ConfigError: It has no role, or a type that no field can have.
    """
    marks = [mark.role for mark in info.metadata if isinstance(mark, _RoleMark)]
    if isinstance(info.json_schema_extra, dict) and "role" in info.json_schema_extra:
        marks.append(info.json_schema_extra["role"])
    if len(marks) != 1:
        raise ConfigError(
            f"field {name!r}: mark it with exactly one of Annotated[..., Input] or Output,"
            ' or json_schema_extra={"role": "input"} or "output"'
        )
    out: dict[str, Any] = {
        "name": name,
        "role": marks[0],
        "title": info.title or "",
        "description": info.description or "",
    }
    for rule in info.metadata:
        for ours, theirs in (("min_chars", "min_length"), ("max_chars", "max_length")):
            if getattr(rule, theirs, None) is not None:
                out[ours] = getattr(rule, theirs)
    kind, origin = info.annotation, typing.get_origin(info.annotation)
    if kind is str:
        return (
            out
            | {"type": "text", "required": info.is_required()}
            | ({} if info.is_required() else {"min_chars": 0})
        )
    if origin is Literal:
        return out | {"type": "label", "labels": typing.get_args(kind)}
    if origin is list and typing.get_origin(typing.get_args(kind)[0]) is Literal:
        return out | {"type": "multilabel", "labels": typing.get_args(typing.get_args(kind)[0])}
    if kind in (int, float, bool):
        # A name that only JSON Schema has: without it, this would be a table of a field called "type".
        draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return out | {"type": "json", "schema": TypeAdapter(_limited(kind, info)).json_schema() | draft}
    of = typing.get_args(kind)[:1] if origin is list else (kind,)
    if of and isinstance(of[0], type) and issubclass(of[0], BaseModel):
        try:
            schema = TypeAdapter(kind).json_schema()
        except PydanticUserError as error:
            raise ConfigError(f"field {name!r}: {str(error).splitlines()[0]}") from None
        return out | {"type": "json", "schema": schema}
    shown = kind if isinstance(kind, types.GenericAlias) else getattr(kind, "__name__", kind)
    raise ConfigError(
        f"field {name!r}: {shown} is not supported; use str, int, float, bool, Literal[...], list[Literal[...]]"
        " or a pydantic class"
    )


def _limited(kind: type, info: Any) -> Any:
    """The type with the limits that the class puts on it."""
    limits = [mark for mark in info.metadata if not isinstance(mark, _RoleMark)]
    return Annotated[kind, *limits] if limits else kind

"""What of an example is compared: its input text, in one definition for every room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedgate.canonical import canonical_json
from seedgate.task import Task

__all__ = ["output_of", "text_of"]


def text_of(task: Task, fields: Mapping[str, Any]) -> str:
    """The input text of an example, for near-duplicate checks: its input fields, one per line.

    Of a chat, all that leads to its last answer, but for the system's message, which many share.

    >>> task = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b"]})
    >>> text_of(task, {"text": "Hello", "label": "a"})
    'Hello'
    """
    if task.chat_field is not None:
        said = task.messages(fields)[:-1]
        return "\n".join(turn["content"] for turn in said if turn["role"] != "system")
    values = (fields.get(field.name, "") for field in task.inputs)
    return "\n".join(", ".join(value) if isinstance(value, list) else str(value) for value in values if value)


def output_of(task: Task, fields: Mapping[str, Any]) -> str:
    """The output fields as canonical JSON: equal text means equal answer. Of a chat, the last turn."""
    if task.chat_field is not None:
        return canonical_json({task.chat_field.name: task.completion(fields)})
    return canonical_json({field.name: fields.get(field.name, "") for field in task.outputs})

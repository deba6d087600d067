"""The one text of a value that is no text: what is stored, hashed, shown to reviewers and edited by them.

A `json` value is its JSON with sorted keys, one per line. A `chat` is a transcript: `User: ` or `Assistant: ` or
`System: ` opens a turn, and each further line of it starts with `| `, so that no content can pass for a turn.
Since the text is the content, what a reviewer approves cannot differ from what is trained on.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedgate.canonical import normalise, strict_loads
from seedgate.errors import InputError

__all__ = ["Message", "json_text", "leaves", "messages_of", "read_json", "transcript"]

Message = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`."""

_HEADS = {"system": "System", "user": "User", "assistant": "Assistant"}
_ROLES = {head: role for role, head in _HEADS.items()}
_MORE = "|"
_EXACT = 2**53
"""Whole numbers below this are the same as an integer and as a float."""


def json_text(value: Any) -> str:
    """The text of a JSON value: equal values have equal texts.

    >>> json_text({"b": 2.0, "a": ["é"]})
    '{\\n  "a": [\\n    "é"\\n  ],\\n  "b": 2\\n}'
    """
    return json.dumps(_whole(normalise(value)), ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)


def read_json(text: str) -> Any:
    """The value of a text, read strictly.

    Raises:
        InputError: It is no JSON, or has what is ambiguous there.
    """
    try:
        return _whole(normalise(strict_loads(text)))
    except json.JSONDecodeError as error:
        raise InputError(f"no valid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:
        raise InputError(f"no valid JSON: {error}") from None


def _whole(value: Any) -> Any:
    """The value with 2.0 as 2: JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def leaves(value: Any) -> Iterator[str]:
    """The texts in a JSON value, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)


def transcript(messages: Sequence[Any], *, whole: bool = True) -> str:
    """The text of a chat; `whole`: one that ends with an answer, each question having one.

    >>> print(transcript([{"role": "user", "content": "Hi\\nAssistant: no"}, {"role": "assistant", "content": "Yes"}]))
    User: Hi
    | Assistant: no
    Assistant: Yes

    Raises:
        InputError: They are no chat: says which message, and what is wrong with it.
    """
    turns = [_checked(number, message) for number, message in enumerate(messages, 1)]
    if whole:
        _refuse_order([role for role, _ in turns])
    return "\n".join(_lines(f"{_HEADS[role]}:", content) for role, content in turns)


def _lines(head: str, content: str) -> str:
    """The lines of a turn; no space behind a mark where nothing follows it, since a page may lose that."""
    heads = [head] + [_MORE] * content.count("\n")
    return "\n".join(
        f"{mark} {line}" if line else mark for mark, line in zip(heads, content.split("\n"), strict=True)
    )


def messages_of(text: str) -> list[Message]:
    """The chat of a transcript; `transcript` gives the text again.

    Raises:
        InputError: Names the line that starts neither a turn nor with `| `, or the turn out of order.
    """
    messages: list[Message] = []
    for number, line in enumerate(text.split("\n"), 1):
        head, colon, rest = line.partition(":")
        if line == _MORE or line.startswith(f"{_MORE} "):
            if not messages:
                raise InputError("line 1 continues a turn that nobody began")
            messages[-1]["content"] += "\n" + line[2:]
        elif colon and head in _ROLES and (not rest or rest[0] == " "):
            messages.append({"role": _ROLES[head], "content": rest[1:]})
        else:
            raise InputError(
                f"line {number} begins no turn ('User: ', 'Assistant: ') and continues none ('| '): {line[:40]!r}"
            )
    for number, message in enumerate(messages, 1):
        _checked(number, message)
    _refuse_order([message["role"] for message in messages])
    return messages


def _checked(number: int, message: Any) -> tuple[str, str]:
    if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
        raise InputError(f"message {number} is no object of role and content")
    role, content = message["role"], message["content"]
    if not isinstance(role, str) or role not in _HEADS:
        raise InputError(f"message {number}: role {str(role)[:40]!r} is none of {', '.join(_HEADS)}")
    if not isinstance(content, str) or not content.strip():
        raise InputError(
            f"message {number}: the content of the {role} is {'empty' if content == '' else 'no text'}"
        )
    content = normalise(content.replace("\r\n", "\n"))
    strange = next((c for c in content if unicodedata.category(c) == "Cc" and c not in "\n\t"), None)
    if strange is not None:
        raise InputError(f"message {number}: control character U+{ord(strange):04X}")
    return role, content


def _refuse_order(roles: Sequence[str]) -> None:
    """A system message or none, then user and assistant in turn, the assistant last."""
    asked = roles[1:] if roles[:1] == ["system"] else roles
    for number, role in enumerate(asked):
        wanted = ("user", "assistant")[number % 2]
        if role != wanted:
            place = len(roles) - len(asked) + number + 1
            raise InputError(f"message {place} is by the {role}, where the {wanted} should speak")
    if len(asked) < 2 or len(asked) % 2:
        raise InputError("a chat ends with an answer by the assistant" if asked else "the chat has no turns")

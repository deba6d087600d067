"""Rows that are chats: OpenAI's `messages`, ShareGPT's `conversations`.

Where the task's example is a chat, its turns stay together, spelled as `role` and `content`. Else one exchange
becomes the columns `system`, `user` and `assistant`, which are mapped to the task's fields as any others are. OpenAI's
form: developers.openai.com/api/docs/guides/fine-tuning; ShareGPT's as FastChat and Axolotl read it: `from` is human,
gpt or system.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from seedgate.errors import InputError
from seedgate.seeds.rows import Problem, RawRow
from seedgate.shown import transcript

__all__ = ["TURNS", "as_text", "with_messages", "with_turns"]

TURNS = ("system", "user", "assistant")
"""The columns that a chat becomes."""

_LISTS = ("messages", "conversations")
_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "developer": "system"}


def with_turns(row: RawRow | Problem, mapped: Collection[str] = ()) -> RawRow | Problem:
    """The row with its turns as columns, if it is a chat; what is wrong with it, if it is more than one exchange.

    A column that is `mapped` stays as it is.
    """
    if isinstance(row, Problem):
        return row
    name = next((name for name in _LISTS if name not in mapped and _is_chat(row.values.get(name))), None)
    if name is None:
        return row
    turns = _turns(row.values[name])
    if isinstance(turns, str):
        return Problem(row.place, f"{name}: {turns}")
    roles = [role for role, _ in turns if role != "system"]
    if roles != ["user", "assistant"] or [role for role, _ in turns[1:]].count("system"):
        return Problem(
            row.place,
            f"{name}: {len(roles)} turns; an example is one question with its answer: make a row of each exchange,"
            f" or a task of chats (--task chat), or one text of them (--map {name}=FIELD)",
        )
    rest = {key: value for key, value in row.values.items() if key != name}
    columns = {role: text for role, text in turns if role != "system" or text.strip()}
    twice = sorted(rest.keys() & columns.keys())
    if twice:
        return Problem(row.place, f"{name}: the row has a column {twice[0]!r} besides")
    return RawRow(row.place, columns | rest)


def with_messages(row: RawRow | Problem, field: str) -> RawRow | Problem:
    """The row with its chat under the name of the task's field, each turn an object of role and content.

    A `system` column beside it, as some of ShareGPT's rows have, is the system's message.
    """
    if isinstance(row, Problem):
        return row
    name = next((name for name in (field, *_LISTS) if _is_chat(row.values.get(name))), None)
    if name is None:
        return row
    turns = _turns(row.values[name])
    if isinstance(turns, str):
        return Problem(row.place, f"{name}: {turns}")
    rest = {key: value for key, value in row.values.items() if key != name}
    if field in rest:
        return Problem(row.place, f"{name}: the row has a column {field!r} besides")
    system = rest.get("system")
    if isinstance(system, str) and turns[0][0] != "system":
        del rest["system"]
        turns = [*([("system", system)] if system.strip() else []), *turns]
    return RawRow(row.place, {field: [{"role": role, "content": text} for role, text in turns]} | rest)


def as_text(value: Any) -> Any:
    """The transcript of a chat, whoever speaks last; another value as it is.

    Raises:
        InputError: A turn is more than its text.
    """
    if not _is_chat(value):
        return value
    turns = _turns(value)
    if isinstance(turns, str):
        raise InputError(turns)
    return transcript([{"role": role, "content": text} for role, text in turns], whole=False)


def _turns(chat: list[dict[str, Any]]) -> list[tuple[str, str]] | str:
    """Role and text of each turn; what is wrong, if one has no such."""
    turns = []
    for turn in chat:
        role, text = _turn(turn)
        if role not in TURNS or text is None:
            return f"a turn that is no text of system, user or assistant: {_shown(turn)}"
        if lost := _more_than_text(turn):
            return f"a turn with {lost}, which is more than its text: take it out, or the row: {_shown(turn)}"
        turns.append((role, text))
    return turns


def _more_than_text(turn: dict[str, Any]) -> str:
    """What would be lost if a turn were its text alone: calls of tools, or that it is not to be trained on."""
    for name in ("tool_calls", "function_call", "refusal"):
        if turn.get(name):
            return name
    weight = turn.get("weight")
    return "" if weight is None or weight == 1 else f"weight {weight!r}"


def _is_chat(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) for turn in value)


def _turn(turn: dict[str, Any]) -> tuple[str, str | None]:
    role = str(turn.get("role") or turn.get("from") or "")
    content = turn["content"] if "content" in turn else turn.get("value")
    if isinstance(content, list):  # OpenAI's parts: only text can be an example's field
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        content = "".join(texts) if texts and len(texts) == len(parts) else None
    return _ROLES.get(role, role), content if isinstance(content, str) else None


def _shown(turn: dict[str, Any]) -> str:
    text = repr(turn)
    return text if len(text) <= 80 else text[:77] + "..."

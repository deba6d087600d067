"""From a completion to items: the texts of a continued list, or the one object of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from seedgate.canonical import strict_loads
from seedgate.generator.clients.base import Choice
from seedgate.generator.filters.base import Drop

__all__ = ["Item", "parse_chat", "parse_list"]

_LINE = re.compile(r"\s*(\d{1,4})[.)](?:\s+(.*))?$", re.DOTALL)
HEADING_WORDS = 2
"""So few words before a colon, where the label should stand, are taken for a label that the model made up."""
_PAIRS = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a completion that may become a candidate; exactly one of `fields` and `drop` is set."""

    number: int
    fields: dict[str, Any] | None = None
    drop: Drop | None = None


def parse_list(
    choice: Choice,
    *,
    first: int,
    field: str,
    heading: str,
    headings: Collection[str],
    fixed: Mapping[str, Any],
) -> list[Item]:
    """The items of a completion that continues a numbered list at `first`.

    The list ends at the first line that is not the next number. The last item of a completion that did not
    stop by itself is dropped: it may have been cut.

    Args:
        heading: What each line begins with, before a colon.
        headings: Those of all labels, case folded.
    """
    lines = choice.text.split("\n")
    texts, complete = [lines[0]], True
    for line in lines[1:]:
        match = _LINE.match(line)
        if match is None or int(match.group(1)) != first + len(texts):
            break
        texts.append(match.group(2) or "")
    else:
        complete = choice.finish_reason == "stop"
    items = [_list_item(i, text, field, heading, headings, fixed, lead=i > 0) for i, text in enumerate(texts)]
    if not complete:
        items[-1] = Item(len(texts) - 1, drop=_truncated(texts[-1]))
    return items


def _list_item(
    number: int,
    line: str,
    field: str,
    heading: str,
    headings: Collection[str],
    fixed: Mapping[str, Any],
    *,
    lead: bool,
) -> Item:
    text = " ".join(line.split())
    head, colon, rest = text.partition(":")
    named = head.casefold() if colon else ""
    plain, remark, _ = named.partition(" (")
    if remark and plain == heading.casefold() and named not in headings:
        named = plain  # "Late delivery (unusual)": what a strategy's lists add to their headings
    if lead and named == heading.casefold():
        text = rest.strip()
    elif colon and (
        (named in headings and named != heading.casefold()) or (lead and len(head.split()) <= HEADING_WORDS)
    ):
        what = "another label of the task" if named in headings else "no label of the task"
        return Item(number, drop=Drop("parse", "other_label", what))
    text = _unquoted(text)
    if not text:
        return Item(number, drop=Drop("parse", "empty"))
    return Item(number, {**fixed, field: text})


def parse_chat(choice: Choice, *, fixed: Mapping[str, Any]) -> list[Item]:
    """The one item of an answer that is a JSON object; text around the object is a fault, not mended."""
    if choice.finish_reason != "stop":
        return [Item(0, drop=_truncated(choice.text))]
    try:
        data = strict_loads(choice.text)
    except json.JSONDecodeError as error:
        return [Item(0, drop=Drop("schema", "json", f"{error.msg} at character {error.pos + 1}"))]
    except ValueError:
        return [Item(0, drop=Drop("schema", "json", "keys, numbers or depth that strict JSON has not"))]
    if not isinstance(data, dict):
        return [Item(0, drop=Drop("schema", "json", f"{type(data).__name__} in place of an object"))]
    changed = [name for name in fixed if name in data and data[name] != fixed[name]]
    if changed:
        return [Item(0, drop=Drop("schema", "fixed", f"{changed[0]} is not what was asked for"))]
    texts = {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}
    return [Item(0, {**texts, **fixed})]


def _truncated(text: str) -> Drop:
    return Drop("parse", "truncated", f"after {len(text)} characters")


def _unquoted(text: str) -> str:
    """The text without a pair of quotation marks around all of it."""
    inner = text[1:-1]
    closing = _PAIRS.get(text[:1])
    if len(text) > 2 and closing == text[-1] and text[0] not in inner and closing not in inner:
        return inner.strip()
    return text

"""Drops texts with traces of how they were made, or with characters that a reviewer could not see.

Traces: list numbers and bullets, chat markup, the prompt's own sentences, an opening quotation mark without
its partner, the label's name as the text or in front of it. Invisible: control, bidirectional and zero-width
characters, fillers, private and unassigned code points, the replacement character. What belongs to an emoji
(joiner, style selector) may stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.task import Task

__all__ = ["FormatFilter", "display_label", "first_invisible"]

_NUMBERING = re.compile(r"\s*(?:[(\[]?\d{1,3}[.)\]]\s|[-*•–]\s|\#{1,6}\s)|.*\n\s*\d{1,3}[.)]\s", re.DOTALL)
_MARKUP = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|</?(?:s|bos|eos|think|tool_call)>"
    r"|^\s*(?:user|assistant|system|human|ai)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»"}
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Letters, marks and symbols by category, yet drawn as nothing (or, U+FFFD, as something lost).
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\ufffd")
_JOINER, _STYLES = "\u200d", ("\ufe0e", "\ufe0f")
ECHO_CHARS = 24
"""Length from which a sentence of the prompt inside a text is no coincidence."""


def display_label(label: str) -> str:
    """A label as prompts and pages spell it.

    >>> display_label("late_delivery")
    'Late delivery'
    """
    words = label.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def first_invisible(text: str) -> str | None:
    """Name of the first character that a reader could not see, None if there is none."""
    if text.isascii() and text.isprintable():
        return None
    for i, character in enumerate(text):
        if character in "\n\t":
            continue
        hidden = character in _BLANK or unicodedata.category(character) in _HIDDEN
        selector = "\ufe00" <= character <= "\ufe0f" or 0xE0100 <= ord(character) <= 0xE01EF
        if (hidden or selector) and not _in_emoji(text, i):
            return f"U+{ord(character):04X} {unicodedata.name(character, 'unnamed')}"
    return None


def _in_emoji(text: str, i: int) -> bool:
    before, after = text[i - 1 : i] if i else "", text[i + 1 : i + 2]
    if text[i] in _STYLES:
        return after == "\u20e3" or (bool(before) and unicodedata.category(before) in ("So", "Sm"))
    if text[i] != _JOINER or not before or not after:
        return False
    drawn = before in _STYLES or unicodedata.category(before) in ("So", "Sk")
    return drawn and unicodedata.category(after) in ("So", "Sm")


class FormatFilter:
    """Checks what somebody wrote; numbering, quotes and labels only in inputs, since an output may be a list."""

    name = "format"

    def __init__(self, task: Task) -> None:
        self._task = task
        said = [task.instructions, task.audience]
        labels = [field for field in task.fields if field.labels]
        said += [text for field in labels for text in field.label_help.values()]
        self._sentences = [_plain(text) for text in said if len(text) >= ECHO_CHARS]
        self._labels = {
            _plain(form) for f in labels for name in f.labels for form in (name, display_label(name))
        }

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        for field, text in self._task.texts(example.fields):
            for reason, detail in self._faults(text, is_input=field.role == "input"):
                return Drop(self.name, reason, f"{field.name}: {detail}")
        return None

    def accept(self, example: Example) -> None:
        """Nothing to remember."""

    def _faults(self, text: str, *, is_input: bool) -> Iterator[tuple[str, str]]:
        invisible = first_invisible(text)
        if invisible:
            yield "invisible", invisible
        markup = _MARKUP.search(text)
        if markup:
            yield "markup", f"from character {markup.start() + 1} on"
        plain = _plain(text)
        if any(sentence in plain for sentence in self._sentences):
            yield "prompt_echo", "repeats the prompt"
        if not is_input:
            return
        if _NUMBERING.match(text):
            yield "numbering", "the text begins with one"
        if _open_quote(text):
            yield "quotes", "around the text"
        if plain.strip(" .!?:") in self._labels:
            yield "label_leak", "the text is a label's name"
        head, colon, _ = plain.partition(":")
        if colon and head in self._labels:
            yield "label_leak", "the text begins with a label's name"


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _open_quote(text: str) -> bool:
    """Whether the text starts with a quotation mark that nothing closes."""
    closing = _QUOTES.get(text[:1])
    return closing is not None and closing not in text[1:]

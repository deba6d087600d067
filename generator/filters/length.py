"""Drops texts that are too short or too long, and those in which the model ran in circles."""

from __future__ import annotations

import re
from collections.abc import Collection

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.task import Task

__all__ = ["LengthFilter", "runs_in_circles"]

_RUN = re.compile(r"(\S)\1{9,}")
# A phrase of two words or more three times in a row, or one word four times, punctuation aside.
_PHRASE = re.compile(r"\b(\w+(?: \w+){1,11})(?: \1){2}\b|\b(\w+)(?: \2){3}\b")
SHINGLE = 3
LEAST_DISTINCT = 0.6
"""Share of distinct word trigrams below which a text of twelve words or more is a loop. Lowest share in the
200 seeds of the shipped example: 1.0; "I have to do X and I have to do X again" has 0.6."""


def runs_in_circles(text: str) -> bool:
    """Whether the text is a degenerate loop.

    >>> runs_in_circles("I can't delete it. I can't delete it. I can't delete it.")
    True
    >>> runs_in_circles("No, no, it is not the one I can't delete.")
    False
    """
    if _RUN.search(text):
        return True
    words = re.findall(r"[\w']+", text.casefold())
    plain = [word.replace("'", "") for word in words]
    # Whatever is repeated that often leaves three words or more that came before; the pattern itself takes long.
    if len(plain) - len(set(plain)) >= 3 and _PHRASE.search(" ".join(plain)):
        return True
    shingles = [tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)]
    return len(shingles) >= 10 and len(set(shingles)) / len(shingles) < LEAST_DISTINCT


class LengthFilter:
    """The least number of words holds for required text inputs; limits and loops for every text.

    Args:
        min_words: Fewest words of a required input.
    """

    name = "length"

    def __init__(self, task: Task, min_words: int) -> None:
        self._min_words = min_words
        self._task = task

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        for field in self._task.inputs:
            words = len(str(example.fields.get(field.name, "")).split())
            if field.type == "text" and field.required and words < self._min_words:
                return Drop(self.name, "short", f"{field.name}: {words} words")
        for field, text in self._task.texts(example.fields):
            if len(text) > field.max_chars:
                return Drop(self.name, "long", f"{field.name}: {len(text)} characters")
            if runs_in_circles(text):
                return Drop(self.name, "loop", field.name)
        return None

    def accept(self, example: Example) -> None:
        """Nothing to remember."""

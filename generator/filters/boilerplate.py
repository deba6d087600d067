"""Drops what a model says about itself or its errand in place of doing it: refusals, preambles, blanks to fill in.

A pattern that a seed has in the same field is a habit of the data and no longer asked: an assistant's refusals may be
what a team collects.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.task import Task

__all__ = ["BoilerplateFilter"]

_KIND = (
    r"(?:example|sentence|message|question|answer|version|response|variation|item|entry|review|text|list)s?"
)
_PATTERNS: dict[str, re.Pattern[str]] = {
    reason: re.compile(pattern, re.IGNORECASE)
    for reason, pattern in {
        "self_reference": r"\b(?:as|i am|i'm) (?:just )?an? (?:ai|artificial intelligence|(?:large )?language model)\b",
        "refusal": (
            r"\b(?:i|we) (?:can(?:no|')?t|can not|am unable to|'m unable to|am not able to|will not|won't) "
            r"(?:assist (?:you )?with|help (?:you )?with (?:that|this)|fulfil+|comply with|engage in"
            r"|(?:create|generate|write|provide) (?:such|that kind|this kind)|provide assistance)\b"
        ),
        "preamble": (
            r"^\W*(?:(?:sure|certainly|of course|absolutely|okay|ok)\b[,!.:;]*\s+)?here(?:'s| is| are) "
            rf"(?:an?|another|some|one|your|the|my|\d+)(?: \w+)? (?:\w+ )?{_KIND}\b"
            r"|^\W*(?:sure|certainly|absolutely)[,!]? (?:i can|i'd be|i would be|i'll|let me|let's)\b"
        ),
        "placeholder": (
            r"\[(?:insert|your|name|company|customer|product|date|topic|amount|city|add|enter|fill)\b[^\]\n]{0,40}\]"
            r"|<(?:insert|your|name of)\b[^>\n]{0,40}>|\{\{\s*\w[\w .]{0,40}\}\}|\blorem ipsum\b"
        ),
    }.items()
}


class BoilerplateFilter:
    """Checks what somebody wrote against patterns that no seed has there.

    Args:
        seeds: The verified seeds.
    """

    name = "boilerplate"

    def __init__(self, task: Task, seeds: Iterable[Example]) -> None:
        self._task = task
        names = [field.name for field in task.fields if field.is_text]
        texts = [(field.name, _plain(text)) for seed in seeds for field, text in task.texts(seed.fields)]
        habits = {
            (name, reason)
            for name, text in texts
            for reason, pattern in _PATTERNS.items()
            if pattern.search(text)
        }
        self._asked = [
            (name, reason, pattern)
            for name in names
            for reason, pattern in _PATTERNS.items()
            if (name, reason) not in habits
        ]

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        texts = [(field.name, _plain(text)) for field, text in self._task.texts(example.fields)]
        for name, reason, pattern in self._asked:
            found = next((hit for own, text in texts if own == name and (hit := pattern.search(text))), None)
            if found:
                return Drop(self.name, reason, f"{name}: from character {found.start() + 1} on")
        return None

    def accept(self, example: Example) -> None:
        """Nothing to remember."""


def _plain(value: object) -> str:
    """The text with straight apostrophes."""
    return str(value).replace("\u2019", "'")

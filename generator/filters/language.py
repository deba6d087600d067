"""Drops texts in a language that no seed has in that field. Small models wander off, most of all into English."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache, cached_property
from typing import Any

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.task import Field, Task

__all__ = ["LanguageFilter"]

LEAST_LETTERS = 12
SURE = 0.7
"""Probability from which a text is taken to be in a language.

py3langid 0.4 then took none of 15,267 English texts (banking77, and questions and solutions of GSM8K) for another
language, and 29 of 34 short sentences in 20 other languages for theirs; at .5 none and 31.
"""
LEAST_WORDS, KNOWN_WORDS = 4, 0.6
"""Different words of a text, and share of them that seeds have, from which nothing else is asked."""
_WORD = re.compile(r"[^\W\d_]{2,}")
DOUBT = 0.05
"""Probability of a language of the seeds from which nothing is said: near relatives are often confused."""
RELATIVES = {"pcm": "en"}
"""Taken for the other one: Nigerian Pidgin, which short English texts with a date in them read as."""


class LanguageFilter:
    """Knows the languages of the seeds, field by field; passes what is too short to tell.

    Args:
        seeds: The verified seeds.
    """

    name = "language"

    def __init__(self, task: Task, seeds: Iterable[Example]) -> None:
        # Of JSON only bits and pieces are texts, too short to tell a language from another.
        self._fields = [field for field in task.fields if field.type in ("text", "chat")]
        self._seeds = list(seeds)

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        for field in self._fields:
            name, text = field.name, _text(field, example)
            if _letters(text) < LEAST_LETTERS or self._in_words_of_seeds(name, text):
                continue
            known = self._known
            if not known[name]:
                continue
            ranked = [(RELATIVES.get(each, each), chance) for each, chance in _identifier().rank(text)]
            language, probability = ranked[0]
            if language in known[name] or probability < SURE:
                continue
            if sum(chance for each, chance in ranked if each in known[name]) < DOUBT:
                seen = ", ".join(sorted(known[name]))
                return Drop(
                    self.name, "other_language", f"{name}: reads as {language}; the seeds are in {seen}"
                )
        return None

    def _in_words_of_seeds(self, name: str, text: str) -> bool:
        """Whether most of a text's words are those of seeds: then its language is theirs, and telling takes long."""
        words = _words(text)
        return len(words) >= LEAST_WORDS and len(words & self._vocabulary[name]) >= KNOWN_WORDS * len(words)

    def accept(self, example: Example) -> None:
        """Nothing to remember."""

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        """Of the seeds, long enough to tell, by field."""
        found = {f.name: [_text(f, seed) for seed in self._seeds] for f in self._fields}
        return {
            name: [each for each in own if _letters(each) >= LEAST_LETTERS] for name, own in found.items()
        }

    @cached_property
    def _vocabulary(self) -> dict[str, set[str]]:
        return {name: {word for text in own for word in _words(text)} for name, own in self._texts.items()}

    @cached_property
    def _known(self) -> dict[str, set[str]]:
        """The languages of the seeds, found out when first needed: loading what tells them takes half a second."""
        told = {name: [_identifier().classify(text) for text in own] for name, own in self._texts.items()}
        return {
            name: {RELATIVES.get(language, language) for language, sure in own if sure >= SURE}
            for name, own in told.items()
        }


def _text(field: Field, example: Example) -> str:
    return "\n".join(field.texts(example.fields.get(field.name, "")))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


@cache
def _identifier() -> Any:
    """The model that py3langid ships, with probabilities in place of raw scores."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

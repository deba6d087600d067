"""How one text differs from another, word by word, in plain characters that a page cannot misread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import groupby

__all__ = ["word_diff"]

LONGEST = 400
"""Words; difflib's time grows with the product of the lengths, and nobody reads a longer comparison."""

LEAST_ALIKE = 0.4
"""Share of common words below which a comparison is harder to read than the two texts."""

_WORD = re.compile(r"\S+")


def word_diff(before: str, after: str) -> str:
    """The text `after`, with what changed against `before` in square brackets; empty if that would help nobody.

    `[a → b]`: `b` stands in place of `a`. `[+ b]`: `b` was added. `[− a]`: `a` is not there any more.
    Nothing is compared when the texts are the same, have little in common or are very long.

    Example:
        >>> word_diff("Where is my parcel?", "Where is my new bike?")
        'Where is my [parcel? → new bike?]'
        >>> word_diff("Refund me, now", "Please refund me")
        ''
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    if old == new or max(len(old), len(new)) > LONGEST:
        return ""
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < LEAST_ALIKE:
        return ""
    return " ".join(_parts(matcher, old, new))


def _parts(matcher: SequenceMatcher[str], old: list[str], new: list[str]) -> Iterator[str]:
    for changed, steps in groupby(matcher.get_opcodes(), key=lambda step: step[0] != "equal"):
        spans = [(old[a:b], new[c:d]) for _, a, b, c, d in steps]
        gone = " ".join(word for words, _ in spans for word in words)
        come = " ".join(word for _, words in spans for word in words)
        if not changed:
            yield come
        elif gone and come:
            yield f"[{gone} → {come}]"
        else:
            yield f"[+ {come}]" if come else f"[− {gone}]"

"""Coverage gaps: combinations of label and attribute that the set has too few of.

Attributes are the tags of the seeds, and how long a text is (thirds of the seeds' lengths). A combination's fair
share is the attribute's share of the seeds, the same in each label. What is furthest below its share, counting
the seeds and what earlier cycles brought without what was rejected, is asked for first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from seedgate.generator.rendering import Wording
from seedgate.generator.strategies.asking import Ask, Context, Group
from seedgate.generator.strategies.base import EDGE, group_of
from seedgate.records import Example
from seedgate.seeds import text_of
from seedgate.task import Task

__all__ = ["coverage_gaps"]

LENGTHS = ("short", "middling", "long")
PLAIN = "core"
"""A tag that says nothing: what is not an edge case."""


@dataclass(frozen=True)
class _Lengths:
    """Where thirds of the seeds end, in words."""

    task: Task
    short: int
    middling: int

    @classmethod
    def of(cls, context: Context) -> _Lengths:
        words = sorted(len(text_of(context.task, seed.fields).split()) for seed in context.seeds)
        return cls(context.task, words[(len(words) - 1) // 3], words[(len(words) - 1) * 2 // 3])

    def words(self, example: Example) -> int:
        return len(text_of(self.task, example.fields).split())

    def name(self, example: Example) -> str:
        words = self.words(example)
        return LENGTHS[(words > self.short) + (words > self.middling)]

    def described(self, name: str) -> str:
        if name == "short":
            return f"short (at most {self.short} words in what is asked)"
        if name == "long":
            return f"long (more than {self.middling} words in what is asked)"
        return f"of middling length ({self.short + 1} to {self.middling} words in what is asked)"


def coverage_gaps(context: Context) -> Iterator[Ask]:
    """The emptiest combination first; each request counts as what it will probably bring."""
    lengths = _Lengths.of(context)

    def attributes(example: Example) -> set[str]:
        return {lengths.name(example), *(tag for tag in example.tags if tag != PLAIN)}

    of_all = Counter(name for seed in context.seeds for name in attributes(seed))
    has: Counter[tuple[str, str]] = Counter()
    for example in (*context.seeds, *_standing(context)):
        group = group_of({name: example.fields.get(name, "") for name in context.fixed})
        has.update((group, attribute) for attribute in attributes(example))
    groups = {group_of(group.fixed): group for group in context.groups}
    cells = [(group, attribute) for group in groups for attribute in sorted(of_all)]
    # Rows per fair share: whoever has least of it is next. The place in the list breaks ties.
    waiting = [((has[cell] + 0.5) / of_all[cell[1]], place) for place, cell in enumerate(cells)]
    heapq.heapify(waiting)
    while True:
        filled, place = waiting[0]
        name, attribute = cells[place]
        heapq.heapreplace(waiting, (filled + context.completions / of_all[attribute], place))
        yield _ask(context, groups[name], attribute, lengths)


def _standing(context: Context) -> list[Example]:
    """Candidates of earlier cycles that nobody refused."""
    outcomes = context.reviewed().outcomes
    return [each for each in context.earlier() if outcomes.get(each.id) not in ("rejected", "void")]


def _ask(context: Context, group: Group, attribute: str, lengths: _Lengths) -> Ask:
    """Shows seeds that have the attribute last; where they are too few, after others of the label."""
    tags: tuple[str, ...]
    hand = context.rng.sample(group.seeds, len(group.seeds))
    if attribute in LENGTHS:
        # If none is of this length, those that come nearest to it.
        aim = {"short": 0, "long": 10**6}.get(attribute, (lengths.short + lengths.middling) // 2)
        far = {s.id: 0 if lengths.name(s) == attribute else 1 + abs(lengths.words(s) - aim) for s in hand}
        hand.sort(key=lambda seed: far[seed.id])
        mark, tags, wanted = "", (PLAIN,), lengths.described(attribute)
    else:
        hand.sort(key=lambda seed: attribute not in seed.tags)
        mark, tags, wanted = attribute, (PLAIN, attribute), f"of the kind {attribute!r}"
        if attribute == EDGE:
            tags, wanted = (EDGE,), "an edge case: rare but real"
    wording = Wording("coverage_gaps", {"attribute": wanted} if context.form == "chat" else {}, mark)
    return Ask(tuple(reversed(hand[: context.shots])), group.fixed, tags=tags, wording=wording)

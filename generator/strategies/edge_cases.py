"""Edge cases: what is rare, real and easy to get wrong, after the seeds that are tagged `edge`.

A list shows ordinary seeds of a label first, then its edge cases with "(unusual)" after the heading, which the
line to be written has as well. A label without edge cases is left out there; in a chat the words suffice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from seedgate.generator.rendering import Wording
from seedgate.generator.strategies.asking import Ask, Context, Group, UnsuitedError
from seedgate.generator.strategies.base import EDGE
from seedgate.generator.strategies.decks import Deck

__all__ = ["edge_cases"]


def edge_cases(context: Context) -> Iterator[Ask]:
    """Label after label, as far as edge cases of it can be asked for."""
    decks = [(group, *_decks(context, group)) for group in context.groups]
    if context.form == "list":
        decks = [each for each in decks if each[2].seeds]
        if not decks:
            raise UnsuitedError(f"in a list it goes by seeds tagged {EDGE!r}, and there are none")
    for group, core, edge in cycle(decks):
        unusual = edge.deal((context.shots + 1) // 2, context.rng)
        usual = core.deal(context.shots - len(unusual), context.rng)
        yield Ask((*usual, *unusual), group.fixed, tags=(EDGE,), wording=Wording("edge_cases", mark=EDGE))


def _decks(context: Context, group: Group) -> tuple[Deck, Deck]:
    """The ordinary seeds, and the edge cases."""
    edge = [seed for seed in group.seeds if EDGE in seed.tags]
    core = [seed for seed in group.seeds if EDGE not in seed.tags]
    return Deck(core, context.rng), Deck(edge, context.rng)

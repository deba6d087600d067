"""Evolve: from seeds to examples that go deeper than one of them, or broader than all of them, by turns.

After Evol-Instruct (Xu et al. 2023, https://arxiv.org/abs/2304.12244), without its chains: every example is one
step from a verified seed, never from another candidate, so that faults do not add up. In a list, the seeds stand
from the shortest to the longest for depth, since a model goes on as it sees others go on.
"""

from __future__ import annotations

from collections.abc import Iterator

from seedgate.generator.rendering import Wording
from seedgate.generator.strategies.asking import Ask, Context
from seedgate.generator.strategies.decks import Deck

__all__ = ["evolve"]

BROADER = Wording("evolve_broader")


def evolve(context: Context) -> Iterator[Ask]:
    """Each label in turn, as often as it is wanted: for depth, the next time for breadth, and so on."""
    decks = [(group, Deck(group.seeds, context.rng)) for group in context.groups]
    for place, before in context.in_turn([group.fixed for group, _ in decks]):
        group, deck = decks[place]
        hand = deck.deal(context.shots, context.rng)
        if before % 2:
            yield Ask(tuple(hand), group.fixed, wording=BROADER)
            continue
        if context.form == "list":
            hand.sort(key=lambda seed: len(str(seed.fields)))
            yield Ask(tuple(hand), group.fixed, wording=Wording("evolve_deeper"))
        else:
            yield Ask(tuple(hand), group.fixed, wording=Wording("evolve_deeper", {"original": hand[-1]}))

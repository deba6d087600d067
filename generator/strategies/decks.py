"""How seeds are dealt into prompts: all in turn, or each with its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random

from seedgate.records import Example

__all__ = ["Deck", "FocusedDeck", "NearestFn"]

NearestFn = Callable[[Example, Sequence[Example]], list[Example]]
"""Seeds in order of their nearness to one, nearest first."""

NEIGHBOURHOOD = 3
"""Times as many neighbours as are needed are drawn from, or the same few would meet again and again."""


class Deck:
    """Seeds dealt at random, none twice before all were dealt.

    Args:
        shown: Seed id to how often it was shown already; those shown least are dealt first.
    """

    def __init__(self, seeds: Sequence[Example], rng: Random, shown: Mapping[str, int] | None = None) -> None:
        self.seeds = list(seeds)
        times = {seed.id: (shown or {}).get(seed.id, 0) for seed in seeds}
        least = min(times.values(), default=0)
        self._left = [seed for seed in seeds if times[seed.id] == least]
        rng.shuffle(self._left)

    def deal(self, number: int, rng: Random, dealt: Collection[Example] = ()) -> list[Example]:
        """Up to `number` different seeds that are not in `dealt`."""
        taken = {seed.id for seed in dealt}
        number = min(number, sum(seed.id not in taken for seed in self.seeds))
        hand: list[Example] = []
        while len(hand) < number:
            place = next((i for i, seed in enumerate(self._left) if seed.id not in taken), None)
            if place is None:
                kept = {seed.id for seed in self._left}
                again = [seed for seed in self.seeds if seed.id not in kept]
                rng.shuffle(again)
                self._left += again
                continue
            hand.append(self._left.pop(place))
            taken.add(hand[-1].id)
        return hand


class FocusedDeck(Deck):
    """Deals each seed in turn together with seeds near it.

    Args:
        nearest: Says which are near.
    """

    def __init__(
        self, seeds: Sequence[Example], rng: Random, shown: Mapping[str, int], *, nearest: NearestFn
    ) -> None:
        super().__init__(seeds, rng, shown)
        self._nearest = nearest

    def deal(self, number: int, rng: Random, dealt: Collection[Example] = ()) -> list[Example]:
        """Up to `number` different seeds near the first that was dealt; if none was, near one whose turn it is."""
        hand = [] if dealt else super().deal(min(number, 1), rng)
        taken = {seed.id for seed in (*dealt, *hand)}
        rest = [seed for seed in self.seeds if seed.id not in taken]
        wanted = min(number - len(hand), len(rest))
        if wanted < 1:
            return hand
        near = self._nearest(next(iter((*dealt, *hand))), rest)[: NEIGHBOURHOOD * wanted]
        return hand + rng.sample(near, wanted)

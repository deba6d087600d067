"""Several strategies in one sequence of plans, each with its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from seedgate.generator.strategies.base import Plan, Strategy, Tally, Turn

__all__ = ["Mix"]

LEAST = 1e-6
"""A share that was rounded to nothing; recorded ones are rounded to four digits."""


class Mix:
    """Gives each plan to the strategy that is furthest below its share, by what has a lower number.

    So whose turn it is depends on the plan's number alone, and the shares hold in every beginning of the sequence
    (the divisor method of Sainte-Laguë). After a kill, what was recorded and what is planned anew are counted
    together and give the same again. A strategy with nothing more to ask leaves its turns to the others.

    Args:
        shares: In the order that settles ties.
    """

    name = "mix"

    def __init__(self, shares: Sequence[tuple[Strategy, float]]) -> None:
        self._strategies = {strategy.name: strategy for strategy, _ in shares}
        self._shares = {strategy.name: max(share, LEAST) for strategy, share in shares}

    def plans(self, tally: Tally) -> Iterator[Plan]:
        """See `Strategy.plans`."""
        hands = {name: _Hand() for name in self._strategies}
        streams = {name: each.plans(tally, hands[name]) for name, each in self._strategies.items()}
        planned: Counter[str] = Counter()
        for index in tally.indexes():
            plan = None
            while plan is None and streams:
                numbers = {name: tally.before(name, index) + planned[name] for name in streams}
                name = self._next(numbers)
                hands[name].turn = Turn(index, numbers[name])
                plan = next(streams[name], None)
                if plan is None:
                    del streams[name]
                planned[name] += plan is not None
            if plan is None:
                return
            yield plan

    def firsts(self, tally: Tally) -> dict[str, Plan]:
        """Strategy to the first plan it would make, for a look at it; those with nothing to ask are left out."""
        index = next(tally.indexes())
        found = {}
        for name, each in self._strategies.items():
            turn = Turn(index, tally.before(name, index))
            plan = next(each.plans(tally, [turn]), None)
            if plan is not None:
                found[name] = plan
        return found

    def _next(self, numbers: Mapping[str, int]) -> str:
        return min(numbers, key=lambda name: (numbers[name] + 0.5) / self._shares[name])


class _Hand(Iterator[Turn]):
    """The turns that one strategy is given, one before each of its plans is asked for."""

    turn: Turn

    def __next__(self) -> Turn:
        return self.turn

"""What a strategy is: a lazy sequence of plans, each made when it is about to be sent.

Being lazy, a strategy can steer by what came back so far (`Tally`); being numbered, its plans are recognised
after a kill, so that none that was recorded is asked again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, NamedTuple, Protocol

from seedgate.canonical import canonical_json
from seedgate.generator.clients.base import Request

__all__ = ["EDGE", "Plan", "Strategy", "Tally", "Turn", "group_of"]

EDGE = "edge"
"""The tag of seeds that are unusual."""


def group_of(fixed: Mapping[str, Any]) -> str:
    """The name under which things with these fixed fields are counted."""
    return canonical_json(fixed)


@dataclass(frozen=True, slots=True)
class Plan:
    """One request with what must be remembered about it.

    Attributes:
        index: Its place in the cycle's sequence; makes the request's id.
        fixed: Fields that every item in the answer gets.
        tags: Tags that every item gets.
        seed_ids: The seeds shown, in order, then those that the prompt draws on otherwise.
        drawn: How many these are.
        counted: Names of the fixed fields that its candidates are counted by; all if not given.
        repairs: Id of the rejected candidate that it is to make right.
    """

    index: int
    strategy: str
    request: Request
    fixed: Mapping[str, Any]
    seed_ids: tuple[str, ...]
    tags: tuple[str, ...] = ()
    counted: tuple[str, ...] | None = None
    repairs: str | None = None
    drawn: int = 0

    @property
    def group(self) -> str:
        """What its candidates are counted under."""
        if self.counted is None:
            return group_of(self.fixed)
        return group_of({name: self.fixed.get(name) for name in self.counted})


class Turn(NamedTuple):
    """When a strategy may plan.

    Attributes:
        plan: The plan's number in the cycle.
        number: How many plans of this strategy have a lower one.
    """

    plan: int
    number: int


@dataclass
class Tally:
    """What a cycle has so far: its strategy's memory, kept up by the stream, restored from the ledger.

    Attributes:
        candidates: Group to candidates of this cycle.
        requests: Group to requests of this cycle, those in flight included.
        in_flight: Group to requests that are out.
        shown: Seed id to how often it was shown in this cycle.
        missing: Plan numbers below `next_index` that were never recorded.
        next_index: The first number never used.
        yield_per_request: Candidates that a request brings, as far as is known.
        recorded: Strategy to the numbers of its plans that were recorded before this run, ascending.
        repaired: Ids of the rejected candidates that the model was asked to repair, in whatever cycle.
    """

    candidates: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    missing: tuple[int, ...] = ()
    next_index: int = 0
    yield_per_request: float = 1.0
    recorded: dict[str, list[int]] = field(default_factory=dict)
    repaired: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """All candidates of this cycle."""
        return self.candidates.total()

    def expected(self, group: str) -> float:
        """Candidates of a group, counting what its requests in flight will probably bring."""
        return self.candidates[group] + self.in_flight[group] * self.yield_per_request

    def indexes(self) -> Iterator[int]:
        """The plan numbers still to be used, in order."""
        return chain(self.missing, count(self.next_index))

    def before(self, strategy: str, index: int) -> int:
        """How many plans of a strategy were recorded that have a lower number."""
        return bisect_left(self.recorded.get(strategy, ()), index)

    def turns(self, strategy: str) -> Iterator[Turn]:
        """The turns of a strategy that has all plans for itself."""
        for planned, index in enumerate(self.indexes()):
            yield Turn(index, self.before(strategy, index) + planned)


class Strategy(Protocol):
    """A way to choose what to ask for."""

    @property
    def name(self) -> str:
        """Recorded with every candidate."""
        ...

    def plans(self, tally: Tally, turns: Iterable[Turn] | None = None) -> Iterator[Plan]:
        """Plans, each made when it is taken, one for each turn; ends where there is nothing more to ask.

        Args:
            tally: What the cycle has.
            turns: When to plan; all numbers that `tally` gives, if not given.
        """
        ...

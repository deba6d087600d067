"""What a strategy is: a lazy sequence of plans, each made when it is about to be sent.

Being lazy, a strategy can steer by what came back so far (`Tally`); being numbered, its plans are recognised
after a kill, so that none that was recorded is asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Protocol

from seedgate.canonical import canonical_json
from seedgate.generator.clients.base import Request

__all__ = ["Plan", "Strategy", "Tally", "group_of"]


def group_of(fixed: Mapping[str, Any]) -> str:
    """The name under which things with these fixed fields are counted."""
    return canonical_json(fixed)


@dataclass(frozen=True, slots=True)
class Plan:
    """One request with what must be remembered about it.

    Attributes:
        index: Its place in the strategy's sequence for the cycle; makes the request's id.
        fixed: Fields that every item in the answer gets.
        tags: Tags that every item gets.
        seed_ids: The seeds shown, in order.
    """

    index: int
    strategy: str
    request: Request
    fixed: Mapping[str, Any]
    seed_ids: tuple[str, ...]
    tags: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """What its candidates are counted under."""
        return group_of(self.fixed)


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
    """

    candidates: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    missing: tuple[int, ...] = ()
    next_index: int = 0
    yield_per_request: float = 1.0

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


class Strategy(Protocol):
    """A way to choose what to ask for."""

    @property
    def name(self) -> str:
        """Recorded with every candidate."""
        ...

    def plans(self, tally: Tally) -> Iterator[Plan]:
        """Plans, each made when it is taken, for the numbers that `tally` gives; may be endless."""
        ...

"""What a candidate of each strategy and label is worth: the chance that it is approved and new, and expert seconds.

A candidate passes one question after the other, as a reviewer would ask them, and each has a model of its own in
which only that counts which the reason speaks of: a text that nobody would write is its strategy's fault; what is off
topic the strategy's and the label's; a wrong label that of this strategy with this label; a repetition says that the
label is full. The chances of passing multiply exactly, since each question is asked only of what passed those before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from seedgate.generator.allocation.facts import Decided
from seedgate.generator.allocation.pooled import fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["FAULTS", "Rates", "Seconds", "rates_of"]

AGEING = 0.5
"""What a decision of the cycle before says about what is new, beside one of this: the set has grown since."""
LEAST_PACES = 10
MOST_CELLS = 2000
"""Strategies x labels up to which each pair has an effect of its own."""
OUTCOMES = ("approved", "edited", "rejected")


class _Question(NamedTuple):
    """What can be wrong with a candidate.

    Attributes:
        name: As people are told it.
        reasons: Codes that say so; of several, that of the first question counts.
        by: What the chance depends on.
    """

    name: str
    reasons: frozenset[str]
    by: tuple[str, ...]


FAULTS = (
    _Question(
        "nobody would write it, or it is badly formed", frozenset({"unnatural", "format"}), ("strategy",)
    ),
    _Question(
        "off topic or wrong in what it says",
        frozenset({"off_topic", "wrong_fact", "unsafe", "personal_data", "other"}),
        ("strategy", "label"),
    ),
    _Question("wrong label", frozenset({"wrong_label"}), ("strategy", "label", "both")),
    _Question("says the same as another", frozenset({"duplicate"}), ("label",)),
)
"""In the order in which they are asked. Rejections without a reason count with the second."""
UNNAMED = 1
REPEATED = 3


@dataclass(frozen=True)
class Seconds:
    """Expert seconds for a candidate by what becomes of it; `measured` is false where every decision counts alike."""

    approved: float = 1.0
    edited: float = 1.0
    rejected: float = 1.0
    measured: bool = False

    @classmethod
    def of(cls, decided: Sequence[Decided]) -> Seconds:
        """Medians; of all decisions where there are few of an outcome."""
        known: dict[str, list[float]] = {name: [] for name in OUTCOMES}
        for each in decided:
            if each.seconds is not None and not each.simulated:
                known[each.outcome].append(each.seconds)
        every = [seconds for own in known.values() for seconds in own]
        if len(every) < LEAST_PACES or median(every) <= 0:
            return cls()
        whole = median(every)
        return cls(
            **{name: median(own) if len(own) >= LEAST_PACES else whole for name, own in known.items()},
            measured=True,
        )


@dataclass(frozen=True)
class Rates:
    """What is believed, as draws; arrays have shape [draws, strategies, labels].

    Attributes:
        approved: Chance that it is approved, as it is or corrected.
        gained: Chance that it is approved and new.
        seconds: Expert seconds.
        faults: Chance of each of `FAULTS`.
    """

    approved: Array
    gained: Array
    seconds: Array
    faults: tuple[Array, ...]


def rates_of(
    decided: Sequence[Decided],
    strategies: Sequence[str],
    labels: Sequence[str],
    seconds: Seconds,
    *,
    draws: int,
    rng: np.random.Generator,
) -> Rates:
    """Rates of each strategy with each label; decisions on others are left out."""
    import numpy as np

    grid = _Grid(strategies, labels)
    known = [each for each in decided if each.strategy in strategies and each.label in labels]
    now = max((each.cycle for each in known), default=0)
    reached, left = [[*known]], np.ones((draws, *grid.shape))
    faults = []
    for number, question in enumerate(FAULTS):
        asked = reached[-1]
        found = [_is(each, number) for each in asked]
        ageing = AGEING if number == REPEATED else 1.0
        chance = grid.chances(asked, found, question.by, draws, rng, ageing=ageing, now=now)
        faults.append(left * chance)
        left = left * (1 - chance)
        reached.append([each for each, bad in zip(asked, found, strict=True) if not bad])
    good = reached[-1]
    by = ("strategy", "label")
    edited = grid.chances(good, [each.outcome == "edited" for each in good], by, draws, rng)
    scored = [each for each in good if each.novel is not None]
    fresh = grid.chances(
        scored, [bool(each.novel) for each in scored], by, draws, rng, ageing=AGEING, now=now
    )
    cost = left * (edited * seconds.edited + (1 - edited) * seconds.approved) + (1 - left) * seconds.rejected
    # Where nothing was scored, nobody knows what is new, and every approved row counts.
    return Rates(left, left * fresh if scored else left, cost, tuple(faults))


def _is(each: Decided, number: int) -> bool:
    """Whether this question is the one that it fell at, given that it passed those before."""
    if each.outcome != "rejected":
        return False
    named = FAULTS[number].reasons & set(each.reasons)
    later = any(set(each.reasons) & question.reasons for question in FAULTS[number + 1 :])
    return bool(named) or (number == UNNAMED and not later)


class _Grid:
    """Strategies x labels as cells."""

    def __init__(self, strategies: Sequence[str], labels: Sequence[str]) -> None:
        import numpy as np

        self.shape = (len(strategies), len(labels))
        self._cells = {
            (strategy, label): row * len(labels) + column
            for row, strategy in enumerate(strategies)
            for column, label in enumerate(labels)
        }
        cells = np.arange(len(self._cells))
        self._factors = {"strategy": cells // len(labels), "label": cells % len(labels), "both": cells}

    def chances(
        self,
        decided: Sequence[Decided],
        yes: Sequence[bool],
        by: Sequence[str],
        draws: int,
        rng: np.random.Generator,
        *,
        ageing: float = 1.0,
        now: int = 0,
    ) -> Array:
        """Draws of a chance in every cell, shape [draws, strategies, labels]."""
        import numpy as np

        weights = np.array([each.weight for each in decided], float)
        if len(weights):  # as many as equally weighted ones would be worth (Kish 1965, Survey Sampling)
            weights *= weights.sum() / np.square(weights).sum()
        weights *= [ageing ** max(0, now - each.cycle) for each in decided]
        cells = np.array([self._cells[each.strategy, each.label] for each in decided], np.int64)
        of, hits = np.zeros(len(self._cells)), np.zeros(len(self._cells))
        np.add.at(of, cells, weights)
        np.add.at(hits, cells, weights * np.array(yes, float))
        factors = [
            codes
            for name, codes in self._factors.items()
            if name in by and (name != "both" or len(codes) <= MOST_CELLS) and codes.max() > 0
        ]
        found: Array = fit(hits, of, factors).draws(draws, rng).reshape(draws, *self.shape)
        return found

"""How many rows of a release may be wrong: an upper confidence bound from blind re-review, valid whenever one looks.

A likelihood ratio of what was seen, against a hypothesis about how many rows are wrong and how often the
re-reviewer catches one, is an e-process: it reaches 1/alpha at any time with probability alpha at most (Ville).
What is not excluded so is the confidence set; its largest number of wrong rows is the bound. Without
replacement: Waudby-Smith and Ramdas, "Confidence sequences for sampling without replacement", NeurIPS 2020,
arXiv:2006.04347. docs/error-bound.md derives each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.review.likelihood import found_given_wrong, log_coin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

__all__ = [
    "ALPHA",
    "BadControls",
    "Cell",
    "Stratum",
    "bounds_by_found",
    "log_evidence",
    "sensitivity_cells",
    "wrong_rows",
]

ALPHA = 0.05

FEWER_WRONG = ((0.2, 0.6), (0.55, 0.4))
FEWER_MISSED = ((0.5, 0.2), (0.8, 0.8))
"""Each hypothesis is compared with these shares of its wrong rows, and of its misses, weighted as the second
numbers say. Only the size of the bound depends on them; docs/log.md has how they were chosen."""

DATA, BOTH, CONTROLS = 0.58, 0.40, 0.02
"""Weights of the e-values of the re-reviews alone, of both multiplied, and of the controls alone; they sum to 1."""

STEP, LEAST = 1.02, 0.05
"""Sensitivities are gone through in cells of this ratio, down to where a re-reviewer is of no use."""

MULTIPLIERS = 160
"""Lagrange multipliers tried where strata are combined; each gives a valid bound, the least one is taken."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rows among which every one not yet drawn was as likely to be drawn next.

    Attributes:
        size: Rows in it when it was first drawn from.
        seen: Rows that were drawn and judged again; `found` of them count as found wrong.
        kept: Those of `found` that are still among the rows: skipped by the re-reviewer, for instance.
    """

    size: int
    seen: int = 0
    found: int = 0
    kept: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.kept <= self.found <= self.seen <= self.size:
            raise ValueError(f"{self}: kept <= found <= seen <= size does not hold")


@dataclass(frozen=True, slots=True)
class BadControls:
    """One re-reviewer's answers to controls that are known to be wrong."""

    answered: int
    caught: int

    def __post_init__(self) -> None:
        if not 0 <= self.caught <= self.answered:
            raise ValueError(f"{self}: caught <= answered does not hold")

    @property
    def missed(self) -> int:
        """Those let through."""
        return self.answered - self.caught


class Cell(NamedTuple):
    """A range of sensitivities, by its lowest, and the log of the e-value of re-reviews that excludes it."""

    low: float
    threshold: float


def wrong_rows(
    strata: Sequence[Stratum],
    controls: Sequence[BadControls] | None,
    *,
    alpha: float = ALPHA,
    harder: float = 1.0,
) -> int:
    """Upper bound on the wrong rows that are left when those found have been removed, at confidence 1 - alpha.

    Args:
        strata: All rows that the bound is about.
        controls: Of each re-reviewer; None means that no re-reviewer misses anything. Without an answered
            control the sensitivity is unknown, and every row may be wrong.
        alpha: How often the bound may fail, over all times at which somebody looks.
        harder: How many times as often the re-reviewer misses a real error as a control.

    >>> wrong_rows([Stratum(size=400, seen=400, found=7)], None)
    0
    >>> wrong_rows([Stratum(size=400, seen=100)], None)
    13
    >>> wrong_rows([Stratum(size=400, seen=100, found=1)], [BadControls(answered=60, caught=56)])
    23
    """
    everything = sum(stratum.size - (stratum.found - stratum.kept) for stratum in strata)
    drawn = [stratum for stratum in strata if stratum.seen]
    cells = sensitivity_cells(controls, alpha, harder)
    if not drawn or cells is None:
        return everything
    untouched = sum(stratum.size for stratum in strata if not stratum.seen)
    worst = bounds_by_found(drawn[0], cells)[-1] if len(drawn) == 1 else _combined(drawn, cells)
    return min(untouched + worst, everything)


def sensitivity_cells(
    controls: Sequence[BadControls] | None, alpha: float = ALPHA, harder: float = 1.0
) -> list[Cell] | None:
    """The sensitivities that controls alone do not exclude; None if those go down to nothing."""
    if controls is None:
        return [Cell(1.0, -math.log(alpha))]
    cells: list[Cell] = []
    high = 1.0
    while high > LEAST:
        low = high / STEP
        # Whose sensitivity is the lowest is unknown: the weakest evidence against "it is this one" counts.
        evidence = min((_against(each, low, high, harder) for each in controls), default=1.0)
        # Excluded where DATA * e + BOTH * e * evidence + CONTROLS * evidence >= 1 / alpha.
        needed = (1 / alpha - CONTROLS * evidence) / (DATA + BOTH * evidence)
        if needed <= 0:  # and so for every lower one: the evidence only grows from here
            return cells
        cells.append(Cell(low, math.log(needed)))
        high = low
    return None


def _against(controls: BadControls, low: float, high: float, harder: float) -> float:
    """E-value of one re-reviewer's controls against the sensitivity that suits them best within a cell.

    Or less: what it would be had fewer been missed, or were errors no harder than controls, counts too, so that
    neither a re-reviewer who misses more nor harder errors ever lower the bound.
    """

    def e_value(missed: int, times: float) -> float:
        least, most = (max(1 - (1 - s) / times, 0.0) for s in (low, high))
        answers = (controls.answered - missed, missed)
        best = log_coin(*answers, min(max(answers[0] / max(controls.answered, 1), least), most))
        ratios = [
            (log_coin(*answers, 1 - share * (1 - least)) - best, weight) for share, weight in FEWER_MISSED
        ]
        return sum(weight * math.exp(min(ratio, 500.0)) for ratio, weight in ratios)

    return min(e_value(missed, times) for missed in range(controls.missed + 1) for times in {1.0, harder})


def bounds_by_found(stratum: Stratum, cells: Sequence[Cell]) -> list[int]:
    """Bounds of a single stratum for 0, 1, ... up to `found` found wrong."""
    import numpy as np
    from scipy.special import logsumexp

    evidence = logsumexp(log_evidence(stratum, cells), axis=0)
    thresholds = np.array([cell.threshold for cell in cells])[:, None]
    worst = [0]
    for found, each in enumerate(evidence):
        possible = np.flatnonzero((each < thresholds).any(axis=0))
        most = int(possible[-1]) if len(possible) else 0
        worst.append(max(worst[-1], most - max(found - stratum.kept, 0)))
    return worst[1:]


def _combined(strata: Sequence[Stratum], cells: Sequence[Cell]) -> int:
    """The largest sum of wrong rows over strata whose e-values multiplied don't exclude it.

    By weak duality: where the logs of the e-values of M_h add up to less than `threshold`, the M_h add up to
    at most m * threshold + sum over h of max (M_h - m * log e-value of M_h), for every multiplier m > 0.
    """
    import numpy as np

    rows = sum(stratum.size for stratum in strata)
    multipliers = np.geomspace(0.01, 4.0 * rows, MULTIPLIERS)
    thresholds = np.array([cell.threshold for cell in cells])
    bounds = np.stack([multipliers * (thresholds[:, None] - math.log(w)) for _, w in FEWER_WRONG])
    for stratum in strata:
        evidence = log_evidence(stratum, cells)
        for bound, (_, weight), own in zip(bounds, FEWER_WRONG, evidence, strict=True):
            bound += _most(stratum, own - math.log(weight), multipliers)
    return math.floor(float(bounds.min(axis=(0, 2)).max()) + 1e-9)


def _most(stratum: Stratum, evidence: Floats, multipliers: Floats) -> Floats:
    """[cell, multiplier]: the largest wrong rows left minus multiplier times evidence."""
    import numpy as np

    wrong = np.arange(stratum.size + 1)
    removed = np.maximum(np.arange(stratum.found + 1) - stratum.kept, 0)[:, None, None]
    left = wrong - removed
    return np.stack([(left - m * evidence).max(axis=(0, 2)) for m in multipliers], axis=-1)


def log_evidence(stratum: Stratum, cells: Sequence[Cell]) -> Floats:
    """[alternative, found, cell, wrong rows]: log e-value against each number of wrong rows, times its weight.

    Infinite where the number is impossible. Whatever was found is also tried as if some of it had not been:
    the bound must not fall when more is found, or a re-reviewer who catches more than the hypothesis says, or
    too much, would lower it. So the lowest sensitivity of a cell stands for the others in it.
    """
    import numpy as np
    from scipy.special import gammaln, xlog1py, xlogy

    lows = np.array([cell.low for cell in cells])
    found = np.arange(stratum.found + 1)[:, None, None]
    wrong = np.arange(stratum.size + 1)
    hypothesis = found_given_wrong(stratum.size, stratum.seen, stratum.found, lows)
    impossible = np.isneginf(hypothesis)
    missed = stratum.seen - found
    orders = gammaln(stratum.seen + 1) - gammaln(found + 1) - gammaln(missed + 1)
    hypothesis = np.where(impossible, 0.0, hypothesis) - orders

    def against(share: float, weight: float) -> Floats:
        rate = share * lows[:, None] * wrong / stratum.size
        better = xlogy(found, rate) + xlog1py(missed, -rate)
        return np.where(impossible, np.inf, better - hypothesis + math.log(weight))

    return np.stack([against(*each) for each in FEWER_WRONG])

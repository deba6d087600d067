"""How well each score told approved from rejected candidates: AUC with an interval, for people to judge scores by.

The interval is Newcombe's (Statistics in Medicine 25, 2006, p. 559: method 5), the score interval with the variance of
Hanley & McNeil: unlike DeLong's or a bootstrap it has a width where the two do not overlap at all, which a few dozen
decisions often do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from seedgate.generator.scores import VERSIONS
from seedgate.review.facts import Standing, standing
from seedgate.review.scored import Judged, judged

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["LEAST_EACH", "Auc", "ScoreAuc", "auc_of", "score_aucs"]

LEAST_EACH = 10
"""Decisions of each outcome before a figure is given: with fewer the interval is wider than .4 about .7."""

Z, TINY = 1.959964, 1e-9


class Auc(NamedTuple):
    """The probability that an approved one has more than a rejected one, equals counting half, and a 95 % interval."""

    value: float
    low: float
    high: float
    approved: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ScoreAuc:
    """One score's AUC against the gate's decisions.

    Attributes:
        score: Its name; `value` is what the order rested on.
        among: `random`: the slice that no score ranked, so an honest estimate. `all`: the ranked too, of which the
            low ones are missing, so that a score which orders the queue looks worse here than it is.
        cycle: Of the rounds; None for all cycles.
        auc, low, high: None if too few are decided.
        simulated: How many of the decisions are a program's.
    """

    score: str
    among: Literal["random", "all"]
    cycle: int | None
    auc: float | None
    low: float | None
    high: float | None
    approved: int
    rejected: int
    simulated: int

    @property
    def decided(self) -> int:
        """How many decisions."""
        return self.approved + self.rejected

    def __str__(self) -> str:
        if self.auc is None or self.low is None or self.high is None:
            return "n too small"
        return f"{self.auc:.2f} ({self.low:.2f} to {self.high:.2f})"


def auc_of(values: Sequence[float], approved: Sequence[bool]) -> Auc:
    """AUC of values against decisions; there must be both outcomes."""
    import numpy as np
    from scipy.stats import rankdata

    truth = np.asarray(approved, bool)
    ones, zeros = int(truth.sum()), int((~truth).sum())
    ranks = rankdata(np.asarray(values, float))
    value = float((ranks[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros))
    low, high = _interval(value, ones, zeros)
    return Auc(value, low, high, ones, zeros)


def score_aucs(ws: Workspace, now: Standing | None = None) -> list[ScoreAuc]:
    """Every score's AUC over all cycles, and where there are several also over each.

    Args:
        ws: The workspace.
        now: State and decisions, if they are known already.
    """
    now = now or standing(ws)
    known = judged(ws.ledger, now.state, now.decisions)
    cycles = sorted({each.cycle for each in known})
    spans: list[int | None] = [None, *(cycles if len(cycles) > 1 else ())]
    return [
        row
        for cycle in spans
        for row in _over([each for each in known if cycle in (None, each.cycle)], cycle)
    ]


def _over(known: Sequence[Judged], cycle: int | None) -> list[ScoreAuc]:
    out = []
    for name in (*VERSIONS, "value"):
        found = ((one.value if name == "value" else one.scores.get(name), one) for one in known)
        told = [(value, one) for value, one in found if value is not None]
        if told:
            out.append(_row(name, "random", cycle, [pair for pair in told if pair[1].random]))
            out.append(_row(name, "all", cycle, told))
    return out


def _row(
    name: str, among: Literal["random", "all"], cycle: int | None, told: Sequence[tuple[float, Judged]]
) -> ScoreAuc:
    approved = sum(each.approved for _, each in told)
    rejected = len(told) - approved
    simulated = sum(each.simulated for _, each in told)
    if min(approved, rejected) < LEAST_EACH:
        return ScoreAuc(name, among, cycle, None, None, None, approved, rejected, simulated)
    found = auc_of([value for value, _ in told], [each.approved for _, each in told])
    return ScoreAuc(name, among, cycle, found.value, found.low, found.high, approved, rejected, simulated)


def _interval(value: float, ones: int, zeros: int) -> tuple[float, float]:
    """Where the observed value would lie just within 1.96 standard errors of the true one."""
    from scipy.optimize import brentq

    def beyond(true: float) -> float:
        pairs = (ones + zeros) / 2 - 1
        spread = 1 + pairs * ((1 - true) / (2 - true) + true / (1 + true))
        return float(abs(true - value) - Z * (true * (1 - true) * spread / (ones * zeros)) ** 0.5)

    # 0 and 1 are within 0 standard errors of themselves: looked for is the other solution.
    low = brentq(beyond, 0.0, min(value, 1 - TINY)) if value > TINY else 0.0
    high = brentq(beyond, max(value, TINY), 1.0) if value < 1 - TINY else 1.0
    return float(low), float(high)

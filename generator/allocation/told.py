"""What an allocation is and why, in numbers for the ledger and in sentences for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Allocation", "Bound", "LabelShare", "StrategyShare"]

Bound = Literal["", "least", "most", "own share"]
"""What held a share where it is: the exploration floor or coverage, the most a label may have, or that edge cases
keep what is configured; nothing, if only what was learnt."""


@dataclass(frozen=True, slots=True)
class StrategyShare:
    """One strategy.

    Attributes:
        configured, share: Of the requests, before and after.
        decided: Its candidates that reviewers decided.
        approved, low, high: Chance of approval, and where it lies with 95 %.
        new: Of approved ones, how many say something new.
        per_hour: Approved and new candidates per hour of expert time; None where no time was measured.
        fault, fault_share: What its candidates are rejected for most, and how many of them are.
    """

    name: str
    configured: float
    share: float
    decided: int
    approved: float
    low: float
    high: float
    new: float
    per_hour: float | None
    fault: str
    fault_share: float
    bound: Bound

    def __str__(self) -> str:
        said = f"{self.name} {_moved(self.configured, self.share)}: "
        said += f"{self.approved:.0%} approved ({self.low:.0%} to {self.high:.0%}, {self.decided} decided)"
        said += f", of these {self.new:.0%} new"
        if self.per_hour is not None:
            said += f", {self.per_hour:.0f} such rows per expert hour"
        if self.fault_share >= 0.01:
            said += f"; rejected most for: {self.fault} ({self.fault_share:.0%})"
        why = {
            "least": "held at its least, so that it goes on being tried",
            "own share": "keeps its own share, since edge cases are rarer approved and worth it",
        }
        return said + (f"; {why[self.bound]}" if self.bound in why else "")


@dataclass(frozen=True, slots=True)
class LabelShare:
    """One label.

    Attributes:
        weight: Requests for it, 1 being an even share; over all strategies that are steered.
        decided, approved, low, high, new: See `StrategyShare`.
        wrong: Chance that reviewers find the label wrong.
        by: Strategy to its own weight of this label.
    """

    name: str
    weight: float
    decided: int
    approved: float
    low: float
    high: float
    new: float
    wrong: float
    by: Mapping[str, float]
    bound: Bound

    def __str__(self) -> str:
        said = f"{self.name} {self.weight:.2f} times an even share: {self.approved:.0%} approved"
        said += f" ({self.low:.0%} to {self.high:.0%}, {self.decided} decided), of these {self.new:.0%} new"
        if self.wrong >= 0.01:
            said += f"; wrong label {self.wrong:.0%}"
            least, most = (
                (pick(self.by, key=lambda name: self.by[name]) for pick in (min, max))
                if self.by
                else ("", "")
            )
            if self.by and self.by[most] - self.by[least] >= 0.1:
                said += (
                    f", so more of it by {most} ({self.by[most]:.2f}) than by {least} ({self.by[least]:.2f})"
                )
        why = {"least": "held at its least, for coverage", "most": "held at its most, for coverage"}
        return said + (f"; {why[self.bound]}" if self.bound in why else "")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Shares of one cycle.

    Attributes:
        how: `learnt`, or `configured` where there is too little to learn from, or nothing to share out.
        why: A sentence.
        configured: Strategy to its share in the configuration; sums to 1, as `shares` do.
        shares: Strategy to its share of the requests.
        weights: Strategy to label to requests for it, 1 being an even share; only of strategies that are steered.
        facts: What it was learnt from, summarised.
    """

    cycle: int
    how: Literal["learnt", "configured"]
    why: str
    configured: Mapping[str, float]
    shares: Mapping[str, float]
    weights: Mapping[str, Mapping[str, float]]
    strategies: tuple[StrategyShare, ...] = ()
    labels: tuple[LabelShare, ...] = ()
    facts: Mapping[str, Any] | None = None

    def payload(self) -> dict[str, Any]:
        """For the ledger."""
        return asdict(self)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Allocation:
        """Back from the ledger."""
        return cls(
            **{
                **payload,
                "strategies": tuple(StrategyShare(**each) for each in payload["strategies"]),
                "labels": tuple(LabelShare(**each) for each in payload["labels"]),
            }
        )


def _moved(before: float, after: float) -> str:
    if abs(after - before) < 0.005:
        return f"stays at {after:.0%}"
    return f"{'rises' if after > before else 'falls'} from {before:.0%} to {after:.0%}"

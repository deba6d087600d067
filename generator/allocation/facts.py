"""What allocation learns from: one fact for each candidate that the gate has decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Decided"]


@dataclass(frozen=True, slots=True)
class Decided:
    """A candidate that reviewers decided.

    Attributes:
        label: That was asked for; empty if the task has no label.
        cycle: Of the round that it was placed in first.
        outcome: `edited`: not as it was, but corrected into a row that was approved.
        reasons: Codes of the verdicts that the decision rests on, none twice.
        novel: Whether it said something new when it was placed; None if it was not scored.
        seconds: What its verdicts took its reviewers; None if that is not known.
        weight: How many candidates like it it stands for: 1, unless others of its cycle were left out by value.
        simulated: Whether its reviewer was a program.
    """

    strategy: str
    label: str
    cycle: int
    outcome: Literal["approved", "edited", "rejected"]
    reasons: tuple[str, ...] = ()
    novel: bool | None = None
    seconds: float | None = None
    weight: float = 1.0
    simulated: bool = False

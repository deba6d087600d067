"""Why a row is before its reviewer, in a sentence that is as true of a control as of a candidate.

It is said of the label that the row shows and of what the workspace has, and of nothing else about the row: whoever
has the same label in the same round reads the same sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from seedgate.records import Decision
from seedgate.seeds import verified_seeds
from seedgate.workspace import Workspace

__all__ = ["WhyHere"]


class WhyHere:
    """How many rows of each label there are when a wave is planned.

    Args:
        decided: The gate's word on every candidate.
    """

    def __init__(self, ws: Workspace, decided: Mapping[str, Decision]) -> None:
        approved = [id_ for id_, decision in decided.items() if decision.outcome == "approved"]
        field = ws.task.label_field
        self._label = field.name if field else ""
        self._seeds = Counter(self._of(seed.fields) for seed in verified_seeds(ws)[0].values())
        self._approved = Counter(map(self._of, ws.ledger.bodies(approved).values()))

    def of(self, fields: Mapping[str, Any]) -> str:
        """The sentence for a row with these fields."""
        label = self._of(fields)
        has = (
            f"{_count(self._seeds[label], 'seed')} and {_count(self._approved[label], 'approved row')} so far"
        )
        if not self._label:
            return f"It passed the automatic filters; there are {has}."
        return f"It passed the automatic filters, and labels take turns: {label} has {has}."

    def _of(self, fields: Mapping[str, Any]) -> str:
        return str(fields.get(self._label, "")) if self._label else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

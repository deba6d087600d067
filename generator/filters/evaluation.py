"""Drops what equals or nearly equals a row of the locked evaluation set: it would leak into training."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.seeds import NearIndex, text_of
from seedgate.task import Task

__all__ = ["EvaluationFilter"]


class EvaluationFilter:
    """Knows the locked rows; `ignore` does not help past it.

    Args:
        threshold: The policy's `near_duplicate`.
    """

    name = "evaluation"

    def __init__(self, task: Task, evaluation: Iterable[Example], threshold: float) -> None:
        self._task = task
        self._ids: set[str] = set()
        self._index = NearIndex(threshold)
        for example in evaluation:
            self._ids.add(example.id)
            self._index.add(example.id, text_of(task, example.fields))

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        if example.id in self._ids:
            return Drop(self.name, "exact", f"equals row {example.id[:12]} of the evaluation set")
        found = self._index.nearest(text_of(self._task, example.fields))
        if found is None:
            return None
        return Drop(self.name, "near", f"{found[1]:.2f} like row {found[0][:12]} of the evaluation set")

    def accept(self, example: Example) -> None:
        """Nothing to remember: the set is locked."""

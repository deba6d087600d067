"""Drops texts that are nearly those of a seed or of an earlier candidate, whatever their answer says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.seeds import NearIndex, text_of
from seedgate.task import Task

__all__ = ["NearFilter"]

RECALL = 0.998
"""Of pairs just at the threshold, and more of those above; it takes 23 bands of 32, and as much less memory. The gate's
own index, which knows the evaluation set only, takes all."""


class NearFilter:
    """Compares input texts by the overlap of their character 5-grams; paraphrases pass.

    Args:
        threshold: The policy's `near_duplicate`.
    """

    name = "near"

    def __init__(self, task: Task, threshold: float) -> None:
        self._task = task
        self._index = NearIndex(threshold, recall=RECALL)
        self._prepared: set[str] = set()
        self._apart: set[str] = set()

    def add(self, id_: str, fields: Mapping[str, Any]) -> None:
        """Takes note of content that nothing must come near to."""
        self._index.add(id_, text_of(self._task, fields))

    def prepare(self, examples: Sequence[Example]) -> None:
        """Looks several up at once, among what is known and among each other: most have nobody near."""
        apart = self._index.apart([text_of(self._task, e.fields) for e in examples], from_each_other=True)
        self._prepared = {each.id for each in examples}
        self._apart = {each.id for each, alone in zip(examples, apart, strict=True) if alone}

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        if example.id in self._apart:
            return None
        near = self._index.all_near(text_of(self._task, example.fields))
        found = next((hit for hit in near if hit[0] not in ignore), None)
        if found is None:
            return None
        return Drop(self.name, "near_duplicate", f"{found[1]:.2f} like {found[0][:12]}")

    def accept(self, example: Example) -> None:
        """Adds it."""
        if example.id not in self._prepared:
            self._apart.clear()
        self.add(example.id, example.fields)

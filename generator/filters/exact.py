"""Drops content that is there already: as a seed, or as a candidate, whatever became of it in review."""

from __future__ import annotations

from collections.abc import Collection

from seedgate.generator.filters.base import Drop
from seedgate.records import Example

__all__ = ["ExactFilter"]


class ExactFilter:
    """Knows ids, which are content hashes, and what each belongs to."""

    name = "exact"

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def add(self, id_: str, what: str) -> None:
        """Takes note of content that must not come again.

        Args:
            what: `seed`, `candidate` or `rejected`; a later word replaces an earlier one.
        """
        self._known[id_] = what

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        what = self._known.get(example.id)
        if what is None or example.id in ignore:
            return None
        return Drop(self.name, what, f"equals {what} {example.id[:12]}")

    def accept(self, example: Example) -> None:
        """Adds it as a candidate."""
        self.add(example.id, "candidate")

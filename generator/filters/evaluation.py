"""Drops what equals, nearly equals or means the same as a row of the locked evaluation set: it would leak."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.seeds import LeakCheck, SemanticBound
from seedgate.workspace import Workspace

__all__ = ["EvaluationFilter"]


class EvaluationFilter:
    """Asks `LeakCheck`, which review and release ask, too; `ignore` does not help past it."""

    name = "evaluation"

    def __init__(self, leaks: LeakCheck) -> None:
        self._leaks = leaks

    @classmethod
    def for_workspace(cls, ws: Workspace, evaluation: Sequence[Example]) -> EvaluationFilter:
        """The filter for the rows that a workspace has locked.

        Raises:
            RefusedError: The configured embeddings are not those of the lock.
        """
        return cls(LeakCheck.for_workspace(ws, evaluation))

    @property
    def bound(self) -> SemanticBound | None:
        """See `LeakCheck.bound`."""
        return self._leaks.bound

    def prepare(self, examples: Sequence[Example], *, stored: bool = False) -> None:
        """See `LeakCheck.prepare`."""
        self._leaks.prepare(examples, stored=stored)

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        leak = self._leaks.find(example)
        return Drop(self.name, leak.kind, str(leak)) if leak else None

    def accept(self, example: Example) -> None:
        """Nothing to remember: the set is locked."""

"""Drops texts with personal data: models repeat addresses and numbers that they were trained on.

A kind that the seeds hold as a habit passes, since then the task is about it. What was found is not in the reason:
drops are kept for good, and this must not be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.seeds import personal_data, personal_habits
from seedgate.task import Task

__all__ = ["PersonalFilter"]


class PersonalFilter:
    """Looks at the text fields.

    Args:
        seeds: Show which kinds of personal data the task is about.
    """

    name = "personal"

    def __init__(self, task: Task, seeds: Iterable[Example] = ()) -> None:
        self._task = task
        self._usual = personal_habits(list(seeds), task)

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        for field, found in personal_data(example, self._task):
            if found.kind not in self._usual:
                return Drop(self.name, "personal_data", f"{field}: {found.kind}")
        return None

    def accept(self, example: Example) -> None:
        """Nothing to remember."""

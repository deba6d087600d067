"""What a filter is: a name, a check that passes an example or says why it is dropped, and maybe a memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from seedgate.records import Example

__all__ = ["Drop", "Filter"]


@dataclass(frozen=True, slots=True)
class Drop:
    """Why an item goes no further.

    Attributes:
        filter: Name of the filter.
        reason: One word of a small set, for counting.
        detail: What was found, short, and in no words of the model: the ledger keeps it, and cannot redact it.
    """

    filter: str
    reason: str
    detail: str = ""


class Filter(Protocol):
    """One question about an example. A filter that compares also remembers what passed."""

    @property
    def name(self) -> str:
        """What its drops are counted under."""
        ...

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """None to let the example pass.

        Args:
            ignore: Ids of examples that it may equal or resemble.
        """
        ...

    def accept(self, example: Example) -> None:
        """Takes note of an example that passed every filter, or that was there before."""
        ...

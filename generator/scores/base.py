"""What scorers are given, and what they give back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["Pool", "Scorer"]


@dataclass(frozen=True)
class Pool:
    """Candidates, and what they are compared with; vectors are those of input texts, of length one.

    Attributes:
        vectors: Of the candidates, shape [candidates, width].
        seeds: Of the verified seeds, shape [seeds, width].
        earlier: Of candidates that reviewers were shown lately, shape [earlier, width].
        labels: Of the candidates; empty if the task has no label.
        seed_labels: Of the seeds; empty if the task has no label.
    """

    vectors: Array
    seeds: Array
    earlier: Array
    labels: Sequence[str] = ()
    seed_labels: Sequence[str] = ()


class Scorer(Protocol):
    """One number per candidate, the higher the likelier it is that review is worth while.

    Attributes:
        name: In the ledger and in reports.
        version: Raised when the same candidate would get another number.
    """

    name: str
    version: int

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Shape [candidates]; NaN where there is nothing to say."""

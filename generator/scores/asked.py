"""What scorers that ask the model are given, and what they give back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from seedgate.generator.clients.base import Completion, Request
from seedgate.generator.templating import Templates
from seedgate.records import Example
from seedgate.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["CompleteFn", "Item", "ModelScorer", "Setting"]

CompleteFn = Callable[[Request], Awaitable[Completion]]
"""Asks the model; waits while as many requests as allowed are in flight. Raises ServiceError."""


@dataclass(frozen=True)
class Setting:
    """What a workspace gives to scorers; the same for all of a run's candidates.

    Attributes:
        seeds: The verified ones.
        vectors: Of the seeds' input texts, of length one, shape [seeds, width].
        form: In what the generator asks this model: small and base ones continue text, others answer messages.
        max_tokens: Most tokens of an answer.
        embed: Texts to vectors of length one, shape [texts, width]; takes processor time.
    """

    task: Task
    seeds: Sequence[Example]
    vectors: Array
    templates: Templates
    form: Literal["list", "chat"]
    max_tokens: int
    embed: Callable[[Sequence[str]], Array]


@dataclass(frozen=True)
class Item:
    """A candidate, and the vector of its input text, of length one, shape [width]."""

    example: Example
    vector: Array


class ModelScorer(Protocol):
    """One number per candidate from what a model says, the higher the likelier it is that a reviewer approves it.

    Attributes:
        name: In `[generation] scores`, in the ledger and in reports.
        version: Raised when the same candidate and the same answers would give another number.
        template: Name of the template that it fills; empty if it needs none.
    """

    name: str
    version: int
    template: str

    @staticmethod
    def unsuited(task: Task, seeds: Sequence[Example]) -> str:
        """Why it has nothing to say where this is the task and these are the seeds; empty if it has."""
        ...

    async def score(self, item: Item, complete: CompleteFn) -> float | None:
        """A finite number, None where there is nothing to say about this candidate.

        Raises:
            ServiceError: The model could not be asked; asking again later may help.
        """
        ...

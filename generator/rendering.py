"""What a prompt form is: how it is told what to ask for, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from seedgate.generator.clients.base import Choice
from seedgate.generator.parsing import Item
from seedgate.records import Example

__all__ = ["FEW_SHOT", "WRITER", "Form", "Rendered", "Wording", "marked"]

CHARS_PER_TOKEN = 2.5  # of prompts in Latin script, low on purpose


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt with what belongs to it: strings that end a completion, a schema that answers must fit."""

    prompt: str | tuple[Mapping[str, str], ...]
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None

    def fits(self, context_tokens: int | None, max_tokens: int) -> bool:
        """Whether a model of that context, if known, has room for the prompt and the completion."""
        if context_tokens is None:
            return True
        parts = [self.prompt] if isinstance(self.prompt, str) else [m["content"] for m in self.prompt]
        return sum(map(len, parts)) / CHARS_PER_TOKEN + max_tokens <= context_tokens


@dataclass(frozen=True, slots=True)
class Wording:
    """How to put it.

    Attributes:
        template: Name of the template, without its form.
        values: What it gets besides what every template of the form gets: text, an example to be shown whole,
            or labels to be explained.
        mark: A tag; in a list, seeds that have it and the line to be written say so after their heading.
        items: Most items in one completion, if fewer than the form's.
    """

    template: str
    values: Mapping[str, str | Example | tuple[str, ...]] = field(default_factory=dict)
    mark: str = ""
    items: int | None = None


FEW_SHOT = Wording("few_shot")
WRITER = Wording("writer")
"""For a model that was trained to write: it is shown no seeds."""
MARKS = {"edge": "unusual"}
"""Tags whose name would tell a model little."""


class Form(Protocol):
    """One way to ask."""

    @property
    def name(self) -> Literal["list", "chat"]:
        """The word for it in the configuration."""
        ...

    @property
    def fixed(self) -> tuple[str, ...]:
        """Names of the fields that the strategy decides and the model does not write."""
        ...

    @property
    def items(self) -> int:
        """Most items in one completion."""
        ...

    def render(
        self, seeds: Sequence[Example], fixed: Mapping[str, Any], wording: Wording = FEW_SHOT
    ) -> Rendered:
        """The prompt that shows these seeds and asks for more with these fixed fields; without seeds, messages."""
        ...

    def parse(self, choice: Choice, fixed: Mapping[str, Any], shots: int) -> list[Item]:
        """The items in one completion, in order; `shots` seeds had been shown."""
        ...

    def written(self, example: Example) -> str:
        """The completion that would be read as this example, of a prompt that showed no seeds."""
        ...


def marked(heading: str, mark: str) -> str:
    """A heading that says a tag, if there is one.

    >>> marked("Late delivery", "edge")
    'Late delivery (unusual)'
    """
    return f"{heading} ({MARKS.get(mark, mark)})".lstrip() if mark else heading

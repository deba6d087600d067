"""Prompt forms: how seeds are shown to a model so that it writes more of them.

`list` is a numbered list of seeds of one label, which the model continues; `chat` asks for one JSON object
under a schema. Small and base models follow lists, not orders. In both, what many requests share comes first,
so that the server's prefix cache finds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from seedgate.config import GenerationConfig
from seedgate.errors import ConfigError
from seedgate.generator.clients.base import Choice
from seedgate.generator.filters.format import display_label
from seedgate.generator.parsing import Item, parse_chat, parse_list
from seedgate.records import Example
from seedgate.task import Field, Task

__all__ = ["ChatForm", "Form", "ListForm", "Rendered", "choose_form"]

_BASE = re.compile(r"(?:^|[-_/.])(?:base|pt)(?:$|[-_/.])", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([mb])(?![a-z])", re.IGNORECASE)
SMALL_B = 3.0
"""Parameters, in billions, below which a model by that name gets lists."""
CHARS_PER_TOKEN = 3.0  # low on purpose: a list that ends by its stop string loses no item
MOST_ITEMS = 3
"""Items asked for in one completion of a list; later ones repeat or drift (read on SmolLM2-135M)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt with what belongs to it: strings that end a completion, a schema that answers must fit."""

    prompt: str | tuple[Mapping[str, str], ...]
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None


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

    def render(self, seeds: Sequence[Example], fixed: Mapping[str, Any]) -> Rendered:
        """The prompt that shows these seeds and asks for more with these fixed fields."""
        ...

    def parse(self, choice: Choice, fixed: Mapping[str, Any], shots: int) -> list[Item]:
        """The items in one completion, in order; `shots` seeds had been shown."""
        ...


def choose_form(task: Task, config: GenerationConfig, model: str) -> Form:
    """The prompt form of the configuration; `auto` decides by the task and the model's name.

    Raises:
        ConfigError: `list` is set, but the task has more than one text to write.
    """
    texts = [field for field in task.fields if field.type == "text"]
    listable = len(texts) == 1 and texts[0].role == "input"
    if config.prompt_form == "list" and not listable:
        raise ConfigError(
            "[generation] prompt_form = 'list' needs a task with one text field, an input;"
            f" {task.name} has {', '.join(f'{field.name} ({field.role})' for field in texts) or 'none'}",
            hint="use prompt_form = 'chat' or 'auto'",
        )
    if config.prompt_form == "list" or (config.prompt_form == "auto" and listable and _follows_lists(model)):
        return ListForm(task, config.max_tokens)
    return ChatForm(task)


def _follows_lists(model: str) -> bool:
    """Whether the name says a base model, or one of less than 3 billion parameters."""
    sizes = [float(n) / (1000 if unit in "mM" else 1) for n, unit in _SIZE.findall(model)]
    return bool(_BASE.search(model)) or (bool(sizes) and max(sizes) < SMALL_B)


class ListForm:
    """A numbered list to be continued, one text per line.

    The shape was chosen by reading completions of SmolLM2-135M on the shipped example: each line repeats its
    label, since without that the model leaves the topic after an item or two; longer seeds come first, since
    what follows short lines is shorter and more often right.
    """

    name: Literal["list"] = "list"
    items = MOST_ITEMS

    def __init__(self, task: Task, max_tokens: int) -> None:
        self._task = task
        self._max_tokens = max_tokens
        self._text = next(field.name for field in task.fields if field.type == "text")
        self._given = [field for field in task.fields if field.name != self._text]
        self.fixed = tuple(field.name for field in self._given)
        labels = (label for field in self._given for label in field.labels)
        self._headings = frozenset(display_label(label).casefold() for label in labels)

    def render(self, seeds: Sequence[Example], fixed: Mapping[str, Any]) -> Rendered:
        """See `Form.render`; seeds are shown in the given order."""
        lines = [" ".join(str(seed.fields[self._text]).split()) for seed in seeds]
        heading = self._heading(fixed)
        helped = [help_ for field in self._given if (help_ := _help(field, fixed))]
        head = (
            f"{_sentence(self._task.audience)}\n\n{heading}: {'; '.join(helped) or self._task.instructions}"
        )
        shown = "".join(f"{number}. {heading}: {line}\n" for number, line in enumerate(lines, 1))
        last = len(lines) + self._wanted(lines, heading)
        prompt = f"{head}\n\n{shown}{len(lines) + 1}. {heading}:"
        return Rendered(prompt, stop=("\n\n", f"\n{last + 1}."))

    def parse(self, choice: Choice, fixed: Mapping[str, Any], shots: int) -> list[Item]:
        """See `Form.parse`."""
        return parse_list(
            choice,
            first=shots + 1,
            field=self._text,
            heading=self._heading(fixed),
            headings=self._headings,
            fixed=fixed,
        )

    def _heading(self, fixed: Mapping[str, Any]) -> str:
        values = (fixed[field.name] for field in self._given)
        return ", ".join(
            display_label(label)
            for value in values
            for label in (value if isinstance(value, list) else [value])
        )

    def _wanted(self, lines: Sequence[str], heading: str) -> int:
        """How many items `max_tokens` leaves room for."""
        chars = sum(len(line) for line in lines) / len(lines) + len(heading) + 6
        return max(1, min(self.items, int(self._max_tokens * CHARS_PER_TOKEN / chars)))


class ChatForm:
    """Messages that describe the task, show seeds as JSON, and ask for one more object like them."""

    name: Literal["chat"] = "chat"
    items = 1

    def __init__(self, task: Task) -> None:
        self._task = task
        label = task.label_field
        self.fixed = (label.name,) if label else ()
        self._schema = task.json_schema(fixed=self.fixed)
        self._system = self._briefing()

    def render(self, seeds: Sequence[Example], fixed: Mapping[str, Any]) -> Rendered:
        """See `Form.render`; seeds are shown in the given order."""
        asked = [field for field in self._task.fields if field.name not in self.fixed]
        rows = ({field.name: seed.fields.get(field.name, "") for field in asked} for seed in seeds)
        shown = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        chosen = ", ".join(f"{name} {value!r}" for name, value in fixed.items())
        helped = [help_ for field in self._task.fields if (help_ := _help(field, fixed))]
        about = f" with {chosen}" + (f" ({'; '.join(helped)})" if helped else "") if chosen else ""
        user = (
            f"Verified examples{about}:\n{shown}\n\n"
            f"Write one new example{about}. It must be correct, and differ from all of these in what it"
            " says and how it says it."
        )
        messages = ({"role": "system", "content": self._system}, {"role": "user", "content": user})
        return Rendered(messages, json_schema=self._schema)

    def parse(self, choice: Choice, fixed: Mapping[str, Any], shots: int) -> list[Item]:
        """See `Form.parse`."""
        return parse_chat(choice, fixed=fixed)

    def _briefing(self) -> str:
        task = self._task
        fields = "\n".join(f"- {field.name}: {_described(field)}" for field in task.fields)
        return (
            "You write new examples for a data set that experts check row by row.\n"
            f"The task that a model will learn from them: {task.instructions}\n"
            f"The examples are about {task.audience}.\n"
            f"The fields of an example:\n{fields}\n"
            "Answer with one JSON object and nothing else."
        )


def _help(field: Field, fixed: Mapping[str, Any]) -> str:
    """What the fixed value of a label field means, if the task says so."""
    value = fixed.get(field.name)
    return field.label_help.get(value, "") if isinstance(value, str) else ""


def _described(field: Field) -> str:
    said = field.description or field.display
    if field.type == "text":
        return f"{said} (at most {field.max_chars} characters{'' if field.required else '; may be empty'})"
    labels = "; ".join(
        f"{name} = {field.label_help[name]}" if name in field.label_help else name for name in field.labels
    )
    return f"{said}, {'one' if field.type == 'label' else 'any'} of: {labels}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."

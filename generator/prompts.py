"""Prompt forms: how seeds are shown to a model so that it writes more of them.

`list` is a numbered list of seeds, which the model continues; `chat` asks for one JSON object under a schema.
Small and base models follow lists, not orders. In both, what many requests share comes first, so that the
server's prefix cache finds it. The words around the seeds are those of a template, one for each strategy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from seedgate.config import GenerationConfig
from seedgate.errors import ConfigError
from seedgate.generator.clients.base import Choice
from seedgate.generator.filters.format import display_label
from seedgate.generator.parsing import Item, parse_chat, parse_list
from seedgate.generator.rendering import FEW_SHOT, Form, Rendered, Wording, marked
from seedgate.generator.templating import Templates
from seedgate.records import Example
from seedgate.task import Field, Task

__all__ = ["ChatForm", "Form", "ListForm", "Rendered", "Wording", "choose_form", "described", "rows_of"]

_BASE = re.compile(r"(?:^|[-_/.])(?:base|pt)(?:$|[-_/.])", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([mb])(?![a-z])", re.IGNORECASE)
SMALL_B = 3.0
"""Parameters, in billions, below which a model by that name gets lists."""
CHARS_PER_TOKEN = 3.0  # low on purpose: a list that ends by its stop string loses no item
MOST_ITEMS = 3
"""Items asked for in one completion of a list; later ones repeat or drift (read on SmolLM2-135M)."""


def choose_form(task: Task, config: GenerationConfig, model: str, templates: Templates | None = None) -> Form:
    """The prompt form of the configuration; `auto` decides by the task and the model's name.

    Raises:
        ConfigError: `list` is set, but the task has more than one text to write.
    """
    texts = [field for field in task.fields if field.type == "text"]
    written = [field for field in task.fields if field.is_text]
    listable = len(written) == 1 and written == texts and texts[0].role == "input"
    if config.prompt_form == "list" and not listable:
        raise ConfigError(
            "[generation] prompt_form = 'list' needs a task with one text field, an input;"
            f" {task.name} has {', '.join(f'{field.name} ({field.role})' for field in texts) or 'none'}",
            hint="use prompt_form = 'chat' or 'auto'",
        )
    if config.prompt_form == "list" or (config.prompt_form == "auto" and listable and _follows_lists(model)):
        return ListForm(task, config.max_tokens, templates)
    return ChatForm(task, templates)


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

    def __init__(self, task: Task, max_tokens: int, templates: Templates | None = None) -> None:
        self._task = task
        self._max_tokens = max_tokens
        self._templates = templates or Templates()
        self._text = next(field.name for field in task.fields if field.type == "text")
        self._given = [field for field in task.fields if field.name != self._text]
        self.fixed = tuple(field.name for field in self._given)
        labels = (label for field in self._given for label in field.labels)
        self._headings = frozenset(display_label(label).casefold() for label in labels)

    def render(
        self, seeds: Sequence[Example], fixed: Mapping[str, Any], wording: Wording = FEW_SHOT
    ) -> Rendered:
        """See `Form.render`; seeds are shown in the given order. Without any, one text is asked for, not a list."""
        lines = [self._line(seed, wording.mark) for seed in seeds]
        heading = self._heading(fixed)
        helped = [help_ for field in self._given if (help_ := _help(field, fixed))]
        values = {
            "audience": _sentence(self._task.audience),
            "task": self._task.instructions,
            "heading": heading,
            "open": marked(heading, wording.mark),
            "meaning": "; ".join(helped) or self._task.instructions,
            "seeds": "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)),
            "next": str(len(lines) + 1),
        } | {name: self._shown(value) for name, value in wording.values.items()}
        prompt = self._templates.fill(f"{wording.template}.list", values)
        if not lines:
            return Rendered(({"role": "user", "content": prompt},))
        last = len(lines) + self._wanted(lines, wording.items or self.items)
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

    def written(self, example: Example) -> str:
        """See `Form.written`."""
        return " ".join(str(example.fields[self._text]).split())

    def _heading(self, fixed: Mapping[str, Any]) -> str:
        values = (fixed[field.name] for field in self._given)
        return ", ".join(
            display_label(label)
            for value in values
            for label in (value if isinstance(value, list) else [value])
        )

    def _line(self, seed: Example, mark: str) -> str:
        heading = self._heading(seed.fields)
        text = " ".join(str(seed.fields[self._text]).split())
        return f"{marked(heading, mark if mark in seed.tags else '')}: {text}"

    def _shown(self, value: str | Example | tuple[str, ...]) -> str:
        if isinstance(value, tuple):
            helped = ((display_label(label), _meaning(self._task, label)) for label in value)
            return "\n".join(f"{name}: {help_}" if help_ else name for name, help_ in helped)
        return value if isinstance(value, str) else self._line(value, "")

    def _wanted(self, lines: Sequence[str], most: int) -> int:
        """How many items `max_tokens` leaves room for."""
        chars = sum(len(line) for line in lines) / len(lines) + 4
        return max(1, min(most, int(self._max_tokens * CHARS_PER_TOKEN / chars)))


class ChatForm:
    """Messages that describe the task, show seeds as JSON, and ask for one more object like them."""

    name: Literal["chat"] = "chat"
    items = 1

    def __init__(self, task: Task, templates: Templates | None = None) -> None:
        self._task = task
        self._templates = templates or Templates()
        label = task.label_field
        self.fixed = (label.name,) if label else ()
        self._schema = cache(lambda fixed: task.json_schema(fixed=fixed))
        self._system = self._briefing()

    def render(
        self, seeds: Sequence[Example], fixed: Mapping[str, Any], wording: Wording = FEW_SHOT
    ) -> Rendered:
        """See `Form.render`; seeds are shown in the given order."""
        outputs = [field for field in self._task.outputs if field.name in fixed]
        chosen = ", ".join(
            f"{field.name} {field.value(fixed[field.name])!r}"
            for field in self._task.fields
            if field.name in fixed
        )
        helped = [help_ for field in self._task.fields if (help_ := _help(field, fixed))]
        about = f" with {chosen}" + (f" ({'; '.join(helped)})" if helped else "") if chosen else ""
        asked = [field for field in self._task.fields if field.name not in fixed]
        values = {
            "about": about,
            "meaning": "; ".join(helped),
            "answer": json.dumps(
                {field.name: field.value(fixed[field.name]) for field in outputs}, ensure_ascii=False
            ),
            "seeds": rows_of(seeds, asked),
            "rows": rows_of(seeds, self._task.fields),
            "reversed": rows_of(seeds, [*self._task.outputs, *self._task.inputs]),
        } | {name: self._shown(value) for name, value in wording.values.items()}
        user = self._templates.fill(f"{wording.template}.chat", values)
        messages = ({"role": "system", "content": self._system}, {"role": "user", "content": user})
        return Rendered(messages, json_schema=self._schema(tuple(sorted(fixed))))

    def parse(self, choice: Choice, fixed: Mapping[str, Any], shots: int) -> list[Item]:
        """See `Form.parse`."""
        return parse_chat(choice, fixed=fixed)

    def written(self, example: Example) -> str:
        """See `Form.written`."""
        return rows_of([example], [field for field in self._task.fields if field.name not in self.fixed])

    def _shown(self, value: str | Example | tuple[str, ...]) -> str:
        if isinstance(value, tuple):
            helped = ((label, _meaning(self._task, label)) for label in value)
            return "\n".join(f"- {label!r}: {help_}" if help_ else f"- {label!r}" for label, help_ in helped)
        return value if isinstance(value, str) else rows_of([value], self._task.fields)

    def _briefing(self) -> str:
        task = self._task
        values = {"task": task.instructions, "audience": task.audience, "fields": described(task)}
        return self._templates.fill("system.chat", values)


def rows_of(examples: Sequence[Example], fields: Sequence[Field]) -> str:
    """Examples as prompts show them: one JSON object per line."""
    rows = (
        {field.name: field.value(each.fields.get(field.name, "")) for field in fields} for each in examples
    )
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def described(task: Task) -> str:
    """The fields of an example, one per line, for a model that is to write or to judge one."""
    return "\n".join(f"- {field.name}: {_described(field)}" for field in task.fields)


def _meaning(task: Task, label: str) -> str:
    """What a label means, in the first field that says so."""
    return next((each.label_help[label] for each in task.fields if label in each.label_help), "")


def _help(field: Field, fixed: Mapping[str, Any]) -> str:
    """What the fixed value of a label field means, if the task says so."""
    value = fixed.get(field.name)
    return field.label_help.get(value, "") if isinstance(value, str) else ""


def _described(field: Field) -> str:
    said = field.description or field.display
    if field.type == "text":
        return f"{said} (at most {field.max_chars} characters{'' if field.required else '; may be empty'})"
    if field.type == "json":
        return f"{said}, JSON of this schema: {json.dumps(field.json_schema, ensure_ascii=False)}"
    if field.type == "chat":
        return (
            f"{said}, the turns in order: a system message or none, then user and assistant in turn, the assistant"
            f" last (at most {field.max_chars} characters in all)"
        )
    labels = "; ".join(
        f"{name} = {field.label_help[name]}" if name in field.label_help else name for name in field.labels
    )
    return f"{said}, {'one' if field.type == 'label' else 'any'} of: {labels}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."

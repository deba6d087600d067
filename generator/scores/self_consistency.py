"""Whether the model, asked a candidate's input anew, gives the candidate's output again.

The likeness of several sampled answers, as in Wang et al. 2022 (https://arxiv.org/abs/2203.11171), but counted for the
candidate's own answer instead of voted on. The verified seeds nearest to the input show how such inputs are answered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from seedgate.canonical import strict_loads
from seedgate.errors import InputError
from seedgate.generator.clients.base import Request, Sampling
from seedgate.generator.scores.asked import CompleteFn, Item, Setting
from seedgate.records import Example
from seedgate.seeds import output_of
from seedgate.task import Task

__all__ = ["SelfConsistency"]

ANSWERS = 3
TEMPERATURE = 0.7
SHOTS = 4


class SelfConsistency:
    """Share of the answers that say the same as the candidate; mean cosine of meaning where answers are free text.

    Labels and JSON are compared as values, after the task's own checks: the order of keys is no difference, an answer
    that is no such value is one. An empty text is like no other.
    """

    name = "self_consistency"
    version = 1
    template = ""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        task = setting.task
        self._choices = task.choices
        self._fixed = tuple(field.name for field in task.inputs)
        valued = all(field.type in ("label", "multilabel", "json") for field in task.outputs)
        self._schema = task.json_schema(fixed=self._fixed) if valued and not self._choices else None
        self._embedding = asyncio.Lock()

    @staticmethod
    def unsuited(task: Task, seeds: Sequence[Example]) -> str:
        """See `ModelScorer`."""
        return ""

    async def score(self, item: Item, complete: CompleteFn) -> float | None:
        """See `ModelScorer`."""
        done = await complete(self._request(item))
        answers = [choice.text.strip() for choice in done.choices]
        if self._choices or self._schema:
            return sum(self._same(item.example, answer) for answer in answers) / len(answers)
        return await self._likeness(item.example, answers)

    # -- asking --------------------------------------------------------------------------------------

    def _request(self, item: Item) -> Request:
        continued = self._setting.form == "list" and self._choices is not None
        # A text goes on with a space, as the shown answers do.
        choices = tuple(f" {each}" if continued else each for each in self._choices or ())
        return Request(
            f"{self.name}:{item.example.id}",
            self._text(item) if continued else self._messages(item),
            Sampling(ANSWERS, TEMPERATURE, 1.0, self._setting.max_tokens),
            self._schema,
            choices,
        )

    def _text(self, item: Item) -> str:
        task = self._setting.task
        blocks = [
            f"{task.prompt(each.fields)}\n{task.outputs[0].display}: {task.completion(each.fields)}"
            for each in self._shown(item)
        ]
        asked = f"{task.prompt(item.example.fields)}\n{task.outputs[0].display}:"
        return "\n\n".join([task.instructions, *blocks, asked])

    def _messages(self, item: Item) -> tuple[Mapping[str, str], ...]:
        task, own = self._setting.task, self._setting.task.messages(item.example.fields)[:-1]
        if task.chat_field is not None:  # a conversation of its own, with its own system message
            return tuple(own)
        shown = [
            turn
            for seed in self._shown(item)
            for turn in (
                *task.messages(seed.fields)[:-1],
                {"role": "assistant", "content": self._answer(seed)},
            )
        ]
        return ({"role": "system", "content": task.instructions}, *shown, *own)

    def _answer(self, seed: Example) -> str:
        task = self._setting.task
        if self._schema is None:
            return task.completion(seed.fields)
        return json.dumps(
            {field.name: field.value(seed.fields[field.name]) for field in task.outputs}, ensure_ascii=False
        )

    def _shown(self, item: Item) -> list[Example]:
        """The nearest seeds, the nearest one last; never the candidate itself."""
        near = (self._setting.vectors @ item.vector).tolist()
        ranked = sorted(range(len(near)), key=lambda at: (-near[at], self._setting.seeds[at].id))
        return [self._setting.seeds[at] for at in reversed(ranked[:SHOTS])]

    # -- comparing -----------------------------------------------------------------------------------

    def _same(self, example: Example, answer: str) -> bool:
        task = self._setting.task
        if self._schema is None:
            return task.exact(example.fields, answer)
        try:
            said: Any = strict_loads(answer)
            given = {name: example.fields[name] for name in self._fixed if name in example.fields}
            fields = task.validate_fields({**said, **given})
        except (ValueError, TypeError, InputError):
            return False
        return output_of(task, fields) == output_of(task, example.fields)

    async def _likeness(self, example: Example, answers: Sequence[str]) -> float:
        told = [answer for answer in answers if answer]
        if not told:
            return 0.0
        async with self._embedding:  # on the processor: several at once would only wait for each other
            vectors = await asyncio.to_thread(
                self._setting.embed, [self._setting.task.completion(example.fields), *told]
            )
        return float((vectors[1:] @ vectors[0]).sum()) / len(answers)

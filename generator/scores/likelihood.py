"""Whether a text fits its own label better than others: how likely the model finds it after seeds of each.

A likelihood ratio, as in a noisy channel: the model is never asked for a label, which small models name badly, but for
the text that they were trained to continue. Each prompt is a numbered list of a label's seeds, as the generator writes
lists, that ends with the candidate's text. Prompts that are scored cannot use the prefix cache (see `clients.wire`), so
they are kept short.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Request, Sampling
from seedgate.generator.filters.format import display_label
from seedgate.generator.scores.asked import CompleteFn, Item, Setting
from seedgate.generator.scores.typical import label_of, typical_seeds
from seedgate.records import Example
from seedgate.seeds import text_of
from seedgate.task import Task

__all__ = ["Likelihood", "own_share"]

SHOTS = 3
RIVALS = 4
"""Labels that the own one is compared with: those whose seeds' mean vector is nearest to the text."""

ONE_TOKEN = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=1)
"""The least that a server generates."""


class Likelihood:
    """Log of the own label's share of the text's likelihood; see `own_share`.

    Nothing is said about a label that no seed has.
    """

    name = "likelihood"
    version = 1
    template = ""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._known = typical_seeds(setting, SHOTS)
        self._beginnings = {label: self._beginning(label) for label in self._known.labels}
        self._tokens: dict[str, int] = {}
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @staticmethod
    def unsuited(task: Task, seeds: Sequence[Example]) -> str:
        """See `ModelScorer`."""
        label = task.label_field
        if label is None or not any(field.type == "text" for field in task.inputs):
            return "the task has no label of a text"
        return (
            ""
            if len({seed.fields.get(label.name) for seed in seeds}) > 1
            else "the seeds have one label only"
        )

    async def score(self, item: Item, complete: CompleteFn) -> float | None:
        """See `ModelScorer`."""
        own = label_of(self._setting, item.example.fields)
        if own not in self._beginnings:
            return None
        text = self._line(item.example)
        labels = [own, *self._rivals(item, own)]
        found = await asyncio.gather(*(self._logprobs(label, text, item, complete) for label in labels))
        return own_share([sum(each) for each in found], max(map(len, found)))

    def _rivals(self, item: Item, own: str) -> list[str]:
        near = self._known.middles @ item.vector
        ranked = sorted(
            zip(near.tolist(), self._known.labels, strict=True), key=lambda pair: (-pair[0], pair[1])
        )
        return [label for _, label in ranked if label != own][:RIVALS]

    async def _logprobs(self, label: str, text: str, item: Item, complete: CompleteFn) -> Sequence[float]:
        """Of the text's own tokens, after the label's seeds."""
        before = await self._length(label, complete)
        number = self._known.labels.index(label)
        found = await self._scored(
            f"{item.example.id}:{number}", f"{self._beginnings[label]} {text}", complete
        )
        return found[before:]

    async def _length(self, label: str, complete: CompleteFn) -> int:
        """Scored tokens before the text; counted by the server, since only it knows its tokenizer."""
        async with self._counting[label]:
            if label not in self._tokens:
                id_ = f"label:{self._known.labels.index(label)}"
                self._tokens[label] = len(await self._scored(id_, self._beginnings[label], complete))
        return self._tokens[label]

    async def _scored(self, id_: str, prompt: str, complete: CompleteFn) -> Sequence[float]:
        done = await complete(Request(f"{self.name}:{id_}", prompt, ONE_TOKEN, prompt_logprobs=True))
        if not done.prompt_logprobs:
            raise ServiceError("the server does not say how likely a prompt is (prompt_logprobs)")
        return done.prompt_logprobs

    def _beginning(self, label: str) -> str:
        """The list up to the colon after the label; the space after it belongs to the text's first token."""
        seeds = self._known.seeds[label]
        lines = [
            f"{number}. {display_label(label)}: {self._line(seed)}" for number, seed in enumerate(seeds, 1)
        ]
        about = self._setting.task.audience
        opening = f"{about[:1].upper()}{about[1:]}."
        return "\n".join([f"{opening}\n", *lines, f"{len(lines) + 1}. {display_label(label)}:"])

    def _line(self, example: Example) -> str:
        return " ".join(text_of(self._setting.task, example.fields).split())


def own_share(totals: Sequence[float], tokens: int) -> float:
    """Log of the first label's share, with likelihoods per token: 0 at most, and nearly that where it fits best.

    Per token, since the whole text's share is 1 or 0 to four digits for most texts, which orders nothing.

    Args:
        totals: Log-probability (nats) of the text after the seeds of each label, its own first.
        tokens: Of the text.

    >>> round(own_share([-20.0, -30.0], 10), 4)  # 1 nat per token better
    -0.3133
    """
    means = [total / max(tokens, 1) for total in totals]
    most = max(means)
    return means[0] - most - math.log(sum(math.exp(mean - most) for mean in means))

"""Figures beside the metric of free text: how near an answer is in meaning, and what a judge thinks of it.

Words that differ can say the same, and words that are the same can leave out a "not": neither figure replaces the
metric, and none decides anything. Cosines of sentence vectors see topic before truth, and long answers in their
beginning only; a judge does not see the expected answer, likes what models write, and is lenient with itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seedgate.errors import InputError
from seedgate.finetune.adapters import Served
from seedgate.finetune.asking import CONCURRENCY, all_of, completed, server_client
from seedgate.finetune.figures import Prediction, Secondary
from seedgate.finetune.intervals import score_interval
from seedgate.finetune.releasing import Progress
from seedgate.generator.clients.chosen import offline_client
from seedgate.generator.scores.asked import Item, Setting
from seedgate.generator.scores.judge import Judge
from seedgate.generator.templating import Templates
from seedgate.records import Example
from seedgate.seeds import Meanings
from seedgate.seeds.embedding import embedder_of
from seedgate.shown import transcript

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seedgate.generator.clients.base import Client, Completion, Request
    from seedgate.seeds import Baseline
    from seedgate.task import Task
    from seedgate.workspace import Workspace

    Vectors = NDArray[np.float32]

__all__ = ["SecondaryFigures", "is_free_text"]


def is_free_text(task: Task) -> bool:
    """Whether the answer is one text: an output field, or the last turn of a chat."""
    return len(task.outputs) == 1 and task.outputs[0].type in ("text", "chat")


class SecondaryFigures:
    """Those of one measurement; made before a model is asked, so that what they need is missed before that.

    Raises:
        InputError: `[evaluation] judge` names a model that cannot be had beside `[vllm] offline`.
        ServiceError: The workspace's embedding model cannot be had.
    """

    def __init__(self, ws: Workspace, base: Baseline) -> None:
        self._ws, self._base = ws, base
        self._references: Vectors | None = None
        self._judge = ws.config.evaluation.judge if is_free_text(ws.task) else ""
        if not is_free_text(ws.task):
            return
        if self._judge and ws.vllm_offline and self._judge != ws.config.vllm.model:
            raise InputError(
                f"[evaluation] judge: {self._judge!r} is not the model that [vllm] offline loads",
                hint=f"name {ws.config.vllm.model!r}, or use servers",
            )
        self._references = embedder_of(ws).embed([ws.task.completion(row.fields) for row in base.evaluation])

    def of(self, predictions: Sequence[Prediction], tell: Progress) -> dict[str, Secondary]:
        """`similarity` and `judge`, as far as there are any, of answers in the order of the evaluation set."""
        found: dict[str, Secondary] = {}
        if self._references is None:
            return found
        embedder = embedder_of(self._ws)
        said = embedder.embed([each.answer.strip() for each in predictions])
        # What says nothing is near to nothing, whatever vector an empty text has.
        cosines = [
            float(a @ b) if each.answer.strip() else 0.0
            for a, b, each in zip(self._references, said, predictions, strict=True)
        ]
        found["similarity"] = self._figure(cosines, embedder.identity)
        if self._judge:
            grades = completed(self._graded(predictions, tell))
            known = [grade for grade in grades if grade is not None]
            if known:
                found["judge"] = self._figure(known, self._judge)
        return found

    def _figure(self, scores: Sequence[float], model: str) -> Secondary:
        confidence = self._ws.config.evaluation.confidence
        low, high = score_interval(scores, "token_f1", confidence)
        return Secondary(n=len(scores), value=sum(scores) / len(scores), low=low, high=high, model=model)

    async def _graded(self, predictions: Sequence[Prediction], tell: Progress) -> list[float | None]:
        import numpy as np

        judge, client = self._rubric(), self._client()
        slots, done = asyncio.Semaphore(CONCURRENCY), 0
        nothing = np.zeros(0, np.float32)  # a judge reads the row, and looks at no vector of it

        async def complete(request: Request) -> Completion:
            async with slots:
                return await client.complete(request)

        async def grade(row: Example, said: Prediction) -> float | None:
            nonlocal done
            answered = _answered(self._ws.task, row, said.answer)
            found = None if answered is None else await judge.score(Item(answered, nothing), complete)
            done += 1
            tell(done, len(predictions), "the judge reads")
            return found

        pairs = zip(self._base.evaluation, predictions, strict=True)
        return await all_of(client, [grade(row, said) for row, said in pairs])

    def _rubric(self) -> Judge:
        seeds = list(self._base.seeds.values())
        return Judge(
            Setting(
                task=self._ws.task,
                seeds=seeds,
                vectors=Meanings.for_workspace(self._ws).vectors(seeds),
                templates=Templates(self._ws.prompts_dir),
                form="chat",
                max_tokens=self._ws.config.evaluation.max_tokens,
                embed=embedder_of(self._ws).embed,
            )
        )

    def _client(self) -> Client:
        if self._ws.vllm_offline:
            return offline_client(self._ws)
        return server_client(self._ws, Served(self._ws.vllm_urls(), self._judge))


def _answered(task: Task, row: Example, answer: str) -> Example | None:
    """The row with the answer in place of its own; None where that is no example at all."""
    field = task.outputs[0]
    if field.type != "chat":
        return Example(fields={**row.fields, field.name: answer})
    try:
        turns = [*task.messages(row.fields)[:-1], {"role": "assistant", "content": answer}]
        return Example(fields={field.name: transcript(turns)})
    except InputError:
        return None

"""What a model answers to rows of the evaluation set: greedily, through vLLM, within the task's labels and without.

Adapters are loaded into the server for as long as they are asked, or into this process where there is no server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from seedgate.errors import ServiceError
from seedgate.finetune.adapters import Served, served_model
from seedgate.finetune.figures import Prediction
from seedgate.finetune.records import TrainedModel
from seedgate.finetune.releasing import Progress
from seedgate.finetune.training import base_model
from seedgate.generator.clients.base import Client, Completion, Request, Sampling
from seedgate.generator.clients.chosen import offline_client
from seedgate.generator.clients.server import ServerClient
from seedgate.records import Example
from seedgate.services import served_rank
from seedgate.workspace import Workspace

__all__ = [
    "CONCURRENCY",
    "Answers",
    "all_of",
    "answers_of",
    "ask",
    "completed",
    "constraint",
    "server_client",
    "ways",
]

T = TypeVar("T")
CONCURRENCY = 32
DEADLINE_S = 60.0
BEYOND = 8
"""Tokens after the longest label: for white space before it, and for what shows that the answer goes on."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model said.

    Attributes:
        served: What the server called it.
        predictions: In the examples' order.
        free: The same rows asked without the constraint; None where that was not asked for.
    """

    served: str
    predictions: list[Prediction]
    free: list[Prediction] | None = None


def constraint(ws: Workspace) -> tuple[str, ...]:
    """The answers that a model is limited to; none if it may say anything."""
    return tuple(ws.task.choices or ()) if ws.config.evaluation.constrained else ()


def ask(
    ws: Workspace,
    model: TrainedModel | None,
    examples: Sequence[Example],
    tell: Progress,
    *,
    free: bool = False,
) -> Answers:
    """What a model answers, and how right that is; nothing is recorded.

    Args:
        model: None for the model as it is served.
        free: Also ask without the constraint.

    Raises:
        ServiceError: The server is down, serves other models, refuses the key or loads no adapters.
    """
    return completed(_asked(ws, model, examples, tell, free=free))


def answers_of(
    ws: Workspace, model: TrainedModel | None, examples: Sequence[Example], tell: Progress
) -> list[Prediction]:
    """What a model answers within the constraint, if there is one; as `ask`."""
    return ask(ws, model, examples, tell).predictions


async def _asked(
    ws: Workspace, model: TrainedModel | None, examples: Sequence[Example], tell: Progress, *, free: bool
) -> Answers:
    if ws.vllm_offline:
        tell(0, len(examples), "loading the model")
        name = model.name if model else ws.config.vllm.model
        return await _answers(ws, name, _loaded(ws, model), examples, tell, free=free)
    urls, key = ws.vllm_urls(), ws.vllm_key()
    if model is None:
        served = Served(urls, ws.config.vllm.model)
        return await _answers(ws, served.name, server_client(ws, served), examples, tell, free=free)
    tell(0, len(examples), f"loading {model.name}")
    async with served_model(urls, key, model) as served:
        return await _answers(ws, served.name, server_client(ws, served), examples, tell, free=free)


def _loaded(ws: Workspace, model: TrainedModel | None) -> Client:
    """The model in this process: an adapter on the model that it was trained on, whatever else generates."""
    if model is None:
        return offline_client(ws)
    if model.weights == "model":
        return offline_client(ws, model=str(model.weights_path))
    adapter = (model.weights_path, served_rank(int(str(model.settings["lora_rank"]))))
    return offline_client(ws, adapters={"": adapter}, model=base_model(ws, model.base_model))


def server_client(ws: Workspace, served: Served) -> Client:
    """A client of a model that servers serve by this name, not started."""
    return ServerClient(
        served.urls,
        served.name,
        api_key=ws.vllm_key(),
        timeout_s=ws.config.generation.timeout_s,
        connections=CONCURRENCY,
        deadline_s=DEADLINE_S,
    )


async def _answers(
    ws: Workspace, served: str, client: Client, examples: Sequence[Example], tell: Progress, *, free: bool
) -> Answers:
    """Everything that is asked of a model."""
    slots, done = asyncio.Semaphore(CONCURRENCY), 0
    asked = ways(ws, free=free)

    async def answer(example: Example, how: str, choices: tuple[str, ...], sampling: Sampling) -> Prediction:
        nonlocal done
        prompt = tuple(ws.task.messages(example.fields)[:-1])
        async with slots:
            completion = await client.complete(
                Request(f"{how}:{example.id[:12]}", prompt, sampling, None, choices)
            )
        done += 1
        tell(done, len(examples) * len(asked), "")
        return _prediction(ws, example, completion)

    jobs = [answer(example, how, *each) for how, each in asked.items() for example in examples]
    said = await all_of(client, jobs)
    return Answers(served, said[: len(examples)], said[len(examples) :] if free else None)


def ways(ws: Workspace, *, free: bool) -> dict[str, tuple[tuple[str, ...], Sampling]]:
    """How each row is asked, with the answers allowed: constrained, and where `free`, without that."""
    # No seed: at temperature 0 it would change nothing, and it kills vLLM's CPU engine.
    sampling = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=ws.config.evaluation.max_tokens)
    asked = {"eval": (constraint(ws), sampling)}
    if free:
        short = min(sampling.max_tokens, enough_for(constraint(ws)))
        asked["eval-free"] = ((), replace(sampling, max_tokens=short))
    return asked


def enough_for(choices: Sequence[str]) -> int:
    """Tokens within which an answer is one of these or has become another text.

    A token is a byte at least. Small models seldom end by themselves, and would write up to the limit for any answer.
    """
    return max((len(choice.encode()) for choice in choices), default=0) + BEYOND


async def all_of(client: Client, jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What comes of jobs that ask a client, which is started before and closed after.

    Raises:
        ServiceError: The first one that a job met, with a hint that speaks of evaluating.
    """
    try:
        await client.start()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except* ServiceError as failed:
        raise _first(failed) from None
    finally:
        for job in jobs:
            job.close()  # those that were never begun
        await client.aclose()
    return [task.result() for task in tasks]


def _first(failed: BaseExceptionGroup[Any]) -> ServiceError:
    """The first error, with a hint that speaks of evaluating."""
    error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    message = error.message if isinstance(error, ServiceError) else str(error)
    hint = error.hint if isinstance(error, ServiceError) else None
    if hint and "generate" in hint:
        hint = "look at `seedgate status` and the server's log, then run `seedgate eval` again"
    return ServiceError(message, hint=hint)


def _prediction(ws: Workspace, example: Example, completion: Completion) -> Prediction:
    choice = completion.choices[0]
    return Prediction(
        id=example.id,
        answer=choice.text,
        score=ws.task.score(example.fields, choice.text),
        finish_reason=choice.finish_reason,
    )


def completed(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()

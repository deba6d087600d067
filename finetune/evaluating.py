"""`evaluate`: one model on the locked evaluation set, through vLLM, with an interval; each look on record.

Greedy answers to the Task's prompts, limited to the task's labels where it has them, scored by the Task. What
the model said is kept in the ledger, so that two models can be compared row by row without asking again.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from seedgate.canonical import content_hash
from seedgate.errors import RefusedError, ServiceError
from seedgate.fields import plain_answer
from seedgate.finetune.adapters import Served, served_model
from seedgate.finetune.confusing import answered_label
from seedgate.finetune.intervals import score_interval
from seedgate.finetune.records import Evaluation, Prediction, Share, TrainedModel
from seedgate.finetune.releasing import Progress
from seedgate.finetune.training import base_model, refuse_changed, trained_model
from seedgate.finetune.verifying import verified_release
from seedgate.generator.clients.base import Client, Completion, Request, Sampling
from seedgate.generator.clients.chosen import offline_client
from seedgate.generator.clients.server import ServerClient
from seedgate.ledger import Event, NewEvent
from seedgate.records import Example
from seedgate.seeds import Baseline, baseline
from seedgate.services import served_rank
from seedgate.workspace import Workspace

__all__ = ["BASE", "EvaluationPlan", "answers_of", "evaluate", "evaluation_of", "plan_evaluation"]

BASE = "base"
"""What the model as served, without training, is called in the ledger."""

CONCURRENCY = 32
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What `evaluate` would do. `known`: the measurement that was made before, if one was."""

    model: str
    rows: int
    known: Evaluation | None

    def __str__(self) -> str:
        if self.known is not None:
            return f"measured before: {self.known}"
        return f"would ask {self.model} about {self.rows} rows of the locked set, a look that is recorded"


def plan_evaluation(ws: Workspace, model: str | None = None) -> EvaluationPlan:
    """What `evaluate` would do; asks no server and writes nothing.

    Raises: as `evaluate` does, but for servers.
    """
    base, trained, _, key = _prepared(ws, model)
    name = trained.name if trained else BASE
    return EvaluationPlan(name, len(base.evaluation), _recorded(ws, name, key))


def evaluate(ws: Workspace, model: str | None = None, *, on_progress: Progress | None = None) -> Evaluation:
    """Measures a model on the locked evaluation set; a measurement that was made before is found again.

    Args:
        model: Name of a trained model; None or `base` for the model as it is served.

    Raises:
        InputError: No model of that name was trained here.
        RefusedError: The evaluation set, the release or the model's files are not as they were recorded.
        ServiceError: The server is down, serves other models, refuses the key or loads no adapters.
    """
    base, trained, settings, key = _prepared(ws, model)
    found = _recorded(ws, trained.name if trained else BASE, key)
    if found is not None:
        return found
    started = time.monotonic()
    served, predictions = _run(_predict(ws, trained, base.evaluation, on_progress or (lambda *_: None)))
    return _record(
        ws,
        key=key,
        model=trained.name if trained else BASE,
        served=served,
        settings=settings,
        eval_hash=base.eval_hash,
        examples=base.evaluation,
        predictions=predictions,
        seconds=round(time.monotonic() - started, 1),
    )


def answers_of(
    ws: Workspace, model: TrainedModel | None, examples: Sequence[Example], tell: Progress
) -> list[Prediction]:
    """What a model answers, and how right that is; None for the model as it is served. Nothing is recorded."""
    return _run(_predict(ws, model, examples, tell))[1]


def _prepared(ws: Workspace, model: str | None) -> tuple[Baseline, TrainedModel | None, dict[str, Any], str]:
    """Baseline, model, settings and the key of their measurement."""
    base = baseline(ws)
    trained = None if model in (None, BASE) else trained_model(ws, str(model))
    if trained is not None:
        _refuse_unproved(ws, trained)
    settings = _settings(ws, trained)
    return base, trained, settings, f"evaluated:{base.eval_hash}:{content_hash(settings)}"


def evaluation_of(event: Event) -> Evaluation:
    """The measurement that a `model.evaluated` event records."""
    names = set(Evaluation.model_fields) - {"model"}
    return Evaluation.model_validate(
        {key: value for key, value in event.payload.items() if key in names} | {"model": event.subject}
    )


def _refuse_unproved(ws: Workspace, trained: TrainedModel) -> None:
    """G10: its release is what it was trained on, and its weights are what came of it."""
    release = verified_release(ws, trained.release, now=False)
    if release.manifest_hash != trained.manifest_hash:
        raise RefusedError(
            f"model {trained.name}: release {trained.release} is not the one it was trained on"
        )
    refuse_changed(trained)


def _settings(ws: Workspace, trained: TrainedModel | None) -> dict[str, Any]:
    """Everything that decides what the answers are."""
    config = ws.config.evaluation
    weights = {name: entry.sha256 for name, entry in trained.files.items()} if trained else {}
    return {
        "model": trained.name if trained else BASE,
        "weights": content_hash(weights),
        "served_model": ws.config.vllm.model,
        "task_hash": ws.task.hash,
        "constrained": config.constrained and ws.task.choices is not None,
        "max_tokens": config.max_tokens,
        "confidence": config.confidence,
        "temperature": 0.0,
    }


def _recorded(ws: Workspace, subject: str, key: str) -> Evaluation | None:
    for event in ws.ledger.events("model.evaluated", subject=subject, newest_first=True):
        if event.key == key:
            return evaluation_of(event)
    return None


async def _predict(
    ws: Workspace, trained: TrainedModel | None, examples: Sequence[Example], tell: Progress
) -> tuple[str, list[Prediction]]:
    if ws.vllm_offline:
        tell(0, len(examples), "loading the model")
        name = trained.name if trained else ws.config.vllm.model
        return name, await _answers(ws, _loaded(ws, trained), examples, tell)
    urls, key = ws.vllm_urls(), ws.vllm_key()
    if trained is None:
        served = Served(urls, ws.config.vllm.model)
        return served.name, await _answers(ws, _server(ws, served), examples, tell)
    tell(0, len(examples), f"loading {trained.name}")
    async with served_model(urls, key, trained) as served:
        return served.name, await _answers(ws, _server(ws, served), examples, tell)


def _loaded(ws: Workspace, trained: TrainedModel | None) -> Client:
    """The model in this process: an adapter on the model that it was trained on, whatever else generates."""
    if trained is None:
        return offline_client(ws)
    if trained.weights == "model":
        return offline_client(ws, model=str(trained.weights_path))
    adapter = (trained.weights_path, served_rank(int(str(trained.settings["lora_rank"]))))
    return offline_client(ws, adapter=adapter, model=base_model(ws, trained.base_model))


def _server(ws: Workspace, served: Served) -> Client:
    return ServerClient(
        served.urls,
        served.name,
        api_key=ws.vllm_key(),
        timeout_s=ws.config.generation.timeout_s,
        connections=CONCURRENCY,
        deadline_s=DEADLINE_S,
    )


async def _answers(
    ws: Workspace, client: Client, examples: Sequence[Example], tell: Progress
) -> list[Prediction]:
    """The predictions, in the examples' order; the client is closed."""
    config = ws.config.evaluation
    choices = tuple(ws.task.choices or ()) if config.constrained else ()
    # No seed: at temperature 0 it would change nothing, and it kills vLLM's CPU engine.
    sampling = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=config.max_tokens)
    slots, done = asyncio.Semaphore(CONCURRENCY), 0

    async def answer(example: Example) -> Prediction:
        nonlocal done
        prompt = tuple(ws.task.messages(example.fields)[:-1])
        async with slots:
            completion = await client.complete(
                Request(f"eval:{example.id[:12]}", prompt, sampling, None, choices)
            )
        done += 1
        tell(done, len(examples), "")
        return _prediction(ws, example, completion)

    try:
        await client.start()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(example)) for example in examples]
    except* ServiceError as failed:
        raise _first(failed) from None
    finally:
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


def _record(
    ws: Workspace,
    *,
    key: str,
    model: str,
    served: str,
    settings: dict[str, Any],
    eval_hash: str,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    seconds: float,
) -> Evaluation:
    metric, confidence = ws.task.metric, ws.config.evaluation.confidence
    overall = _share([p.score for p in predictions], metric, confidence)
    body = [prediction.model_dump(mode="json") for prediction in predictions]
    looks = {e.key for e in ws.ledger.events("model.evaluated") if e.payload["eval_hash"] == eval_hash}
    result = Evaluation(
        model=model,
        served=served,
        eval_hash=eval_hash,
        metric=metric,
        n=overall.n,
        value=overall.value,
        low=overall.low,
        high=overall.high,
        confidence=confidence,
        constrained=bool(settings["constrained"]),
        labels=_by_label(ws, examples, predictions),
        tags=_by_tag(ws, examples, predictions),
        outside=_outside(ws, predictions),
        predictions_hash=content_hash(body),
        settings_hash=content_hash(settings),
        look=len(looks) + 1,
        seconds=seconds,
        exact=_exact(ws, examples, predictions),
    )
    payload = result.model_dump(mode="json", exclude={"model"}) | {
        "interval": [result.low, result.high],
        "settings": settings,
    }
    ws.ledger.append([NewEvent("model.evaluated", model, payload, key, (body,))])
    # Two processes at once: what the ledger took is what counts.
    return _recorded(ws, model, key) or result


def _exact(ws: Workspace, examples: Sequence[Example], predictions: Sequence[Prediction]) -> float | None:
    if ws.task.metric != "field_f1":
        return None
    pairs = zip(examples, predictions, strict=True)
    return sum(ws.task.exact(example.fields, said.answer) for example, said in pairs) / len(examples)


def _share(scores: Sequence[float], metric: Any, confidence: float) -> Share:
    low, high = score_interval(scores, metric, confidence)
    return Share(n=len(scores), value=sum(scores) / len(scores), low=low, high=high)


def _by_label(
    ws: Workspace, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> dict[str, Share]:
    label = ws.task.label_field
    groups: dict[str, list[float]] = defaultdict(list)
    for example, prediction in zip(examples, predictions, strict=True) if label else ():
        groups[str(example.fields[label.name])].append(prediction.score)  # type: ignore[union-attr]
    return _shares(ws, groups)


def _by_tag(
    ws: Workspace, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> dict[str, Share]:
    groups: dict[str, list[float]] = defaultdict(list)
    for example, prediction in zip(examples, predictions, strict=True):
        for tag in example.tags:
            groups[tag].append(prediction.score)
    return _shares(ws, groups)


def _shares(ws: Workspace, groups: dict[str, list[float]]) -> dict[str, Share]:
    confidence = ws.config.evaluation.confidence
    return {name: _share(scores, ws.task.metric, confidence) for name, scores in sorted(groups.items())}


def _outside(ws: Workspace, predictions: Sequence[Prediction]) -> int:
    known = answered_label(ws.task)
    return sum(plain_answer(each.answer) not in known for each in predictions) if known else 0


def _run(work: Coroutine[Any, Any, tuple[str, list[Prediction]]]) -> tuple[str, list[Prediction]]:
    """Runs it, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()

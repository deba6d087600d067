"""`evaluate`: one model on the locked evaluation set, through vLLM, with an interval; each look on record.

Greedy answers to the Task's prompts, limited to the task's labels where it has them, scored by the Task. What
the model said is kept in the ledger, so that two models can be compared row by row without asking again. What it says
when it is not limited stands beside that, and decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedgate.canonical import content_hash
from seedgate.errors import RefusedError
from seedgate.fields import plain_answer
from seedgate.finetune.asking import Answers, ask, constraint
from seedgate.finetune.confusing import answered_label
from seedgate.finetune.figures import Evaluation, Prediction, Secondary, Share, Unconstrained
from seedgate.finetune.intervals import score_interval
from seedgate.finetune.parts import by_label, by_tag
from seedgate.finetune.records import TrainedModel
from seedgate.finetune.releasing import Progress
from seedgate.finetune.secondary import SecondaryFigures, is_free_text
from seedgate.finetune.training import refuse_changed, trained_model
from seedgate.finetune.verifying import verified_release
from seedgate.finetune.writers import refuse_writer
from seedgate.ledger import Event, NewEvent
from seedgate.records import Example
from seedgate.seeds import Baseline, baseline
from seedgate.workspace import Workspace

__all__ = ["BASE", "EvaluationPlan", "evaluate", "evaluation_of", "plan_evaluation"]

BASE = "base"
"""What the model as served, without training, is called in the ledger."""


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What `evaluate` would do.

    Attributes:
        questions: So many are asked: each row also without the constraint, where there is one.
        known: The measurement that was made before, if one was.
        judge: Who is then asked to grade each answer, if anybody.
    """

    model: str
    rows: int
    questions: int
    known: Evaluation | None
    judge: str = ""

    def __str__(self) -> str:
        if self.known is not None:
            return f"measured before: {self.known}"
        twice = f" with and without the constraint, {self.questions} questions"
        return (
            f"would ask {self.model} about {self.rows} rows of the locked set"
            f"{twice if self.questions > self.rows else ''}, a look that is recorded"
            f"{f'; then {self.judge} to grade each answer' if self.judge else ''}"
        )


def plan_evaluation(ws: Workspace, model: str | None = None) -> EvaluationPlan:
    """What `evaluate` would do; asks no server and writes nothing.

    Raises: as `evaluate` does, but for servers.
    """
    base, trained, _, key = _prepared(ws, model)
    name = trained.name if trained else BASE
    rows = len(base.evaluation)
    questions = rows * (2 if constraint(ws) else 1)
    judge = ws.config.evaluation.judge if is_free_text(ws.task) else ""
    return EvaluationPlan(name, rows, questions, _recorded(ws, name, key), judge)


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
    tell = on_progress or (lambda *_: None)
    beside = SecondaryFigures(ws, base)
    answers = ask(ws, trained, base.evaluation, tell, free=bool(constraint(ws)))
    return _record(
        ws,
        key=key,
        model=trained.name if trained else BASE,
        answers=answers,
        secondary=beside.of(answers.predictions, tell),
        settings=settings,
        eval_hash=base.eval_hash,
        examples=base.evaluation,
        seconds=round(time.monotonic() - started, 1),
    )


def _prepared(ws: Workspace, model: str | None) -> tuple[Baseline, TrainedModel | None, dict[str, Any], str]:
    """Baseline, model, settings and the key of their measurement."""
    base = baseline(ws)
    trained = None if model in (None, BASE) else trained_model(ws, str(model))
    if trained is not None:
        refuse_writer(trained)
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
        "constrained": bool(constraint(ws)),
        "max_tokens": config.max_tokens,
        "confidence": config.confidence,
        "temperature": 0.0,
    }


def _recorded(ws: Workspace, subject: str, key: str) -> Evaluation | None:
    for event in ws.ledger.events("model.evaluated", subject=subject, newest_first=True):
        if event.key == key:
            return evaluation_of(event)
    return None


def _record(
    ws: Workspace,
    *,
    key: str,
    model: str,
    answers: Answers,
    secondary: dict[str, Secondary] | None = None,
    settings: dict[str, Any],
    eval_hash: str,
    examples: Sequence[Example],
    seconds: float,
) -> Evaluation:
    metric, confidence, predictions = ws.task.metric, ws.config.evaluation.confidence, answers.predictions
    scores = [each.score for each in predictions]
    overall = _share(scores, metric, confidence)
    bodies = [
        [prediction.model_dump(mode="json") for prediction in each]
        for each in (predictions, answers.free)
        if each is not None
    ]
    looks = {e.key for e in ws.ledger.events("model.evaluated") if e.payload["eval_hash"] == eval_hash}
    result = Evaluation(
        model=model,
        served=answers.served,
        eval_hash=eval_hash,
        metric=metric,
        n=overall.n,
        value=overall.value,
        low=overall.low,
        high=overall.high,
        confidence=confidence,
        constrained=bool(settings["constrained"]),
        labels=_parts(scores, by_label(ws.task, examples), ws),
        tags=_parts(scores, by_tag(examples), ws),
        outside=_outside(ws, predictions),
        predictions_hash=content_hash(bodies[0]),
        settings_hash=content_hash(settings),
        look=len(looks) + 1,
        seconds=seconds,
        exact=_exact(ws, examples, predictions),
        unconstrained=_unconstrained(ws, answers.free),
        secondary=secondary or {},
    )
    payload = result.model_dump(mode="json", exclude={"model"}) | {
        "interval": [result.low, result.high],
        "settings": settings,
    }
    ws.ledger.append([NewEvent("model.evaluated", model, payload, key, tuple(bodies))])
    # Two processes at once: what the ledger took is what counts.
    return _recorded(ws, model, key) or result


def _unconstrained(ws: Workspace, free: Sequence[Prediction] | None) -> Unconstrained | None:
    if free is None:
        return None
    share = _share([each.score for each in free], ws.task.metric, ws.config.evaluation.confidence)
    return Unconstrained(
        **share.model_dump(),
        outside=_outside(ws, free),
        predictions_hash=content_hash([each.model_dump(mode="json") for each in free]),
    )


def _exact(ws: Workspace, examples: Sequence[Example], predictions: Sequence[Prediction]) -> float | None:
    if ws.task.metric != "field_f1":
        return None
    pairs = zip(examples, predictions, strict=True)
    return sum(ws.task.exact(example.fields, said.answer) for example, said in pairs) / len(examples)


def _share(scores: Sequence[float], metric: Any, confidence: float) -> Share:
    low, high = score_interval(scores, metric, confidence)
    return Share(n=len(scores), value=sum(scores) / len(scores), low=low, high=high)


def _parts(scores: Sequence[float], places: Mapping[str, Sequence[int]], ws: Workspace) -> dict[str, Share]:
    metric, confidence = ws.task.metric, ws.config.evaluation.confidence
    return {name: _share([scores[at] for at in rows], metric, confidence) for name, rows in places.items()}


def _outside(ws: Workspace, predictions: Sequence[Prediction]) -> int:
    known = answered_label(ws.task)
    return sum(plain_answer(each.answer) not in known for each in predictions) if known else 0

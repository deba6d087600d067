"""`compare`: did the second model do better than the first, on the same rows? Better, worse, or cannot be told."""

from __future__ import annotations

from collections.abc import Mapping

from seedgate.errors import InputError, RefusedError
from seedgate.finetune.evaluating import BASE, evaluation_of
from seedgate.finetune.figures import Comparison, Evaluation, Outcome
from seedgate.finetune.intervals import difference_interval, paired_p_value
from seedgate.seeds import baseline
from seedgate.workspace import Workspace

__all__ = ["compare"]


def compare(ws: Workspace, before: str | None, after: str | None) -> Comparison:
    """Compares two measurements on the locked evaluation set, row by row.

    The outcome is `undecided` unless the two-sided test is below one minus the configured confidence.

    Args:
        before, after: Names of trained models; None or `base` for the model as served.

    Raises:
        InputError: A model was not measured on this set.
        RefusedError: The two were measured differently.
    """
    eval_hash = baseline(ws).eval_hash
    first, second = (_measured(ws, name or BASE, eval_hash) for name in (before, after))
    if (first.metric, first.constrained) != (second.metric, second.constrained):
        raise RefusedError(
            f"{first.model} and {second.model} were measured differently",
            hint="run `seedgate eval` on both under the present settings",
        )
    scores = [_scores(ws, result) for result in (first, second)]
    if scores[0].keys() != scores[1].keys():
        raise RefusedError(f"{first.model} and {second.model} were measured on different rows")
    ids = sorted(scores[0])
    a, b = ([each[id_] for id_ in ids] for each in scores)
    confidence = ws.config.evaluation.confidence
    low, high = difference_interval(a, b, first.metric, confidence)
    p_value = paired_p_value(a, b, first.metric)
    difference = sum(b) / len(b) - sum(a) / len(a)
    return Comparison(
        before=first.model,
        after=second.model,
        metric=first.metric,
        n=len(ids),
        before_value=first.value,
        after_value=second.value,
        difference=difference,
        low=low,
        high=high,
        confidence=confidence,
        gained=sum(y > x for x, y in zip(a, b, strict=True)),
        lost=sum(y < x for x, y in zip(a, b, strict=True)),
        p_value=p_value,
        outcome=_outcome(difference, p_value, 1 - confidence),
    )


def _outcome(difference: float, p_value: float, alpha: float) -> Outcome:
    if p_value >= alpha or difference == 0:
        return "undecided"
    return "better" if difference > 0 else "worse"


def _measured(ws: Workspace, model: str, eval_hash: str) -> Evaluation:
    for event in ws.ledger.events("model.evaluated", subject=model, newest_first=True):
        if event.payload["eval_hash"] == eval_hash:
            return evaluation_of(event)
    raise InputError(
        f"model {model!r} was not measured on this evaluation set", hint=f"run `seedgate eval {model}`"
    )


def _scores(ws: Workspace, result: Evaluation) -> Mapping[str, float]:
    return {row["id"]: float(row["score"]) for row in ws.ledger.body(result.predictions_hash)}

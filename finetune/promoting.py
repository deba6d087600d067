"""`promote`: whether a model becomes the current one, each decision paid for from one error budget.

Whoever measures model after model on the same locked rows will promote a worse one by luck in the end, be it that each
is tested or that the best of them is picked for the test: of three training seeds, say. So what counts is not the
decision but the look: the k-th measurement of a trained model on an evaluation set may lead to a test at the level
alpha / (k (k + 1)). These sum to alpha: however many models are tried, and whichever is picked, the probability that
any of them is wrongly called better or worse is alpha at most (the union bound; alpha is one minus `[evaluation]
confidence`).
"""

from __future__ import annotations

from seedgate.finetune.comparing import compare
from seedgate.finetune.evaluating import BASE
from seedgate.finetune.figures import Judgement, Outcome
from seedgate.finetune.training import trained_model
from seedgate.finetune.writers import refuse_writer
from seedgate.ledger import Event, NewEvent
from seedgate.seeds import baseline
from seedgate.workspace import Workspace

__all__ = ["current_model", "judged", "promote"]

KIND = "model.judged"


def current_model(ws: Workspace) -> str:
    """The name of the model that was last promoted; `base` before any was."""
    better = (e for e in ws.ledger.events(KIND, newest_first=True) if e.payload["outcome"] == "better")
    event = next(better, None)
    return event.subject if event is not None else BASE


def judged(ws: Workspace, model: str) -> Judgement | None:
    """What was decided of a model on the present evaluation set, if anything was."""
    eval_hash = baseline(ws).eval_hash
    for event in ws.ledger.events(KIND, subject=model, newest_first=True):
        if event.payload["eval_hash"] == eval_hash:
            return _from_event(event)
    return None


def promote(ws: Workspace, model: str) -> Judgement:
    """Makes a model the current one if it did better than the current one; a decision is made once.

    Args:
        model: Name of a trained model; it and the current one have been measured on the evaluation set.

    Raises:
        InputError: There is no such model, or one of the two was not measured.
        RefusedError: The two were measured differently.
    """
    trained = trained_model(ws, model)
    refuse_writer(trained)
    found = judged(ws, trained.name)
    if found is not None:
        return found
    with ws.ledger.lease("promote") as lease:
        if (found := judged(ws, model)) is not None:
            return found
        over, eval_hash = current_model(ws), baseline(ws).eval_hash
        seen = compare(ws, over, model)
        test = _place(ws, model, eval_hash)
        level = (1 - ws.config.evaluation.confidence) / (test * (test + 1))
        outcome: Outcome = "undecided"
        if seen.p_value < level and seen.difference:
            outcome = "better" if seen.difference > 0 else "worse"
        result = Judgement(
            model=model,
            over=over,
            eval_hash=eval_hash,
            test=test,
            level=level,
            p_value=seen.p_value,
            metric=seen.metric,
            difference=seen.difference,
            outcome=outcome,
        )
        payload = result.model_dump(mode="json", exclude={"model"})
        ws.ledger.append([NewEvent(KIND, model, payload, key=f"judged:{model}:{eval_hash}")], lease=lease)
    return result


def _place(ws: Workspace, model: str, eval_hash: str) -> int:
    """Which measurement of a trained model on the set is this one's newest; a place is never spent twice."""
    looks = [
        event.subject
        for event in ws.ledger.events("model.evaluated")
        if event.payload["eval_hash"] == eval_hash and event.subject != BASE
    ]
    place = len(looks) - looks[::-1].index(model)
    # Decisions of earlier versions were numbered one after the other, whichever was measured first.
    spent = {e.payload.get("test") for e in ws.ledger.events(KIND) if e.payload["eval_hash"] == eval_hash}
    while place in spent:
        place += 1
    return place


def _from_event(event: Event) -> Judgement:
    return Judgement.model_validate({**event.payload, "model": event.subject})

"""A workspace that has something to tell: reviewed, released, trained and measured, as the ledger would say it."""

from __future__ import annotations

import pytest

from seedgate.canonical import content_hash
from seedgate.finetune import release
from seedgate.finetune.asking import Answers
from seedgate.finetune.evaluating import _record
from seedgate.finetune.figures import Prediction
from seedgate.ledger import NewEvent
from seedgate.seeds import baseline
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing, example

WRONG = {"delivery": "Billing.", "billing": "delivery", "account": "No idea"}
"""What is answered to rows of a label that a model gets wrong."""


@pytest.fixture
def reviewing(tiny_workspace: Workspace) -> Reviewing:
    """The tiny workspace, with a way to fill it."""
    return Reviewing(tiny_workspace)


def measured(ws: Workspace, model: str, right: int, *, made: str | None = None) -> None:
    """As if a model, trained on a release, had so many of the six locked rows right."""
    base = baseline(ws)
    if made is not None:
        trained = {"release": made, "metrics": {"seconds": 60.0}}
        ws.ledger.append([NewEvent("model.trained", model, trained)])
    answers = [
        Prediction(
            id=each.id,
            answer=str(each.fields["label"]) if n < right else WRONG[each.fields["label"]],
            score=float(n < right),
        )
        for n, each in enumerate(base.evaluation)
    ]
    _record(
        ws,
        key=f"evaluated:{model}",
        model=model,
        answers=Answers(model, answers, answers),
        settings={"constrained": True},
        eval_hash=base.eval_hash,
        examples=base.evaluation,
        seconds=30.0,
    )


@pytest.fixture
def told(reviewing: Reviewing) -> Workspace:
    """Eight candidates: three approved, one edited, two rejected, two open; a release, and a model trained on it."""
    ws = reviewing.ws
    prompt = "Write a message."
    ws.ledger.append(
        [
            NewEvent("cycle.started", "1", {"target": 8, "simulated": False}),
            NewEvent("run.started", "run-1", {"cycle": 1}, bodies=("prompt",)),
            NewEvent(
                "candidate.dropped",
                "r",
                {"cycle": 1, "filter": "length", "reason": "short", "request_id": "r"},
            ),
            NewEvent("run.finished", "run-1", {"cycle": 1, "seconds": 100.0}),
            NewEvent("run.started", "run-2", {"cycle": 1}, bodies=(prompt,)),
        ]
    )
    release(ws)
    measured(ws, "base", 2)
    ids = reviewing.candidates(8)
    reviewing.approve(*ids[:3], pace_s=10.0)
    mended = example("Your bill adds tax where none is due, so please take it off.", "billing")
    reviewing.edit(ids[4], mended, reasons=("unnatural",), pace_s=30.0)
    comment = "Nobody writes like that."
    ws.ledger.append([NewEvent("cycle.finished", "0", {}, bodies=(comment,))])
    reviewing.verdicts(
        dict.fromkeys(ids[5:7], "reject"), reasons=("off_topic",), comment_hash=content_hash(comment)
    )
    release(ws)
    measured(ws, "m-r001", 5, made="r001")
    return ws

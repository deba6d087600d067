"""Promotion: only what is shown to be better becomes current, and each decision spends from one budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from seedgate.cycle import Step, next_step, steps
from seedgate.errors import InputError
from seedgate.finetune import Judgement, current_model, evaluate, promote, release, train
from seedgate.scoring import Metric
from seedgate.workspace import Workspace
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.models import tiny_llama, tiny_tokenizer
from tests.finetune.test_evaluating import TRUTH, ready, server

__all__ = ["ready", "server"]  # fixtures

CONFIDENCE = 0.9
"""With it six rows of six suffice for the first decision (p = 1/32 < .05), and not for the second (.0167)."""


@pytest.fixture
def ws(
    server: AdapterServer, ready: Callable[..., Workspace], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A workspace with a release, and a base model that takes a moment to train."""
    base = tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer(list(TRUTH)))
    tables = {
        "training": {"base_model": str(base), "max_steps": 1, "batch_size": 4},
        "evaluation": {"confidence": CONFIDENCE},
    }
    with ready(server, **tables) as made:
        release(made)
        yield made


def right_if(*names: str) -> Callable[[str, str], str]:
    return lambda name, prompt: TRUTH[prompt] if name.startswith(names) else "nothing"


def measured(ws: Workspace, *names: str) -> None:
    evaluate(ws)
    for seed, name in enumerate(names):
        train(ws, output_name=name, seed=seed)
        evaluate(ws, name)


def test_what_is_better_becomes_current(server: AdapterServer, ws: Workspace) -> None:
    server.answer = right_if("mine")
    measured(ws, "mine")
    assert current_model(ws) == "base"
    found = promote(ws, "mine")
    assert (found.outcome, found.over, found.test) == ("better", "base", 1)
    assert found.level == pytest.approx((1 - CONFIDENCE) / 2)
    assert current_model(ws) == found.current == "mine"
    assert "mine is the current model now" in str(found)


def test_a_decision_is_made_once(server: AdapterServer, ws: Workspace) -> None:
    server.answer = right_if("mine")
    measured(ws, "mine")
    first = promote(ws, "mine")
    head = ws.ledger.head()
    assert promote(ws, "mine") == first
    assert ws.ledger.head() == head


def test_the_same_gain_at_the_second_decision_is_not_enough(server: AdapterServer, ws: Workspace) -> None:
    server.answer = right_if("second")
    measured(ws, "first", "second")
    assert promote(ws, "first").outcome == "undecided"
    found = promote(ws, "second")
    assert found.test == 2
    assert found.level == pytest.approx((1 - CONFIDENCE) / 6)
    assert found.p_value < 1 - CONFIDENCE, "a test that forgot the first would have promoted it"
    assert found.outcome == "undecided"
    assert current_model(ws) == found.current == "base"
    assert "base, which stays the current model" in str(found)


def test_what_is_worse_than_the_current_model_does_not_replace_it(
    server: AdapterServer, ws: Workspace
) -> None:
    server.answer = lambda name, prompt: "nothing" if name.startswith("mine") else TRUTH[prompt]
    measured(ws, "mine")
    found = promote(ws, "mine")
    assert (found.outcome, found.current) == ("worse", "base")
    assert current_model(ws) == "base"


def test_what_was_not_measured_or_not_trained_is_bad_input(ws: Workspace) -> None:
    with pytest.raises(InputError, match="was trained here"):
        promote(ws, "mine")
    train(ws, output_name="mine")
    with pytest.raises(InputError, match="was not measured"):
        promote(ws, "mine")


@pytest.mark.parametrize("metric", get_args(Metric))
def test_there_can_be_a_decision_by_every_metric(metric: Metric) -> None:
    made = Judgement(
        model="m", over="base", eval_hash="e", test=1, level=0.05, p_value=0.2, metric=metric, difference=0.1,
        outcome="undecided",
    )  # fmt: skip
    assert metric in str(made)


def test_a_cycle_promotes_after_it_has_measured(server: AdapterServer, ws: Workspace) -> None:
    server.answer = right_if("r000")
    done = [step for step, _ in steps(ws, stop_after=0)]
    assert [step.name for step in done] == ["evaluate", "train", "evaluate", "promote"]
    assert current_model(ws) == done[-1].target
    assert next_step(ws) == Step("start", 1)

"""Several training seeds in a cycle: each is trained once, each is measured, and they are tested in their order."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.cycle import Step, next_step, plan, run_step, steps
from seedgate.finetune import current_model, evaluate, judged, models_of, next_seed, over_seeds, train
from seedgate.workspace import CONFIG_NAME, Workspace
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.test_evaluating import TRUTH, ready, server
from tests.finetune.test_promoting import ws

__all__ = ["ready", "server", "ws"]  # fixtures


def with_seeds(ws: Workspace, number: int) -> Workspace:
    """The workspace, opened again with so many training seeds in a cycle."""
    path = ws.root / CONFIG_NAME
    path.write_text(path.read_text().replace("# training_seeds = 1", f"training_seeds = {number}"))
    ws.close()
    return Workspace(ws.root)


def done(ws: Workspace) -> list[Step]:
    return [step for step, _ in steps(ws, stop_after=0)]


def names(made: list[Step]) -> list[str]:
    return [step.name for step in made]


def test_a_cycle_trains_measures_and_tests_a_model_of_each_seed(server: AdapterServer, ws: Workspace) -> None:
    with with_seeds(ws, 3) as several:
        assert plan(several) == [
            "baseline: evaluate",
            "train 3 models",
            "evaluate each",
            "promote",
        ]
        made = done(several)
        assert names(made) == ["evaluate", *["train"] * 3, *["evaluate"] * 3, *["promote"] * 3]
        assert [step.seed for step in made if step.name == "train"] == [0, 1, 2]
        assert str(made[2]) == "baseline: train r000 with training seed 1"
        models = models_of(several, "r000")
        assert [step.target for step in made if step.name == "evaluate"] == ["", *models]
        assert [step.target for step in made if step.name == "promote"] == models
        levels = [found.level for found in (judged(several, name) for name in models) if found is not None]
        assert levels == pytest.approx([0.1 / 2, 0.1 / 6, 0.1 / 12]), "each seed is a look and pays for it"
        found = over_seeds(several, models[0])
        assert found is not None
        assert found.models == tuple(models)
        assert [gain.over for gain in found.gains] == ["base"]
        assert next_step(several) == Step("start", 1)
        assert done(several) == []


def test_the_first_seed_that_is_better_becomes_current_and_the_others_are_not_tested(
    server: AdapterServer, ws: Workspace
) -> None:
    server.answer = lambda name, prompt: TRUTH[prompt] if name.startswith("r000") else "nothing"
    with with_seeds(ws, 2) as several:
        made = done(several)
        models = models_of(several, "r000")
        assert [step.target for step in made if step.name == "promote"] == models[:1]
        assert current_model(several) == models[0]
        assert judged(several, models[1]) is None
        assert next_step(several) == Step("start", 1)


def test_what_was_trained_by_hand_with_several_seeds_is_all_measured(
    server: AdapterServer, ws: Workspace
) -> None:
    assert names(done(ws)) == ["evaluate", "train", "evaluate", "promote"]
    result = CliRunner().invoke(app, ["train", "--seeds", "3", "-w", str(ws.root)], catch_exceptions=False)
    assert result.exit_code == 0
    first, *others = models_of(ws, "r000")
    assert [(step.name, step.target) for step in done(ws)] == [
        *(("evaluate", name) for name in others),
        *(("promote", name) for name in others),
    ]
    assert judged(ws, first) is not None


def test_more_seeds_than_were_trained_are_trained_on(server: AdapterServer, ws: Workspace) -> None:
    done(ws)
    first = models_of(ws, "r000")
    with with_seeds(ws, 2) as several:
        step = next_step(several)
        assert step == Step("train", 0, "r000", 1)
        run_step(several, step)
        assert next_seed(several, "r000", 2) is None
        assert models_of(several, "r000", 2)[:1] == first


def test_a_model_that_was_trained_otherwise_does_not_stand_for_the_seeds(
    server: AdapterServer, ws: Workspace
) -> None:
    usual = [train(ws, seed=seed).name for seed in (0, 1)]
    other = train(ws, seed=0, lora_rank=8).name
    assert models_of(ws, "r000") == [other], "one model is wanted, and the newest is one"
    assert models_of(ws, "r000", 2) == usual
    assert next_seed(ws, "r000", 2) is None
    assert next_seed(ws, "r000", 3) == 2
    again = train(ws, seed=1, output_name="again").name
    assert models_of(ws, "r000", 2) == [usual[0], again]
    evaluate(ws, other)
    with with_seeds(ws, 2) as several:
        assert [step.target for step in done(several) if step.name == "evaluate"] == ["", usual[0], again]

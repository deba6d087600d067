"""Several training seeds: each a model of its own, their mean over seeds and rows, and no free pick among them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.finetune import another_batch, evaluate, over_seeds, promote, release, train
from seedgate.finetune.effects import gain_of, mean_of
from seedgate.ledger import NewEvent
from seedgate.report import page_of, report_facts
from seedgate.workspace import Workspace
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.reviewing import Reviewing
from tests.finetune.test_evaluating import TRUTH, ready, server
from tests.finetune.test_promoting import CONFIDENCE, ws

__all__ = ["ready", "server", "ws"]  # fixtures


def run(ws: Workspace, *command: str) -> str:
    return CliRunner().invoke(app, [*command, "-w", str(ws.root)], catch_exceptions=False).stdout


def trained(ws: Workspace, seeds: int = 3) -> list[str]:
    """Names of models that differ in their seed."""
    return [train(ws, seed=seed).name for seed in range(seeds)]


def knowing(rows: dict[str, int]) -> object:
    """Each model knows the first so many answers."""

    def answer(name: str, prompt: str) -> str:
        known = next((n for model, n in rows.items() if name.startswith(model)), 0)
        return TRUTH[prompt] if list(TRUTH).index(prompt) < known else "nothing"

    return answer


def test_train_makes_a_model_of_each_seed_and_goes_on_where_it_was(ws: Workspace) -> None:
    first = json.loads(run(ws, "train", "--json"))
    planned = run(ws, "train", "--seeds", "3", "--dry-run").splitlines()
    assert [line.split()[0] for line in planned] == ["model", "would", "would"]
    done = json.loads(run(ws, "train", "--seeds", "3", "--json"))["models"]
    assert [each["settings"]["seed"] for each in done] == [0, 1, 2]
    assert len({each["name"] for each in done}) == 3
    assert [each["trained"] for each in done] == [False, True, True]
    assert done[0]["name"] == first["name"]
    assert ws.ledger.count("model.trained") == 3


def test_the_mean_is_over_seeds_and_rows(server: AdapterServer, ws: Workspace) -> None:
    names = trained(ws)
    server.answer = knowing(dict(zip(names, (5, 3, 4), strict=True)))  # type: ignore[assignment]
    evaluate(ws, names[0])
    assert over_seeds(ws, names[0]) is None
    for name in names[1:]:
        evaluate(ws, name)
    found = over_seeds(ws, names[1])
    assert found is not None
    assert found == over_seeds(ws, names[0])
    assert (found.models, found.seeds, found.n) == (tuple(names), (0, 1, 2), 6)
    assert (found.value, found.least, found.most) == pytest.approx((4 / 6, 3 / 6, 5 / 6))
    scores = np.array([[1.0] * known + [0.0] * (6 - known) for known in (5, 3, 4)])
    whole = mean_of(scores, CONFIDENCE)
    assert 0 <= found.low < whole.value < found.high <= 1
    assert found.high - found.low == pytest.approx(min(whole.high, 1) - max(whole.low, 0), abs=0.03)
    shown = run(ws, "eval", names[2])
    assert "over 3 training seeds: accuracy 0.667 (90% interval over seeds and rows" in shown
    assert json.loads(run(ws, "eval", names[2], "--json"))["over_seeds"]["seeds"] == [0, 1, 2]
    facts = report_facts(ws)
    assert [each["models"] for each in facts["over_seeds"]] == [names]
    assert "over 3 training seeds" in page_of(facts)


def test_the_gain_over_the_base_model_is_paired_by_row_and_resamples_seeds(
    server: AdapterServer, ws: Workspace
) -> None:
    names = trained(ws)
    server.answer = knowing({**dict(zip(names, (5, 3, 4), strict=True)), "fake": 2})  # type: ignore[assignment]
    for name in names:
        evaluate(ws, name)
    found = over_seeds(ws, names[0])
    assert found is not None
    assert found.gains == ()
    evaluate(ws)
    found = over_seeds(ws, names[0])
    assert found is not None
    (gain,) = found.gains
    after = np.array([[1.0] * known + [0.0] * (6 - known) for known in (5, 3, 4)])
    whole = gain_of(np.array([[1.0] * 2 + [0.0] * 4]), after, CONFIDENCE)
    assert (gain.over, gain.before, gain.seeds) == ("base", ("base",), 3)
    assert gain.difference == pytest.approx(2 / 6)
    # Rows are in the order of their ids, not of their truth: other draws, the same interval but for that.
    assert (gain.low, gain.high) == pytest.approx((whole.low, min(whole.high, 1)), abs=0.06)
    assert "; +0.333 (" in run(ws, "eval", names[1])
    shown = json.loads(run(ws, "eval", names[1], "--json"))["over_seeds"]["gains"]
    assert [each["over"] for each in shown] == ["base"]
    facts = report_facts(ws)
    assert " over the base model: " in page_of(facts)
    assert facts["headline"]["gain"]["difference"] == pytest.approx(2 / 6), "not that of the last seed alone"
    assert facts["headline"]["gain"]["low"] == pytest.approx(gain.low)


def test_models_of_a_release_are_paired_with_the_seeds_alone_by_training_seed(
    server: AdapterServer, ws: Workspace
) -> None:
    alone = trained(ws)
    reviewing = Reviewing(ws)
    reviewing.approve(*reviewing.candidates(2))
    release(ws)
    more = trained(ws, 2)
    server.answer = knowing(dict(zip((*alone, *more), (4, 2, 0, 5, 4), strict=True)))  # type: ignore[assignment]
    for name in (*alone, *more):
        evaluate(ws, name)
    found = over_seeds(ws, more[0])
    assert found is not None
    (gain,) = found.gains
    assert (gain.over, gain.before, gain.seeds) == ("seeds alone", tuple(alone[:2]), 2)
    assert gain.difference == pytest.approx((1 + 2) / 2 / 6), "seed by seed, the third of the other left out"
    assert " over the seeds alone: " in str(found)
    of_alone = over_seeds(ws, alone[0])
    assert of_alone is not None
    assert of_alone.gains == ()
    facts = report_facts(ws)
    assert [each["models"] for each in facts["over_seeds"]] == [alone, more]
    assert facts["headline"]["gain"]["before"] == alone[0]
    step = another_batch(ws).learning
    assert step is not None
    assert (step.rows, step.seeds, step.gain) == (2, 2, pytest.approx(gain.difference))
    assert (step.low, step.high) == pytest.approx((gain.low, gain.high))
    assert " over 2 training seeds, 2 approved rows more: " in str(step)


def test_the_current_model_is_what_a_training_is_held_against_too(
    server: AdapterServer, ws: Workspace
) -> None:
    mine = train(ws, output_name="mine", lora_rank=8).name
    server.answer = knowing({"mine": 6})  # type: ignore[assignment]
    evaluate(ws)
    evaluate(ws, mine)
    assert promote(ws, mine).outcome == "better"
    names = trained(ws, 2)
    for name in names:
        evaluate(ws, name)
    found = over_seeds(ws, names[0])
    assert found is not None
    assert [(each.over, each.before, each.outcome) for each in found.gains] == [
        ("base", ("base",), "undecided"),
        ("current", ("mine",), "worse"),
    ]
    assert "over the current model mine: worse" in str(found)


def test_labels_and_tags_have_a_mean_over_seeds_of_their_own(server: AdapterServer, ws: Workspace) -> None:
    names = trained(ws, 2)
    server.answer = knowing(dict(zip(names, (1, 3), strict=True)))  # type: ignore[assignment]
    for name in names:
        evaluate(ws, name)
    found = over_seeds(ws, names[0])
    assert found is not None
    assert {name: (each.n, each.value) for name, each in found.labels.items()} == {
        "delivery": (2, 0.75),
        "billing": (2, 0.25),
        "account": (2, 0.0),
    }
    assert all(0 <= each.low <= each.value <= each.high <= 1 for each in found.labels.values())
    ws.eval_path.write_text("")
    changed = over_seeds(ws, names[0])
    assert changed is not None
    assert (changed.value, changed.labels) == (found.value, {})


def test_what_differs_in_more_than_the_seed_is_apart(server: AdapterServer, ws: Workspace) -> None:
    for settings in ({"seed": 0}, {"seed": 1, "lora_rank": 8}):
        name = train(ws, **settings).name
        evaluate(ws, name)
    assert over_seeds(ws, name) is None
    again = train(ws, seed=0, output_name="again").name
    evaluate(ws, again)
    assert over_seeds(ws, again) is None, "one seed under two names is one seed"


def test_the_best_of_three_seeds_pays_for_three_looks(server: AdapterServer, ws: Workspace) -> None:
    names = trained(ws)
    server.answer = knowing({names[2]: 6})  # type: ignore[assignment]
    for name in (None, *names):
        evaluate(ws, name)
    found = promote(ws, names[2])
    assert found.test == 3
    assert found.level == pytest.approx((1 - CONFIDENCE) / 12)
    assert found.p_value < (1 - CONFIDENCE) / 2, "as the first look it would have been enough"
    assert found.outcome == "undecided"
    assert [promote(ws, name).test for name in names[:2]] == [1, 2], (
        "each look has its place, whoever comes first"
    )


def test_a_place_that_an_earlier_version_gave_away_is_not_spent_again(
    server: AdapterServer, ws: Workspace
) -> None:
    names = trained(ws, 2)
    for name in (None, *names):
        evaluate(ws, name)
    earlier = promote(ws, names[1]).model_dump(mode="json", exclude={"model"}) | {"test": 1}
    ws.ledger.append([NewEvent("model.judged", "older", earlier)])
    assert promote(ws, names[0]).test == 3


def test_seeds_are_asked_for_by_a_number_above_none(ws: Workspace) -> None:
    result = CliRunner().invoke(app, ["train", "--seeds", "0", "-w", str(ws.root)])
    assert result.exit_code == 2

"""Whether another batch is worth the experts' time: yes, no, or not yet known, and never more than is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.finetune import LearningStep, another_batch
from seedgate.finetune.stopping import judge_yields
from seedgate.generator import Decided
from seedgate.workspace import Workspace


def cycle(number: int, approved: int, new: int, rejected: int) -> list[Decided]:
    """So many approved rows, of which so many are new, and rejected ones; ten seconds each."""
    one = Decided("few_shot", "billing", number, "approved", (), True, 10.0)
    return [
        *[one] * new,
        *[replace(one, novel=False)] * (approved - new),
        *[replace(one, outcome="rejected", reasons=("unnatural",))] * rejected,
    ]


def step(gain: float, spread: float, rows: int = 100) -> LearningStep:
    return LearningStep("m1", "m2", "accuracy", rows, gain, gain - spread, gain + spread)


def test_nothing_can_be_said_of_few_decisions() -> None:
    assert judge_yields([]).answer == "unknown"
    found = judge_yields(cycle(1, 20, 20, 10))
    assert str(found) == (
        "whether another batch is worth the experts' time cannot be said yet:"
        " 30 candidates of cycle 1 are decided, 40 are needed"
    )


def test_many_approved_and_new_rows_are_worth_it() -> None:
    found = judge_yields(cycle(1, 90, 80, 60))
    assert found.answer == "worth it"
    assert "53%" in found.why
    assert "was not measured" in found.why
    (only,) = found.cycles
    assert only.seconds_each is not None
    each, least, most = only.seconds_each
    assert each == pytest.approx(1500 / 80)
    assert least < each < most


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (cycle(1, 6, 6, 144), "hardly anything is approved"),
        (cycle(1, 140, 8, 10), "what is approved is seldom new"),
        (cycle(1, 30, 3, 120), "little is approved, and that is seldom new"),
    ],
)
def test_a_batch_that_brings_hardly_anything_is_no_longer_worth_it(given: list[Decided], why: str) -> None:
    found = judge_yields(given)
    assert (found.answer, found.why.partition("; ")[2]) == ("no longer worth it", why)


def test_between_the_two_it_cannot_be_said() -> None:
    assert judge_yields(cycle(1, 32, 32, 118)).answer == "unknown"


def test_a_model_that_surely_stands_still_ends_it_and_one_that_may_gain_does_not() -> None:
    rows = cycle(1, 90, 80, 60)
    assert judge_yields(rows, step(0.0, 0.005)).answer == "no longer worth it"
    unsure = judge_yields(rows, step(0.0, 0.08))
    assert unsure.answer == "worth it"
    assert "cannot be told" in unsure.why
    assert "per 100 rows +0.050" in judge_yields(rows, step(0.1, 0.05, rows=200)).why


def test_the_last_cycle_is_judged_and_the_trend_is_said() -> None:
    found = judge_yields([*cycle(1, 100, 90, 50), *cycle(2, 30, 3, 120)])
    assert found.answer == "no longer worth it"
    assert found.trend is not None
    change, low, high = found.trend
    assert change == pytest.approx(3 / 150 - 90 / 150)
    assert low < change < high < 0


def test_rows_that_stand_for_others_count_for_them() -> None:
    plain = judge_yields(cycle(1, 60, 60, 60)).cycles[0].gained
    weighted = [replace(e, weight=4.0) if e.outcome == "rejected" else e for e in cycle(1, 60, 60, 60)]
    found = judge_yields(weighted).cycles[0].gained
    assert found.found / found.of == pytest.approx(0.2, abs=0.01)
    assert found.of < plain.of  # uneven weights are worth fewer rows


def test_the_report_says_it(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace()
    assert another_batch(ws).answer == "unknown"
    shown = CliRunner().invoke(app, ["report", "-w", str(ws.root), "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout)["another_batch"]["answer"] == "unknown"

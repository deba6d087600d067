"""The cycle as schedulers run it: plan, budgets, and the examples as they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.cycle import budget_spent, next_step, plan, steps
from seedgate.errors import WaitingError
from seedgate.workspace import Workspace
from tests.core.test_cycle import answer_everything
from tests.fakes.argilla_server import OWNER_KEY, FakeArgilla
from tests.fakes.vllm_server import FakeVllm

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def make(
    make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Workspace]]:
    """Makes workspaces at fake servers, without training; keyword arguments are keys of `[cycle]`."""
    with FakeArgilla().serve() as argilla, FakeVllm() as vllm:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", argilla.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", vllm.url)

        def made(**budgets: Any) -> Workspace:
            settings = {
                "vllm": {"model": vllm.model},
                "generation": {"candidates": 6, "completions": 1, "concurrency": 1},
                "cycle": {"train": False, **budgets},
            }
            return make_workspace(reviewers=("ana",), settings=settings)

        yield made


def a_cycle(ws: Workspace) -> None:
    for _ in steps(ws, stop_after=1, on_wait=lambda _: answer_everything(ws)):
        pass


class TestPlan:
    def test_it_says_what_is_ahead_and_changes_nothing(self, make: Callable[..., Workspace]) -> None:
        ws = make()
        seq = ws.ledger.head()[0]
        result = CliRunner().invoke(app, ["cycle", "--dry-run", "-w", str(ws.root)], catch_exceptions=False)
        assert result.stdout == "next: baseline: release\nplan: baseline: release\n"
        assert ws.ledger.head()[0] == seq

    def test_of_a_cycle_it_names_every_step_and_who_is_needed(self, make: Callable[..., Workspace]) -> None:
        ws = make()
        with pytest.raises(WaitingError):
            a_waiting(ws)
        assert plan(ws) == ["cycle 1: review", "release", "finish"]

    def test_the_command_tells_it_first(self, make: Callable[..., Workspace]) -> None:
        ws = make(baseline=False)
        result = CliRunner().invoke(app, ["cycle", "-w", str(ws.root)])
        assert result.stderr.startswith(
            "plan: cycle 1: start -> generate 6 candidates -> push -> review (people)"
        )


def a_waiting(ws: Workspace) -> None:
    for _ in steps(ws, stop_after=1):
        pass


class TestBudgets:
    @pytest.mark.parametrize(
        ("name", "limit"),
        [("max_cycles", 1), ("max_requests", 1), ("max_gpu_s", 1e-3)],
    )
    def test_once_it_is_spent_no_cycle_begins_but_what_had_begun_was_finished(
        self, make: Callable[..., Workspace], name: str, limit: float
    ) -> None:
        ws = make(**{name: limit})
        a_cycle(ws)
        assert ws.ledger.count("cycle.finished") == 1
        assert next_step(ws) is None
        assert plan(ws) == []
        assert f"[cycle] {name} = " in str(budget_spent(ws))
        result = CliRunner().invoke(app, ["cycle", "--dry-run", "--json", "-w", str(ws.root)])
        said = json.loads(result.stdout)
        assert (said["next"], said["plan"]) == (None, [])
        assert name in said["spent"]

    def test_reviewers_minutes_count_where_their_pace_is_known(
        self, make: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times = [SimpleNamespace(seconds=each) for each in (50.0, None, 40.0)]
        monkeypatch.setattr("seedgate.review.reviewed", lambda ws: SimpleNamespace(decided=times))
        assert (
            budget_spent(make(max_reviewer_minutes=1.5))
            == "[cycle] max_reviewer_minutes = 1.5 is spent (1.5)"
        )

    def test_training_and_measuring_cost_a_gpu_too(
        self, make: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = {"generation": 40.0, "training": 30.0, "evaluation": 20.0, "students": 10.0}
        spent = {name: {"seconds": seconds} for name, seconds in parts.items()}
        monkeypatch.setattr("seedgate.report.effort.machines", lambda ws: spent)
        assert budget_spent(make(max_gpu_s=100)) == "[cycle] max_gpu_s = 100 is spent (100)"

    def test_with_something_left_of_each_it_goes_on(self, make: Callable[..., Workspace]) -> None:
        ws = make(max_cycles=2, max_requests=10_000, max_gpu_s=1e6, max_reviewer_minutes=1e6)
        a_cycle(ws)
        assert budget_spent(ws) is None
        assert str(next_step(ws)) == "cycle 2: start"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """With `seedgate` on the path, as in an environment that is in use."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"PATH": path}
    )


class TestExamples:
    def test_a_night_that_needs_people_is_no_failure_and_the_next_one_ends_the_cycle(
        self, make: Callable[..., Workspace]
    ) -> None:
        ws = make()
        nightly = str(EXAMPLES / "nightly.sh")
        first = run(nightly, str(ws.root))
        assert first.returncode == 0, first.stderr
        assert "waiting for reviewers" in first.stdout
        assert (ws.root / "report.html").is_file()
        answer_everything(ws)
        second = run(nightly, str(ws.root))
        assert second.returncode == 0, second.stderr
        assert "clean: " in second.stdout
        assert ws.ledger.count("cycle.finished") == 1

    def test_a_night_that_fails_says_so(self, make: Callable[..., Workspace], tmp_path: Path) -> None:
        done = run(str(EXAMPLES / "nightly.sh"), str(tmp_path))
        assert done.returncode == 2
        assert "no seedgate.toml here or above" in done.stderr

    def test_the_python_one_runs_as_it_stands(self, make: Callable[..., Workspace]) -> None:
        ws = make()
        done = run(sys.executable, str(EXAMPLES / "cycle.py"), str(ws.root))
        assert done.returncode == 0, done.stderr
        assert "wait for review" in done.stdout
        answer_everything(ws)
        done = run(sys.executable, str(EXAMPLES / "cycle.py"), str(ws.root))
        assert done.returncode == 0, done.stderr
        assert "r001: 12 seeds" in done.stdout

    def test_the_workflow_and_the_units_are_what_their_readers_take(self) -> None:
        workflow = yaml.safe_load((EXAMPLES / "github" / "seedgate.yml").read_text())
        assert workflow["jobs"]["cycle"]["steps"][1]["run"].startswith("examples/nightly.sh")
        for name, section in (("service", "Service"), ("timer", "Timer")):
            unit = ConfigParser(strict=False, interpolation=None)
            unit.optionxform = str  # type: ignore[assignment,method-assign]
            unit.read(EXAMPLES / "systemd" / f"seedgate.{name}")
            assert section in unit

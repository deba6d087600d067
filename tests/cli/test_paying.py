"""`ablate` and `curve` at the shell: text, JSON, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError
from seedgate.finetune import release
from seedgate.workspace import Workspace
from tests.finetune import worlds
from tests.finetune.reviewing import Reviewing


@pytest.fixture
def root(make_workspace: Callable[..., Workspace]) -> Path:
    """A workspace with a release of which a program approved the candidates."""
    policy = {"verified_seeds": 12, "min_eval": 6, "near_duplicate": 1.0, "semantic_leak": 0.999}
    ws = make_workspace(
        seeds=worlds.seeds(),
        evaluation=worlds.locked(),
        settings={"policy": policy},
        simulated_reviewer="simulated",
    )
    reviewing = Reviewing(ws)
    reviewing.approve(*map(reviewing.candidate, worlds.right()), reviewer="simulated", simulated=True)
    release(ws)
    return ws.root


def said(*args: Any) -> str:
    return CliRunner().invoke(app, [str(each) for each in args], catch_exceptions=False).stdout


def test_ablate_tells_the_arms_and_the_conclusion_and_who_approved(root: Path) -> None:
    text = said("ablate", "--repetitions", 1, "-w", root)
    for arm in ("seeds", "gated", "random", "scored", "shown", "all"):
        assert f"\n{arm} " in text
    assert "24 by the SIMULATED reviewer" in text
    assert "left out: base: " in text
    assert "the gate paid" in text or "whether the gate paid cannot be told" in text


def test_ablate_as_json_has_the_figures_of_the_text(root: Path) -> None:
    data = json.loads(said("ablate", "--repetitions", 1, "--json", "-w", root))
    gated = next(arm for arm in data["arms"] if arm["arm"] == "gated")
    assert data["conclusion"]
    assert f"{gated['score']['value']:.3f}" in said("ablate", "--repetitions", 1, "-w", root)


def test_curve_tells_every_size_and_what_comes_next(root: Path) -> None:
    text = said("curve", "--repetitions", 1, "-w", root)
    data = json.loads(said("curve", "--repetitions", 1, "--json", "-w", root))
    assert [each["rows"] for each in data["points"]] == [0, 3, 6, 12, 18, 24]
    assert data["conclusion"] in text
    assert "24 by the SIMULATED reviewer" in text


def test_written_rows_need_their_minutes(root: Path) -> None:
    with pytest.raises(InputError, match="--written-minutes"):
        said("ablate", "--written", "rows.jsonl", "-w", root)

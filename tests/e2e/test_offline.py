"""A workspace without any server: each command loads the model itself, and prints nothing but JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seedgate.seeds import example_workspace, lock, verify
from seedgate.workspace import Workspace
from tests.review.desk import few_evaluation_rows

from .conftest import seedgate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SETTINGS: dict[str, dict[str, Any]] = {
    "vllm": {"offline": "embedded", "engine": {"max_model_len": 1024}},
    "generation": {"candidates": 40, "strategies": {"few_shot": 0.5, "writer": 0.5}},
    "training": {"max_steps": 2},
}


def test_it_generates_trains_and_measures_base_and_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDGATE_VLLM_URLS", raising=False)
    folder = tmp_path / "alone"
    few = few_evaluation_rows()
    with example_workspace(folder, evaluation=few, settings=SETTINGS) as ws:
        verify(ws, by="a test", statement="the shipped example")
        lock(ws)

    seedgate(folder, "release")
    writer = seedgate(folder, "train", "--writer")["name"]
    made = seedgate(folder, "generate")

    assert made["candidates"] >= 40
    with Workspace(folder) as again:
        (run,) = again.ledger.events("run.started")
        assert run.payload["settings"]["model"] == "smollm2-135m"
        assert run.payload["settings"]["model_revision"] == "SmolLM2-135M-Instruct"
        asked = {
            (e.payload["strategy"], e.payload.get("model")) for e in again.ledger.events("request.completed")
        }
        assert asked == {("few_shot", None), ("writer", writer)}
    model = seedgate(folder, "train")["name"]
    base, trained = (seedgate(folder, "eval", name)["evaluation"] for name in ("base", model))
    assert base["n"] == trained["n"] == len(few)
    assert base["outside"] == trained["outside"] == 0, "answers are limited to the labels"
    assert base["predictions_hash"] != trained["predictions_hash"], "the adapter was not used"

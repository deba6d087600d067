"""A writer on a real server: trained, loaded beside the model, asked in the same minute, and unloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from seedgate.seeds import example_workspace, lock, verify
from seedgate.workspace import Workspace
from tests.review.desk import few_evaluation_rows

from .conftest import Stack, seedgate

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SETTINGS: dict[str, dict[str, Any]] = {
    "generation": {"candidates": 40, "strategies": {"few_shot": 0.5, "writer": 0.5}},
    "training": {"max_steps": 2},
}


def test_it_is_asked_beside_the_model_and_unloaded(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack.use(monkeypatch)
    folder = tmp_path / "desk"
    with example_workspace(folder, evaluation=few_evaluation_rows(), settings=SETTINGS) as ws:
        verify(ws, by="a test", statement="the shipped example")
        lock(ws)
    seedgate(folder, "release")
    writer = seedgate(folder, "train", "--writer")["name"]

    made = seedgate(folder, "generate")

    assert made["candidates"] >= 40
    with Workspace(folder) as again:
        requests = list(again.ledger.events("request.completed"))
        asked = {(event.payload["strategy"], event.payload.get("model")) for event in requests}
    assert asked == {("few_shot", None), ("writer", writer)}
    headers = {"Authorization": f"Bearer {stack.vllm_key}"} if stack.vllm_key else {}
    served = httpx.get(f"{stack.vllm_url}/models", headers=headers).json()["data"]
    assert [each["id"] for each in served] == [stack.model]

"""Workspaces at a fake Argilla, and no waiting between retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from fakes.argilla_server import OWNER_KEY, FakeArgilla

from seedgate.seeds import create_workspace, lock, verify
from seedgate.workspace import Workspace
from tests.conftest import TINY_EVALUATION, TINY_SEEDS, TINY_TASK, tiny_examples

TEXTS = {
    "Where on earth is my new bicycle pump?": "delivery",
    "You charged my neighbour's card instead of mine": "account",
    "Pump me up before you go": "billing",
    "Can I sign in with two mail addresses?": "account",
    "The box was left in the rain again": "delivery",
    "Why was there a fee for paying by cheque?": "billing",
}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=5, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeArgilla]:
    """A fake Argilla that every workspace of the test uses."""
    with FakeArgilla().serve() as fake:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", fake.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        yield fake


@pytest.fixture
def review_workspace(
    server: FakeArgilla, make_workspace: Callable[..., Workspace], add_candidates: Callable[..., list[str]]
) -> Callable[..., Workspace]:
    """Makes workspaces with six candidates and the reviewers `anna` and, unless `one_reviewer`, `ben`."""

    def make(
        *,
        one_reviewer: bool = False,
        simulated: bool = False,
        rows: dict[str, str] = TEXTS,
        **given: Any,
    ) -> Workspace:
        ws = make_workspace(
            reviewers=("anna",) if one_reviewer else ("anna", "ben"),
            simulated_reviewer="simulated-sam" if simulated else None,
            **given,
        )
        add_candidates(ws, rows)
        return ws

    return make


@pytest.fixture(scope="session")
def history_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a baseline, and three reviewers: each random history starts from a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SEEDGATE_LEDGER_URL", raising=False)
        ws = create_workspace(
            tmp_path_factory.mktemp("histories") / "workspace",
            name="tiny",
            task=TINY_TASK,
            seeds=tiny_examples(TINY_SEEDS, "seeds.jsonl"),
            evaluation=tiny_examples(TINY_EVALUATION, "eval.jsonl"),
            guidelines="# One\n\nApprove.\n",
            reviewers=("anna", "ben", "cleo"),
            settings={
                "policy": {"verified_seeds": 12, "min_eval": 6},
                "review": {"controls": 0, "adjudicator": "zoe"},
            },
        )
    verify(ws, by="An Expert", statement="I have read every row.")
    lock(ws)
    ws.close()
    return ws.root

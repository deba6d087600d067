"""Workspaces at a fake Argilla, and no waiting between retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina
from fakes.argilla_server import OWNER_KEY, FakeArgilla

from seedgate.workspace import Workspace

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

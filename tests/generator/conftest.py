"""What the tests of the generator share: a fake vLLM server and workspaces that talk to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm

FEW: dict[str, Any] = {"shots": 3, "completions": 2, "concurrency": 8, "timeout_s": 5.0}


@pytest.fixture
def fake() -> Iterator[FakeVllm]:
    with FakeVllm() as server:
        yield server


@pytest.fixture
def ready(
    make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Workspace]:
    """Makes a tiny workspace on given fakes; keyword arguments are settings of `[generation]`."""

    def make(*fakes: FakeVllm, given: dict[str, Any] | None = None, **settings: Any) -> Workspace:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", ",".join(each.url for each in fakes))
        monkeypatch.delenv("SEEDGATE_VLLM_API_KEY", raising=False)
        tables = {"vllm": {"model": fakes[0].model}, "generation": FEW | settings}
        return make_workspace(settings=tables, **(given or {}))

    return make


@pytest.fixture
def workspace(fake: FakeVllm, ready: Callable[..., Workspace]) -> Workspace:
    """The tiny workspace on the fake server."""
    return ready(fake)

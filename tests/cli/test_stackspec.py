"""What `up` starts for a workspace follows from its configuration."""

from collections.abc import Callable

import pytest

from seedgate.cli.stackspec import stack_spec
from seedgate.errors import ConfigError
from seedgate.workspace import Workspace


@pytest.fixture(autouse=True)
def _no_servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDGATE_VLLM_URLS", raising=False)
    monkeypatch.delenv("SEEDGATE_ARGILLA_URL", raising=False)


@pytest.mark.parametrize(("trained", "served"), [(4, 8), (16, 16), (17, 32), (256, 256)])
def test_vllm_serves_the_smallest_rank_that_fits_the_adapters(
    make_workspace: Callable[..., Workspace], trained: int, served: int
) -> None:
    spec = stack_spec(make_workspace(settings={"training": {"lora_rank": trained}}))
    assert spec is not None
    assert spec.max_lora_rank == served


def test_a_rank_that_vllm_cannot_serve_is_refused_before_anything_starts(
    make_workspace: Callable[..., Workspace],
) -> None:
    with pytest.raises(ConfigError, match="lora_rank 512: vLLM serves adapters up to rank 256"):
        stack_spec(make_workspace(settings={"training": {"lora_rank": 512}}))


def test_what_runs_elsewhere_is_not_started(
    make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = make_workspace()
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", "http://gpu1:8000/v1")
    spec = stack_spec(ws)
    assert spec is not None
    assert spec.services == ("argilla",)
    monkeypatch.setenv("SEEDGATE_ARGILLA_URL", "http://argilla:6900")
    assert stack_spec(ws) is None


def test_a_model_that_commands_load_themselves_is_not_served(
    make_workspace: Callable[..., Workspace],
) -> None:
    spec = stack_spec(make_workspace(settings={"vllm": {"offline": "embedded"}}))
    assert spec is not None
    assert spec.services == ("argilla",)

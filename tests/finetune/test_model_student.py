"""The base model as an ablation's student, over real HTTP against a fake vLLM: trained, asked, gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seedgate.errors import ServiceError
from seedgate.finetune import ablate, release
from seedgate.workspace import Workspace
from tests.conftest import TINY_EVALUATION
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.models import tiny_llama, tiny_tokenizer
from tests.finetune.reviewing import Reviewing

TRUTH = {text: label for label, texts in TINY_EVALUATION.items() for text in texts}
ARMS = ("base", "seeds", "gated", "random", "scored", "shown", "all", "all_epochs")


@pytest.fixture
def server() -> Iterator[AdapterServer]:
    """The base model says one label; whatever was trained knows every answer."""
    with AdapterServer(
        lambda name, text: TRUTH[text] if name.startswith("ablation-") else "delivery"
    ) as fake:
        yield fake


@pytest.fixture
def released(
    server: AdapterServer,
    make_workspace: Callable[..., Workspace],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Workspace:
    """Twelve seeds, four approved rows, three that were not."""
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", server.url)
    monkeypatch.delenv("SEEDGATE_VLLM_API_KEY", raising=False)
    base = tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer(list(TRUTH)))
    training = {"base_model": str(base), "epochs": 1.0, "batch_size": 4}
    ws = make_workspace(settings={"vllm": {"model": "fake-135m"}, "training": training})
    reviewing = Reviewing(ws)
    names = reviewing.candidates(7)
    reviewing.verdicts(dict.fromkeys(names[:4], "approve") | dict.fromkeys(names[4:6], "reject"))
    release(ws)
    return ws


def test_every_arm_has_the_same_steps_and_none_stays(released: Workspace, server: AdapterServer) -> None:
    found = ablate(released, student="model", repetitions=1)
    assert tuple(arm.arm for arm in found.arms if arm.score is not None) == ARMS
    steps = {arm.arm: arm.steps for arm in found.arms if arm.score is not None}
    assert steps.pop("base") == 0
    assert steps.pop("all_epochs") == 5  # of 19 rows, 4 at a time
    assert set(steps.values()) == {4}  # of 12 seeds and 4 approved rows
    assert (found.arm("base").score.value, found.arm("gated").score.value) == (pytest.approx(1 / 3), 1.0)  # type: ignore[union-attr]
    assert server.adapters == {}
    assert not (released.state_dir / "ablation").exists()
    assert not released.models_dir.exists() or not list(released.models_dir.iterdir())
    assert released.ledger.count("model.trained") == 0


def test_each_repetition_trains_with_a_seed_of_its_own_and_asks_the_base_once(
    released: Workspace, server: AdapterServer
) -> None:
    ablate(released, student="model", repetitions=2)
    seen = [(event.subject, event.payload["seed"]) for event in released.ledger.events("ablation.scored")]
    assert seen.count(("base", 0)) == 1
    assert ("gated", 0) in seen
    assert ("gated", 1) in seen
    assert sum(body["model"] == "fake-135m" for body in server.bodies) == len(TRUTH)


def test_a_server_that_dies_leaves_nothing_and_the_next_run_goes_on(
    released: Workspace, server: AdapterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedgate.finetune.asking.DEADLINE_S", 0.2)
    server.broken = True
    with pytest.raises(ServiceError):
        ablate(released, student="model", repetitions=1)
    assert not (released.state_dir / "ablation").exists()
    server.broken = False
    assert ablate(released, student="model", repetitions=1).looks > 0


def test_what_a_killed_run_left_is_taken_away(released: Workspace) -> None:
    left: Path = released.state_dir / "ablation" / "adapter"
    left.mkdir(parents=True)
    (left / "old.safetensors").write_bytes(b"x")
    ablate(released, student="model", repetitions=1)
    assert not left.exists()

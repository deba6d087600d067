"""Writers: trained the other way round, served for generating, and no model that is measured."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError, RefusedError
from seedgate.finetune import (
    audit,
    evaluate,
    models_of,
    newest_writer,
    promote,
    release,
    train,
    writer_needed,
)
from seedgate.generator import candidates, generate
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace
from tests.conftest import TINY_SEEDS
from tests.fakes.adapter_server import AdapterServer
from tests.fakes.vllm_server import sentence
from tests.finetune.models import tiny_llama, tiny_tokenizer

TEXTS = [text for texts in TINY_SEEDS.values() for text in texts]
Make = Callable[..., Workspace]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer(TEXTS))


@pytest.fixture
def ready(make_workspace: Make, base: Path) -> Make:
    """Makes a workspace with a release of its seeds; keyword arguments are tables of `seedgate.toml`."""

    def make(**tables: dict[str, Any]) -> Workspace:
        settings = {
            "vllm": {"model": "fake-135m"},
            "generation": {"strategies": {"writer": 1.0}, "completions": 2, "concurrency": 2},
        } | tables
        training = {"base_model": str(base), "max_steps": 1, "batch_size": 4}
        settings["training"] = training | tables.get("training", {})
        ws = make_workspace(settings=settings)
        release(ws)
        return ws

    return make


def test_it_is_trained_once_on_every_row_and_found_by_its_prompts(ready: Make) -> None:
    ws = ready()
    assert newest_writer(ws) is None
    assert writer_needed(ws, "r000")
    model = train(ws, writer=True)
    assert model.name.startswith("r000-writer-")
    assert model.metrics["rows"] == len(TEXTS)
    assert "writes examples" in (model.path / "README.md").read_text()
    assert not train(ws, writer=True).trained
    found = newest_writer(ws)
    assert found is not None
    assert (found.name, found.folder) == (model.name, model.weights_path)
    assert not writer_needed(ws, "r000")
    assert audit(ws) == []

    ws.prompts_dir.mkdir()
    (ws.prompts_dir / "writer.list.txt").write_text("A message about $heading\n")
    assert newest_writer(ws) is None, "it was trained on another prompt"
    assert writer_needed(ws, "r000")


def test_it_is_no_model_that_answers(ready: Make) -> None:
    ws = ready()
    name = train(ws, writer=True).name
    assert models_of(ws, "r000") == []
    answers = train(ws).name
    assert models_of(ws, "r000") == [answers]
    train(ws, writer=True, seed=1)
    assert models_of(ws, "r000") == [answers]
    with pytest.raises(InputError, match=f"model {name} writes examples"):
        evaluate(ws, name)
    with pytest.raises(InputError, match="writes examples"):
        promote(ws, name)


def test_changed_weights_are_refused(ready: Make) -> None:
    ws = ready()
    model = train(ws, writer=True)
    (weights,) = model.weights_path.glob("*.safetensors")
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(RefusedError) as refused:
        newest_writer(ws)
    assert refused.value.hint == "train it again with `seedgate train --writer`"
    assert writer_needed(ws, "r000")
    assert train(ws, writer=True).trained
    assert not writer_needed(ws, "r000")
    assert newest_writer(ws) is not None


def test_one_that_learnt_a_withdrawn_row_is_not_asked(ready: Make) -> None:
    ws = ready()
    train(ws, writer=True)
    ws.ledger.append([NewEvent("release.withdrawn", "r000", {"rows": ["0" * 64], "files": []})])
    assert newest_writer(ws) is None


def test_one_whose_files_are_gone_is_trained_again(ready: Make) -> None:
    ws = ready()
    model = train(ws, writer=True)
    shutil.rmtree(model.path)
    assert writer_needed(ws, "r000")
    assert train(ws, writer=True).trained
    assert newest_writer(ws) is not None


@pytest.mark.parametrize("line", ["base_model = ", "audience = "])
def test_one_of_another_base_model_or_task_is_not_asked(ready: Make, line: str) -> None:
    ws = ready()
    train(ws, writer=True)
    path = ws.root / "seedgate.toml"
    text, changes = re.subn(rf"(?m)^{line}.*$", f'{line}"something else"', path.read_text())
    assert changes == 1
    path.write_text(text)
    with Workspace(ws.root) as changed:
        assert newest_writer(changed) is None


def test_whole_models_cannot_be_writers(ready: Make) -> None:
    ws = ready(training={"method": "full"})
    with pytest.raises(InputError, match="a writer is an adapter"):
        train(ws, writer=True)


def test_generate_loads_it_asks_it_and_unloads_it(ready: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)
    with AdapterServer(lambda *_: sentence(chance)) as fake:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", fake.url)
        ws = ready()
        model = train(ws, writer=True)
        generate(ws, candidates=3, cycle=1, writer=lambda: newest_writer(ws))
        assert fake.adapters == {}
        (served,) = fake.ever
        assert served.startswith(f"{model.name}-")
        assert {body["model"] for body in fake.bodies} == {served}
    assert {each.provenance.model for each in candidates(ws.ledger)} == {model.name}


def test_serving_ends_with_the_block_whatever_happens(ready: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        found = newest_writer(ws)
        assert found is not None
        async with found.serve() as name:
            assert name in fake.adapters
            raise KeyError

    with AdapterServer() as fake:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", fake.url)
        ws = ready()
        train(ws, writer=True)
        with pytest.raises(KeyError):
            asyncio.run(fail())
        assert fake.adapters == {}


def test_the_command_trains_and_plans_one(ready: Make) -> None:
    ws = ready()

    def told(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["train", "--writer", *arguments, "-w", str(ws.root)])
        return done.stdout if done.exit_code == 0 else done.stderr or str(done.exception)

    assert told("--dry-run").startswith("would train r000-writer-")
    assert told().startswith("model r000-writer-")
    assert "was trained before" in told("--dry-run")
    assert "one writer" in told("--seeds", "2")

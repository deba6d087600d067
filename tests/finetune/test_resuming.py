"""Training that was killed goes on where it was, from nothing that the ledger does not know; and early stopping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import InputError
from seedgate.finetune import TrainedModel, checkpointing, release, sft, train
from seedgate.workspace import Workspace
from tests.finetune.models import tiny_llama, tiny_tokenizer
from tests.finetune.reviewing import TEXTS, Reviewing

STEPS = 12  # three epochs of 16 rows, 4 at a time


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer([text for text, _ in TEXTS]))


@pytest.fixture
def trainable(
    make_workspace: Callable[..., Workspace], base: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """Sixteen rows, a checkpoint after every step."""
    monkeypatch.setattr(checkpointing, "SAVE_EVERY_S", 0.0)
    settings = {"training": {"base_model": str(base), "epochs": 3.0, "batch_size": 4}}
    reviewing = Reviewing(make_workspace(settings=settings))
    reviewing.approve(*reviewing.candidates(4))
    release(reviewing.ws)
    return reviewing.ws


def stopped_at(step: int) -> Callable[[int, int, str], None]:
    def tell(done: int, total: int, what: str) -> None:
        if total and done == step:
            raise KeyboardInterrupt

    return tell


def weights(model: TrainedModel) -> Any:
    from safetensors.numpy import load_file

    return load_file(model.weights_path / "adapter_model.safetensors")


def interrupted(ws: Workspace, step: int, name: str = "second") -> None:
    with pytest.raises(KeyboardInterrupt):
        train(ws, output_name=name, on_progress=stopped_at(step))


@pytest.mark.parametrize("step", [2, 4, 5, 9, 11])  # within an epoch, at its end, in the next ones
def test_a_run_that_went_on_has_the_weights_of_one_that_was_never_stopped(
    trainable: Workspace, step: int
) -> None:
    import numpy as np

    whole = train(trainable, output_name="first")
    assert whole.metrics["steps"] == STEPS
    interrupted(trainable, step)
    again = train(trainable, output_name="second")
    assert again.metrics["resumed_from"] == step - 1  # the loss of a step is told before it is saved
    assert again.metrics["steps"] == STEPS
    for name, value in weights(whole).items():
        np.testing.assert_allclose(weights(again)[name], value, atol=1e-7)


def test_nothing_is_left_of_the_checkpoints_once_the_model_is_there(trainable: Workspace) -> None:
    interrupted(trainable, 5)
    assert list((trainable.state_dir / "training" / "second").iterdir())
    train(trainable, output_name="second")
    assert not (trainable.state_dir / "training" / "second").exists()


def test_after_kill_9_it_goes_on(trainable: Workspace) -> None:
    code = f"""
import os, signal
from seedgate.finetune import checkpointing, train
from seedgate.workspace import Workspace
checkpointing.SAVE_EVERY_S = 0.0
def tell(done, total, what):
    if total and done == 6:
        os.kill(os.getpid(), signal.SIGKILL)
with Workspace({str(trainable.root)!r}) as ws:
    train(ws, output_name="second", on_progress=tell)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=180, env=dict(os.environ)
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    model = train(trainable, output_name="second")
    assert model.metrics["resumed_from"] == 5
    assert sorted(path.name for path in trainable.models_dir.iterdir()) == ["second"]


@pytest.mark.parametrize("damage", ["changed", "added", "missing"])
def test_a_checkpoint_that_the_ledger_does_not_know_is_never_gone_on_from(
    trainable: Workspace, damage: str
) -> None:
    """Somebody's weights in its place would be a model that was trained on something else."""
    whole = train(trainable, output_name="first")
    interrupted(trainable, 6)
    for path in (trainable.state_dir / "training" / "second").glob("checkpoint-*"):
        file = path / "adapter_model.safetensors"
        if damage == "changed":
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(bytes(data))
        elif damage == "added":
            (path / "more.bin").write_bytes(b"x")
        else:
            file.unlink()
    again = train(trainable, output_name="second")
    assert again.metrics["resumed_from"] == 0
    assert again.files["adapter_model.safetensors"] == whole.files["adapter_model.safetensors"]


def test_a_half_written_one_is_passed_over_for_the_one_before(trainable: Workspace) -> None:
    interrupted(trainable, 6)
    (trainable.state_dir / "training" / "second" / "checkpoint-5" / "optimizer.pt").write_bytes(b"half")
    assert train(trainable, output_name="second").metrics["resumed_from"] == 4


def test_other_settings_begin_anew(trainable: Workspace) -> None:
    interrupted(trainable, 6)
    assert train(trainable, output_name="second", learning_rate=0.01).metrics["resumed_from"] == 0


class TestEarlyStopping:
    def test_it_is_watched_on_rows_that_are_not_trained_on(self, trainable: Workspace) -> None:
        model = train(trainable, early_stopping=0.25)
        assert (model.metrics["held_out"], model.metrics["rows"]) == (4, 16)
        assert model.metrics["steps"] == 9  # three batches of twelve rows, three times
        assert isinstance(model.metrics["held_out_loss"], float)

    def test_the_slice_is_of_the_training_rows_and_fixed(self, trainable: Workspace) -> None:
        rows = [{"prompt": [{"content": str(n)}], "completion": []} for n in range(40)]
        settings = trainable.config.training.model_copy(update={"early_stopping": 0.2})
        kept, watched = sft._held_out(rows, settings)
        assert (len(kept), len(watched)) == (32, 8)
        assert [row for row in rows if row in kept or row in watched] == rows
        assert sft._held_out(rows, settings) == (kept, watched)

    def test_it_ends_when_the_loss_rises_and_keeps_the_best(self, trainable: Workspace) -> None:
        import numpy as np

        long = train(trainable, early_stopping=0.25, learning_rate=0.3, epochs=30.0)
        assert int(str(long.metrics["steps"])) < 90
        kept = int(str(long.metrics["steps"])) - 3 * 2  # two epochs without a better loss
        short = train(trainable, early_stopping=0.25, learning_rate=0.3, epochs=30.0, max_steps=kept)
        assert short.metrics["held_out_loss"] >= long.metrics["held_out_loss"]  # type: ignore[operator]
        assert all(np.isfinite(each).all() for each in weights(long).values())

    def test_half_of_the_rows_is_too_many(self, trainable: Workspace) -> None:
        with pytest.raises(InputError, match="early_stopping"):
            train(trainable, early_stopping=0.5)

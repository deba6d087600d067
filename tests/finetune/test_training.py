"""`train` on a real, tiny model: what it writes, what it records, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import BusyError, InputError, RefusedError
from seedgate.finetune import merge, release, train, trained_model
from seedgate.finetune.training import plan_training
from seedgate.workspace import Workspace
from tests.finetune.models import tiny_llama, tiny_tokenizer
from tests.finetune.reviewing import TEXTS, Reviewing

TENSORBOARD = """
from pathlib import Path

class SummaryWriter:
    def __init__(self, log_dir):
        Path(log_dir).mkdir(parents=True)
        self.file = open(Path(log_dir) / "events", "w")
    def add_scalar(self, name, value, step):
        self.file.write(f"{name} {value} {step}\\n")
    def add_text(self, name, text, step=None):
        pass
    def flush(self):
        self.file.flush()
    def close(self):
        self.file.close()
"""
"""As much of the package as the trainer uses: it is no requirement, and a real one passes this test as well."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer([text for text, _ in TEXTS]))


@pytest.fixture
def trainable(make_workspace: Callable[..., Workspace], base: Path) -> Workspace:
    """A workspace with a release, whose base model trains in a second."""
    settings = {"training": {"base_model": str(base), "max_steps": 2, "batch_size": 4}}
    reviewing = Reviewing(make_workspace(settings=settings))
    reviewing.approve(*reviewing.candidates(4))
    release(reviewing.ws)
    return reviewing.ws


def test_an_adapter_is_trained_saved_and_recorded(trainable: Workspace) -> None:
    from safetensors.numpy import load_file

    told: list[tuple[int, int, str]] = []
    model = train(trainable, on_progress=lambda *each: told.append(each))
    assert model.name.startswith("r001-")
    assert sorted(path.name for path in model.path.iterdir()) == ["README.md", "adapter", "model.json"]
    assert sorted(model.files) == ["adapter_config.json", "adapter_model.safetensors"]
    weights = load_file(model.weights_path / "adapter_model.safetensors")
    assert any(name.endswith("lora_B.weight") and array.any() for name, array in weights.items())
    assert (model.metrics["steps"], model.metrics["rows"]) == (2, 16)
    assert told[-1][:2] == (2, 2)
    assert told[-1][2].startswith("loss ")

    event = trainable.ledger.last("model.trained")
    assert event is not None
    assert event.subject == model.name
    manifest_hash = trainable.ledger.last("release.created").payload["manifest_hash"]  # type: ignore[union-attr]
    assert (event.payload["release"], event.payload["manifest_hash"]) == ("r001", manifest_hash)
    assert event.payload["path"] == f"models/{model.name}"
    assert json.loads((model.path / "model.json").read_text()) == event.payload


def test_a_dry_run_says_what_would_be_trained_and_changes_nothing(trainable: Workspace) -> None:
    head = trainable.ledger.head()
    shown = CliRunner().invoke(app, ["train", "--dry-run", "-w", str(trainable.root)], catch_exceptions=False)
    plan = plan_training(trainable)
    assert shown.stdout.strip() == str(plan)
    assert str(plan).startswith(f"would train {plan.name}: ")
    assert "16 rows of release r001 (lora, " in str(plan)
    assert (trainable.ledger.head(), list(trainable.root.glob("models/*"))) == (head, [])
    assert train(trainable).name == plan.name
    assert str(plan_training(trainable)) == f"model {plan.name} was trained before, on release r001"


def test_the_card_names_what_it_was_trained_on(trainable: Workspace) -> None:
    model = train(trainable)
    card = (model.path / "README.md").read_text()
    for fact in ("r001", model.manifest_hash, model.ledger_head, "learning_rate", "lora_rank"):
        assert fact in card
    assert "library_name" in card


def test_the_same_release_and_settings_are_trained_once(trainable: Workspace) -> None:
    first = train(trainable)
    second = train(trainable, "r001")
    assert (second.name, second.files, second.trained) == (first.name, first.files, False)
    assert trainable.ledger.count("model.trained") == 1
    assert "was trained before" in str(second)


def test_other_settings_make_another_model(trainable: Workspace) -> None:
    first, second = train(trainable), train(trainable, lora_rank=4)
    assert first.name != second.name
    assert second.settings["lora_rank"] == 4
    config = json.loads((second.weights_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8)


def test_the_same_seed_gives_the_same_weights(trainable: Workspace) -> None:
    first, second = train(trainable), train(trainable, output_name="again")
    assert first.metrics["train_loss"] == second.metrics["train_loss"]
    entry = "adapter_model.safetensors"
    assert first.files[entry] == second.files[entry]
    assert train(trainable, seed=1).files[entry] != first.files[entry]


def test_a_name_is_not_given_to_two_models(trainable: Workspace) -> None:
    train(trainable, output_name="mine")
    with pytest.raises(RefusedError, match="was trained on release r001 with other settings"):
        train(trainable, output_name="mine", lora_rank=4)


@pytest.mark.parametrize("name", ["base", "../up", "a/b", "With Space", "x" * 61, ".hidden"])
def test_a_name_that_could_be_a_path_is_refused(trainable: Workspace, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a model's name"):
        train(trainable, output_name=name)


def test_a_model_that_was_changed_is_trained_anew(trainable: Workspace) -> None:
    first = train(trainable)
    weights = first.weights_path / "adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(b"other")
    second = train(trainable)
    assert second.trained
    assert second.files == first.files
    assert trainable.ledger.count("model.trained") == 2
    assert trained_model(trainable, first.name).files == second.files


def test_what_a_killed_process_left_is_replaced(trainable: Workspace) -> None:
    name = train(trainable, output_name="probe").name
    (trainable.models_dir / ".building.second.abc").mkdir()
    (trainable.models_dir / ".gitignore").touch()
    left = trainable.models_dir / "second"
    left.mkdir()
    (left / "half").write_text("half")
    model = train(trainable, output_name="second")
    assert sorted(path.name for path in trainable.models_dir.iterdir()) == [".gitignore", name, "second"]
    assert not (model.path / "half").exists()


def test_full_training_saves_a_model_that_can_be_served(trainable: Workspace) -> None:
    model = train(trainable, method="full")
    assert model.weights == "model"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(model.files)
    assert merge(trainable, model.name) == model.weights_path


def test_merging_folds_the_adapter_in(trainable: Workspace) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = train(trainable, learning_rate=0.05)
    folder = merge(trainable, model.name)
    assert folder == model.path / "merged"
    assert (folder / "tokenizer.json").is_file()
    merged = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    plain = AutoModelForCausalLM.from_pretrained(str(model.base_model)).state_dict()
    changed = {name for name, weight in plain.items() if not torch.equal(weight, merged[name])}
    assert changed == {name for name in plain if "proj" in name}
    assert merge(trainable, model.name) == folder
    assert train(trainable, learning_rate=0.05).trained is False, "merging changes nothing about the model"


def test_a_merged_folder_that_was_changed_or_put_there_is_merged_anew(trainable: Workspace) -> None:
    model = train(trainable)
    planted = model.path / "merged"
    planted.mkdir()
    (planted / "model.safetensors").write_bytes(b"planted")
    folder = merge(trainable, model.name)
    true = (folder / "model.safetensors").read_bytes()
    assert true != b"planted"
    (folder / "model.safetensors").chmod(0o644)
    (folder / "model.safetensors").write_bytes(true[:-1] + b"x")
    assert (merge(trainable, model.name) / "model.safetensors").read_bytes() == true
    merge(trainable, model.name)
    assert trainable.ledger.count("model.merged") == 2


def test_a_run_can_be_watched_in_tensorboard_and_its_logs_outlive_the_training(
    trainable: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = tmp_path / "packages" / "tensorboardX" / "__init__.py"
    writer.parent.mkdir(parents=True)
    writer.write_text(TENSORBOARD)
    monkeypatch.syspath_prepend(str(writer.parent.parent))
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    model = train(trainable, report_to="tensorboard")
    (log,) = (trainable.root / ".seedgate" / "logs" / "training" / model.name).iterdir()
    assert "train/loss" in log.read_text(errors="replace")
    assert train(trainable).trained is False, "who watches is no part of what was trained"


def test_steps_are_epochs_times_batches(trainable: Workspace) -> None:
    assert train(trainable, max_steps=-1, epochs=1).metrics["steps"] == 4


class TestRefusals:
    def test_a_setting_that_is_mistyped_gets_the_near_one(self, trainable: Workspace) -> None:
        with pytest.raises(InputError, match="did you mean 'learning_rate'"):
            train(trainable, lerning_rate=1.0)

    def test_a_value_that_does_not_fit_is_named(self, trainable: Workspace) -> None:
        with pytest.raises(InputError, match="training setting 'epochs'"):
            train(trainable, epochs=-1)

    def test_nothing_is_trained_before_the_first_release(self, tiny_workspace: Workspace) -> None:
        with pytest.raises(RefusedError, match="there is no release yet"):
            train(tiny_workspace)

    def test_an_unknown_release_is_refused(self, trainable: Workspace) -> None:
        with pytest.raises(RefusedError, match="release r009"):
            train(trainable, "r009")

    def test_a_base_model_that_is_nowhere_is_one_clear_line(self, trainable: Workspace) -> None:
        with pytest.raises(InputError, match="no such folder"):
            train(trainable, base_model="./nowhere")
        assert not list(trainable.models_dir.glob("*"))

    def test_a_second_process_is_told_who_trains(self, trainable: Workspace) -> None:
        with trainable.ledger.lease("train"), pytest.raises(BusyError, match="another `train` runs"):
            train(trainable)

    def test_an_unknown_model_gets_the_near_name(self, trainable: Workspace) -> None:
        name = train(trainable).name
        with pytest.raises(InputError, match=f"did you mean '{name}'"):
            trained_model(trainable, name[:-1] + "x")

    def test_a_release_is_verified_before_the_base_model_is_looked_at(self, trainable: Workspace) -> None:
        (trainable.releases_dir / "r001" / "README.md").unlink()
        with pytest.raises(RefusedError, match=r"README\.md"):
            train(trainable, base_model="./nowhere")

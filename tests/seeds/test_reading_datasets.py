"""Reading what the `datasets` library saves and opens."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import InputError
from seedgate.seeds import read_examples
from seedgate.task import Task

datasets = pytest.importorskip(
    "datasets", reason="the datasets library is not installed: pip install 'seedgate[train]'"
)

LABELS = ["bug", "billing"]
TASK = Task.from_config({"preset": "classification", "name": "t", "labels": LABELS})
ROWS: dict[str, list[Any]] = {"text": ["It broke.", "Paid twice."], "label": [0, 1], "tags": [["core"], None]}


@pytest.fixture(autouse=True)
def quiet_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library's cache in a folder of the test, and no progress bars."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def saved(folder: Path, rows: dict[str, list[Any]] = ROWS, label: Any = None) -> Any:
    features = {"text": datasets.Value("string"), "tags": datasets.List(datasets.Value("string"))}
    features["label"] = label or datasets.ClassLabel(names=LABELS)
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def complaint(source: str, task: Task = TASK, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        read_examples(source, task, **options)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_a_saved_dataset_has_its_class_labels_by_name(tmp_path: Path) -> None:
    saved(tmp_path).save_to_disk(tmp_path / "mine")
    first, second = read_examples(str(tmp_path / "mine"), TASK)
    assert first.fields == {"text": "It broke.", "label": "bug"}
    assert (first.tags, first.source) == (("core",), "mine:1")
    assert (second.fields["label"], second.tags, second.source) == ("billing", (), "mine:2")


def test_a_saved_dataset_with_splits_is_read_by_split(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": saved(tmp_path), "test": saved(tmp_path)}).save_to_disk(tmp_path / "mine")
    assert len(read_examples(str(tmp_path / "mine"), TASK, split="test")) == 2
    assert complaint(str(tmp_path / "mine"), split="dev").endswith(
        "no split 'dev': choose one of train, test"
    )


def test_a_folder_that_load_dataset_opens_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    saved(tmp_path).to_parquet(folder / "train.parquet")
    assert [e.source for e in read_examples(str(folder), TASK)] == ["release:1", "release:2"]
    assert "release: datasets cannot open it: " in complaint(str(folder), split="dev")


def test_lists_of_class_labels_are_named_too(tmp_path: Path) -> None:
    task = Task.from_config(
        {
            "name": "t",
            "instructions": "x",
            "fields": [
                {"name": "text", "role": "input"},
                {"name": "label", "role": "output", "type": "multilabel", "labels": LABELS},
            ],
            "prompt_template": "{text}",
            "completion_template": "{label}",
        }
    )
    rows = ROWS | {"label": [[0, 1], []]}
    saved(tmp_path, rows, datasets.List(datasets.ClassLabel(names=LABELS))).save_to_disk(tmp_path / "mine")
    assert [e.fields["label"] for e in read_examples(str(tmp_path / "mine"), task)] == [
        ["bug", "billing"],
        [],
    ]


def test_a_row_without_a_label_is_named(tmp_path: Path) -> None:
    saved(tmp_path, ROWS | {"label": [0, -1]}).save_to_disk(tmp_path / "mine")
    assert (
        complaint(str(tmp_path / "mine")) == "mine:2: field 'label': unknown label null (known: bug, billing)"
    )


def test_an_empty_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert "mine: datasets cannot open it: " in complaint(str(tmp_path / "mine"))


def test_a_damaged_folder_is_one_clear_line(tmp_path: Path) -> None:
    saved(tmp_path).save_to_disk(tmp_path / "mine")
    next((tmp_path / "mine").glob("*.arrow")).write_bytes(b"damaged")
    assert "mine: datasets cannot open it: " in complaint(str(tmp_path / "mine"))


def test_a_hub_name_without_a_network_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text = complaint("seedgate-test/nothing-of-this-name")
    assert text.startswith("seedgate-test/nothing-of-this-name: datasets cannot open it: ")
    assert text.endswith("check the name and the network, or give a local file")


def test_without_the_library_the_install_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert complaint(str(tmp_path)).endswith("needs the `datasets` library: pip install 'seedgate[train]'")

"""The examples of docs/tasks.md are tasks, and do what is said there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from seedgate.shown import messages_of, transcript
from seedgate.task import Task
from seedgate.workspace import Workspace, load_task

GUIDE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "text", examples("toml"), ids=["classification", "instruction", "extraction", "chat"]
)
def test_each_presets_example_is_a_task(text: str, tmp_path: Path) -> None:
    (tmp_path / "seedgate.toml").write_text(text)
    with Workspace(tmp_path) as ws:
        assert f"## {ws.task.preset}" in GUIDE


def test_the_row_fits_the_table() -> None:
    task = Task.from_config(tomllib.loads(examples("toml")[2])["task"])
    (row,) = map(json.loads, examples("json"))
    assert task.field("data").value(task.validate_fields(row)["data"]) == row["data"]


def test_the_transcript_is_one() -> None:
    (text,) = (each.rstrip("\n") for each in examples("text"))
    assert [len(message["content"].splitlines()) for message in messages_of(text)] == [1, 3, 1, 1]
    assert transcript(messages_of(text)) == text


def test_the_class_is_a_task(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(examples("python")[0])
    task = load_task(tmp_path, {"class": "tasks.py:Receipt"})
    assert [field.type for field in task.fields] == ["text", "label", "json"]
    assert (task.name, task.instructions) == ("receipt", "Read a receipt.")

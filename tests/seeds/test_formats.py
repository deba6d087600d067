"""Examples in the formats that the field passes around: Alpaca, ShareGPT, OpenAI chat, JSON, Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError
from seedgate.seeds import column_uses, read_examples
from seedgate.task import Task

INSTRUCTION = Task.from_config({"preset": "instruction", "name": "helper"})
LABELS = Task.from_config({"preset": "classification", "name": "desk", "labels": ["bug", "billing"]})

ALPACA = [
    {"instruction": "Name a bird.", "input": "", "output": "A wren."},
    {"instruction": "Shorten this.", "input": "It rained all day long.", "output": "It rained."},
]


def openai(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def more(**keys: Any) -> dict[str, Any]:
    """A chat whose answer has more keys than its text."""
    row = openai(("user", "a"), ("assistant", "b"))
    row["messages"][-1] |= keys
    return row


def sharegpt(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def jsonl(folder: Path, *rows: Any, name: str = "rows.jsonl") -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


def fields(source: str, task: Task, **options: Any) -> list[dict[str, Any]]:
    return [example.fields for example in read_examples(source, task, **options)]


def complaint(source: str, task: Task, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        read_examples(source, task, **options)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


class TestFiles:
    @pytest.mark.parametrize("whole", [ALPACA, {"version": 1, "data": ALPACA}])
    def test_alpaca_is_a_json_array(self, tmp_path: Path, whole: Any) -> None:
        (tmp_path / "alpaca.json").write_text(json.dumps(whole, indent=2))
        found = read_examples(str(tmp_path / "alpaca.json"), INSTRUCTION)
        assert [example.fields for example in found] == ALPACA
        assert [example.source for example in found] == ["alpaca.json:1", "alpaca.json:2"]

    def test_the_same_rows_from_parquet_are_the_same_examples(self, tmp_path: Path) -> None:
        pq.write_table(pa.Table.from_pylist(ALPACA), tmp_path / "rows.parquet")
        found = read_examples(str(tmp_path / "rows.parquet"), INSTRUCTION)
        again = read_examples(jsonl(tmp_path, *ALPACA), INSTRUCTION)
        assert [example.id for example in found] == [example.id for example in again]
        assert found[1].source == "rows.parquet:2"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("{", "rows.json:1: malformed JSON at column 2"),
            ('{"a": 1}', "rows.json: holds no array of rows"),
            ('{"a": [], "b": []}', "rows.json: holds no array of rows"),
            ("[1]", "rows.json:1: a number instead of an object: give an array of objects"),
            ("[]", "rows.json: holds no rows"),
            ('[{"instruction": "a", "instruction": "b"}]', "rows.json: malformed JSON"),
        ],
    )
    def test_broken_json_is_one_line(self, tmp_path: Path, text: str, told: str) -> None:
        (tmp_path / "rows.json").write_text(text)
        assert told in complaint(str(tmp_path / "rows.json"), INSTRUCTION)

    def test_a_damaged_parquet_file_is_one_line(self, tmp_path: Path) -> None:
        pq.write_table(pa.Table.from_pylist(ALPACA), tmp_path / "rows.parquet")
        data = (tmp_path / "rows.parquet").read_bytes()
        (tmp_path / "rows.parquet").write_bytes(data[:-9])
        assert "rows.parquet: no readable Parquet" in complaint(str(tmp_path / "rows.parquet"), INSTRUCTION)


class TestChats:
    @pytest.mark.parametrize(
        "row",
        [
            openai(("user", "Name a bird."), ("assistant", "A wren.")),
            openai(("system", " "), ("user", "Name a bird."), ("assistant", "A wren.")),
            openai(("user", [{"type": "text", "text": "Name a bird."}]), ("assistant", "A wren.")),
            sharegpt(("human", "Name a bird."), ("gpt", "A wren.")),
        ],
    )
    def test_an_exchange_is_a_question_with_its_answer(self, tmp_path: Path, row: dict[str, Any]) -> None:
        assert fields(jsonl(tmp_path, row), INSTRUCTION) == [ALPACA[0]]

    def test_for_a_classification_the_answer_is_the_label(self, tmp_path: Path) -> None:
        row = sharegpt(("human", "It broke."), ("gpt", "bug"))
        assert fields(jsonl(tmp_path, row), LABELS) == [{"text": "It broke.", "label": "bug"}]
        wrong = sharegpt(("human", "It broke."), ("gpt", "That is a bug."))
        assert "rows.jsonl:1" in complaint(jsonl(tmp_path, wrong), LABELS)

    def test_a_system_message_is_never_lost_silently(self, tmp_path: Path) -> None:
        row = openai(("system", "Be terse."), ("user", "Name a bird."), ("assistant", "A wren."))
        source = jsonl(tmp_path, row)
        assert "unknown field 'system'" in complaint(source, INSTRUCTION)
        assert "--map system=" in complaint(source, INSTRUCTION, mapping={})
        assert fields(source, INSTRUCTION, mapping={"system": ""}) == [ALPACA[0]]
        turned = fields(source, INSTRUCTION, mapping={"system": "instruction", "user": "input"})
        assert turned == [{"instruction": "Be terse.", "input": "Name a bird.", "output": "A wren."}]

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            (sharegpt(*[("human", "a"), ("gpt", "b")] * 2), "4 turns; an example is one question"),
            (sharegpt(("gpt", "b"), ("human", "a")), "2 turns; an example is one question"),
            (openai(("user", "a"), ("system", "x"), ("assistant", "b")), "2 turns; an example is one"),
            (openai(("user", "a"), ("tool", "b")), "a turn that is no text of system, user or assistant"),
            (more(tool_calls=[{"type": "function"}]), "a turn with tool_calls, which is more than its text"),
            (more(weight=0), "a turn with weight 0, which is more than its text"),
            (openai(("user", [{"type": "image_url"}]), ("assistant", "b")), "a turn that is no text"),
            (
                openai(("user", "a"), ("assistant", "b")) | {"user": "c"},
                "the row has a column 'user' besides",
            ),
        ],
    )
    def test_what_is_no_single_exchange_is_named(
        self, tmp_path: Path, row: dict[str, Any], told: str
    ) -> None:
        assert told in complaint(jsonl(tmp_path, row), INSTRUCTION)

    def test_keys_that_say_nothing_are_no_fault(self, tmp_path: Path) -> None:
        row = more(tool_calls=None, refusal=None, weight=1)
        assert fields(jsonl(tmp_path, row), INSTRUCTION)[0]["output"] == "b"

    def test_a_chat_beside_a_label_can_be_its_text_or_be_left_out(self, tmp_path: Path) -> None:
        row = openai(("user", "It broke.\nAgain."), ("assistant", "Since when?"), ("user", "May."))
        source = jsonl(tmp_path, row | {"label": "bug"})
        assert "or one text of them (--map messages=FIELD)" in complaint(source, LABELS)
        said = "User: It broke.\n| Again.\nAssistant: Since when?\nUser: May."
        assert fields(source, LABELS, mapping={"messages": "text"}) == [{"text": said, "label": "bug"}]
        both = jsonl(tmp_path, row | {"label": "bug", "text": "Broken."})
        assert fields(both, LABELS, mapping={"messages": ""}) == [{"text": "Broken.", "label": "bug"}]
        said = [{"role": "assistant", "content": "A wren."}]
        for name in ("input", "output"):  # never without being asked, never as an answer
            told = complaint(
                jsonl(tmp_path, ALPACA[0] | {name: said}), INSTRUCTION, mapping={"output": "output"}
            )
            assert f"field '{name}': input should be a valid string" in told
        calls = jsonl(tmp_path, more(tool_calls=[{"type": "function"}]) | {"label": "bug"})
        assert "a turn with tool_calls" in complaint(calls, LABELS, mapping={"messages": "text"})

    def test_a_saved_dataset_of_chats(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets", reason="pip install 'seedgate[train]'")
        rows = [openai(("user", "Name a bird."), ("assistant", "A wren."))]
        datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
        assert fields(str(tmp_path / "saved"), INSTRUCTION) == [ALPACA[0]]


class TestDryRun:
    def test_it_shows_what_becomes_of_each_column_and_writes_nothing(self, tmp_path: Path) -> None:
        rows = [
            openai(("system", "Sort it."), ("user", f"Text {n}."), ("assistant", label)) | {"id": n}
            for n, label in enumerate(["bug", "billing", "bug"])
        ]
        source = jsonl(tmp_path, *rows)
        given = ["--map", "system=", "--map", "id=", "--map", "assistant=label", "--dry-run"]
        done = CliRunner().invoke(app, ["init", str(tmp_path / "new"), "--seeds", source, *given])
        assert done.exit_code == 0, done.output
        lines = [line.split() for line in done.output.splitlines()]
        assert ["user", "text", "Text", "0."] in lines
        assert ["assistant", "label", "bug"] in lines
        assert ["id", "(left", "out)", "0"] in lines
        assert "labels: bug, billing" in done.output
        assert "3 seeds, 0 evaluation examples; nothing was written" in done.output
        assert not (tmp_path / "new").exists()

    def test_the_uses_of_columns_without_a_command_line(self, tmp_path: Path) -> None:
        uses = column_uses(jsonl(tmp_path, ALPACA[0] | {"tags": ["edge"]}), INSTRUCTION)
        assert [(use.column, use.field) for use in uses] == [
            ("instruction", "instruction"),
            ("input", "input"),
            ("output", "output"),
            ("tags", "tags"),
        ]

"""A release for other trainers: only what verifies, nothing lost, each line traceable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import InputError, RefusedError
from seedgate.finetune import export, release
from seedgate.seeds import verified_seeds
from seedgate.workspace import Workspace
from tests.finetune.reviewing import TEXTS, Reviewing, example

TEXT, LABEL = TEXTS[0]


@pytest.fixture
def released(approved: Workspace) -> Workspace:
    release(approved)
    return approved


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def of_text(rows: list[dict[str, Any]], text: str) -> dict[str, Any]:
    (found,) = (row for row in rows if text in json.dumps(row, ensure_ascii=False))
    return found


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (
            "openai",
            {"messages": [{"role": "user", "content": TEXT}, {"role": "assistant", "content": LABEL}]},
        ),
        ("sharegpt", {"conversations": [{"from": "human", "value": TEXT}, {"from": "gpt", "value": LABEL}]}),
        ("alpaca", {"input": TEXT, "output": LABEL}),
    ],
)
def test_every_row_is_there_once_in_the_form_of_the_field(
    released: Workspace, tmp_path: Path, form: Any, wanted: dict[str, Any]
) -> None:
    done = export(released, format=form, out=tmp_path / "out.jsonl")
    rows = lines(done.path)
    assert (done.release, done.rows, done.left_out) == ("r001", len(rows), 0)
    ids = [event.subject for event in released.ledger.events("candidate.created")]
    assert sorted(row["id"] for row in rows) == sorted([*verified_seeds(released)[0], *ids])
    found = of_text(rows, TEXT)
    assert {key: found[key] for key in wanted} == wanted
    if form == "alpaca":
        assert found["instruction"] == released.task.instructions
    assert "simulated" not in found


def test_a_correction_and_a_rejected_answer_are_preference_pairs(
    reviewing: Reviewing, tmp_path: Path
) -> None:
    ws = reviewing.ws
    wrong = reviewing.candidate(example(TEXT, "billing"))
    right = reviewing.edit(wrong, example(TEXT, LABEL))
    reviewing.verdicts({right: "approve"}, reviewer="second")
    again = reviewing.candidate(example(TEXT, "account"))
    reviewing.verdicts({again: "reject"})
    other = reviewing.candidate(example("Nobody answers the phone.", "account"))
    reviewing.approve(other)
    release(ws)
    done = export(ws, format="preferences", out=tmp_path / "pairs.jsonl")
    pairs = lines(done.path)
    assert [(pair["why"], pair["rejected"][0]["content"]) for pair in pairs] == [
        ("edited", "billing"),
        ("rejected", "account"),
    ]
    assert {pair["chosen"][0]["content"] for pair in pairs} == {LABEL}
    assert {pair["id"] for pair in pairs} == {right}
    assert TEXT in pairs[0]["prompt"][0]["content"]
    assert done.left_out == len(verified_seeds(ws)[0]) + 1


def test_what_a_program_approved_says_so(make_workspace: Callable[..., Workspace], tmp_path: Path) -> None:
    reviewing = Reviewing(make_workspace(simulated_reviewer="simulated"))
    first, second = reviewing.candidates(2)
    reviewing.approve(first, reviewer="simulated", simulated=True)
    reviewing.approve(second)
    release(reviewing.ws)
    rows = {row["id"]: row for row in lines(export(reviewing.ws, format="openai", out=tmp_path / "o").path)}
    assert rows[first]["simulated"] is True
    assert "simulated" not in rows[second]


def test_no_pairs_is_one_line(released: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pairs"):
        export(released, format="preferences", out=tmp_path / "pairs.jsonl")
    assert not (tmp_path / "pairs.jsonl").exists()


def test_a_file_that_is_there_is_kept(released: Workspace, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export(released, format="openai", out=tmp_path / "mine.jsonl")
    assert (tmp_path / "mine.jsonl").read_text() == "mine"


def test_an_unknown_format_names_those_there_are(released: Workspace) -> None:
    with pytest.raises(InputError, match="choose one of alpaca, sharegpt, openai, preferences"):
        export(released, format="csv")  # type: ignore[arg-type]


def test_a_recalled_row_or_a_changed_file_is_not_exported(released: Workspace, tmp_path: Path) -> None:
    table = released.releases_dir / "r001" / "train.parquet"
    data = table.read_bytes()
    table.chmod(0o644)
    table.write_bytes(data[:-1] + b"?")
    with pytest.raises(RefusedError, match=r"train.parquet"):
        export(released, "r001", format="openai", out=tmp_path / "out.jsonl")
    table.write_bytes(data)
    table.chmod(0o444)
    Reviewing(released).take_back(next(released.ledger.events("candidate.created")).subject)
    with pytest.raises(RefusedError, match="approved no more"):
        export(released, "r001", format="openai", out=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()

"""On real data: 200 rows of 20 confusable intents of BANKING77 become a baseline."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import RefusedError
from seedgate.records import Example
from seedgate.seeds import baseline, check, column_values, create_workspace, lock, read_examples, verify
from seedgate.seeds.near import fold, jaccard
from seedgate.task import Task

pytestmark = pytest.mark.data

LABELS = 20


@pytest.fixture(scope="module")
def bank(data_dir: Path) -> Path:
    folder = data_dir / "banking77"
    if not folder.is_dir():
        pytest.skip(f"no banking77 in {data_dir}")
    return folder


def declared(labels: list[str]) -> dict[str, Any]:
    return {"preset": "classification", "name": "banking", "labels": labels}


def by_label(path: Path, labels: list[str], each: int, folder: Path) -> Path:
    """A file with the first rows of each label."""
    kept: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["label"] in labels and len(kept[row["label"]]) < each:
            kept[row["label"]].append(line)
    out = folder / path.name
    out.write_text("\n".join(line for label in labels for line in kept[label]), encoding="utf-8")
    return out


def test_200_rows_are_imported_checked_signed_off_and_locked(bank: Path, tmp_path: Path) -> None:
    labels = column_values(str(bank / "train.jsonl"), "label")[:LABELS]
    table = declared(labels)
    task = Task.from_config(table)
    seeds = read_examples(str(by_label(bank / "train.jsonl", labels, 10, tmp_path)), task)
    held_out = read_examples(str(by_label(bank / "test.jsonl", labels, 10, tmp_path)), task)
    assert len(seeds) == len(held_out) == 200
    report = check(seeds, held_out, task)
    assert set(report.labels.values()) == {10}
    # Overlap in the source itself: what `init` would show, and what the user then takes out.
    leaking = {row for finding in report.errors if finding.code == "overlap" for row in finding.rows}
    clean = [example for example in held_out if example.source not in leaking]
    assert len(clean) >= 190
    with create_workspace(
        tmp_path / "bank",
        name="banking",
        task=table,
        seeds=seeds,
        evaluation=clean,
        guidelines="Approve what a customer of a bank could have written.",
    ) as ws:
        assert verify(ws, by="PolyAI", statement="As published.") == 200
        assert lock(ws).smallest_difference == pytest.approx(0.09, abs=0.01)
        assert Counter(seed.fields["label"] for seed in baseline(ws).seeds.values()) == dict.fromkeys(
            labels, 10
        )


def test_its_known_leaks_from_test_into_train_are_found(bank: Path, tmp_path: Path) -> None:
    labels = column_values(str(bank / "train.jsonl"), "label")
    task = Task.from_config(declared(labels))
    train = read_examples(str(bank / "train.jsonl"), task)
    test = read_examples(str(bank / "test.jsonl"), task)
    report = check(train, test, task)
    held_out = {example.source: str(example.fields["text"]) for example in test}
    texts = {example.source: str(example.fields["text"]) for example in train}
    found = [finding.rows for finding in report.findings if finding.code == "overlap"]
    assert all(jaccard(texts[seed], held_out[row]) >= 0.7 for seed, row in found)
    # The data's own notes count 7 test texts that are in train apart from case and space.
    folded = {fold(text) for text in texts.values()}
    leaking = {text for text in held_out.values() if fold(text) in folded}
    assert len(leaking) == 7
    assert leaking <= {held_out[row] for _, row in found}


def test_a_baseline_with_a_leak_is_not_signed_off(bank: Path, tmp_path: Path) -> None:
    labels = column_values(str(bank / "train.jsonl"), "label")[:LABELS]
    seeds = read_examples(
        str(by_label(bank / "train.jsonl", labels, 10, tmp_path)), Task.from_config(declared(labels))
    )
    leak = Example(fields=seeds[3].fields | {"text": f"{seeds[3].fields['text']} "}, source="leak")
    with (
        create_workspace(
            tmp_path / "bank",
            name="banking",
            task=declared(labels),
            seeds=seeds,
            evaluation=[leak],
            guidelines="x",
        ) as ws,
        pytest.raises(
            RefusedError,
            match=r"seeds\.jsonl:4, eval\.jsonl:1: the seed and a row of the evaluation set are the same",
        ),
    ):
        verify(ws, by="PolyAI", statement="As published.")

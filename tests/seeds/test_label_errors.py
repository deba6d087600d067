"""Probable label errors: altered labels are found with what was right, sound ones left alone, small labels named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seedgate.records import Example
from seedgate.seeds import Meanings, open_embedder
from seedgate.seeds.label_errors import LEAST_ROWS, TIMES, label_findings, out_of_fold, suspects
from seedgate.task import Task

NAMES = ("fruit", "metal", "bird", "fish")
TASK = Task.from_config({"preset": "classification", "name": "t", "labels": list(NAMES)})


def clouds(each: int = 20, width: int = 32, spread: float = 0.6) -> tuple[list[str], NDArray[np.float32]]:
    """Labels and vectors of length one around four middles."""
    chance = np.random.default_rng(7)
    middles = np.linalg.qr(chance.standard_normal((width, len(NAMES))))[0].T
    noise = chance.standard_normal((len(NAMES), each, width)) * spread / np.sqrt(width)
    vectors = (middles[:, None] + noise).reshape(-1, width)
    labels = [name for name in NAMES for _ in range(each)]
    return labels, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_altered_labels_are_found_with_the_label_that_was_right() -> None:
    labels, vectors = clouds()
    altered = {3: "bird", 25: "fish", 70: "metal"}
    given = [altered.get(place, label) for place, label in enumerate(labels)]
    found = suspects(given, vectors)
    assert {each.row: each.label for each in found} == {place: labels[place] for place in altered}
    for each in found:
        assert each.suggested >= TIMES * each.given
    assert [each.given / each.suggested for each in found] == sorted(e.given / e.suggested for e in found)


def test_sound_labels_are_left_alone_and_the_same_rows_get_the_same_answer() -> None:
    labels, vectors = clouds()
    assert suspects(labels, vectors) == []
    labels[0] = "fish"
    assert suspects(labels, vectors) == suspects(labels, vectors)


def test_a_row_is_never_judged_by_a_model_that_has_seen_it() -> None:
    """Random labels: what has not seen them is right one time in four."""
    chance = np.random.default_rng(3)
    vectors = clouds(100)[1]
    given = chance.integers(4, size=len(vectors))
    chances = out_of_fold(given, vectors)
    assert chances.shape == (400, 4)
    assert np.allclose(chances.sum(1), 1)
    assert (chances.argmax(1) == given).mean() < 0.35


def test_labels_with_few_rows_are_not_judged_and_that_is_said() -> None:
    labels, vectors = clouds(LEAST_ROWS - 1)
    (note,) = label_findings(examples(labels), TASK, vectors)
    assert (note.code, note.severity, len(note.rows)) == ("not_judged", "info", 8)
    assert note.what.startswith(
        "8 rows were not looked at for label errors: 'bird', 'fish', 'fruit', 'metal' have fewer than 3 rows"
    )


def test_labels_with_just_enough_rows_are_judged() -> None:
    labels, vectors = clouds(LEAST_ROWS)
    assert list(label_findings(examples(labels), TASK, vectors)) == []


def test_the_rows_of_a_small_label_do_not_disturb_the_others() -> None:
    labels, vectors = clouds()
    labels = ["rare" if place == 40 else label for place, label in enumerate(labels)]
    labels[3] = "metal"
    assert [each.row for each in suspects(labels, vectors)] == [3]


@pytest.mark.parametrize("labels", [[], ["a"], ["a"] * 9, ["a", "b"] * 2])
def test_too_little_to_learn_from_is_nothing(labels: list[str]) -> None:
    assert suspects(labels, np.ones((len(labels), 4), np.float32)) == []


def test_a_finding_names_row_suggestion_and_confidence() -> None:
    labels, vectors = clouds()
    labels[25] = "fish"
    (finding,) = label_findings(examples(labels), TASK, vectors)
    assert (finding.code, finding.severity, finding.rows) == ("label_error", "warning", ("seeds.jsonl:26",))
    assert finding.what.startswith("label is 'fish'; the other rows suggest 'metal' (")
    assert "'metal'" in finding.advice


def test_a_task_without_labels_is_not_asked() -> None:
    alpaca = Task.from_config({"preset": "instruction", "name": "t"})
    row = Example(fields={"instruction": "Add.", "input": "", "output": "2"})
    assert list(label_findings([row], alpaca, np.ones((1, 4), np.float32))) == []


@pytest.mark.data
def test_most_of_what_is_told_on_banking77_was_altered(data_dir: Path) -> None:
    """benchmarks/label_errors.py measures it; this holds one small draw to a loose bound."""
    lines = (data_dir / "banking77" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    chosen = sorted({row["label"] for row in rows})[::6]
    kept = [row for label in chosen for row in [r for r in rows if r["label"] == label][:15]]
    task = Task.from_config({"preset": "classification", "name": "t", "labels": chosen})
    vectors = Meanings(task, open_embedder()).vectors([Example(fields=row) for row in kept])
    labels = [row["label"] for row in kept]
    altered = range(4, len(kept), 20)
    for place in altered:
        labels[place] = chosen[(chosen.index(labels[place]) + 4) % len(chosen)]
    found = {each.row for each in suspects(labels, vectors)}
    assert len(found & set(altered)) >= 0.7 * len(altered)
    assert len(found & set(altered)) >= 0.7 * len(found)


def examples(labels: list[str]) -> list[Example]:
    return [
        Example(fields={"text": f"row {number}", "label": label}, source=f"seeds.jsonl:{number}")
        for number, label in enumerate(labels, 1)
    ]

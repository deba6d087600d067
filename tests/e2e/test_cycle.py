"""The whole job on real vLLM, real Argilla and real training: seeds, candidates, review, release, model, figures.

Training, generation and evaluation are kept short here (a few steps, candidates and rows): what is tested is that
every part works with the next, not how good the model becomes. `make demo` runs the full sizes.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from seedgate.cli.demo import run_demo
from seedgate.errors import RefusedError, WaitingError
from seedgate.records import Example
from seedgate.review import decisions, review_status
from seedgate.seeds import (
    NearIndex,
    create_workspace,
    example_workspace,
    lock,
    read_examples,
    text_of,
    verify,
)
from seedgate.task import Task
from seedgate.workspace import Workspace
from tests.review.desk import few_evaluation_rows

from .conftest import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

SHORT: dict[str, dict[str, Any]] = {
    "generation": {"candidates": 30},
    "training": {"max_steps": 6},
    "review": {"wave_size": 30},
}


def seedgate(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seedgate", *args], capture_output=True, text=True, timeout=900
    )


def test_the_shipped_example_goes_through_a_cycle_and_waits_for_a_person(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reviewer_name: str
) -> None:
    stack.use(monkeypatch)
    folder = tmp_path / "demo"
    simulated = f"simulated-{reviewer_name}"
    example_workspace(
        folder,
        evaluation=few_evaluation_rows(),
        simulated_reviewer=simulated,
        reviewers=(reviewer_name,),
        settings=SHORT,
    ).close()

    done = seedgate("demo", str(folder))

    assert done.returncode == 0, done.stderr
    assert "password" in done.stdout
    with Workspace(folder) as ws:
        first, second = (e.payload for e in list(ws.ledger.events("release.created"))[:2])
        assert (first["counts"]["seeds"], first["counts"]["approved"]) == (200, 0)
        assert second["counts"]["approved"] > 0
        assert second["counts"]["approved_simulated"] == second["counts"]["approved"]
        models = [event.subject for event in ws.ledger.events("model.evaluated")]
        assert len(set(models)) == 3, "the base model, the seeds alone, and the first cycle"
        waiting = {r.name: r.open for r in review_status(ws).reviewers}
        assert waiting[reviewer_name] > 0
        assert waiting[simulated] == 0
        card = (ws.releases_dir / "r001" / "README.md").read_text(encoding="utf-8")
        assert "simulated" in card
    assert seedgate("audit", "-w", str(folder)).returncode == 0
    waits = seedgate("cycle", "-w", str(folder))
    assert waits.returncode == WaitingError.exit_code, waits.stderr
    assert_train_refuses_a_changed_release(folder)


def assert_train_refuses_a_changed_release(folder: Path) -> None:
    path = folder / "releases" / "r001" / "train.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    refused = seedgate("train", "r001", "-w", str(folder))
    assert refused.returncode == RefusedError.exit_code, refused.stderr
    assert "train.parquet" in refused.stderr
    assert seedgate("audit", "-w", str(folder)).returncode == 1


@pytest.mark.data
def test_200_rows_of_banking77_go_through_a_cycle(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_dir: Path, reviewer_name: str
) -> None:
    stack.use(monkeypatch)
    seeds, evaluation, gold = banking77(data_dir / "banking77", tmp_path)
    folder = tmp_path / "bank"
    labels = sorted({str(row.fields["label"]) for row in seeds})
    with create_workspace(
        folder,
        name="bank",
        task={"preset": "classification", "name": "bank", "labels": labels, "audience": "messages to a bank"},
        seeds=seeds,
        evaluation=evaluation,
        guidelines="# Reviewing\n\nApprove what a customer of a bank could write under its label.\n",
        reviewers=(reviewer_name,),
        simulated_reviewer=f"simulated-{reviewer_name}",
        # Customers wrote these rows independently, and many say the same in nearly the same words.
        settings=SHORT | {"policy": SHORT.get("policy", {}) | {"semantic_leak": 0.99}},
    ) as ws:
        verify(ws, by="banking77", statement="The data set's own labels.")
        lock(ws)

    run_demo(folder, candidates=30, knowledge=gold)

    with Workspace(folder) as ws:
        assert (ws.ledger.count("seed.verified"), len(labels)) == (200, 20)
        outcomes = {d.outcome for d in decisions(ws).values()}
        assert {"approved", "pending"} <= outcomes
        assert len({event.subject for event in ws.ledger.events("model.evaluated")}) == 3
    assert seedgate("audit", "-w", str(folder)).returncode == 0


def banking77(folder: Path, tmp_path: Path) -> tuple[list[Example], list[Example], list[Example]]:
    """200 seeds of 20 confusable labels, about 60 evaluation rows of test, and all of train for the reviewer."""
    train = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    test = [json.loads(line) for line in (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    confusable = [
        label
        for label in sorted({row["label"] for row in train})
        if any(word in label for word in ("card", "top_up", "transfer", "cash"))
    ][:20]
    task = Task.from_config({"preset": "classification", "name": "bank", "labels": confusable})

    def draw(rows: list[dict[str, str]], each: int | None, name: str) -> list[Example]:
        by_label: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in rows:
            if row["label"] in confusable:
                by_label[row["label"]].append({"text": row["text"], "label": row["label"]})
        rng = random.Random(7)
        drawn = [r for rows in by_label.values() for r in (rng.sample(rows, each) if each else rows)]
        unique = {" ".join(row["text"].casefold().split()): row for row in drawn}
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in unique.values()), encoding="utf-8")
        return read_examples(str(path), task)

    seeds = draw(train, 10, "seeds.jsonl")
    near = NearIndex(0.7)
    for seed in seeds:
        near.add(seed.id, text_of(task, seed.fields))
    # The data set's own test rows repeat some of its train rows nearly word for word.
    evaluation = [row for row in draw(test, 3, "eval.jsonl") if not near.nearest(text_of(task, row.fields))]
    return seeds, evaluation, draw(train, None, "gold.jsonl")

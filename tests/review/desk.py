"""A workspace as large as a real one: the shipped seeds, and some hundred candidates that resemble a model's.

A part of the shipped rows are the seeds, the others give the sentences that candidates are made of; some
candidates have another label than they should. All of them have passed the filters.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from fakes.reviewing import Reviewer

from seedgate.generator import FilterChain
from seedgate.records import Example
from seedgate.review.state import read_state
from seedgate.seeds import example_workspace, lock, read_examples, verify
from seedgate.task import Task
from seedgate.workspace import Workspace

__all__ = [
    "approve_but_bad_controls",
    "desk_workspace",
    "few_evaluation_rows",
    "sentences_of",
    "shipped_rows",
]

SEEDS = 150
WRONG = 0.3
"""Share of candidates with a label drawn at random."""

TOGETHER = 100
"""Candidates that are checked at once: their vectors take a quarter of the time that they take one by one."""


def desk_workspace(
    folder: Path,
    add_candidates: Callable[..., list[str]],
    *,
    candidates: int,
    seed: int = 1,
    reviewers: tuple[str, ...] = ("anna",),
    **review: Any,
) -> Workspace:
    """The support-desk workspace, verified and locked, with candidates that wait for review."""
    rows = shipped_rows()
    rng = random.Random(seed)
    rng.shuffle(rows)
    ws = example_workspace(
        folder,
        seeds=rows[:SEEDS],
        evaluation=rows[SEEDS : SEEDS + 50],
        reviewers=reviewers,
        settings={"policy": {"verified_seeds": SEEDS}, "review": review},
    )
    verify(ws, by="An Expert", statement="I have read every row.")
    lock(ws)
    add_candidates(ws, _rows(ws, rows[SEEDS + 50 :], candidates, rng))
    return ws


def shipped_rows(*parts: str) -> list[Example]:
    """The seeds and the evaluation rows of the shipped example, or one part, `seeds` or `eval`."""
    with as_file(files("seedgate.seeds.examples").joinpath("support_desk")) as example:
        task = Task.from_config(tomllib.loads((example / "task.toml").read_text(encoding="utf-8")))
        return [
            row
            for part in parts or ("seeds", "eval")
            for row in read_examples(str(example / f"{part}.jsonl"), task)
        ]


def few_evaluation_rows() -> list[Example]:
    """A third of those of the shipped example: a model that is small is slow to ask."""
    return shipped_rows("eval")[::3]


def sentences_of(text: str) -> list[str]:
    """What candidates are put together from."""
    return re.split(r"(?<=[.!?]) ", text)


def approve_but_bad_controls(ws: Workspace, names: tuple[str, ...]) -> None:
    """Each of these people rejects the controls that are wrong and approves everything else."""
    bad = {c.record_id for c in read_state(ws.ledger).controls.values() if c.truth == "bad"}
    for name in names:
        with Reviewer(ws, name) as reviewer:
            for record in reviewer.records():
                decision = "reject" if record["external_id"] in bad else "approve"
                reviewer.put(record, record["prefilled"] | {"decision": decision})


def _rows(ws: Workspace, material: list[Example], amount: int, rng: random.Random) -> dict[str, str]:
    """One to three sentences of one label put together, as long as the rows they come from."""
    chain, rows = FilterChain.for_workspace(ws), {}
    sentences: dict[str, list[str]] = {}
    lengths = []
    for each in material:
        parts = [p for p in sentences_of(str(each.fields["text"])) if len(p.split()) > 3]
        sentences.setdefault(str(each.fields["label"]), []).extend(parts)
        lengths.append(max(1, min(3, len(parts))))
    labels = sorted(sentences)
    while True:
        drawn = []
        for _ in range(TOGETHER):
            of = rng.choice(labels)
            text = " ".join(rng.sample(sentences[of], rng.choice(lengths)))
            label = rng.choice(labels) if rng.random() < WRONG else of
            drawn.append(Example(fields={"text": text, "label": label}))
        chain.prepare(drawn)
        for example in drawn:
            if chain.check(example) is None:
                chain.accept(example)
                rows[str(example.fields["text"])] = str(example.fields["label"])
                if len(rows) == amount:
                    return rows

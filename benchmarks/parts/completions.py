"""Real completions for other benchmarks: candidates that SmolLM2-135M writes for 200 seeds of banking77.

`pool` gives them from a folder outside the repository, and makes them there first where they are missing: a workspace
with 200 seeds of 20 confusable labels, or of all 77, and the embedded vLLM (or the server named by SEEDGATE_VLLM_URLS).
Candidates are what `generate` keeps after its filters; nobody has reviewed them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seedgate.finetune import newest_writer, release, train
from seedgate.generator import candidates, generate
from seedgate.records import Example
from seedgate.seeds import create_workspace, lock, verify
from seedgate.seeds.near import NearIndex
from seedgate.workspace import Workspace

SEEDS, NEAR = 200, 0.7
WORDS = ("card", "top_up", "transfer", "cash")
"""In the names of labels that even people confuse; the first 20 labels with one of them are the confusable ones."""

__all__ = ["banking77", "chosen_labels", "folders", "pool"]


def banking77(folder: Path, part: str) -> list[dict[str, str]]:
    """Rows of a part, `train` or `test`, with the label's name as words."""
    lines = (folder / "banking77" / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [each | {"label": each["label"].replace("_", " ")} for each in map(json.loads, lines)]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every benchmark on these pools can be told; `folders` reads the first and the last."""
    parser.add_argument(
        "--pool", type=Path, help="folder of the candidates, made if missing (default: SEEDGATE_POOL)"
    )
    parser.add_argument("--candidates", type=int, default=2000)
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")


def folders(pool_of: Path | None, data: Path | None) -> tuple[Path, Path] | str:
    """Where the pools and the data sets are, by argument or environment; a sentence where one of them is missing."""
    given = data or os.environ.get("SEEDGATE_DATA")
    sets = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    folder = pool_of or os.environ.get("SEEDGATE_POOL")
    if folder is None or not (sets / "banking77" / "train.jsonl").is_file():
        return f"give --pool, and --data with banking77 (not in {sets})"
    return Path(folder), sets


def chosen_labels(rows: Sequence[dict[str, str]], labels: int) -> list[str]:
    """All labels, or the first so many with one of the words that make them confusable."""
    names = sorted({row["label"] for row in rows})
    if labels >= len(names):
        return names
    return [name for name in names if any(word.replace("_", " ") in name for word in WORDS)][:labels]


def drawn_seeds(rows: Sequence[dict[str, str]], names: Sequence[str], draw: int) -> list[dict[str, str]]:
    """200 rows, as many of each label as of any other, or one more."""
    rng = random.Random(draw)
    by_label: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rng.sample(list(rows), len(rows)):
        if row["label"] in names:
            by_label[row["label"]].setdefault(" ".join(row["text"].casefold().split()), row)
    order = rng.sample(list(names), len(names))
    turns = [list(by_label[name].values()) for name in order]
    return [turn[place] for place in range(SEEDS) for turn in turns if place < len(turn)][:SEEDS]


def locked(
    rows: Sequence[dict[str, str]], names: Sequence[str], seeds: Sequence[dict[str, str]], draw: int
) -> list[dict[str, str]]:
    """300 rows that are near no seed; the data set's two parts repeat each other in places."""
    near = NearIndex(NEAR)
    for seed in seeds:
        near.add(seed["text"], seed["text"])
    order = random.Random(draw).sample(list(rows), len(rows))
    unique = {row["text"].casefold(): row for row in order if row["label"] in names}
    return [row for row in unique.values() if not near.nearest(row["text"])][:300]


def pool(
    folder: Path, data: Path, labels: int, wanted: int, generation: Mapping[str, Any] | None = None
) -> tuple[Workspace, list[Example]]:
    """A workspace and its candidates, oldest first; goes on with a pool that was begun.

    Args:
        folder: Of the workspace.
        data: Of the data sets.
        labels: How many, 77 for all.
        wanted: Candidates.
        generation: What differs in `[generation]`; a writer that it wants is trained on the seeds.
    """
    if not (folder / "seedgate.toml").is_file():
        gold, test = banking77(data, "train"), banking77(data, "test")
        names = chosen_labels(gold, labels)
        seeds = drawn_seeds(gold, names, labels)
        with create_workspace(
            folder,
            name=f"bank-{labels}",
            task={
                "preset": "classification",
                "name": "bank",
                "labels": names,
                "audience": "messages to a bank",
            },
            seeds=[Example(fields=row) for row in seeds],
            evaluation=[Example(fields=row) for row in locked(test, names, seeds, labels)],
            guidelines="# Reviewing\n\nApprove what a customer of a bank could write under its label.\n",
            settings={
                # The data set's own rows repeat each other nearly word for word.
                "policy": {"semantic_leak": 0.99, "near_duplicate": NEAR},
                "generation": {"strategies": {"few_shot": 1.0}} | dict(generation or {}),
            },
        ) as ws:
            verify(ws, by="banking77", statement="The data set's own labels.")
            lock(ws)
    ws = Workspace(folder)
    have = [each.example for each in candidates(ws.ledger)]
    if len(have) < wanted:
        from seedgate.services import StackSpec, down, up

        embedded = not os.environ.get("SEEDGATE_VLLM_URLS")
        try:
            if embedded:
                up(ws.root, StackSpec(services=("vllm",)), print)
            if "writer" in ws.config.generation.strategies:
                release(ws)
                print(train(ws, writer=True))
            report = generate(ws, candidates=wanted, cycle=1, writer=partial(newest_writer, ws))
            print(report)
        finally:
            if embedded:
                down(ws.root)
        have = [each.example for each in candidates(ws.ledger)]
    return ws, have[:wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=2000)
    args = parser.parse_args()
    ws, found = pool(args.folder, args.data, args.labels, args.candidates)
    with ws:
        print(f"{len(found)} candidates in {args.folder}")


if __name__ == "__main__":
    main()

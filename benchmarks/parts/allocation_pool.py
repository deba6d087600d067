"""Makes the pool that `allocation.py` replays: real completions of a small model, each strategy by itself.

A workspace has 200 rows of banking77 as seeds, ten of each of the 20 labels that are nearest in meaning to one of them;
in each label the two that lie furthest from its middle are tagged `edge`. vLLM (the embedded stack's, or `--url`) is
asked by each strategy in a workspace of its own, so that none is filtered by what another wrote. All are in `--pool`, a
folder for each strategy, beside a file of what passed the filters. Run again after a kill, or to have more, it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seedgate.canonical import sha256
from seedgate.generator import candidates, generate
from seedgate.generator.clients.server import ServerClient
from seedgate.records import Example
from seedgate.seeds import create_workspace, lock, open_embedder, verify
from seedgate.services import StackSpec, down, up
from seedgate.workspace import Workspace

STRATEGIES = ("few_shot", "evolve", "contrast", "backward", "coverage_gaps", "edge_cases")
LABELS, SEEDS_EACH, EDGE_EACH, LOCKED = 20, 10, 2, 60
UNLIKE = 0.8
"""Locked rows are less alike to every seed than this: people wrote them, and banking77 repeats itself."""
STEP, CONCURRENCY = 200, 24
CENTRE = 7
"""Number of the draw that chooses labels and seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="nothing: the pool takes its time")
    parser.add_argument("--pool", type=Path, help="folder for the pool, outside of the repository")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")
    parser.add_argument("--candidates", type=int, default=600, help="of each strategy (default: 600)")
    parser.add_argument("--only", nargs="*", choices=STRATEGIES, help="strategies to have more of")
    parser.add_argument(
        "--url", help="base URL of a vLLM server, ending in /v1 (default: the embedded stack)"
    )
    parser.add_argument("--key", help="its API key (default: SEEDGATE_VLLM_API_KEY)")
    parser.add_argument("--model", default="smollm2-135m")
    args = parser.parse_args()
    if args.pool is None:
        print(json.dumps({"name": "allocation_pool", "skipped": "say where: --pool"}))
        return
    args.pool.mkdir(parents=True, exist_ok=True)
    seeds, locked = parts(data_folder(args.data) / "banking77", args.pool)
    write(args.pool / "seeds.jsonl", [{"fields": s.fields, "tags": s.tags} for s in seeds])
    with served(args, seeds, locked) as (url, key):
        # Some of each at a time, so that a pool that is cut short is of all strategies.
        for target in [*range(STEP, args.candidates, STEP), args.candidates]:
            for name in args.only or STRATEGIES:
                started = time.perf_counter()
                with workspace(args.pool / name, seeds, locked, {name: 1.0}) as ws:
                    client = ServerClient((url,), args.model, api_key=key, connections=CONCURRENCY)
                    report = generate(ws, candidates=target, cycle=1, client=client, concurrency=CONCURRENCY)
                    rows = [
                        {"fields": c.example.fields, "tags": c.example.tags} for c in candidates(ws.ledger)
                    ]
                write(args.pool / f"{name}.jsonl", rows)
                print(f"{name}: {len(rows)}, {time.perf_counter() - started:.0f} s; {report}", flush=True)


def data_folder(given: Path | None) -> Path:
    named = given or os.environ.get("SEEDGATE_DATA")
    return Path(named) if named else Path(__file__).parents[3] / "shared" / "data"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """All of it or nothing: a half pool would be taken for a whole one."""
    half = path.with_suffix(".half")
    half.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    half.rename(path)


def vectors_of(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """Meanings of texts, shape [texts, width], computed once."""
    path = folder / f"vectors-{sha256(chr(0).join(texts))[:12]}.npy"
    if not path.is_file():
        np.save(path, open_embedder().embed(list(texts)))
    found: np.ndarray = np.load(path)
    return found


def parts(bank: Path, pool: Path) -> tuple[list[Example], list[Example]]:
    """Seeds, and rows for the evaluation lock."""
    train, test = rows_of(bank / "train.jsonl"), rows_of(bank / "test.jsonl")
    vectors = vectors_of(pool, [row["text"] for row in train])
    labels = np.array([row["label"] for row in train])
    names = sorted(set(labels.tolist()))
    middles = np.stack([vectors[labels == name].mean(0) for name in names])
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    chance = np.random.default_rng(CENTRE)
    near = np.argsort(-(middles @ middles[chance.integers(len(names))]), kind="stable")[:LABELS]
    seeds = []
    for place in sorted(near.tolist()):
        own = chance.permutation(np.flatnonzero(labels == names[place]))[:SEEDS_EACH]
        far = set(own[np.argsort(vectors[own] @ middles[place], kind="stable")[:EDGE_EACH]].tolist())
        for row in own.tolist():
            fields = {"text": train[row]["text"], "label": names[place]}
            seeds.append(Example(fields=fields, tags=("edge",) if row in far else ("core",)))
    chosen = {names[place] for place in near.tolist()}
    rest = [row for row in test if row["label"] in chosen]
    shown = open_embedder().embed([str(seed.fields["text"]) for seed in seeds])
    alike = (open_embedder().embed([row["text"] for row in rest]) @ shown.T).max(1)
    kept = [rest[i] for i in chance.permutation(len(rest)).tolist() if alike[i] < UNLIKE][:LOCKED]
    return seeds, [Example(fields={"text": row["text"], "label": row["label"]}) for row in kept]


@contextmanager
def workspace(
    root: Path, seeds: list[Example], locked: list[Example], strategies: dict[str, float]
) -> Iterator[Workspace]:
    """The workspace there, or a new one that is ready to generate."""
    if root.is_dir():
        with Workspace(root) as ws:
            yield ws
        return
    names = sorted({str(seed.fields["label"]) for seed in seeds})
    task = {
        "preset": "classification",
        "name": "banking",
        "instructions": "Name what a customer of a bank wants.",
        "audience": "messages that customers wrote to the chat of their bank",
        "labels": {name: name.replace("_", " ") for name in names},
    }
    with create_workspace(
        root,
        name="banking",
        task=task,
        seeds=seeds,
        evaluation=locked,
        guidelines="# Banking\n\nThe label names what the customer wants.\n",
        settings={
            "generation": {"strategies": strategies, "allocation": "fixed"},
            "policy": {"semantic_leak": 0.95},
        },
    ) as ws:
        verify(ws, by="benchmark", statement="Rows of banking77, for a measurement.")
        lock(ws)
        yield ws


@contextmanager
def served(
    args: argparse.Namespace, seeds: list[Example], locked: list[Example]
) -> Iterator[tuple[str, str | None]]:
    """Address and key of the server that was named, else of one of our own on the loopback."""
    url = args.url or os.environ.get("SEEDGATE_VLLM_URLS", "").split(",")[0]
    if url:
        yield url.rstrip("/"), args.key or os.environ.get("SEEDGATE_VLLM_API_KEY")
        return
    with (
        tempfile.TemporaryDirectory() as place,
        workspace(Path(place) / "server", seeds, locked, {"few_shot": 1.0}) as ws,
    ):
        try:
            state = up(ws.root, StackSpec(services=("vllm",)), print)
            if state.vllm_url is None:
                raise SystemExit("the embedded stack has no vLLM")
            yield state.vllm_url, ws.vllm_key()
        finally:
            down(ws.root)


if __name__ == "__main__":
    main()

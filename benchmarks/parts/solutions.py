"""Does the queue's order tell right from wrong solutions of grade school questions? Scores that ask no model.

`gsm8k_solutions` has solutions that models wrote, and which are right. A draw takes one right solution of each of 200
questions as seeds and those of the other questions as candidates; the order learns from 300 decisions drawn at random
and is measured on the rest (`learnt`, missing where they teach it nothing). Vectors are of the question, as seedgate
has them, and of question and solution.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedgate.generator.scores import Pool, score
from seedgate.review.approval import learn
from seedgate.review.score_auc import auc_of
from seedgate.review.scored import Judged
from seedgate.seeds.embedding import open_embedder

__all__ = ["solutions"]

SEEDS, DECIDED, DRAWS = 200, 300, 5

Vectors = NDArray[np.float32]


def solutions(data: Path, draws: int = DRAWS) -> dict[str, Any]:
    """AUC of each score and of the learnt probability, by what the vectors are of; printed, too."""
    path = data / "gsm8k_solutions" / "candidates.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    embedder = open_embedder()
    out: dict[str, Any] = {}
    for seen, texts in (
        ("question", [row["question"] for row in rows]),
        ("question and solution", [f"{row['question']}\n{row['solution']}" for row in rows]),
    ):
        known = sorted(set(texts))
        vectors = dict(zip(known, embedder.embed(known), strict=True))
        found = [
            _draw(rows, np.stack([vectors[text] for text in texts]), random.Random(n)) for n in range(draws)
        ]
        names = sorted({name for each in found for name in each})
        out[seen] = {name: [round(each[name], 4) for each in found if name in each] for name in names}
        told = ", ".join(
            f"{name} {np.mean(v):.3f} ({min(v):.3f} to {max(v):.3f}, {len(v)} draws)"
            for name, v in out[seen].items()
        )
        print(f"  gsm8k, AUC, vectors of the {seen}: {told}; of {draws} draws", flush=True)
    return out


def _draw(rows: list[dict[str, Any]], vectors: Vectors, rng: random.Random) -> dict[str, float]:
    right = [at for at in rng.sample(range(len(rows)), len(rows)) if rows[at]["is_correct"]]
    seeds = list({rows[at]["question"]: at for at in right}.values())[:SEEDS]
    taken = {rows[at]["question"] for at in seeds}
    places = [at for at, row in enumerate(rows) if row["question"] not in taken]
    pool = Pool(vectors=vectors[places], seeds=vectors[seeds], earlier=vectors[:0], labels=(), seed_labels=())
    scores = list(score(pool, [str(at) for at in places]).values())
    truth = [bool(rows[at]["is_correct"]) for at in places]
    first = set(rng.sample(range(len(places)), DECIDED))
    known = [Judged(str(at), truth[at], scores[at], None, "", 1, True, False) for at in sorted(first)]
    rest = [at for at in range(len(places)) if at not in first]
    told = [truth[at] for at in rest]
    model = learn(known)
    learnt = {} if model is None else {"learnt": model.chances([scores[at] for at in rest], [""] * len(rest))}
    columns = {
        name: [scores[at].get(name, float("nan")) for at in rest] for name in ("novelty", "fit")
    } | learnt
    return {name: auc_of(list(values), told).value for name, values in columns.items()}

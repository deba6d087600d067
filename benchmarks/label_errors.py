"""Precision and recall of `seeds check`'s label errors on banking77 with 5 % of the labels altered, over several draws.

A draw takes rows of some intents, as many of each as come, and gives 5 % of them another label: any other one, or one
of the three whose rows are nearest in meaning to those of the right one, as people confuse them. Three other ways use
the same out-of-fold probabilities: cleanlab alone (the rows of lowest self-confidence, as many as confident learning
estimates), the ratio alone (another label at least ten times as likely), and as many rows of the lowest self-confidence
as the finding names. Labels with fewer than three rows are judged by none. banking77 itself is not free of errors, so a
false alarm may be a find.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np

from seedgate.seeds.embedding import open_embedder
from seedgate.seeds.label_errors import LEAST_ROWS, TIMES, confident_issues, out_of_fold, suspects

SHARE = 0.05
NEAREST = 3
FIRST_DRAW = 2000
"""Others than those on which the rule was chosen (docs/adr/0010-cleanlab-and-a-ratio.md)."""

SETTINGS = ((200, 20), (200, 77), (2000, 77))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 rows of 20 labels only")
    parser.add_argument("--draws", type=int, default=10, help="draws per setting")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")
    args = parser.parse_args()
    given = args.data or os.environ.get("SEEDGATE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    path = folder / "banking77" / "train.jsonl"
    if not path.is_file():
        print(json.dumps({"name": "label_errors", "skipped": f"no {path}: give --data"}))
        return
    bank = Bank([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    results = {}
    for rows, labels in SETTINGS[:1] if args.quick else SETTINGS:
        for how in ("random", "confusable"):
            results[f"{rows} rows, {labels} labels, {how}"] = measure(bank, rows, labels, how, args.draws)
    finding = [arms["finding"] for arms in results.values()]
    print(
        json.dumps(
            {
                "name": "label_errors",
                "value": round(float(np.mean([arm["precision"] for arm in finding])), 4),
                "recall": round(float(np.mean([arm["recall"] for arm in finding])), 4),
                "draws": args.draws,
                "settings": results,
            }
        )
    )


class Bank:
    """Rows of banking77: vectors (computed when first asked for), labels, and which labels are near each other."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.names = sorted({row["label"] for row in rows})
        self.labels = np.array([self.names.index(row["label"]) for row in rows])
        self._texts = [row["text"] for row in rows]
        self._known: dict[int, np.ndarray] = {}

    def vectors(self, places: np.ndarray) -> np.ndarray:
        """Shape [places, width]."""
        missing = [place for place in places.tolist() if place not in self._known]
        if missing:
            fresh = open_embedder().embed([self._texts[place] for place in missing])
            self._known |= dict(zip(missing, fresh.astype(np.float16).astype(np.float32), strict=True))
        return np.stack([self._known[place] for place in places.tolist()])

    def draw(self, rows: int, labels: int, chance: np.random.Generator) -> np.ndarray:
        """Places of the rows, of so many labels, as even as they come."""
        chosen = chance.permutation(len(self.names))[:labels]
        each = -(-rows // labels)
        places = [chance.permutation(np.flatnonzero(self.labels == label))[:each] for label in chosen]
        return chance.permutation(np.concatenate(places))[:rows]


def altered(
    labels: np.ndarray, vectors: np.ndarray, how: str, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The labels with some altered, and which ones were."""
    known = np.unique(labels)
    middles = np.stack([vectors[labels == label].mean(0) for label in known])
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    nearness = middles @ middles.T
    np.fill_diagonal(nearness, -2)
    out, wrong = labels.copy(), np.zeros(len(labels), bool)
    for place in chance.permutation(len(labels))[: round(SHARE * len(labels))].tolist():
        ranked = known[np.argsort(-nearness[np.searchsorted(known, labels[place])])][:-1]
        among = ranked[:NEAREST] if how == "confusable" else ranked
        out[place], wrong[place] = among[chance.integers(len(among))], True
    return out, wrong


def arms_of(labels: np.ndarray, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Which rows each way tells, by name of the way."""
    found = suspects([str(label) for label in labels], vectors)
    counted = Counter(labels.tolist())
    judged = np.array([counted[label] >= LEAST_ROWS for label in labels.tolist()])
    given = np.unique(labels[judged], return_inverse=True)[1]
    chances = out_of_fold(given, vectors[judged])
    own = chances[np.arange(len(given)), given]
    lowest = np.zeros(len(given), bool)
    lowest[np.argsort(own, kind="stable")[: len(found)]] = True
    out = {"finding": np.isin(np.arange(len(labels)), [each.row for each in found])}
    for name, told in (
        ("cleanlab", confident_issues(given, chances)),
        ("ratio", chances.max(1) >= TIMES * own),
        ("lowest", lowest),
    ):
        out[name] = np.zeros(len(labels), bool)
        out[name][judged] = told
    return out | {"judged": judged}


def measure(bank: Bank, rows: int, labels: int, how: str, draws: int) -> dict[str, dict[str, float]]:
    """Mean and spread of precision and recall by way."""
    told: dict[str, list[tuple[int, int, int]]] = {}
    seconds, judged = [], []
    for draw in range(draws):
        chance = np.random.default_rng(FIRST_DRAW + draw)
        places = bank.draw(rows, labels, chance)
        vectors = bank.vectors(places)
        given, wrong = altered(bank.labels[places], vectors, how, chance)
        started = time.process_time()
        arms = arms_of(given, vectors)
        seconds.append((time.process_time() - started) / 2)  # the probabilities are computed twice
        judged.append(float(arms.pop("judged").mean()))
        for name, found in arms.items():
            told.setdefault(name, []).append((int((found & wrong).sum()), int(found.sum()), int(wrong.sum())))
    print(
        f"{rows} rows, {labels} labels, 5 % {how}: {draws} draws, {np.mean(judged):.0%} of the rows judged, "
        f"{np.mean(seconds):.1f} s of processor time",
        flush=True,
    )
    return {name: _tell(name, counts) for name, counts in told.items()}


def _tell(name: str, counts: list[tuple[int, int, int]]) -> dict[str, float]:
    right, found, wrong = np.array(counts).T
    precisions, recalls = right / np.maximum(found, 1), right / wrong
    pooled = right.sum() / max(found.sum(), 1)
    print(
        f"  {name:9} precision {pooled:.2f} ({precisions.min():.2f} to {precisions.max():.2f}), recall "
        f"{right.sum() / wrong.sum():.2f} ({recalls.min():.2f} to {recalls.max():.2f}), "
        f"{found.mean():.0f} told of {wrong.mean():.0f}",
        flush=True,
    )
    return {
        "precision": round(float(pooled), 4),
        "precision_low": round(float(precisions.min()), 4),
        "precision_high": round(float(precisions.max()), 4),
        "recall": round(float(right.sum() / wrong.sum()), 4),
        "recall_low": round(float(recalls.min()), 4),
        "recall_high": round(float(recalls.max()), 4),
        "told": round(float(found.mean()), 1),
    }


if __name__ == "__main__":
    main()

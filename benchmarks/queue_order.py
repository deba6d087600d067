"""Does the queue's order spend a reviewer's decisions well? Three orders of the same candidates, the same reviewer.

A draw takes 200 seeds of banking77 and 2,000 other rows as candidates, 40 % of them with another label, one of the
three whose rows are nearest in meaning, as people confuse them. **These candidates are a stand-in** for completions:
people wrote them, so they are more varied, and their only fault is the label. The reviewer is always right. Waves of 50
as `push` makes them, a fifth of each drawn at random in every arm, until 300 are decided:

- `value`: labels in turn, within a label by expected value, learnt from the decisions as soon as there are enough;
- `labels`: labels in turn, otherwise random;
- `confidence`: by the classifier's probability of the label, whatever the label.

A student (embeddings and logistic regression, as the scorer itself) is trained on the seeds and what was approved, and
tested on the test rows of the same labels. Arms are paired by draw. The second part needs no order: on solutions that
models wrote for GSM8K, how well do novelty and fit tell right from wrong ones? Neither can check a calculation, so
about .5 is expected.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student_t
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from seedgate.generator.scores import Pool, Scores, score
from seedgate.review.queue import Waiting, choose
from seedgate.review.score_auc import auc_of
from seedgate.review.scored import Judged
from seedgate.review.value import value_of
from seedgate.seeds.embedding import open_embedder

SEEDS, CANDIDATES, WRONG, NEAREST = 200, 2000, 0.4, 3
BUDGET, WAVE, RANDOM_SHARE = 300, 50, 0.2
ARMS = ("value", "labels", "confidence")
FIRST_DRAW = 2000
"""Others than those on which the rule was chosen (0 to 5)."""
MEASURES = ("precision", "first_half", "accuracy", "labels", "distinct_2", "distance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 labels, two draws, 800 solutions")
    parser.add_argument("--draws", type=int, help="draws per setting (default: 8)")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")
    args = parser.parse_args()
    given = args.data or os.environ.get("SEEDGATE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "banking77" / "train.jsonl").is_file():
        print(json.dumps({"name": "queue_order", "skipped": f"no banking77 in {folder}: give --data"}))
        return
    draws = args.draws or (2 if args.quick else 8)
    bank = Bank(folder / "banking77")
    print(
        f"{SEEDS} seeds, {CANDIDATES} candidates of other rows, {WRONG:.0%} with one of the {NEAREST} nearest labels; "
        f"waves of {WAVE}, {RANDOM_SHARE:.0%} random, {BUDGET} decisions; "
        f"draws {FIRST_DRAW} to {FIRST_DRAW + draws - 1}"
    )
    with threadpool_limits(1):
        settings = {str(n): compare(bank, n, draws) for n in ((20,) if args.quick else (20, 77))}
        solved = solutions(folder / "gsm8k_solutions" / "candidates.jsonl", 800 if args.quick else None)
    gains = [each["value - labels"]["accuracy"] for each in settings.values()]
    result = {
        "name": "queue_order",
        "what": "accuracy of the student, value - labels, worst setting",
        "value": min(gain["mean"] for gain in gains),
        "ok": min(gain["low"] for gain in gains) > 0,
        "draws": draws,
        "settings": settings,
        "gsm8k": solved,
    }
    print(json.dumps(result))


class Bank:
    """banking77: texts, labels, and vectors that are computed when first asked for."""

    def __init__(self, folder: Path) -> None:
        parts = {name: rows_of(folder / f"{name}.jsonl") for name in ("train", "test")}
        rows = [*parts["train"], *parts["test"]]
        self.names = sorted({row["label"] for row in rows})
        self.labels = np.array([self.names.index(row["label"]) for row in rows])
        self.texts = [str(row["text"]) for row in rows]
        self.is_test = np.arange(len(rows)) >= len(parts["train"])
        self._known: dict[int, np.ndarray] = {}

    def vectors(self, places: Sequence[int]) -> np.ndarray:
        """Shape [places, width]."""
        missing = [place for place in places if place not in self._known]
        if missing:
            fresh = open_embedder().embed([self.texts[place] for place in missing])
            self._known |= dict(zip(missing, fresh.astype(np.float16).astype(np.float32), strict=True))
        return np.stack([self._known[place] for place in places])


class Draw:
    """Seeds, candidates with the label that they are given, and the test rows."""

    def __init__(self, bank: Bank, labels: int, number: int) -> None:
        chance = np.random.default_rng(number)
        train, test = np.flatnonzero(~bank.is_test), np.flatnonzero(bank.is_test)
        every = bank.vectors(train.tolist())
        middles = np.stack([every[bank.labels[train] == label].mean(0) for label in range(len(bank.names))])
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        near = middles @ middles.T
        # The labels nearest to one of them: the most confusable there are.
        chosen = np.argsort(-near[chance.integers(len(near))], kind="stable")[:labels]
        rows = chance.permutation(train[np.isin(bank.labels[train], chosen)])
        each = -(-SEEDS // labels)
        taken = np.concatenate([rows[bank.labels[rows] == label][:each] for label in chosen])
        self.bank = bank
        self.seeds = chance.permutation(taken)[:SEEDS].tolist()
        self.rows = [row for row in rows.tolist() if row not in set(self.seeds)][:CANDIDATES]
        self.given = bank.labels[self.rows].copy()
        np.fill_diagonal(near, -2)
        wrong = chance.permutation(len(self.rows))[: round(WRONG * len(self.rows))]
        for at in wrong.tolist():
            ranked = [label for label in np.argsort(-near[self.given[at]], kind="stable") if label in chosen]
            self.given[at] = ranked[chance.integers(NEAREST)]
        self.right = self.given == bank.labels[self.rows]
        self.test = test[np.isin(bank.labels[test], chosen)].tolist()

    def pool(self, waiting: Sequence[int], shown: Sequence[int]) -> Pool:
        """What `push` would score."""
        vectors, names = self.bank.vectors([*self.seeds, *self.rows]), self.bank.names
        candidates = vectors[SEEDS:]
        return Pool(
            vectors=candidates[list(waiting)],
            seeds=vectors[:SEEDS],
            earlier=candidates[list(shown)],
            labels=[names[label] for label in self.given[list(waiting)]],
            seed_labels=[names[label] for label in self.bank.labels[self.seeds]],
        )


def decided(draw: Draw, arm: str, number: int) -> list[int]:
    """Places of the candidates that were decided, in order."""
    shown: list[int] = []
    known: list[Judged] = []
    for wave in range(BUDGET // WAVE):
        left = sorted(set(range(len(draw.rows))) - set(shown))
        ids = [str(place) for place in left]
        scores = score(draw.pool(left, shown), ids)
        values = values_of(arm, scores, known)
        labels = [str(label) if arm != "confidence" else "" for label in draw.given[left]]
        waiting = [Waiting(id_, label, 1, ("r",)) for id_, label in zip(ids, labels, strict=True)]
        rng = random.Random(1000 * number + wave)
        for place in choose(waiting, WAVE, RANDOM_SHARE, rng, values):
            id_ = place.waiting.candidate_id
            shown.append(int(id_))
            approved = bool(draw.right[int(id_)])
            known.append(Judged(id_, approved, scores[id_], None, "", 1, place.why == "random", False))
    return shown


def values_of(arm: str, scores: dict[str, Scores], known: list[Judged]) -> dict[str, float]:
    if arm == "value":
        return value_of(scores, {}, known).values
    if arm == "confidence":
        return {id_: each.get("label_agreement", 0.0) for id_, each in scores.items()}
    return {}


def measured(draw: Draw, shown: list[int]) -> dict[str, float]:
    """What came of the decisions, by name of the measure."""
    approved = [place for place in shown if draw.right[place]]
    rows = [*draw.seeds, *(draw.rows[place] for place in approved)]
    student = LogisticRegression(C=10.0, max_iter=300, tol=1e-3)
    student.fit(draw.bank.vectors(rows), draw.bank.labels[rows])
    right = student.predict(draw.bank.vectors(draw.test)) == draw.bank.labels[draw.test]
    texts = [draw.bank.texts[draw.rows[place]] for place in approved]
    return {
        "precision": len(approved) / len(shown),
        "first_half": float(draw.right[shown[: len(shown) // 2]].mean()),
        "accuracy": float(right.mean()),
        "labels": float(len(set(draw.given[approved].tolist()))),
        "distinct_2": distinct_2(texts),
        "distance": distance(draw.bank.vectors([draw.rows[place] for place in approved])),
    }


def distinct_2(texts: Sequence[str]) -> float:
    """Different pairs of neighbouring words, as a share of all pairs."""
    words = [text.casefold().split() for text in texts]
    pairs = [pair for each in words for pair in pairwise(each)]
    return len(set(pairs)) / max(len(pairs), 1)


def distance(vectors: np.ndarray) -> float:
    """Mean of 1 minus the cosine to the nearest other."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    return float(1 - cosines.max(1).mean())


def compare(bank: Bank, labels: int, draws: int) -> dict[str, dict[str, Any]]:
    """Mean and spread of each arm, and the paired differences with a 95 % interval (t)."""
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    started = time.process_time()
    for number in range(FIRST_DRAW, FIRST_DRAW + draws):
        draw = Draw(bank, labels, number)
        for arm in ARMS:
            found[arm].append(measured(draw, decided(draw, arm, number)))
    print(f"{labels} labels: {time.process_time() - started:.0f} s of processor time", flush=True)
    out: dict[str, dict[str, Any]] = {}
    for arm, each in found.items():
        out[arm] = {name: spread([one[name] for one in each]) for name in MEASURES}
        told = (f"{name} {v['mean']:.3f} ({v['min']:.3f} to {v['max']:.3f})" for name, v in out[arm].items())
        print(f"  {arm:10} " + ", ".join(told), flush=True)
    for rival in ARMS[1:]:
        key = f"value - {rival}"
        out[key] = {
            name: paired([a[name] - b[name] for a, b in zip(found["value"], found[rival], strict=True)])
            for name in MEASURES
        }
        told = (
            f"{name} {v['mean']:+.3f} ({v['low']:+.3f} to {v['high']:+.3f})" for name, v in out[key].items()
        )
        print(f"  {key}: " + ", ".join(told), flush=True)
    return out


def spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": round(float(np.mean(values)), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def paired(differences: Sequence[float]) -> dict[str, float]:
    count = len(differences)
    error = float(np.std(differences, ddof=1)) / count**0.5 * float(student_t.ppf(0.975, count - 1))
    mean = float(np.mean(differences))
    return {"mean": round(mean, 4), "low": round(mean - error, 4), "high": round(mean + error, 4)}


def solutions(path: Path, most: int | None) -> dict[str, Any]:
    """AUC of novelty and fit against whether a solution is right; 200 questions' right solutions are the seeds."""
    if not path.is_file():
        return {"skipped": f"no {path}"}
    rows = rows_of(path)
    order = np.random.default_rng(FIRST_DRAW).permutation(sorted({row["question"] for row in rows})).tolist()
    seeds = [next((r for r in rows if r["question"] == q and r["is_correct"]), None) for q in order[:SEEDS]]
    chosen = [row for row in rows if row["question"] not in set(order[:SEEDS])][:most]
    truth = [bool(row["is_correct"]) for row in chosen]
    out: dict[str, Any] = {"right": sum(truth), "wrong": len(truth) - sum(truth)}
    embedder = open_embedder()
    for what, text in (
        ("question", lambda row: row["question"]),
        ("question and solution", lambda row: f"{row['question']}\n{row['solution']}"),
    ):
        vectors = embedder.embed([text(row) for row in chosen])
        known = embedder.embed([text(row) for row in seeds if row])
        found = score(Pool(vectors, known, known[:0]), [str(n) for n in range(len(chosen))])
        for name in ("novelty", "fit"):
            auc = auc_of([each[name] for each in found.values()], truth)
            out[f"{name}, {what}"] = {
                "auc": round(auc.value, 4),
                "low": round(auc.low, 4),
                "high": round(auc.high, 4),
            }
            print(
                f"gsm8k, {name} of {what}: AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), "
                f"{auc.approved} right, {auc.rejected} wrong",
                flush=True,
            )
    return out


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()

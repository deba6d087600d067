"""Does the queue's order find what is right without finding the same again, and does a student profit?

Candidates are what SmolLM2-135M wrote for 200 seeds of banking77 and `generate` kept (`parts/completions.py` makes
them, in the folder of `--pool`, which stays outside the repository). Whether a candidate fits its label is told by an
oracle that shares no features with the scores: words and letters of all gold rows of these labels, where the scores
have vectors of meaning and 200 seeds. It must choose among the labels, so that it cannot see what is about nothing; 200
candidates were therefore read one by one (`read/`), by one reader, for the right label and for being acceptable as a
whole. What the oracle gets wrong on test rows, and how it agrees with the reader, is printed.

Orders, each in waves of 50 with a fifth drawn at random, the oracle as reviewer: `value` and `labels` as `[review]
order`, `confidence` (the classifier's probability), `random`. (a) and (b) are of the first half of the queue; (c) a
student (embeddings and logistic regression) on seeds and what was approved within a budget, tested on gold test rows,
paired by repetition. A repetition draws the order's random parts and the part of the candidates that is there anew, not
the seeds: its spread is not that of other seeds. In the end the same order on solutions of grade school questions.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))

from parts.completions import add_options, banking77, folders, pool
from parts.solutions import solutions
from queue_order import distance, distinct_2, paired, spread

from seedgate.generator.scores import Pool, Scores, score
from seedgate.records import Example
from seedgate.review.queue import Waiting, choose
from seedgate.review.score_auc import auc_of
from seedgate.review.scored import Judged
from seedgate.review.value import value_of
from seedgate.seeds import baseline
from seedgate.seeds.embedding import open_embedder

ARMS = ("value", "labels", "confidence", "random")
WAVE, RANDOM_SHARE, BUDGETS, KEPT = 50, 0.2, (300, 600), 0.9
READ = Path(__file__).parent / "read"


class Material:
    """Seeds, candidates, oracle and test rows of one pool."""

    def __init__(self, folder: Path, data: Path, labels: int, wanted: int) -> None:
        ws, found = pool(folder, data, labels, wanted)
        with ws:
            self.candidates = found
            self.seeds: list[Example] = list(baseline(ws).seeds.values())
        self.names = sorted({label(each) for each in self.seeds})
        gold, test = (
            [row for row in banking77(data, part) if row["label"] in self.names] for part in ("train", "test")
        )
        known = {text(each).casefold() for each in self.seeds}
        self.oracle = make_pipeline(
            make_union(
                TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2),
                TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), min_df=2),
            ),
            LogisticRegression(C=30.0, max_iter=300, tol=1e-3),
        ).fit([row["text"] for row in gold], [row["label"] for row in gold])
        said = self.oracle.predict([row["text"] for row in test])
        self.oracle_right = float(np.mean(said == [row["label"] for row in test]))
        said = self.oracle.predict([text(each) for each in self.candidates])
        self.right = np.array([a == label(b) for a, b in zip(said, self.candidates, strict=True)])
        self.test = [row for row in test if row["text"].casefold() not in known]
        embedder = open_embedder()
        self.vectors, self.seed_vectors, self.test_vectors = (
            embedder.embed(texts)
            for texts in (
                [text(each) for each in self.candidates],
                [text(each) for each in self.seeds],
                [row["text"] for row in self.test],
            )
        )

    def scores(self, waiting: Sequence[int], shown: Sequence[int]) -> list[Scores]:
        """What `push` would say of those that wait, in their order."""
        given = Pool(
            vectors=self.vectors[list(waiting)],
            seeds=self.seed_vectors,
            earlier=self.vectors[list(shown)],
            labels=[label(self.candidates[place]) for place in waiting],
            seed_labels=[label(each) for each in self.seeds],
        )
        found = score(given, [str(place) for place in waiting])
        return [found[str(place)] for place in waiting]

    def student(self, approved: Sequence[int]) -> float:
        """Accuracy on the test rows."""
        model = LogisticRegression(C=10.0, max_iter=300, tol=1e-3)
        rows = np.concatenate([self.seed_vectors, self.vectors[list(approved)]])
        model.fit(rows, [label(e) for e in (*self.seeds, *(self.candidates[place] for place in approved))])
        return float(np.mean(model.predict(self.test_vectors) == [row["label"] for row in self.test]))


def label(example: Example) -> str:
    return str(example.fields["label"])


def text(example: Example) -> str:
    return str(example.fields["text"])


def shown_by(material: Material, arm: str, number: int, most: int = sys.maxsize) -> list[int]:
    """Places of nine in ten of the candidates in the order in which they come before the reviewer; the first `most`."""
    rng = random.Random(number)
    there = sorted(rng.sample(range(len(material.candidates)), round(KEPT * len(material.candidates))))
    shown: list[int] = []
    known: list[Judged] = []
    while (left := sorted(set(there) - set(shown))) and len(shown) < most:
        scores = (
            dict(zip(map(str, left), material.scores(left, shown), strict=True)) if arm != "random" else {}
        )
        values: dict[str, float] = {}
        if arm == "value":
            values = dict(value_of(scores, {}, known).values)
        elif arm == "confidence":
            values = {id_: each.get("label_agreement", 0.0) for id_, each in scores.items()}
        by_label = arm in ("value", "labels")
        waiting = [
            Waiting(str(place), label(material.candidates[place]) if by_label else "", 1, ("r",))
            for place in left
        ]
        for place in choose(waiting, WAVE, RANDOM_SHARE, rng, values):
            at = int(place.waiting.candidate_id)
            shown.append(at)
            if arm == "value":
                approved = bool(material.right[at])
                known.append(
                    Judged(str(at), approved, scores[str(at)], None, "", 1, place.why == "random", False)
                )
    return shown


def measured(material: Material, shown: list[int], read: dict[tuple[str, str], bool]) -> dict[str, float]:
    """(a), (b) and (c) of one order."""
    half = shown[: len(shown) // 2]
    texts = [text(each) for each in material.candidates]
    # Both parts of a ratio from as many texts: measures of diversity fall with their number.
    whole = random.Random(0).sample(shown, len(half))
    judged = [
        read[key] for place in half if (key := (texts[place], label(material.candidates[place]))) in read
    ]
    out = {
        "right": float(material.right[half].mean()),
        "acceptable": float(np.mean(judged)) if judged else float("nan"),
        "read": float(len(judged)),
        "distinct_2": distinct_2([texts[at] for at in half]) / distinct_2([texts[at] for at in whole]),
        "distance": distance(material.vectors[half]) / distance(material.vectors[whole]),
        "labels": len({label(material.candidates[at]) for at in half}) / len(material.names),
    }
    for budget in BUDGETS:
        if budget <= len(shown):
            out[f"accuracy_{budget}"] = material.student([at for at in shown[:budget] if material.right[at]])
            out[f"approved_{budget}"] = float(material.right[shown[:budget]].mean())
    return out


def compare(material: Material, repetitions: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All orders, paired by repetition."""
    read = {(row["text"], row["label"]): bool(row["acceptable"]) for row in rows}
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for number in range(repetitions):
        for arm in ARMS:
            found[arm].append(measured(material, shown_by(material, arm, number), read))
    out: dict[str, Any] = {"student of seeds alone": round(material.student(()), 4)}
    print(f"  student of the seeds alone: {material.student(()):.3f}")
    for arm, each in found.items():
        out[arm] = {name: spread([one[name] for one in each]) for name in each[0]}
        told = (f"{name} {v['mean']:.3f} ({v['min']:.3f} to {v['max']:.3f})" for name, v in out[arm].items())
        print(f"  {arm:10} " + ", ".join(told), flush=True)
    for arm, rival in (
        ("value", "random"),
        ("value", "confidence"),
        ("value", "labels"),
        ("labels", "random"),
    ):
        key = f"{arm} - {rival}"
        names = [name for name in found[arm][0] if name.startswith("accuracy")]
        out[key] = {
            name: paired([a[name] - b[name] for a, b in zip(found[arm], found[rival], strict=True)])
            for name in names
        }
        told = (
            f"{name} {v['mean']:+.3f} ({v['low']:+.3f} to {v['high']:+.3f})" for name, v in out[key].items()
        )
        print(f"  {key}: " + ", ".join(told), flush=True)
    return out


def check_oracle(material: Material, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Its own error, how it agrees with the reader, and what scores know of either."""
    places = {(text(each), label(each)): place for place, each in enumerate(material.candidates)}
    known = [(places[key], row) for row in rows if (key := (row["text"], row["label"])) in places]
    out: dict[str, Any] = {
        "right_on_test": round(material.oracle_right, 4),
        "fits_its_label": round(float(material.right.mean()), 4),
    }
    print(
        f"oracle: {material.oracle_right:.3f} right on {len(material.test)} test rows; says that "
        f"{material.right.mean():.3f} of {len(material.right)} candidates fit their label"
    )
    scores = material.scores(range(len(material.candidates)), ())
    truths = {"oracle": (list(range(len(scores))), material.right.tolist())}
    if known:
        read_places = [place for place, _ in known]
        right, acceptable = ([bool(row[key]) for _, row in known] for key in ("right", "acceptable"))
        low, high = binomtest(sum(right), len(right)).proportion_ci()
        kappa = float(cohen_kappa_score(right, material.right[read_places]))
        out |= {
            "read": len(known),
            "read_right": sum(right),
            "read_acceptable": sum(acceptable),
            "kappa": round(kappa, 3),
        }
        print(
            f"read: {sum(right)} of {len(right)} right ({low:.3f} to {high:.3f}), {sum(acceptable)} acceptable; "
            f"kappa of oracle and reader on the label {kappa:.3f}"
        )
        truths |= {"read, label": (read_places, right), "read, acceptable": (read_places, acceptable)}
    for name in ("label_agreement", "novelty", "fit"):
        for what, (at, truth) in truths.items():
            auc = auc_of([scores[place].get(name, float("nan")) for place in at], truth)
            out[f"auc {name}, {what}"] = round(auc.value, 4)
            print(f"  AUC of {name} against {what}: {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 labels, two repetitions")
    parser.add_argument("--repetitions", type=int, help="of each order (default: 8)")
    parser.add_argument(
        "--labels", type=int, nargs="*", default=(20, 77), help="20 confusable ones, 77 or both"
    )
    add_options(parser)
    args = parser.parse_args()
    found = folders(args.pool, args.data)
    if isinstance(found, str):
        print(json.dumps({"name": "queue_quality", "skipped": found}))
        return
    folder, data = found
    repetitions = args.repetitions or (2 if args.quick else 8)
    result: dict[str, Any] = {"name": "queue_quality", "repetitions": repetitions}
    for labels in (20,) if args.quick else args.labels:
        started = time.process_time()
        material = Material(folder / f"bank{labels}", data, labels, args.candidates)
        print(
            f"{labels} labels: {len(material.seeds)} seeds, {len(material.candidates)} candidates; waves of {WAVE}, "
            f"{RANDOM_SHARE:.0%} random; {repetitions} repetitions of {KEPT:.0%} of the candidates"
        )
        path = READ / f"banking_{labels}_labels.jsonl"
        rows = (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if path.is_file()
            else []
        )
        with threadpool_limits(1):
            result[str(labels)] = {
                "candidates": len(material.candidates),
                "oracle": check_oracle(material, rows),
                "orders": compare(material, repetitions, rows),
            }
        print(f"{labels} labels: {time.process_time() - started:.0f} s of processor time", flush=True)
    gains = [
        each["orders"][f"value - {rival}"][f"accuracy_{budget}"]["low"]
        for each in (v for v in result.values() if isinstance(v, dict))
        for rival in ("random", "confidence")
        for budget in BUDGETS
        if f"accuracy_{budget}" in each["orders"][f"value - {rival}"]
    ]
    result |= {
        "what": "lower end of value's worst gain in the student's accuracy",
        "value": min(gains),
        "ok": min(gains) > 0,
    }
    if (data / "gsm8k_solutions").is_dir():
        result["gsm8k"] = solutions(data)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Does the gate pay? The arms of `seedgate ablate` on banking77, with a reviewer whose error rate is known.

Candidates are what SmolLM2-135M wrote for 200 seeds (see `parts/completions.py`). The reviewer is SIMULATED: it knows
the gold training rows by the oracle of `queue_quality.py` (whose own error comes on top and is printed) and is wrong
at a given rate, both ways. It decides a number of candidates in a random order; `gated` gets what it approved, the
other arms get what there would be without it. `noise` gives a share of the candidates another label before review.

The student is the cheap one of `ablate` (embeddings and logistic regression), fitted until it stands still and
measured on the gold test rows. What rows do to a model that is fine-tuned on them may differ, so `--student model` runs
the arms that matter most on SmolLM2 with LoRA, one cell at equal steps, measured through vLLM on rows of the locked
set; minutes for each training. A repetition draws the queue, the reviewer's errors and the noise anew, and seeds the
training; the seeds stay. Differences are paired by repetition and row, with the intervals of
`seedgate.finetune.effects`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))

from parts.arms_picture import arms_picture
from parts.completions import add_options, folders
from parts.fine_tuned import FineTuned, fine_tuned
from queue_quality import Material, label

from seedgate.finetune.effects import Effect, gain_of, mean_of
from seedgate.finetune.students import STRENGTH

ERRORS = (0.0, 0.02, 0.05, 0.1)
NOISE = (0.0, 0.05, 0.15, 0.3)
ARMS = ("seeds", "gated", "random", "scored", "shown", "all")
KEY_ARMS = ("seeds", "gated", "random", "shown")
MODEL_NOISE, MODEL_ERROR = 0.0, 0.05
BUDGET = 600
STEPS, LOCKED = 100, 200
CLAIM = 0.1
"""Ten points, at equal size: the claim to test."""


class World:
    """A pool with its labels altered, and what the reviewer sees of it."""

    def __init__(self, material: Material, noise: float, rng: random.Random) -> None:
        self.material = material
        names = material.names
        self.labels = [label(each) for each in material.candidates]
        self.right = material.right.copy()
        for place in rng.sample(range(len(self.labels)), round(noise * len(self.labels))):
            self.labels[place] = rng.choice([name for name in names if name != self.labels[place]])
            self.right[place] = False  # a wrong label that another one made right is rare: 1 of 19

    def scores(self, places: Sequence[int]) -> list[float]:
        """Scores on the test rows of a student of the seeds and these candidates."""
        material = self.material
        rows = np.concatenate([material.seed_vectors, material.vectors[list(places)]])
        given = [label(each) for each in material.seeds] + [self.labels[place] for place in places]
        model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-3).fit(rows, given)
        wanted = [row["label"] for row in material.test]
        return [float(a == b) for a, b in zip(model.predict(material.test_vectors), wanted, strict=True)]

    def confidence(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Probability of each candidate's own label by a classifier on the seeds."""
        given = [label(each) for each in self.material.seeds]
        model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-3).fit(self.material.seed_vectors, given)
        places = {name: place for place, name in enumerate(model.classes_)}
        chances = model.predict_proba(self.material.vectors)
        return np.array([chances[at, places[name]] for at, name in enumerate(self.labels)])


def arms_of(world: World, error: float, budget: int, rng: random.Random) -> dict[str, list[int]]:
    """Arm to the candidates added to the seeds."""
    every = list(range(len(world.labels)))
    shown = rng.sample(every, min(budget, len(every)))
    gated = [place for place in shown if bool(world.right[place]) != (rng.random() < error)]
    best = np.argsort(-world.confidence(), kind="stable")
    return {
        "seeds": [],
        "gated": gated,
        "random": rng.sample(every, len(gated)),
        "scored": [int(place) for place in best[: len(gated)]],
        "shown": shown,
        "all": every,
    }


def cell(material: Material, noise: float, error: float, budget: int, repetitions: int) -> dict[str, Any]:
    """One cell of the grid: every arm, and what the gated one gains over it."""
    found: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    sizes: dict[str, list[int]] = {arm: [] for arm in ARMS}
    right: dict[str, list[float]] = {arm: [] for arm in ARMS}
    with threadpool_limits(1):
        for number in range(repetitions):
            rng = random.Random(f"{noise}:{error}:{number}")
            world = World(material, noise, rng)
            for arm, places in arms_of(world, error, budget, rng).items():
                # Arms that no draw touches are the same each time.
                again = arm == "seeds" and found[arm]
                found[arm].append(found[arm][0] if again else world.scores(places))
                sizes[arm].append(len(places))
                right[arm].append(float(world.right[places].mean()) if places else 1.0)
    return _told(noise, error, found, sizes, right)


def _told(
    noise: float,
    error: float,
    found: Mapping[str, list[list[float]]],
    sizes: Mapping[str, list[int]],
    right: Mapping[str, list[float]],
) -> dict[str, Any]:
    scores = {arm: np.array(each) for arm, each in found.items()}
    told: dict[str, Any] = {"noise": noise, "error": error}
    for arm in found:
        told[arm] = {
            "rows": float(np.mean(sizes[arm])),
            "right": round(float(np.mean(right[arm])), 3),
            "accuracy": asdict(mean_of(scores[arm], 0.95)),
        }
        if arm != "gated":
            told[arm]["gated_gains"] = asdict(gain_of(scores[arm], scores["gated"], 0.95))
    return told


def model_cell(
    material: Material, student: FineTuned, budget: int, repetitions: int, steps: int
) -> dict[str, Any]:
    """The key arms of one cell on a model that is fine-tuned."""
    found: dict[str, list[list[float]]] = {arm: [] for arm in KEY_ARMS}
    sizes: dict[str, list[int]] = {arm: [] for arm in KEY_ARMS}
    right: dict[str, list[float]] = {arm: [] for arm in KEY_ARMS}
    for number in range(repetitions):
        rng = random.Random(f"{MODEL_NOISE}:{MODEL_ERROR}:{number}")
        world = World(material, MODEL_NOISE, rng)
        arms = arms_of(world, MODEL_ERROR, budget, rng)
        for arm in KEY_ARMS:
            rows = [*material.seeds, *(material.candidates[place] for place in arms[arm])]
            found[arm].append(student.scores(rows, number, steps))
            sizes[arm].append(len(arms[arm]))
            right[arm].append(float(world.right[arms[arm]].mean()) if arms[arm] else 1.0)
            print(f"  repetition {number + 1}, {arm}: {np.mean(found[arm][-1]):.3f}", flush=True)
    return _told(MODEL_NOISE, MODEL_ERROR, found, sizes, right)


def show(told: Mapping[str, Any]) -> None:
    """One line per arm."""
    print(f"noise {told['noise']:.0%}, reviewer wrong {told['error']:.0%} (SIMULATED)")
    for arm in [arm for arm in ARMS if arm in told]:
        each = told[arm]
        line = (
            f"  {arm:7} {each['rows']:5.0f} rows, {each['right']:.3f} right: {each['accuracy']['value']:.3f}"
        )
        gain = each.get("gated_gains")
        print(line + (f", gated gains {Effect(**gain)}" if gain else ""), flush=True)


def conclusion(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Plain sentences about the claim, and about the seeds alone."""
    lines = []
    for arm, what in (("random", "as many unreviewed rows"), ("seeds", "the seeds alone")):
        gains = [Effect(**each[arm]["gated_gains"]) for each in cells]
        better, worse = sum(each.low > 0 for each in gains), sum(each.high < 0 for each in gains)
        most = max(gains, key=lambda each: each.value)
        lines.append(
            f"gated beats {what} in {better} of {len(gains)} cells, loses in {worse}, by ten points or more in "
            f"{sum(each.low >= CLAIM for each in gains)}; the most it gains is {most}"
        )
    return lines


def blocks_of(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Cells as the picture takes them: one for each share of altered labels, with the fewest errors of the reviewer."""
    first: dict[float, Mapping[str, Any]] = {}
    for each in cells:
        first.setdefault(each["noise"], each)
    return [
        (
            f"{noise:.0%} of labels altered, reviewer wrong {each['error']:.0%}",
            {arm: each[arm] for arm in ARMS if arm in each},
        )
        for noise, each in first.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no errors and one in ten, no noise and 30 %%")
    parser.add_argument("--repetitions", type=int, help="of each cell (default: 5, quick 2)")
    parser.add_argument(
        "--budget", type=int, default=BUDGET, help=f"reviewer's decisions (default: {BUDGET})"
    )
    parser.add_argument("--labels", type=int, nargs="*", default=(20,), help="20 confusable ones, or 77")
    parser.add_argument("--student", choices=("embeddings", "model"), default="embeddings")
    parser.add_argument(
        "--steps", type=int, default=STEPS, help=f"of the model's training (default: {STEPS})"
    )
    parser.add_argument("--rows", type=int, default=LOCKED, help=f"of the locked set (default: {LOCKED})")
    parser.add_argument("--picture", type=Path, help="SVG file to draw the last labels' cells into")
    add_options(parser)
    args = parser.parse_args()
    found = folders(args.pool, args.data)
    if isinstance(found, str):
        print(json.dumps({"name": "gate_pays", "skipped": found}))
        return
    folder, data = found
    repetitions = args.repetitions or (2 if args.quick else 5)
    settings = {"repetitions": repetitions, "budget": args.budget, "student": args.student}
    result: dict[str, Any] = {"name": "gate_pays", **settings}
    for labels in args.labels:
        started = time.process_time()
        material = Material(folder / f"bank{labels}", data, labels, args.candidates)
        print(
            f"{labels} labels, {len(material.seeds)} seeds, {len(material.candidates)} candidates, "
            f"{len(material.test)} test rows, {repetitions} repetitions, {args.budget} decisions; oracle "
            f"{material.oracle_right:.3f} right on test rows, {material.right.mean():.3f} of candidates fit"
        )
        cells = []
        if args.student == "model":
            with fine_tuned(folder / f"bank{labels}", args.rows) as student:
                print(f"SmolLM2, {args.steps} steps, {len(student.evaluation)} locked rows")
                cells = [model_cell(material, student, args.budget, repetitions, args.steps)]
                show(cells[0])
        else:
            for noise in (0.0, 0.3) if args.quick else NOISE:
                # With noise the reviewer's errors add nothing that the first line of cells did not show.
                for error in (0.0, 0.1) if args.quick else (ERRORS if not noise else (0.0, 0.05)):
                    cells.append(cell(material, noise, error, args.budget, repetitions))
                    show(cells[-1])
        for line in conclusion(cells):
            print(line)
        if args.picture:
            title = f"Accuracy on {labels} labels, student: {args.student}; reviewer SIMULATED"
            args.picture.write_text(arms_picture(title, blocks_of(cells)), encoding="utf-8")
        result[f"{labels} labels"] = {
            "oracle": round(material.oracle_right, 4),
            "cells": cells,
            "conclusion": conclusion(cells),
            "cpu_s": round(time.process_time() - started),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

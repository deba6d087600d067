"""Does the queue's order help a model that is fine-tuned? SmolLM2 with LoRA in place of the cheap student.

`queue_quality.py` compares orders by a student of embeddings and logistic regression, many times. Here the arms of its
main comparison (`value`, `random` and `confidence`, as there) go to the model: the seeds and what the oracle approves
among the first decisions of a queue are trained on as `seedgate train` does, at equal steps, and measured through vLLM
on rows of banking77's test part. Minutes for each training, so few repetitions, but many rows: with 200 the intervals
were +-.05, most of it by the rows (docs/log.md). What was scored is kept beside the pool, and a run that was stopped
goes on. Differences are paired by repetition and row (`seedgate.finetune.effects`). The reviewer is SIMULATED (the
oracle of `queue_quality.py`, whose error is printed there).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from parts.completions import add_options, folders
from parts.fine_tuned import FineTuned, fine_tuned
from queue_quality import Material, shown_by

from seedgate.finetune.effects import gain_of
from seedgate.records import Example

ARMS = ("value", "random", "confidence")
BUDGET, STEPS, ROWS = 600, 100, 1500


def scores_of(
    material: Material, student: FineTuned, args: argparse.Namespace
) -> tuple[dict[str, list[list[float]]], dict[str, list[int]]]:
    """What each arm's models score on the test rows, and how many rows were approved."""
    found: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    approved: dict[str, list[int]] = {arm: [] for arm in ARMS}
    for number in range(args.repetitions):
        for arm in ARMS:
            shown = shown_by(material, arm, number, args.budget)[: args.budget]
            places = [at for at in shown if material.right[at]]
            rows = [*material.seeds, *(material.candidates[at] for at in places)]
            found[arm].append(student.scores(rows, number, args.steps))
            approved[arm].append(len(places))
            print(
                f"repetition {number + 1}, {arm}: {len(places)} approved, {np.mean(found[arm][-1]):.3f}",
                flush=True,
            )
    return found, approved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5, help="of each order (default: 5)")
    parser.add_argument("--labels", type=int, default=77, help="77, or 20 confusable ones (default: 77)")
    parser.add_argument("--budget", type=int, default=BUDGET, help=f"decisions (default: {BUDGET})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training (default: {STEPS})")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"test rows, drawn once (default: {ROWS})")
    add_options(parser)
    args = parser.parse_args()
    places = folders(args.pool, args.data)
    if isinstance(places, str):
        print(json.dumps({"name": "queue_student", "skipped": places}))
        return
    folder, data = places
    material = Material(folder / f"bank{args.labels}", data, args.labels, args.candidates)
    print(
        f"{args.labels} labels, {len(material.seeds)} seeds, {len(material.candidates)} candidates, {args.budget} "
        f"decisions, {args.repetitions} repetitions, {args.steps} steps, {args.rows} test rows; reviewer SIMULATED"
    )
    drawn = random.Random(0).sample(material.test, min(args.rows, len(material.test)))
    rows = [Example(fields={"text": row["text"], "label": row["label"]}) for row in drawn]
    with fine_tuned(folder / f"bank{args.labels}", rows) as student:
        found, approved = scores_of(material, student, args)
    scores = {arm: np.array(each) for arm, each in found.items()}
    result: dict[str, Any] = {"name": "queue_student", "repetitions": args.repetitions, "budget": args.budget}
    for arm in ARMS:
        mean = float(scores[arm].mean())
        result[arm] = {"accuracy": round(mean, 4), "approved": float(np.mean(approved[arm]))}
        print(f"{arm:10} {mean:.3f} with {np.mean(approved[arm]):.0f} approved")
    for rival in ARMS[1:]:
        gain = gain_of(scores[rival], scores["value"], 0.95)
        result[f"value - {rival}"] = asdict(gain)
        print(f"value - {rival}: {gain}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Does a generator that was trained to write bring more for the same decisions than one that is shown seeds?

Arms, on the same 200 seeds of banking77 and the same SmolLM2-135M: `few_shot` as `[generation]` has it by default;
`writer`, a LoRA adapter trained on the seeds from label to text (`seedgate train --writer`), at temperature .8;
`few_shot, wide`, shown seeds at that temperature, if its pool is wanted, so that one sees what the training does. Of
each the first candidates that passed the filters, as many as of the others.

Printed for each: what it cost (tokens of prompts and completions, items for a candidate), how many fit their label by
the oracle of `queue_quality.py` and by one reader (`read/`, where some were read), how varied they are, and the
accuracy of the cheap student after 300 and 600 decisions in two orders (labels in turn, the default, and random), the
reviewer SIMULATED (the oracle). Differences are paired by repetition: each draws nine tenths of the candidates and the
order anew, not the seeds, so that its spread is not that of other seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))

from parts.completions import add_options, folders, pool
from queue_order import distance, distinct_2, paired, spread
from queue_quality import BUDGETS, READ, Material, label, shown_by, text

from seedgate.generator import funnel
from seedgate.workspace import Workspace

WIDE = {"temperature": 0.8, "top_p": 1.0}
ARMS: dict[str, dict[str, Any]] = {
    "few_shot": {},
    "writer": WIDE | {"strategies": {"writer": 1.0}},
    "few_shot, wide": WIDE,
}
"""What differs in `[generation]`."""
FOLDERS = {"few_shot": "", "writer": "-writer", "few_shot, wide": "-wide"}
ORDERS = ("labels", "random")


def cost(folder: Path) -> dict[str, float]:
    """Of the whole pool: items and tokens for a candidate."""
    with Workspace(folder) as ws:
        found = funnel(ws.ledger)
        usage = [event.payload["usage"] for event in ws.ledger.events("request.completed")]
    many = found["candidates"]
    return {
        "items": found["items"] / many,
        "prompt_tokens": sum(each["prompt_tokens"] for each in usage) / many,
        "completion_tokens": sum(each["completion_tokens"] for each in usage) / many,
    }


def quality(material: Material, arm: str, labels: int) -> dict[str, Any]:
    """What the oracle and the reader say, and how varied the candidates are."""
    path = READ / f"banking_{labels}_labels{'_writer' if arm == 'writer' else ''}.jsonl"
    rows = list(map(json.loads, path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
    there = {(text(each), label(each)) for each in material.candidates} if arm != "few_shot, wide" else set()
    read = [row for row in rows if (row["text"], row["label"]) in there]
    return {
        "fits": float(material.right.mean()),
        "read": len(read),
        "read_right": sum(bool(row["right"]) for row in read),
        "read_acceptable": sum(bool(row["acceptable"]) for row in read),
        "distinct_2": distinct_2([text(each) for each in material.candidates]),
        "distance": distance(material.vectors),
        "near_seeds": float((material.vectors @ material.seed_vectors.T).max(1).mean()),
    }


def accuracies(material: Material, repetitions: int) -> dict[str, list[float]]:
    """Order and budget to the student's accuracy in each repetition."""
    found: dict[str, list[float]] = {}
    for number in range(repetitions):
        for order in ORDERS:
            shown = shown_by(material, order, number, max(BUDGETS))
            for budget in BUDGETS:
                approved = [at for at in shown[:budget] if material.right[at]]
                found.setdefault(f"{order}, {budget}", []).append(material.student(approved))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=16, help="of each arm and order (default: 16)")
    parser.add_argument("--labels", type=int, default=77, help="77, or 20 confusable ones (default: 77)")
    parser.add_argument("--wide", action="store_true", help="with the arm `few_shot, wide`")
    add_options(parser)
    args = parser.parse_args()
    places = folders(args.pool, args.data)
    if isinstance(places, str):
        print(json.dumps({"name": "writer", "skipped": places}))
        return
    folder, data = places
    result: dict[str, Any] = {"name": "writer", "repetitions": args.repetitions}
    scores: dict[str, dict[str, list[float]]] = {}
    for arm, settings in ARMS.items():
        if arm == "few_shot, wide" and not args.wide:
            continue
        own = folder / f"bank{args.labels}{FOLDERS[arm]}"
        pool(own, data, args.labels, args.candidates, settings)[0].close()
        material = Material(own, data, args.labels, args.candidates)
        with threadpool_limits(1):
            told = cost(own) | quality(material, arm, args.labels)
            scores[arm] = accuracies(material, args.repetitions)
            alone = material.student(())
        result[arm] = told | {name: spread(each) for name, each in scores[arm].items()}
        print(
            f"{arm}: {len(material.candidates)} candidates; the student of the seeds alone {alone:.3f}; "
            + ", ".join(f"{name} {value:.3f}" for name, value in told.items())
        )
        for name, each in scores[arm].items():
            print(f"  {name} decisions: {np.mean(each):.3f} ({min(each):.3f} to {max(each):.3f})", flush=True)
    for arm in scores:
        if arm == "writer":
            continue
        for name in scores[arm]:
            pairs = zip(scores["writer"][name], scores[arm][name], strict=True)
            found = result[f"writer - {arm}, {name}"] = paired([a - b for a, b in pairs])
            print(
                f"writer - {arm}, {name}: {found['mean']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
            )
    least = min(result[f"writer - few_shot, {ORDERS[0]}, {budget}"]["low"] for budget in BUDGETS)
    print(json.dumps(result | {"what": "lower end of the gain", "value": least, "ok": least > 0}))


if __name__ == "__main__":
    main()

"""Does review stay linear with the queue? Seconds per pending candidate, of 20,000 against 2,500: at most 1.3 times.

Both arms are workspaces of the shipped example whose candidates nobody has decided; timed are what people and
programs do at them: `review status`, and planning the next wave (`push --dry-run`). No server is needed. The larger
arm is timed between two runs of the smaller one, so that a machine that slows down does not decide.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from push import add_candidates, pairs

from seedgate.generator.filters.chain import FilterChain
from seedgate.review import push, review_status
from seedgate.seeds import example_workspace, lock, verify
from seedgate.workspace import Workspace

TARGET = 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4,000 against 1,000, once")
    parser.add_argument("--rounds", type=int, help="looks of each kind at each queue (default: 3)")
    args = parser.parse_args()
    small, large = (1000, 4000) if args.quick else (2500, 20_000)
    rounds = args.rounds or (1 if args.quick else 3)
    print(f"pending candidates: {small} and {large}; {rounds} rounds of small, large, small")
    looks: dict[str, Callable[[Workspace], object]] = {
        "review status": review_status,
        "next wave": lambda ws: push(ws, cycle=1, dry_run=True),
    }
    with tempfile.TemporaryDirectory() as folder:
        few, many = (queue(Path(folder) / str(count), count) for count in (small, large))
        with few, many:
            ratios: dict[str, tuple[float, float]] = {}
            for name, look in looks.items():
                seconds: dict[str, list[float]] = {"few": [], "many": []}
                for _ in range(rounds):
                    for arm, ws in (("few", few), ("many", many), ("few", few)):
                        begin = time.perf_counter()
                        look(ws)
                        seconds[arm].append(time.perf_counter() - begin)
                ratios[name] = (
                    statistics.median(seconds["many"]) / large,
                    statistics.median(seconds["few"]) / small,
                )
                for arm, count in (("few", small), ("many", large)):
                    took = sorted(seconds[arm])
                    middle = statistics.median(took)
                    print(
                        f"{name}, {count}: median {middle:.2f} s ({took[0]:.2f} to {took[-1]:.2f}),"
                        f" {1e6 * middle / count:.0f} us each",
                        flush=True,
                    )
    worst = max(ratios, key=lambda name: ratios[name][0] / ratios[name][1])
    ours, theirs = ratios[worst]
    result = {
        "name": "large_queue",
        "what": worst,
        "value": round(1e6 * ours, 1),
        "baseline": round(1e6 * theirs, 1),
        "ratio": round(ours / theirs, 3),
        "target": TARGET,
        "ok": ours / theirs <= TARGET,
    }
    print(json.dumps(result))


def queue(folder: Path, count: int) -> Workspace:
    """A workspace with this many candidates that wait for review."""
    ws = example_workspace(folder)
    verify(ws, by="a benchmark", statement="the shipped example")
    lock(ws)
    add_candidates(ws, islice(pairs(ws), count))
    FilterChain.for_workspace(ws)  # stores what the texts mean, as `generate` would have
    return ws


if __name__ == "__main__":
    main()

"""How long does `seedgate --help` take? Heavy imports must stay lazy: at most 0.3 s, median.

The baseline is the interpreter with typer and nothing else, in the same run, since times on a shared
machine mean little alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

TARGET_S = 0.3
ARMS = {
    "seedgate --help": [sys.executable, "-m", "seedgate", "--help"],
    "typer alone": [sys.executable, "-c", "import typer; typer.Typer()"],
}


def seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 runs of each (the default is 30)")
    runs = 10 if parser.parse_args().quick else 30
    times: dict[str, list[float]] = {name: [] for name in ARMS}
    for name, command in ARMS.items():
        seconds(command)  # the first run reads from the disk
        times[name].clear()
    for _ in range(runs):
        for name, command in ARMS.items():
            times[name].append(seconds(command))
    print(f"{runs} runs of each, in turn; {sys.version.split()[0]}")
    for name, taken in times.items():
        print(f"{name:16} median {statistics.median(taken):.3f} s, {min(taken):.3f} to {max(taken):.3f}")
    value, baseline = (statistics.median(times[name]) for name in ARMS)
    result = {"name": "startup", "value": value, "baseline": baseline, "ratio": value / baseline}
    print(json.dumps(result | {"target": TARGET_S, "ok": value <= TARGET_S}))


if __name__ == "__main__":
    main()

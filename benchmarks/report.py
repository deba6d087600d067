"""Does the report stay linear with the ledger? Seconds per candidate and page size at 100,000, against a tenth of them.

The workspaces hold three cycles that people have reviewed (parts/reviewed_ledger.py); nothing is generated, asked or
trained. Timed are the facts and the page, by the clock and in seconds of processor time, which other work on the
machine changes less. The target: per candidate no more than 1.5 times the processor time of the smaller workspace, and
a page under a megabyte.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from parts.reviewed_ledger import reviewed_workspace

from seedgate.report import page_of, report_facts

TARGET, LARGEST = 1.5, 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 candidates against 300")
    parser.add_argument(
        "--candidates", type=int, default=100_000, help="of the larger workspace (default: 100,000)"
    )
    args = parser.parse_args()
    large = 1000 if args.quick else args.candidates
    small = 300 if args.quick else large // 10
    each: dict[int, float] = {}
    size = 0
    with tempfile.TemporaryDirectory() as folder:
        for count in (small, large):
            started = time.perf_counter()
            with reviewed_workspace(Path(folder) / str(count), count) as ws:
                report_facts(ws)  # what texts mean is stored from here on, as after a release
                made = time.perf_counter() - started
                started, busy = time.perf_counter(), time.process_time()
                facts = report_facts(ws)
                read = time.perf_counter() - started
                size = len(page_of(facts).encode())
                took, busy = time.perf_counter() - started, time.process_time() - busy
            each[count] = busy / facts["funnel"]["candidates"]
            print(
                f"{count} candidates: facts {read:.1f} s, page {took - read:.2f} s and {size / 1000:.0f} kB,"
                f" {busy:.1f} s of processor time, {1e6 * each[count]:.0f} us each;"
                f" peak of the process {peak_mb():.0f} MB (workspace made in {made:.0f} s)",
                flush=True,
            )
    ratio = each[large] / each[small]
    result = {
        "name": "report",
        "value": round(1e6 * each[large], 1),
        "baseline": round(1e6 * each[small], 1),
        "ratio": round(ratio, 3),
        "target": TARGET,
        "page_bytes": size,
        "ok": ratio <= TARGET and size < LARGEST,
    }
    print(json.dumps(result))


def peak_mb() -> float:
    """Most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()

"""The ledger at 10^4 to 10^6 events: events per second written and audited, and the exponent of growth (at most 1.1).

Events are candidates as `generate` appends them: a payload of provenance and one body each, 512 to a batch, in SQLite
on disk. `audit` is the whole of `Ledger.verify`: the chain, every body, what was planted. Beside it, in the same run,
plain SQLite without any of that (the same JSON in two tables, one transaction per batch), so that what a chain of
hashes, keys and checks costs can be seen. Each size has a folder and a process of its own; peak memory is that
process's.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from math import log
from pathlib import Path
from typing import Any

from seedgate.canonical import content_hash
from seedgate.ledger import Ledger, NewEvent

SIZES, QUICK = (10_000, 100_000, 1_000_000), (2_000, 10_000)
BATCH = 512
TARGET = 1.1


def events(count: int) -> Iterator[NewEvent]:
    """Candidates of some 300 bytes of provenance and 100 bytes of fields."""
    for number in range(count):
        fields = {
            "text": f"Where is parcel {number} that I ordered on the {number % 31}th?",
            "label": "delivery",
        }
        id_ = content_hash(fields)
        provenance = {
            "cycle": 1,
            "run": "run-1",
            "strategy": "few_shot",
            "model": "model",
            "seed_ids": [content_hash([number % 200, place]) for place in range(2)],
            "prompt_hash": content_hash(number // 8),
            "request_id": f"request-{number // 8}",
            "at": "2026-01-01T00:00:00+00:00",
        }
        yield NewEvent("candidate.created", id_, {"provenance": provenance}, f"candidate:{id_}", (fields,))


def batches(count: int) -> Iterator[list[NewEvent]]:
    """The same, some at a time."""
    stream = events(count)
    while batch := list(islice(stream, BATCH)):
        yield batch


def ours(folder: Path, count: int) -> dict[str, float]:
    """Seconds of writing and of auditing, without those of making the events."""
    wrote = 0.0
    with Ledger.create(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        for batch in batches(count):
            started = time.perf_counter()
            ledger.append(batch)
            wrote += time.perf_counter() - started
        started = time.perf_counter()
        faults = list(ledger.verify())
        audited = time.perf_counter() - started
        if faults or ledger.head()[0] != count:
            raise SystemExit(f"the ledger is not what was written: {faults[:1]}")
    return {"write_s": wrote, "audit_s": audited}


def plain(folder: Path, count: int) -> dict[str, float]:
    """The same rows in SQLite alone."""
    wrote = 0.0
    with sqlite3.connect(folder / "plain.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT, subject TEXT, payload TEXT)")
        db.execute("CREATE TABLE bodies (hash TEXT PRIMARY KEY, body TEXT)")
        for batch in batches(count):
            started = time.perf_counter()
            rows = [(each.kind, each.subject, json.dumps(each.payload)) for each in batch]
            db.executemany("INSERT INTO events (kind, subject, payload) VALUES (?, ?, ?)", rows)
            bodies = [(each.subject, json.dumps(each.bodies[0])) for each in batch]
            db.executemany("INSERT OR IGNORE INTO bodies VALUES (?, ?)", bodies)
            db.commit()
            wrote += time.perf_counter() - started
        started = time.perf_counter()
        for (payload,) in db.execute("SELECT payload FROM events ORDER BY seq"):
            json.loads(payload)
        read = time.perf_counter() - started
    return {"write_s": wrote, "read_s": read}


def measured(count: int) -> dict[str, Any]:
    """One size, in this process."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found: dict[str, Any] = {"events": count, "plain": plain(folder, count), "ours": ours(folder, count)}
        found["bytes_per_event"] = round((folder / "ledger.db").stat().st_size / count)
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


def growth(found: list[dict[str, Any]], what: str) -> list[float]:
    """Exponent between each two sizes that follow each other."""
    return [
        round(log(b["ours"][what] / a["ours"][what]) / log(b["events"] / a["events"]), 3)
        for a, b in pairwise(found)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[0]} and {QUICK[1]} events")
    parser.add_argument("--sizes", type=int, nargs="*", help="events (default: 10^4, 10^5, 10^6)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args.one)))
        return
    found = []
    for size in args.sizes or (QUICK if args.quick else SIZES):
        command = [sys.executable, __file__, "--one", str(size)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        each = json.loads(done.stdout)
        found.append(each)
        own, bare = each["ours"], each["plain"]
        print(
            f"{size:9,} events: written {size / own['write_s']:7,.0f}/s "
            f"(plain SQLite {size / bare['write_s']:9,.0f}/s), "
            f"audited {size / own['audit_s']:7,.0f}/s (plain read {size / bare['read_s']:9,.0f}/s), "
            f"{each['bytes_per_event']} bytes an event, peak {each['peak_mb']} MB",
            flush=True,
        )
    exponents = {what: growth(found, f"{what}_s") for what in ("write", "audit")}
    print(f"exponents of growth: {exponents} (target: at most {TARGET})")
    print(json.dumps({"name": "ledger", "sizes": found, "exponents": exponents}))


if __name__ == "__main__":
    main()

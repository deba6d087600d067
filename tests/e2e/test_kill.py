"""SIGKILL at random moments of generate, push, pull and release: the command repeated ends as if undisturbed.

What must hold in the end is worked out from what the servers and the ledger know, not from counters of the
commands: every plan entry answered once, every assignment one record in Argilla, every submitted response one
verdict, every approved candidate one row, one folder per release, and a clean audit.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from seedgate.finetune import release
from seedgate.generator import generate
from seedgate.review import SimulatedReviewer, decisions, pull, push
from seedgate.seeds import example_workspace, lock, verify
from seedgate.workspace import Workspace

from .conftest import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SEED = int(os.environ.get("SEEDGATE_KILL_SEED", "20261122"))
KILLS = 20


class Killer:
    """Runs a command, kills it at a random moment, and runs it again until it ends by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rng = random.Random(SEED)
        self.kills: Counter[str] = Counter()
        self.shorter: dict[str, float] = {}

    def run(self, command: str, *args: str, longest_s: float, kills: int = 2) -> None:
        for _ in range(kills):
            process = self._start(command, *args)
            # Half a second goes by before the command has imported what it needs.
            after_s = self.rng.uniform(0.4, max(0.6, longest_s * self.shorter.get(command, 1.0)))
            try:
                _, errors = process.communicate(timeout=after_s)
                assert process.returncode == 0, errors
                # Here it is done sooner than where the times above were chosen.
                self.shorter[command] = self.shorter.get(command, 1.0) * 0.8
                return
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                self.kills[command] += 1
        process = self._start(command, *args)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors

    def _start(self, command: str, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "seedgate", command, *args, "-w", str(self.folder), "--json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def test_twenty_kills_lose_nothing_and_double_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack.use(monkeypatch)
    folder = tmp_path / "killed"
    settings = {
        "generation": {"candidates": 60, "concurrency": 4},
        "review": {"wave_size": 15, "controls": 0},
    }
    name = f"simulated-{tmp_path.name[-8:].replace('_', '-')}-{os.getpid()}"
    with example_workspace(folder, simulated_reviewer=name, settings=settings) as ws:
        verify(ws, by="a test", statement="For a test.")
        lock(ws)
    killer = Killer(folder)

    with Workspace(folder) as ws:
        from seedgate.cycle import begin_cycle

        begin_cycle(ws, simulated=True)
        killer.run("generate", longest_s=6, kills=6)
        started = time.monotonic()
        while push(ws, cycle=1, simulated=True, dry_run=True).candidates and time.monotonic() - started < 400:
            killer.run("push", longest_s=1.6, kills=3)
            SimulatedReviewer(ws).review()
            killer.run("pull", longest_s=1.2, kills=3)
            killer.run("release", longest_s=1.5, kills=3)

        assert killer.kills.total() >= KILLS, killer.kills
        assert set(killer.kills) == {"generate", "push", "pull", "release"}
        check_generation(ws)
        check_records(ws, stack)
        check_releases(ws)
        check_that_nothing_is_left_to_do(ws)
    audit = subprocess.run(
        [sys.executable, "-m", "seedgate", "audit", "-w", str(folder)], capture_output=True, text=True
    )
    assert audit.returncode == 0, audit.stdout


def check_that_nothing_is_left_to_do(ws: Workspace) -> None:
    """Undisturbed, the same commands once more add nothing that exists: there was nothing left to catch up on."""

    def existing() -> Counter[str]:
        kinds = ("candidate.created", "round.opened", "round.pushed", "verdict.recorded", "release.created")
        return Counter({kind: ws.ledger.count(kind) for kind in kinds})

    before = existing()
    generate(ws, candidates=60, cycle=1)
    push(ws, cycle=1, simulated=True)
    pull(ws)
    assert not release(ws).created
    assert existing() == before


def check_generation(ws: Workspace) -> None:
    requests = [event.payload["index"] for event in ws.ledger.events("request.completed")]
    assert len(requests) == len(set(requests)), "a plan entry was recorded twice"
    made = Counter(event.subject for event in ws.ledger.events("candidate.created"))
    assert made.total() >= 60
    assert set(made.values()) == {1}
    assert len(ws.ledger.bodies(made)) == len(made), "a candidate without its content"


def check_records(ws: Workspace, stack: Stack) -> None:
    """Argilla has each assignment once, and the ledger each submitted response once."""
    assigned = Counter(
        assignment["record_id"]
        for event in ws.ledger.events("round.opened")
        for assignment in event.payload["assignments"]
    )
    assert set(assigned.values()) == {1}
    found: Counter[str] = Counter()
    responses: Counter[str] = Counter()
    headers = {"X-Argilla-Api-Key": stack.argilla.key}
    with httpx.Client(base_url=stack.argilla.url, headers=headers, timeout=60) as client:
        for event in ws.ledger.events("round.pushed"):
            for dataset in event.payload["datasets"].values():
                query = {"include": "responses", "limit": 1000}
                page = client.get(f"/api/v1/datasets/{dataset}/records", params=query).raise_for_status()
                for item in page.json()["items"]:
                    found[item["external_id"]] += 1
                    responses.update(r["id"] for r in item["responses"] if r["status"] == "submitted")
    assert found == assigned
    assert Counter(e.payload["response_id"] for e in ws.ledger.events("verdict.recorded")) == responses


def check_releases(ws: Workspace) -> None:
    made = [event.subject for event in ws.ledger.events("release.created")]
    assert len(made) == len(set(made))
    assert {path.name for path in ws.releases_dir.iterdir()} == set(made), "half a release was left behind"
    approved = {key for key, decision in decisions(ws).items() if decision.outcome == "approved"}
    manifest = json.loads((ws.releases_dir / made[-1] / "manifest.json").read_text(encoding="utf-8"))
    rows = [row["id"] for row in manifest["rows"]]
    assert len(rows) == len(set(rows)) == 200 + len(approved)
    assert approved <= set(rows)

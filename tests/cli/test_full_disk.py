"""A disk that is really full: one clear line, nothing half-written, and the same command goes on once there is space.

The disk is a tmpfs of a few megabytes, which root can mount; without that the tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import LedgerError, SeedgateError
from seedgate.finetune import audit, release, release_needed
from seedgate.generator import generate
from seedgate.ledger import Ledger, NewEvent
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm
from tests.finetune.reviewing import Reviewing

KILOBYTE = 1024


class SmallDisk:
    """A mounted tmpfs that can be filled to the last block, and freed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        """Bytes."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, *, leave: int) -> None:
        """Takes all but `leave` bytes."""
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free - leave)
        assert self.free <= leave

    def empty(self) -> None:
        """Gives the space back."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "seedgate-test", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no program `mount` on this system")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here (root can): {mounted.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def seedgate(ws: Workspace, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seedgate", *command, "-w", str(ws.root), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
    )


def fails_in_one_line(ws: Workspace, *command: str) -> None:
    done = seedgate(ws, *command)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["exit_code"], f"{said['error']}: {said['hint']}") == (
        1,
        done.stderr.removeprefix("seedgate: ").strip(),
    )
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("seedgate: ")
    assert "full" in done.stderr or "No space left on device" in done.stderr
    assert "then run again" in done.stderr


def files(ws: Workspace) -> set[str]:
    """What lies in the workspace, but for what SQLite keeps beside its file."""
    found = (str(path.relative_to(ws.root)) for path in ws.root.rglob("*") if path.is_file())
    return {name for name in found if not name.startswith(".seedgate/ledger.db-")}


def test_with_no_block_left_the_line_says_so(
    disk: SmallDisk, make_workspace: Callable[..., Workspace]
) -> None:
    with make_workspace(folder="disk/ws") as ws:
        before = files(ws)
    disk.fill(leave=0)
    fails_in_one_line(ws, "release")
    assert files(ws) == before
    disk.empty()
    with Workspace(ws.root) as again:
        assert release(again).created


def test_generate_goes_on_where_the_disk_was_full(
    disk: SmallDisk, make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeVllm() as vllm:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", vllm.url)
        settings: dict[str, Any] = {
            "vllm": {"model": vllm.model},
            "generation": {"candidates": 60, "shots": 3, "completions": 2, "concurrency": 2},
        }
        with make_workspace(folder="disk/ws", settings=settings) as ws:
            before, stood = files(ws), ws.ledger.head()[0]
        disk.fill(leave=160 * KILOBYTE)
        fails_in_one_line(ws, "generate")
        assert files(ws) == before
        disk.empty()
        with Workspace(ws.root) as again:
            assert again.ledger.head()[0] > stood, "what was answered before is kept"
            generate(again, candidates=60, cycle=1)
            answered = [event.payload["index"] for event in again.ledger.events("request.completed")]
            made = [event.subject for event in again.ledger.events("candidate.created")]
            assert len(answered) == len(set(answered))
            assert len(made) == len(set(made)) >= 60
            assert audit(again) == []


WHOLE = {f"releases/r001/{name}" for name in ("train.parquet", "README.md", "manifest.json")}


def test_a_release_is_whole_or_absent_wherever_the_space_ends(
    disk: SmallDisk, make_workspace: Callable[..., Workspace]
) -> None:
    with make_workspace(folder="disk/ws") as ws:
        reviewing = Reviewing(ws)
        reviewing.approve(*reviewing.candidates(4))
        assert release_needed(ws)  # stores what the rows mean, which is another database's space
    before = files(ws)
    told = []
    for leave in range(32 * KILOBYTE, 200 * KILOBYTE, 4 * KILOBYTE):
        disk.fill(leave=leave)
        error = failure_of_release(ws)
        left = files(ws) - before
        disk.empty()
        if error is None:
            break
        assert error.exit_code == 1
        assert len(str(error).splitlines()) == 1
        # Whole, without the event that makes it count: the next run adopts it.
        assert left in (set(), WHOLE)
        told.append(error.message)
    assert any("ledger.db" in line and "database or disk is full" in line for line in told)
    # What the release's files need is less than what opening the vectors takes: those are told first.
    assert any("embeddings.db" in line and "database or disk is full" in line for line in told)
    assert left == WHOLE
    with Workspace(ws.root) as again:
        assert audit(again) == []


def failure_of_release(ws: Workspace) -> SeedgateError | None:
    with Workspace(ws.root) as again:
        try:
            release(again)
        except SeedgateError as error:
            return error
    return None


def test_a_batch_that_finds_no_room_is_absent_and_fits_afterwards(disk: SmallDisk) -> None:
    def batch(number: int) -> list[NewEvent]:
        texts = [{"text": f"{number} {i} " + "x" * 500} for i in range(50)]
        return [NewEvent("seed.added", f"{number}-{i}", text, bodies=(text,)) for i, text in enumerate(texts)]

    def append_until_full(ledger: Ledger) -> int:
        for number in range(1000):
            before = ledger.head()
            try:
                ledger.append(batch(number))
            except LedgerError as error:
                assert "disk is full: check the disk" in str(error)  # noqa: PT017
                assert ledger.head() == before
                return number
        raise AssertionError("the disk never filled up")

    with Ledger.create(f"sqlite:///{disk.folder}/ledger.db") as ledger:
        disk.fill(leave=600 * KILOBYTE)
        refused = append_until_full(ledger)
        assert refused > 0
        assert list(ledger.verify()) == []
        disk.empty()
        assert len(ledger.append(batch(refused))) == 50
        assert ledger.head()[0] == 50 * (refused + 1)
        assert list(ledger.verify()) == []

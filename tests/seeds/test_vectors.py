"""Stored vectors: there again in another process, whole after a kill, gone when their row is."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seedgate.errors import SeedgateError
from seedgate.seeds import vectors
from seedgate.seeds.vectors import VectorStore

PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from seedgate.seeds.vectors import VectorStore

store = VectorStore(Path(sys.argv[1]), "space")
first = int(sys.argv[2])
for number in range(first, first + 80, 4):
    store.put({f"{n:05}": np.full(384, n % 100, np.float32) for n in range(number, number + 4)})
"""


def rows(*numbers: int) -> dict[str, np.ndarray]:
    return {f"{n:05}": np.full(8, n, np.float32) for n in numbers}


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    return VectorStore(tmp_path / "vectors.db", "space")


def test_what_was_put_is_there_again_and_nothing_else(store: VectorStore) -> None:
    assert store.get(["00001"]) == {}
    assert not store.path.exists()
    store.put(rows(1, 2))
    found = VectorStore(store.path, "space").get(["00002", "00003"])
    assert list(found) == ["00002"]
    assert found["00002"].tolist() == [2.0] * 8
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_the_first_vector_of_a_row_stays(store: VectorStore) -> None:
    store.put(rows(1))
    store.put({"00001": np.zeros(8, np.float32)})
    assert store.get(["00001"])["00001"].tolist() == [1.0] * 8


def test_another_model_sees_none_of_them(store: VectorStore) -> None:
    store.put(rows(1))
    assert VectorStore(store.path, "other").get(["00001"]) == {}


def test_more_ids_than_a_query_may_name(store: VectorStore) -> None:
    store.put(rows(*range(1200)))
    assert len(store.get([f"{n:05}" for n in range(1300)])) == 1200


def test_only_what_is_kept_stays_and_the_bytes_go_too(store: VectorStore) -> None:
    store.put({"secret": np.linspace(0, 1, 384, dtype=np.float32)} | rows(1, 2))
    VectorStore(store.path, "other").put({"secret": np.ones(8, np.float32)})
    blob = np.linspace(0, 1, 384, dtype=np.float16).tobytes()
    assert blob in store.path.read_bytes()
    assert VectorStore.keep_only(store.path, {"00001", "00002"}) == 1
    assert blob not in store.path.read_bytes()
    assert b"secret" not in store.path.read_bytes()
    assert sorted(store.get(["secret", "00001", "00002"])) == ["00001", "00002"]
    assert VectorStore.keep_only(store.path, {"00001", "00002"}) == 0
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name], "no log beside it"


def test_a_damaged_file_is_begun_anew(store: VectorStore) -> None:
    store.path.write_bytes(b"no database at all, but long enough to be one" * 100)
    assert store.get(["00001"]) == {}
    store.put(rows(1))
    assert list(store.get(["00001"])) == ["00001"]


def test_one_that_is_held_by_others_for_too_long_is_one_line(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(rows(1))
    monkeypatch.setattr(vectors, "WAIT_S", 0.05)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(SeedgateError, match="locked: free space or end what holds it"):
            store.put(rows(2))
    finally:
        holder.close()


def test_processes_that_write_at_once_and_are_killed_leave_whole_rows(store: VectorStore) -> None:
    chance = random.Random(20)
    for turn in range(3):
        command = [sys.executable, "-c", PROGRAM, str(store.path)]
        writers = [subprocess.Popen([*command, str(first)]) for first in (0, 40)]
        before, deadline = _count(store), time.monotonic() + 60
        while _count(store) == before and time.monotonic() < deadline and turn == 0:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    assert _count(store) % 4 == 0
    assert _count(store) > 0
    done = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(store.path), first]) for first in ("0", "40")
    ]
    assert [writer.wait() for writer in done] == [0, 0]
    found = store.get([f"{n:05}" for n in range(120)])
    assert len(found) == 120
    assert all((vector == int(id_) % 100).all() for id_, vector in found.items())


def _count(store: VectorStore) -> int:
    return len(store.get([f"{n:05}" for n in range(120)]))

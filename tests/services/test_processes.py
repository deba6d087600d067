"""Who is ours: identity, marks, and who listens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedgate.services.ports import HOST
from seedgate.services.processes import MARK, SERVICE, Identity, end, listeners, marked

SLEEP = [sys.executable, "-I", "-c", "import time; time.sleep(600)"]
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def identity(process: subprocess.Popen[bytes]) -> Identity:
    found = Identity.of(process.pid)
    assert found is not None
    return found


def test_a_process_is_alive_until_it_ends(sleeper: subprocess.Popen[bytes]) -> None:
    found = identity(sleeper)
    assert found.alive
    sleeper.kill()
    sleeper.wait()
    assert not found.alive


def test_a_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    found = identity(sleeper)
    os.kill(sleeper.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while found.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not found.alive
    assert sleeper.returncode is None  # nobody has waited for it yet


def test_the_same_id_with_another_start_is_another_process(sleeper: subprocess.Popen[bytes]) -> None:
    found = identity(sleeper)
    assert not found.model_copy(update={"started": found.started - 1}).alive


def test_age_counts_from_the_start(sleeper: subprocess.Popen[bytes]) -> None:
    assert 0 <= identity(sleeper).age_s() < 30


def test_marked_finds_children_and_grandchildren_of_this_folder_only(tmp_path: Path) -> None:
    code = f"import subprocess; subprocess.run({SLEEP!r})"
    environment = {**os.environ, MARK: str(tmp_path), SERVICE: "vllm"}
    ours = subprocess.Popen([sys.executable, "-I", "-c", code], env=environment, start_new_session=True)
    other = subprocess.Popen(SLEEP, env={**os.environ, MARK: f"{tmp_path}/other"})
    try:
        deadline = time.monotonic() + 10
        while len(marked(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        found = marked(tmp_path)
        assert len(found) == 2
        assert {process.service for process in found} == {"vllm"}
        assert end([process.identity for process in found]) == []
        ours.wait()
        assert marked(tmp_path) == []
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_end_kills_what_ignores_the_polite_signal() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-c", STUBBORN], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        assert end([identity(process)], patience_s=0.3) == []
    assert process.wait() == -signal.SIGKILL


def test_end_leaves_a_process_alone_that_only_has_the_id(sleeper: subprocess.Popen[bytes]) -> None:
    end([Identity(pid=sleeper.pid, started=1)], patience_s=0.1)
    assert sleeper.poll() is None


def test_listeners_names_the_process_on_a_port() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert listeners(port) == {os.getpid()}
    assert listeners(port) == set()


def test_a_connected_client_is_no_listener() -> None:
    with socket.create_server((HOST, 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            assert listeners(client.getsockname()[1]) == set()
        server.accept()[0].close()

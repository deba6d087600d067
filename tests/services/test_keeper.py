"""What a killed process leaves behind is ended; what has nothing to do with it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from seedgate.services.keeper import MARK, kept
from seedgate.services.processes import Identity, carrying

SLEEP = "import time; time.sleep(120)"
PROGRAM = f"""
import signal, subprocess, sys, time
from seedgate.services.keeper import kept
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background command inherits that it is ignored
with kept():
    child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
    print(child.pid, flush=True)
    time.sleep(120)
"""


def soon(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_children_of_a_killed_process_are_ended(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = Identity.of(int(parent.stdout.readline()))
        assert child is not None
        assert child.alive
        parent.send_signal(number)
        parent.wait(timeout=60)
    assert soon(lambda: not child.alive)


def test_what_is_left_in_the_end_is_ended_and_what_was_there_before_lives() -> None:
    before = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        with kept():
            value = os.environ[MARK]
            left = subprocess.Popen([sys.executable, "-c", SLEEP])
            assert soon(lambda: [each.pid for each in carrying(MARK, value)] == [left.pid])
        assert left.wait(timeout=30) == -signal.SIGTERM
        assert before.poll() is None
        assert MARK not in os.environ
    finally:
        before.kill()
        before.wait()

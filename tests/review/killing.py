"""kill -9 of a command at a request of choice: what the clock says decides nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

from fakes.argilla_server import FakeArgilla

from seedgate.workspace import Workspace

__all__ = ["killed"]


def killed(ws: Workspace, server: FakeArgilla, program: str, command: str, *, at: int, done: bool) -> bool:
    """Starts `program` and kills it while its request number `at` (1, 2, ...) waits; whether it made so many.

    `done`: Argilla had done what it was asked for. A command that makes fewer requests ends undisturbed.
    """
    with server.hold(at, done=done) as held:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(ws.root), command], stderr=subprocess.PIPE
        )
        while not held.reached.wait(0.02) and process.poll() is None:
            pass
        process.kill()
        _, error = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), error.decode()
    assert held.reached.is_set() == (process.returncode != 0)
    return process.returncode != 0

"""Runs a command that takes a while: its output in a log, stopped at once when it is no longer wanted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import os_errors
from seedgate.services.diagnosis import tail

__all__ = ["Cancelled", "run"]


class Cancelled(ServiceError):  # noqa: N818  not a failure of its own
    """Given up because another part failed, or the user had enough."""


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    what: str,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stdin: str = "",
    cancelled: Event | None = None,
    timeout_s: float = 1800.0,
    umask: int = -1,
) -> str:
    """Runs `command` with its output (both streams) appended to `log`, and returns that output.

    Args:
        command: Program and arguments; no secrets among them.
        log: In a folder that exists; mode 600.
        what: What it does, for the error: "installing argilla-server".
        environment: The whole environment; the caller's by default.
        directory: Where it runs.
        stdin: What it reads.
        cancelled: Ends it when set.
        timeout_s: How long it may take.
        umask: For the files it makes; the caller's by default.

    Raises:
        ServiceError: It failed or took too long; with its last lines and the log's name.
        Cancelled: `cancelled` was set.
    """
    with os_errors(log, "writing"):
        log.touch(mode=0o600)
        begin = log.stat().st_size
        output = log.open("ab")
    with (
        output,
        subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=directory,
            umask=umask,
        ) as process,
    ):
        try:
            _feed(process, stdin)
            code = _await(process, cancelled, what, timeout_s)
        except BaseException:
            process.kill()
            raise
    if code != 0:
        last = "".join(f"\n    {line[:300]}" for line in tail(log, since=begin, lines=5))
        raise ServiceError(f"{what} failed (exit code {code}, log: {log}){':' if last else ''}{last}")
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", "replace")


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None  # noqa: S101  it is a pipe
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended without reading; its exit code tells


def _await(process: subprocess.Popen[bytes], cancelled: Event | None, what: str, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while (code := process.poll()) is None:
        if cancelled is not None and cancelled.is_set():
            raise Cancelled(f"{what} was given up")
        if time.monotonic() > deadline:
            raise ServiceError(f"{what} took longer than {timeout_s:.0f} s")
        time.sleep(0.1)
    return code

"""Becomes the service that a launch file describes; run by supervisord as a script, it imports nothing of ours.

supervisord's configuration has its own quoting, comments and `%` expansion, and shows a program's environment
to whoever may talk to it. A launch file (JSON, mode 600) with the exact command, folder and environment needs
no escaping and keeps keys out of both the configuration and the list of processes.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_orphans(environment: dict[str, str]) -> None:
    """Kills what an earlier process of this service left behind.

    vLLM's engine outlives an API server that is killed, and would hold its memory for ever. It is known by
    the marks it inherited, of the stack and of the service; see processes.py.
    """
    marks = {os.fsencode(f"{name}={environment[name]}") for name in ("SEEDGATE_STACK", "SEEDGATE_SERVICE")}
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if marks <= set((process / "environ").read_bytes().split(b"\0")):
                os.kill(int(process.name), signal.SIGKILL)


def main(path: str) -> None:
    """Replaces this process by the command of the launch file `path`."""
    launch = json.loads(Path(path).read_bytes())
    end_orphans(launch["environment"])
    # A service whose supervisor was killed would go on without restarts and without a log.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.umask(0o077)
    os.chdir(launch["directory"])
    os.execve(launch["command"][0], launch["command"], launch["environment"])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1])

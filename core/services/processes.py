"""Which processes are ours: known by id, start time and a mark in their environment, never by name.

Every process of a stack inherits SEEDGATE_STACK=<workspace folder>. A process id alone says little, since the
kernel reuses it; a copied state file says little, since it names another workspace's processes. The mark holds
also for grandchildren that outlive the process that `up` started, such as vLLM's engine.

Reads /proc, so Linux only, which the embedded stack is anyway.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

__all__ = ["MARK", "SERVICE", "Identity", "Marked", "carrying", "end", "listeners", "marked"]

MARK = "SEEDGATE_STACK"
SERVICE = "SEEDGATE_SERVICE"
LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


class Identity(BaseModel):
    """A process for as long as it lives: its id and the kernel's clock ticks at its start."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this id now; None if none has, or it is a zombie."""
        try:
            # proc(5): the second field, the name in parentheses, may itself hold spaces and parentheses.
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return None
        return None if fields[0] in "ZX" else cls(pid=pid, started=int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def age_s(self) -> float:
        """Seconds since it started."""
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, uptime - self.started / os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True)
class Marked:
    """A process of a stack, and the service it belongs to (None for what serves none, as supervisord)."""

    identity: Identity
    service: str | None


def marked(root: Path) -> list[Marked]:
    """The live processes that carry the mark of the stack of `root`, but for the caller."""
    return [Marked(identity, environment.get(SERVICE)) for identity, environment in _with(MARK, str(root))]


def carrying(name: str, value: str) -> list[Identity]:
    """The live processes that have this in their environment, but for the caller."""
    return [identity for identity, _ in _with(name, value)]


def _with(name: str, value: str) -> Iterator[tuple[Identity, dict[str, str]]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        environment = _environment(entry)
        identity = Identity.of(int(entry.name)) if environment.get(name) == value else None
        if identity is not None:
            yield identity, environment


def _environment(process: Path) -> dict[str, str]:
    try:
        words = os.fsdecode((process / "environ").read_bytes()).split("\0")
    except OSError:  # gone, or another user's
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


def end(processes: Iterable[Identity], *, patience_s: float = 10.0) -> list[Identity]:
    """Asks the processes to end, kills what still lives after `patience_s`, and returns what survived that."""
    remaining = [process for process in processes if process.alive]
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        for process in remaining:
            with suppress(ProcessLookupError, PermissionError):
                if process.alive:
                    os.kill(process.pid, number)
        deadline = time.monotonic() + wait_s
        while (remaining := [process for process in remaining if process.alive]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.05)
    return remaining


def listeners(port: int) -> set[int | None]:
    """The ids of the processes that listen on a TCP port, None for one that is another user's.

    Empty when nobody listens.
    """
    sockets = _listening_sockets(port)
    if not sockets:
        return set()
    owners: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            owners.update(dict.fromkeys(_open_sockets(entry) & sockets, int(entry.name)))
    return {owners.get(name) for name in sockets}


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found


def _open_sockets(process: Path) -> set[str]:
    found = set()
    with suppress(OSError):
        for handle in (process / "fd").iterdir():
            with suppress(OSError):
                found.add(str(handle.readlink()))
    return found

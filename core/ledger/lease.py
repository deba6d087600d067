"""A stage's lease: one `generate`, one `push`, one `pull`, one `release` at a time on a ledger.

The lease is a row with an expiry that its holder renews. A holder that was killed on the same host is
recognised by its process id and start time, so that running the command again needs no waiting; one on
another host is waited out. Every append made under a lease checks in its own transaction that the lease
is still held, so a process that was stopped for long cannot write after it was replaced.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection, Engine

from seedgate.errors import BusyError, LedgerError
from seedgate.ledger.schema import guard, leases, writing

__all__ = ["Lease", "process_started"]

_log = logging.getLogger(__name__)

LEASE_S = 60.0
RENEW_S = 15.0

_held: set[str] = set()
"""Tokens of the leases that this process holds: a row that could not be deleted, on a full disk, holds nothing."""


def process_started(pid: int) -> str | None:
    """An opaque mark of when process `pid` started, None if it is gone; tells a reused id apart."""
    try:
        # Field 22 of proc(5) stat; the name in field 2 may hold spaces, hence the split after ')'.
        stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        if stat[0] == "Z":
            return None
        return stat[19]
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"


def _now() -> datetime:
    return datetime.now(UTC)


class Lease:
    """Holds `stage` from entering the `with` block to leaving it.

    Raises:
        BusyError: On entering, if another live process holds it: names its process, host and start.
    """

    def __init__(self, engine: Engine, stage: str) -> None:
        self.stage = stage
        self.token = secrets.token_hex(16)
        self._engine = engine
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lease:
        pid = os.getpid()
        holder = json.dumps(
            {
                "pid": pid,
                "host": socket.gethostname(),
                "started": process_started(pid),
                "since": _now().isoformat(timespec="seconds"),
            }
        )
        row = {"token": self.token, "holder": holder, "expires_at": self._expiry()}
        with guard(self._engine, "writing"), writing(self._engine) as connection:
            current = connection.execute(select(leases).where(leases.c.stage == self.stage)).first()
            if current is not None and self._alive(current):
                who = json.loads(current.holder)
                raise BusyError(
                    f"another `{self.stage}` runs on this workspace"
                    f" (process {who['pid']} on {who['host']}, since {who['since']})",
                    hint="wait for it, or stop it",
                )
            connection.execute(delete(leases).where(leases.c.stage == self.stage))
            connection.execute(insert(leases).values(stage=self.stage, **row))
        _held.add(self.token)
        self._thread = threading.Thread(target=self._renew, name=f"lease-{self.stage}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        _held.discard(self.token)
        try:
            with guard(self._engine, "writing"), writing(self._engine) as connection:
                connection.execute(
                    delete(leases).where(leases.c.stage == self.stage, leases.c.token == self.token)
                )
        except LedgerError as error:
            # What was done stands and what failed is told; the row that stays holds up nobody on this host.
            level = logging.INFO if failed else logging.WARNING
            _log.log(level, "the lease of %s was not given back: %s", self.stage, error)

    def check(self, connection: Connection) -> None:
        """Within an append's transaction: BusyError unless this lease is still held."""
        held = connection.execute(
            select(leases.c.token).where(leases.c.stage == self.stage, leases.c.token == self.token)
        ).first()
        if held is None:
            raise BusyError(
                f"this `{self.stage}` lost its lease to another process",
                hint="run it again when that one is done",
            )

    @staticmethod
    def _expiry() -> str:
        return (_now() + timedelta(seconds=LEASE_S)).isoformat()

    @staticmethod
    def _alive(row: Any) -> bool:
        who = json.loads(row.holder)
        if who["host"] != socket.gethostname():
            return datetime.fromisoformat(row.expires_at) > _now()
        if who["pid"] == os.getpid() and row.token not in _held:
            return False
        return bool(process_started(int(who["pid"])) == who["started"])

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_S):
            try:
                with guard(self._engine, "writing"), writing(self._engine) as connection:
                    connection.execute(
                        update(leases)
                        .where(leases.c.stage == self.stage, leases.c.token == self.token)
                        .values(expires_at=self._expiry())
                    )
            except LedgerError as error:
                # The next append says so too, in the thread that can stop the work.
                _log.warning("the lease of %s was not renewed: %s", self.stage, error)

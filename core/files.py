"""Files that are either the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from seedgate.errors import InputError, SeedgateError

__all__ = ["atomic_write", "fsync_dir", "os_errors"]


@contextmanager
def os_errors(path: Path, doing: str) -> Iterator[None]:
    """Turns an OSError (disk full, read-only folder, ...) into one clear line."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: {doing} failed: no such file or folder") from error
    except OSError as error:
        what = error.strerror or str(error)
        raise SeedgateError(
            f"{path}: {doing} failed: {what}",
            hint="free space or mend the folder's permissions, then run again",
        ) from error


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Yields a binary file that becomes `path` when the block ends well, and vanishes when it doesn't."""
    with os_errors(path, "writing"):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os_errors(path, "writing"), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        with os_errors(path, "writing"):
            temporary.replace(path)
            fsync_dir(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def fsync_dir(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

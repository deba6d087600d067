"""A lock between processes that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seedgate.files import os_errors

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds the lock file `path` (made with mode 600, never removed) for the length of the block.

    Args:
        path: In a folder that exists.
        on_wait: Called once if somebody else holds it, before waiting for as long as it takes.
    """
    with os_errors(path, "locking"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

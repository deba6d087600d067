"""Ends what a process left behind when it was killed: `python -m seedgate.services.keeper VALUE`.

Waits until its standard input is closed, by whoever started it or by their death, and ends the processes that
have `SEEDGATE_KEPT=VALUE` in their environment. An engine that lost its command would hold its memory for good.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from seedgate.services.processes import carrying, end

__all__ = ["MARK", "kept"]

MARK = "SEEDGATE_KEPT"


@contextmanager
def kept() -> Iterator[None]:
    """Marks the processes that this one starts meanwhile, and has them ended with the block or with this one."""
    value = uuid4().hex
    plain = {key: text for key, text in os.environ.items() if key != MARK}
    keeper = subprocess.Popen(
        [sys.executable, "-m", __name__, value],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=plain,
        start_new_session=True,  # a Ctrl-C is for this process, which then closes the pipe
    )
    os.environ[MARK] = value
    try:
        yield
    finally:
        del os.environ[MARK]
        assert keeper.stdin is not None  # noqa: S101  it is a pipe
        keeper.stdin.close()
        keeper.wait()


def main() -> None:
    sys.stdin.buffer.read()
    if Path("/proc").is_dir():
        end(carrying(MARK, sys.argv[1]))


if __name__ == "__main__":
    main()

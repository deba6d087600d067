"""Commands that take a while: their output, their failure, their end."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from seedgate.errors import ServiceError
from seedgate.services.commands import Cancelled, run


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def test_the_output_of_both_streams_is_returned_and_kept(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("earlier\n")
    printed = run(
        python("import sys; print(input()); print('b', file=sys.stderr)"), log=log, what="it", stdin="a\n"
    )
    assert sorted(printed.split()) == ["a", "b"]
    assert log.read_text() == "earlier\n" + printed


def test_a_new_log_is_private(tmp_path: Path) -> None:
    run(python(""), log=tmp_path / "x.log", what="it")
    assert (tmp_path / "x.log").stat().st_mode & 0o077 == 0


def test_a_failure_tells_the_log_and_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(
        ServiceError, match=r"installing it failed \(exit code 3, log: .*x\.log\):\n    no luck"
    ):
        run(python("print('no luck'); raise SystemExit(3)"), log=tmp_path / "x.log", what="installing it")


def test_one_that_reads_nothing_may_still_succeed(tmp_path: Path) -> None:
    run(python("import os; os.close(0)"), log=tmp_path / "x.log", what="it", stdin="x" * 1_000_000)


def test_it_ends_at_once_when_it_is_cancelled(tmp_path: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled, match="it was given up"):
        run(python("import time; time.sleep(60)"), log=tmp_path / "x.log", what="it", cancelled=cancelled)
    assert time.monotonic() - begun < 30


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="it took longer than 0 s"):
        run(python("import time; time.sleep(60)"), log=tmp_path / "x.log", what="it", timeout_s=0.3)

"""From the last lines of a log to a cause and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedgate.services.diagnosis import failure, permanent, tail
from seedgate.services.layout import Layout


@pytest.fixture
def layout(root: Path) -> Layout:
    found = Layout.of(root)
    found.make()
    return found


LOGS = {
    "not enough memory": (
        "ValueError: Available memory on node 0 (0.4/10.6 GiB) on kv cache allocation is less than "
        "requested memory for kv (2.0 GiB)."
    ),
    "out of memory": "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried",
    "the disk is full": "OSError: [Errno 28] No space left on device",
    "its port is taken": "[Errno 98] error while attempting to bind on address: address already in use",
    "it does not know an argument": "api_server.py: error: unrecognized arguments: --tensor-paralel 2",
    "it cannot find the model": "OSError: /m does not appear to have a file named config.json.",
    "its database is damaged": "sqlite3.DatabaseError: database disk image is malformed",
    "its folder is read-only": "sqlite3.OperationalError: attempt to write a readonly database",
}


@pytest.mark.parametrize("cause", LOGS)
def test_a_known_cause_is_named_with_the_log_and_advice(layout: Layout, cause: str) -> None:
    layout.log("vllm").write_text(f"starting\n{LOGS[cause]}\n  traceback\n")
    error = failure(layout, "vllm", "did not start")
    assert error.message == f"vllm did not start: {cause} (log: {layout.log('vllm')})"
    assert error.hint
    assert "\n" not in str(error)


def test_an_unknown_cause_shows_the_last_lines(layout: Layout) -> None:
    layout.log("vllm").write_text("\n".join(f"line {number}" for number in range(20)) + "\n\n")
    text = str(failure(layout, "vllm", "did not start"))
    assert text.splitlines()[0] == f"vllm did not start; its log {layout.log('vllm')} ends:"
    assert [line.strip() for line in text.splitlines()[1:]] == [f"line {number}" for number in range(15, 20)]


def test_an_empty_or_missing_log_is_said(layout: Layout) -> None:
    assert "vllm.log is empty" in str(failure(layout, "vllm", "did not start"))


def test_a_kill_that_only_supervisord_saw_is_told(layout: Layout) -> None:
    layout.log("vllm").write_text("loading weights\n")
    layout.log("supervisord").write_text(
        "WARN exited: vllm (terminated by SIGKILL; not expected)\nINFO exited: search (exit status 0)\n"
    )
    assert "it was killed, likely for want of memory" in str(failure(layout, "vllm", "died"))
    assert "killed" not in str(failure(layout, "search", "died"))


def test_only_this_start_counts(layout: Layout) -> None:
    log = layout.log("vllm")
    log.write_text("No space left on device\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("something else\n")
    assert "disk" not in str(failure(layout, "vllm", "did not start", since=since))
    assert not permanent(log, since)
    assert permanent(log, 0)


def test_a_rotated_log_is_read_from_its_start(layout: Layout) -> None:
    layout.log("vllm").write_text("fresh\n")
    assert tail(layout.log("vllm"), since=10_000) == ["fresh"]


def test_passing_trouble_is_not_permanent(layout: Layout) -> None:
    layout.log("vllm").write_text("ConnectionError: redis\n")
    assert not permanent(layout.log("vllm"), 0)


def test_a_huge_log_with_broken_text_is_read_from_its_end(layout: Layout) -> None:
    layout.log("vllm").write_bytes(b"\xff" * 1_000_000 + b"\nlast\n")
    assert tail(layout.log("vllm"), lines=1) == ["last"]

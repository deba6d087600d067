"""How the commands speak: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seedgate.plain import as_json

__all__ = ["as_json", "emit", "emit_error", "lines", "progress", "say", "table", "tell"]

LINE_EVERY_S = 10.0
"""How often progress is told where there is no terminal to draw a bar on."""


_UNSHOWN = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_emitted = False
"""Whether a result was printed as JSON: nothing may follow it."""


def emit_error(error: str, hint: str | None, exit_code: int) -> None:
    """Prints a failure as JSON in place of a result, unless there was one."""
    if not _emitted:
        sys.stdout.write(_json({"error": error, "hint": hint, "exit_code": exit_code}))
        sys.stdout.flush()


def emit(report: Any, as_text: str, *, json_output: bool) -> None:
    """Prints the report as JSON, or its text for people."""
    global _emitted
    if json_output:
        _emitted = True
        sys.stdout.write(_json(as_json(report)))
    else:
        sys.stdout.write(as_text.rstrip() + "\n")


def _json(value: Any) -> str:
    """JSON that a terminal shows as it is: what would move its cursor or turn its text around is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _UNSHOWN.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def tell(text: str) -> None:
    """Text that is a command's result, on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """One line to whoever watches."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def table(headers: list[str], rows: list[list[Any]]) -> str:
    """A plain text table, columns padded; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [headers, *cells]) for i in range(len(headers))]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(headers))]

    def line(parts: list[str]) -> str:
        padded = (p.rjust(w) if r else p.ljust(w) for p, w, r in zip(parts, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(headers), line(["-" * w for w in widths]), *map(line, cells)])


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Callable[[int, int, str], None] | None]:
    """A place for `(done, total, note)` to go: a bar on a terminal, else a line now and then."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, note="")

        def update(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total or None, note=note)

        yield update


def lines(title: str) -> Callable[[int, int, str], None]:
    """A place for progress to go that tells it as a line now and then."""
    last = time.monotonic() - LINE_EVERY_S

    def update(done: int, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            of = f" {done}/{total}" if total else (f" {done}" if done else "")
            say(f"{title}:{of}{' ' + note if note else ''}")

    return update

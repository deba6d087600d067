"""Why a service did not start, from the last lines of its log, with what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

from seedgate.errors import ServiceError
from seedgate.services.layout import Layout

__all__ = ["failure", "permanent", "tail"]

MEMORY = "end other programs, or set a smaller KV cache or `max_model_len`"

CAUSES: tuple[tuple[str, str, str], ...] = (
    # (pattern in the log, what was found, what to do); the first that matches is told
    (r"less than (requested|desired) .*memory|available memory on node", "not enough memory", MEMORY),
    (r"can't allocate memory|cannot allocate memory|MemoryError|Out of memory", "out of memory", MEMORY),
    (r"died unexpectedly.*(-9|SIGKILL)|exit ?code:? -9", "its engine was killed, likely for want of memory", MEMORY),
    (r"No space left on device|database or disk is full", "the disk is full", "free some space"),
    (r"Read-only file system|readonly database", "its folder is read-only", "mend the folder's permissions"),
    (r"address already in use", "its port is taken", "run `seedgate up` again: another port will be chosen"),
    (r"unrecognized arguments|invalid choice|error: argument", "it does not know an argument", "check `vllm_args`"),
    (
        r"Repo id must be|not a valid model identifier|does not appear to have a file named|No such file.*config\.json",
        "it cannot find the model",
        "give the path of a model folder",
    ),
    (r"database disk image is malformed|file is not a database", "its database is damaged", "restore a backup"),
)  # fmt: skip

# No retry helps these; the rest may have been a passing trouble.
PERMANENT = (
    "not enough memory",
    "it does not know an argument",
    "it cannot find the model",
    "the disk is full",
)


def tail(path: Path, *, since: int = 0, lines: int = 400) -> list[str]:
    """The last non-blank lines of a log, from byte `since` on (from the start if it has been rotated)."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(since if size >= since else 0, size - 200_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def _cause(lines: list[str]) -> tuple[str, str] | None:
    text = "\n".join(lines)
    for pattern, found, advice in CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return found, advice
    return None


def permanent(log: Path, since: int) -> bool:
    """Whether the log names a cause that starting again won't change."""
    cause = _cause(tail(log, since=since))
    return cause is not None and cause[0] in PERMANENT


def killed(layout: Layout, name: str) -> bool:
    """Whether supervisord's last word on this service is that it was killed, which out-of-memory killers do."""
    ends = [line for line in tail(layout.log("supervisord")) if f"exited: {name} " in line]
    return bool(ends) and "SIGKILL" in ends[-1]


def failure(layout: Layout, name: str, what: str, *, since: int = 0) -> ServiceError:
    """The error for service `name`: what happened, why if its log tells, else the log's last lines.

    Args:
        layout: The workspace's paths.
        name: Of the service.
        what: What happened, such as "did not start".
        since: Where in its log this start begins.
    """
    log = layout.log(name)
    lines = tail(log, since=since)
    cause = _cause(lines)
    if cause is None and killed(layout, name):
        cause = ("it was killed, likely for want of memory", MEMORY)
    if cause is not None:
        return ServiceError(f"{name} {what}: {cause[0]} (log: {log})", hint=cause[1])
    last = "".join(f"\n    {line[:300]}" for line in lines[-5:])
    said = f"; its log {log} ends:{last}" if last else f"; its log {log} is empty"
    return ServiceError(f"{name} {what}{said}")

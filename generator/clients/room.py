"""How many requests servers have room for, from what vLLM says of itself at `/metrics`.

vLLM queues what it cannot run. While nothing waits there and all that may be in flight is, more may be; when a tenth
of it waits, or its cache is nearly full, more would only wait. A server that answers 429 has had too many already.
Names of the figures were read in vLLM 0.32 (`v1/metrics/loggers.py`).
"""

from __future__ import annotations

import re

__all__ = ["LEAST", "MOST", "START", "Room", "queue_of"]

START, LEAST, MOST = 32, 4, 1024
GROWTH, SHRINKAGE = 1.5, 0.8
WAITING_SHARE, FULL = 0.1, 0.9

_LINE = re.compile(
    r"^vllm:(num_requests_waiting|kv_cache_usage_perc)(?:\{[^}]*\})? ([0-9.eE+-]+)$", re.MULTILINE
)


def queue_of(metrics: str) -> tuple[float, float] | None:
    """Requests that wait and the used share of the cache, of all engines behind one address; None if it says neither.

    >>> queue_of('vllm:num_requests_waiting{engine="0"} 3.0\\nvllm:kv_cache_usage_perc{engine="0"} 0.5\\n')
    (3.0, 0.5)
    """
    found = [(name, float(value)) for name, value in _LINE.findall(metrics)]
    waiting = [value for name, value in found if name == "num_requests_waiting"]
    used = [value for name, value in found if name != "num_requests_waiting"]
    return (sum(waiting), max(used, default=0.0)) if waiting else None


class Room:
    """A number of requests that may be in flight, moved by what is observed.

    Attributes:
        now: The number.
    """

    def __init__(self) -> None:
        self.now = START
        self._shrunk_at = -1.0

    def observe(self, waiting: float, used: float, in_flight: int) -> None:
        """Takes note of the servers' queues.

        Args:
            waiting: Requests that wait at the servers.
            used: Share of the fullest cache that is used, 0 to 1.
            in_flight: Requests sent and not answered.
        """
        if waiting > WAITING_SHARE * max(in_flight, 1) or used > FULL:
            # No further than where it began: what waits at vLLM costs nothing, and few in flight make small batches.
            self.now = max(min(self.now, START), min(self.now, int(SHRINKAGE * in_flight)))
        elif not waiting and in_flight >= self.now:
            self.now = min(MOST, int(GROWTH * self.now))

    def refused(self, at: float, pause_s: float = 1.0) -> None:
        """A server said that it has too many; those that say so at one time count once.

        Args:
            at: Now, in seconds.
        """
        if self._shrunk_at < 0 or at - self._shrunk_at >= pause_s:
            self._shrunk_at = at
            self.now = max(LEAST, int(SHRINKAGE * self.now))

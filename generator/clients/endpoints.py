"""The endpoints a run may use: which is least loaded, which has failed, which has come back.

Least loaded is the one that would answer one more request first, going by how long its answers took lately and its
oldest request waits (peak EWMA, as proxies balance by): slower servers get less, one that hangs gets nothing more.

An endpoint that fails leaves the pool and is asked for its health until it answers again with the model in
its list. That says little of its completions, so it comes back on trial: one request at a time until one is answered,
and out again, for twice as long, at its first failure. While all of them are out, requests wait, up to a deadline;
after it everybody who waits gets one error that says what was seen last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from seedgate.errors import ServiceError

__all__ = ["Endpoint", "EndpointPool"]

log = logging.getLogger(__name__)

PROBE_MOST_S = 5.0
RECENT = 0.2
"""Weight of the newest answer in how fast an endpoint is."""


@dataclass(eq=False)
class Endpoint:
    """One server.

    Attributes:
        url: Base URL ending in `/v1`.
        in_flight: Requests sent and not answered.
        seconds: How long it takes to answer, lately; None before its first answer.
        fault: Why it left the pool; None while it is in.
        latest: What the last check of it found, while it is out.
        failures: Requests in a row that it did not serve.
        on_trial: Whether it came back and has not answered since.
        pause_s: How long it was out at least, last time; 0 once it has answered.
    """

    url: str
    in_flight: int = 0
    seconds: float | None = None
    fault: str | None = None
    latest: str | None = None
    failures: int = 0
    on_trial: bool = False
    pause_s: float = 0.0
    probe: asyncio.Task[None] | None = field(default=None, repr=False)
    _sent: dict[int, float] = field(default_factory=dict, repr=False)
    _number: int = field(default=0, repr=False)

    def send(self, now: float) -> int:
        """Counts a request as in flight; returns what ends it."""
        self.in_flight += 1
        self._number += 1
        self._sent[self._number] = now
        return self._number

    def end(self, number: int, now: float, *, answered: bool) -> None:
        """A request is over; those that were not answered say nothing of how fast it is."""
        self.in_flight -= 1
        took = now - self._sent.pop(number)
        if answered:
            self.failures, self.on_trial, self.pause_s = 0, False, 0.0
            self.seconds = took if self.seconds is None else self.seconds + RECENT * (took - self.seconds)

    def load(self, now: float, unknown_s: float) -> float:
        """Seconds that one more request would probably take, up to a factor that is the same for all."""
        oldest = now - next(iter(self._sent.values()), now)
        return max(self.seconds or unknown_s, oldest) * (self.in_flight + 1)


class EndpointPool:
    """Chooses endpoints and looks after those that failed.

    Args:
        check: Asks an endpoint whether it can serve; returns what is wrong, None if nothing.
        deadline_s: How long all of them may be out at once.
        probe_s: First pause between two checks of one that is out; doubles up to 5 s.
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        check: Callable[[Endpoint], Awaitable[str | None]],
        *,
        deadline_s: float,
        probe_s: float,
    ) -> None:
        self.endpoints = [Endpoint(url) for url in urls]
        self.deadline_s = deadline_s
        self._check = check
        self._probe_s = probe_s
        self._back = asyncio.Event()
        self._back.set()
        self._out_since = 0.0

    def has_other(self, tried: Collection[Endpoint]) -> bool:
        """Whether an endpoint that is in the pool was not tried."""
        return any(each.fault is None and each not in tried for each in self.endpoints)

    async def take(self, tried: Collection[Endpoint] = ()) -> tuple[Endpoint, int]:
        """The least loaded endpoint, and what `Endpoint.end` is to be told.

        Args:
            tried: Endpoints to be taken only if there are no others.

        Raises:
            ServiceError: None came back before the deadline.
        """
        while not (alive := [e for e in self.endpoints if e.fault is None]):
            left = self._out_since + self.deadline_s - time.monotonic()
            try:
                await asyncio.wait_for(self._back.wait(), timeout=left)
            except TimeoutError:
                raise self._gone() from None
        now = time.monotonic()
        # One that has not answered yet is taken to be as fast as the fastest.
        unknown_s = min((e.seconds for e in alive if e.seconds), default=1.0)
        alive = [e for e in alive if e not in tried] or alive
        alive = [e for e in alive if not (e.on_trial and e.in_flight)] or alive
        chosen = min(alive, key=lambda e: e.load(now, unknown_s))
        # The last in the list is asked last among equals, so that an idle pool is used in turn.
        self.endpoints.remove(chosen)
        self.endpoints.append(chosen)
        return chosen, chosen.send(now)

    def fail(self, endpoint: Endpoint, fault: str) -> None:
        """Takes an endpoint out of the pool until it is well again."""
        if endpoint.fault is not None:
            return
        endpoint.fault = endpoint.latest = fault
        log.warning("%s left the pool: %s", endpoint.url, fault)
        if all(e.fault is not None for e in self.endpoints):
            self._out_since = time.monotonic()
            self._back.clear()
        endpoint.probe = asyncio.create_task(self._until_well(endpoint))

    async def aclose(self) -> None:
        """Stops asking after endpoints that are out."""
        probes = [e.probe for e in self.endpoints if e.probe is not None]
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)

    async def _until_well(self, endpoint: Endpoint) -> None:
        while True:
            endpoint.pause_s = min(PROBE_MOST_S, 2 * endpoint.pause_s or self._probe_s)
            await asyncio.sleep(endpoint.pause_s)
            endpoint.latest = await self._check(endpoint)
            if endpoint.latest is None:
                break
        endpoint.fault, endpoint.failures, endpoint.seconds = None, 0, None
        endpoint.on_trial = True
        log.warning("%s is back", endpoint.url)
        self._back.set()

    def _gone(self) -> ServiceError:
        seen = "; ".join(
            f"{e.url}: {e.fault}" + (f", then {e.latest}" if e.latest not in (None, e.fault) else "")
            for e in self.endpoints
        )
        return ServiceError(
            f"no vLLM endpoint answered for {self.deadline_s:.0f} s ({seen})",
            hint="look at `seedgate status` and the server's log, start it again (`seedgate up` for the embedded"
            " stack), then run `seedgate generate` again: everything that had come back is kept",
        )

"""The endpoints a run may use: which is least loaded, which has failed, which has come back.

An endpoint that fails leaves the pool and is asked for its health until it answers again with the model in
its list. While all of them are out, requests wait, up to a deadline; after it everybody who waits gets one
error that says what was seen last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from seedgate.errors import ServiceError

__all__ = ["Endpoint", "EndpointPool"]

log = logging.getLogger(__name__)

PROBE_MOST_S = 5.0


@dataclass(eq=False)
class Endpoint:
    """One server.

    Attributes:
        url: Base URL ending in `/v1`.
        in_flight: Requests sent and not answered.
        fault: Why it left the pool; None while it is in.
        latest: What the last check of it found, while it is out.
        failures: Requests in a row that it did not serve.
    """

    url: str
    in_flight: int = 0
    fault: str | None = None
    latest: str | None = None
    failures: int = 0
    probe: asyncio.Task[None] | None = field(default=None, repr=False)


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

    async def take(self) -> Endpoint:
        """The least loaded endpoint, counted as busy until `give_back`.

        Raises:
            ServiceError: None came back before the deadline.
        """
        while not (alive := [e for e in self.endpoints if e.fault is None]):
            left = self._out_since + self.deadline_s - time.monotonic()
            try:
                await asyncio.wait_for(self._back.wait(), timeout=left)
            except TimeoutError:
                raise self._gone() from None
        chosen = min(alive, key=lambda e: e.in_flight)
        chosen.in_flight += 1
        # The last in the list is asked last among equals, so that an idle pool is used in turn.
        self.endpoints.remove(chosen)
        self.endpoints.append(chosen)
        return chosen

    def give_back(self, endpoint: Endpoint) -> None:
        """Ends a `take`."""
        endpoint.in_flight -= 1

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
        pause = self._probe_s
        while True:
            await asyncio.sleep(pause)
            pause = min(PROBE_MOST_S, pause * 2)
            endpoint.latest = await self._check(endpoint)
            if endpoint.latest is None:
                break
        endpoint.fault, endpoint.failures = None, 0
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

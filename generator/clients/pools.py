"""HTTP connections in several small pools: httpcore looks at all idle ones of a pool at both ends of a request."""

from __future__ import annotations

from itertools import cycle

import httpx

__all__ = ["Pools"]

POOLS = 8


class Pools(httpx.AsyncBaseTransport):
    """Takes one pool after the other.

    Args:
        connections: Most connections of a pool. None ever waits for one, since whoever sends has its own limit.
    """

    def __init__(self, connections: int) -> None:
        context = httpx.create_ssl_context()  # one for all: making one reads the machine's certificates
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=None)
        self._pools = [httpx.AsyncHTTPTransport(verify=context, limits=limits) for _ in range(POOLS)]
        self._turn = cycle(self._pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        return await next(self._turn).handle_async_request(request)

    async def aclose(self) -> None:
        """Closes all connections."""
        for pool in self._pools:
            await pool.aclose()

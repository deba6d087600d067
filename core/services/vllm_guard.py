"""Asks for the API key on every route of vLLM's server, not only on those that vLLM guards itself.

vLLM 0.32 checks its key on paths under /v1, /v2, /inference and /cohere only (upstream file
`vllm/entrypoints/serve/middleware/authenticate.py`). Beside them it serves, to whoever reaches the port,
`/invocations`, which generates, and, with runtime LoRA updating on, `/adapters`, which loads an adapter from any
path (tried). The loopback is shared with every user of the machine and every page in their browsers, hence
this. Loaded by `--middleware seedgate.services.vllm_guard.RequireKey`; tested against a live server.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["RequireKey"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]

OPEN = frozenset({("GET", "/health"), ("GET", "/ping"), ("GET", "/version"), ("GET", "/metrics")})
ANSWER = b'{"error": "Unauthorized"}'


class RequireKey:
    """ASGI middleware: 401 without `Authorization: Bearer <VLLM_API_KEY>`, but for liveness and metrics."""

    def __init__(self, app: App) -> None:
        key = os.environ.get("VLLM_API_KEY")
        if not key:
            raise ValueError("VLLM_API_KEY is not set")
        self.app = app
        self._expected = hashlib.sha256(b"Bearer " + key.encode()).digest()

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """Passes the request on, or answers 401."""
        if scope["type"] == "lifespan" or self._allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": ANSWER})

    def _allowed(self, scope: Message) -> bool:
        if (scope.get("method"), scope["path"]) in OPEN:
            return True
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        return len(given) == 1 and secrets.compare_digest(hashlib.sha256(given[0]).digest(), self._expected)

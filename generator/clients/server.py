"""The client for vLLM servers: one or more endpoints that serve the same model.

Plain httpx instead of the openai SDK: the two routes used here are small, and the SDK's own retries would
hide which endpoint failed. Each try goes to the least loaded endpoint that is well, so a request that failed
on one is soon answered by another; only when all are out does anything wait.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import httpx
import stamina

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Completion, ModelInfo, Request
from seedgate.generator.clients.endpoints import Endpoint, EndpointPool
from seedgate.generator.clients.pools import Pools
from seedgate.generator.clients.room import MOST, Room, queue_of
from seedgate.generator.clients.wire import (
    EndpointError,
    NotThereError,
    TransientError,
    body_of,
    completion_of,
    refusal,
    route_of,
)

__all__ = ["ServerClient"]

ATTEMPTS = 8
FAILURES_TO_LEAVE = 3
"""Requests in a row that an endpoint must fail to serve to be taken for ill."""
PROBE_TIMEOUT_S, WATCH_S = 10.0, 1.0
LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class ServerClient:
    """Completes requests on vLLM servers.

    Args:
        urls: Base URLs ending in `/v1`.
        model: The served name of the model.
        api_key: Sent as a bearer token; never logged.
        timeout_s: How long one completion may take.
        connections: Most requests in flight at a time.
        deadline_s: How long all endpoints may be out at once before a request fails.
        wait_s: First pause of the exponential, jittered backoff, and between checks of an endpoint.
        extra: More keys for every body, for what only some servers know.
        adapts: Whether to find out how many requests the servers have room for (`room`).
        adapters: What a request may name as its model, to what the servers call it.

    Example:
        >>> client = ServerClient(("http://127.0.0.1:8000/v1",), "smollm2-135m")
        >>> await client.start()  # doctest: +SKIP
        ModelInfo(name='smollm2-135m', revision='', max_tokens=2048)
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        model: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 300.0,
        connections: int = 32,
        deadline_s: float = 120.0,
        wait_s: float = 0.5,
        extra: Mapping[str, Any] | None = None,
        adapts: bool = False,
        adapters: Mapping[str, str] | None = None,
    ) -> None:
        self.model = model
        self._names = {"": model} | dict(adapters or {})
        self._timeout_s = timeout_s
        self._wait_s = wait_s
        self._extra = dict(extra or {})
        urls = tuple(dict.fromkeys(url.rstrip("/") for url in urls))
        self._room = Room() if adapts else None
        self._watching: asyncio.Task[None] | None = None
        self._pool = EndpointPool(urls, self._check, deadline_s=deadline_s, probe_s=wait_s)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=PROBE_TIMEOUT_S, pool=None),
            transport=Pools((MOST if adapts else connections) + len(urls)),
            mounts=dict.fromkeys(LOOPBACK),  # a proxy in the environment is not for this machine's servers
        )

    def __repr__(self) -> str:
        return f"ServerClient({[e.url for e in self._pool.endpoints]}, {self.model!r})"

    @property
    def room(self) -> int | None:
        """See `Client.room`."""
        return self._room.now if self._room else None

    async def start(self) -> ModelInfo:
        """Checks every endpoint; those that cannot be reached are tried again while the run goes on.

        Raises:
            ServiceError: None can be reached, a key is refused, or the model is not served.
        """
        endpoints = list(self._pool.endpoints)
        found = await asyncio.gather(*(self._described(e) for e in endpoints), return_exceptions=True)
        infos: list[ModelInfo] = []
        faults: list[str] = []
        for endpoint, result in zip(endpoints, found, strict=True):
            if isinstance(result, ModelInfo):
                infos.append(result)
            elif isinstance(result, TransientError):
                faults.append(f"{endpoint.url}: {result}")
                self._pool.fail(endpoint, str(result))
            else:
                raise result
        if not infos:
            raise ServiceError(
                f"no vLLM endpoint can be used ({'; '.join(faults)})",
                hint="start it with `seedgate up`, or give the address in SEEDGATE_VLLM_URLS or [vllm] urls",
            )
        if self._room:
            self._watching = asyncio.create_task(self._watch(self._room))
        return infos[0]

    async def complete(self, request: Request) -> Completion:
        """The completion of one request, tried again where that may help.

        Raises:
            ServiceError: See `Client.complete`.
        """
        body = json.dumps(body_of(request, self._names[request.model]) | self._extra).encode()
        retries = stamina.retry_context(
            on=_pause,
            attempts=ATTEMPTS,
            timeout=None,
            wait_initial=self._wait_s,
            wait_max=30 * self._wait_s,
            wait_jitter=2 * self._wait_s,
        )
        try:
            async for attempt in retries:
                with attempt:
                    return await self._anywhere(request, body)
        except TransientError as fault:
            raise ServiceError(
                f"vLLM did not serve request {request.id} in {ATTEMPTS} tries: {fault}",
                hint="look at `seedgate status` and the server's log, then run `seedgate generate` again:"
                " everything that had come back is kept",
            ) from fault
        raise AssertionError("the loop returns or raises")

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._pool.aclose()
        await self._http.aclose()

    # -- one try -------------------------------------------------------------------------------------

    async def _anywhere(self, request: Request, body: bytes) -> Completion:
        """Where one endpoint fails, the others are asked before anything waits."""
        tried: set[Endpoint] = set()
        while True:
            endpoint, number = await self._pool.take(tried)
            try:
                return await self._once(request, body, endpoint, number)
            except TransientError:
                tried.add(endpoint)
                if not self._pool.has_other(tried):
                    raise

    async def _once(self, request: Request, body: bytes, endpoint: Endpoint, number: int) -> Completion:
        answered = False
        try:
            answer = await self._send("POST", endpoint.url + route_of(request), content=body)
            completion = completion_of(request, answer)
            answered = True
        except EndpointError as fault:
            self._pool.fail(endpoint, str(fault))
            raise
        except NotThereError:  # it goes on serving what asks for no adapter
            raise
        except TransientError as fault:
            if fault.busy and self._room:
                self._room.refused(asyncio.get_running_loop().time())
            endpoint.failures += 1
            most = 1 if endpoint.on_trial else FAILURES_TO_LEAVE
            if endpoint.failures >= most and fault.retry_after_s is None:
                self._pool.fail(endpoint, str(fault))
            raise
        except ServiceError:
            await self._explain(endpoint)
            raise
        finally:
            endpoint.end(number, time.monotonic(), answered=answered)
        return completion

    async def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(
                method, url, headers={"Content-Type": "application/json"}, **options
            )
        except httpx.ConnectError:
            raise EndpointError("the connection was refused") from None
        except httpx.ConnectTimeout:
            raise EndpointError("no connection within 10 s") from None
        except httpx.TimeoutException:
            raise TransientError("no answer within the time limit") from None
        except httpx.TransportError as error:
            raise TransientError(f"the connection broke ({error or type(error).__name__})") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ServiceError(f"{url}: {error}", hint="give http:// or https:// and end it in /v1") from None

    async def _explain(self, endpoint: Endpoint) -> None:
        """If the model is no longer served, that is the better error."""
        try:
            await self._described(endpoint)
        except TransientError:
            return

    # -- how much they can take ----------------------------------------------------------------------

    async def _watch(self, room: Room) -> None:
        """Asks the servers for their queues, until one does not say."""
        while True:
            await asyncio.sleep(WATCH_S)
            alive = [each for each in self._pool.endpoints if each.fault is None]
            found = await asyncio.gather(*map(self._queue, alive), return_exceptions=True)
            queues = [each for each in found if isinstance(each, tuple)]
            if None in found:
                return
            if queues:
                in_flight = sum(each.in_flight for each in alive)
                room.observe(sum(w for w, _ in queues), max(used for _, used in queues), in_flight)

    async def _queue(self, endpoint: Endpoint) -> tuple[float, float] | None:
        answer = await self._send(
            "GET", f"{endpoint.url.removesuffix('/v1')}/metrics", timeout=PROBE_TIMEOUT_S
        )
        return queue_of(answer.text) if answer.status_code == 200 else None

    # -- the state of an endpoint --------------------------------------------------------------------

    async def _check(self, endpoint: Endpoint) -> str | None:
        """What keeps an endpoint from serving, None if nothing does."""
        try:
            await self._described(endpoint)
        except (TransientError, ServiceError) as fault:
            return str(fault)
        return None

    async def _described(self, endpoint: Endpoint) -> ModelInfo:
        root = endpoint.url.removesuffix("/v1")
        health = await self._send("GET", f"{root}/health", timeout=PROBE_TIMEOUT_S)
        if health.status_code >= 500:
            died = "its engine died" if health.status_code == 503 else "its health check failed"
            raise EndpointError(f"{died} ({health.status_code} from /health)")
        answer = await self._send("GET", f"{endpoint.url}/models", timeout=PROBE_TIMEOUT_S)
        if answer.status_code >= 500 or answer.status_code == 429:
            raise EndpointError(f"{answer.status_code} from /models")
        if answer.status_code != 200:
            raise refusal(answer, endpoint.url)
        return self._info(endpoint, answer)

    def _info(self, endpoint: Endpoint, answer: httpx.Response) -> ModelInfo:
        try:
            served = {str(entry["id"]): entry for entry in json.loads(answer.content)["data"]}
        except (ValueError, KeyError, TypeError):
            raise ServiceError(
                f"{endpoint.url}: /models is not vLLM's", hint="give the address of a vLLM server, with /v1"
            ) from None
        if self.model not in served:
            raise ServiceError(
                f"{endpoint.url}: model {self.model!r} is not served (served: {', '.join(served) or 'none'})",
                hint="set [vllm] model in seedgate.toml to one of these, or serve it",
            )
        entry = served[self.model]
        root = str(entry.get("root") or "")
        if PurePath(root).is_absolute():  # a folder on the server's disk: only its name may say something
            root = PurePath(root).name
        longest = entry.get("max_model_len")
        return ModelInfo(self.model, "" if root == self.model else root, int(longest) if longest else None)


def _pause(error: Exception) -> bool | float:
    """For stamina: whether to try again, or after how many seconds."""
    if not isinstance(error, TransientError):
        return False
    return error.retry_after_s if error.retry_after_s is not None else True

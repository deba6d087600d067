"""Is it ready? Each check asks the service itself, over its own protocol and with our key, and takes 2 s at most.

Asking with the key also tells our service from a stranger on the same port.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from seedgate.services.ports import HOST
from seedgate.services.service import Unhealthy

__all__ = ["argilla", "get", "redis", "search", "vllm", "worker"]

TIMEOUT_S = 2.0


def get(url: str, headers: dict[str, str] | None = None) -> Any:
    """The JSON that a GET answers with, None for an empty body.

    Raises:
        Unhealthy: No answer, or not 200.
    """
    try:
        # trust_env: a proxy has no business between us and the loopback.
        response = httpx.get(url, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        if response.status_code in (401, 403):
            raise Unhealthy(f"{url} does not accept our key ({response.status_code})")
        if response.status_code != 200:
            raise Unhealthy(f"{url} answered {response.status_code}")
        return response.json() if response.content else None
    except (httpx.HTTPError, ValueError) as error:
        raise Unhealthy(f"{url} does not answer ({type(error).__name__})") from None


def search(port: int) -> None:
    """The search engine answers for its cluster."""
    answer = get(f"http://{HOST}:{port}/")
    if not isinstance(answer, dict) or "cluster_name" not in answer:
        raise Unhealthy(f"port {port} does not answer like a search engine")


def argilla(url: str, key: str, username: str) -> None:
    """Argilla's API knows the pusher, which takes its database too."""
    answer = get(f"{url}/api/v1/me", {"X-Argilla-Api-Key": key})
    if not isinstance(answer, dict) or answer.get("username") != username:
        raise Unhealthy(f"{url} does not know the account {username}")


def vllm(url: str, key: str, model: str) -> None:
    """The engine lives, and serves the model under the name that clients use."""
    get(f"{url}/health")
    answer = get(f"{url}/v1/models", {"Authorization": f"Bearer {key}"})
    served = [row.get("id") for row in answer.get("data", [])] if isinstance(answer, dict) else []
    if model not in served:
        raise Unhealthy(f"{url} serves {served}, not {model}")


def redis(port: int, password: str) -> None:
    """Redis accepts our password and answers a ping."""
    with _redis(port, password) as ask:
        if ask("PING") != "PONG":
            raise Unhealthy(f"redis on port {port} does not answer a ping")


def worker(port: int, password: str, pids: Callable[[], Container[int]]) -> None:
    """One of the processes `pids` has registered in Redis, where entries outlive the workers."""
    with _redis(port, password) as ask:
        names = ask("SMEMBERS", "rq:workers")
        found = [ask("HGET", str(name), "pid") for name in names] if isinstance(names, list) else []
    ours = pids()
    if not any(str(pid).isdecimal() and int(pid) in ours for pid in found):
        raise Unhealthy("no worker has registered")


@contextmanager
def _redis(port: int, password: str) -> Iterator[Any]:
    try:
        with socket.create_connection((HOST, port), timeout=TIMEOUT_S) as connection:
            stream = connection.makefile("rwb")

            def ask(*words: str) -> Any:
                parts = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
                stream.write(b"*%d\r\n%s" % (len(words), parts))
                stream.flush()
                return _reply(stream)

            with stream:
                ask("AUTH", password)
                yield ask
    except (OSError, ValueError) as error:
        raise Unhealthy(f"redis on port {port} does not answer ({type(error).__name__})") from None


def _reply(stream: Any) -> Any:
    """One reply in Redis' protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/"""
    line = stream.readline().rstrip(b"\r\n").decode()
    kind, rest = line[:1], line[1:]
    if kind == "+":
        return rest
    if kind == ":":
        return int(rest)
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [_reply(stream) for _ in range(int(rest))]
    raise Unhealthy(f"redis answered {line!r}")

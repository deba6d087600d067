"""The key is asked for on every path but liveness and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from seedgate.services.vllm_guard import RequireKey


async def served(scope: Any, receive: Any, send: Any) -> None:
    """What the guard protects."""
    await send({"type": "served"})


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> RequireKey:
    monkeypatch.setenv("VLLM_API_KEY", "hush")
    return RequireKey(served)


def answer(
    guard: RequireKey, method: str, path: str, *headers: tuple[bytes, bytes], kind: str = "http"
) -> Any:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the guard reads no body")

    scope = {"type": kind, "method": method, "path": path, "headers": list(headers)}
    asyncio.run(guard(scope, receive, send))
    return sent[0].get("status", sent[0]["type"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/adapters"),
        ("POST", "/invocations"),
        ("POST", "/v1/load_lora_adapter"),
        ("GET", "/v1/models"),
        ("GET", "/docs"),
        ("POST", "/health"),
        ("GET", "/health/../adapters"),
        ("OPTIONS", "/adapters"),
        ("DELETE", "/adapters/x"),
    ],
)
def test_without_the_key_the_answer_is_401(guard: RequireKey, method: str, path: str) -> None:
    assert answer(guard, method, path) == 401
    assert answer(guard, method, path, (b"authorization", b"Bearer hush")) == "served"


@pytest.mark.parametrize("path", ["/health", "/ping", "/version", "/metrics"])
def test_liveness_and_metrics_are_open(guard: RequireKey, path: str) -> None:
    assert answer(guard, "GET", path) == "served"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer wrong")],
        [(b"authorization", b"hush")],
        [(b"authorization", b"Basic hush")],
        [(b"authorization", b"Bearer hush"), (b"authorization", b"Bearer wrong")],
        [(b"x-api-key", b"hush")],
    ],
)
def test_another_key_is_no_key(guard: RequireKey, headers: list[tuple[bytes, bytes]]) -> None:
    assert answer(guard, "POST", "/adapters", *headers) == 401


def test_websockets_are_guarded_too(guard: RequireKey) -> None:
    assert answer(guard, "GET", "/v1/realtime", kind="websocket") == "websocket.close"
    assert (
        answer(guard, "GET", "/v1/realtime", (b"authorization", b"Bearer hush"), kind="websocket") == "served"
    )


def test_the_start_of_the_server_passes(guard: RequireKey) -> None:
    assert answer(guard, "", "", kind="lifespan") == "served"


def test_without_a_key_there_is_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(ValueError, match="VLLM_API_KEY is not set"):
        RequireKey(served)

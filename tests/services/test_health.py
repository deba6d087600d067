"""Health checks against small servers that speak the real protocols."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from seedgate.services import health
from seedgate.services.ports import HOST, Ports
from seedgate.services.service import Unhealthy

Answers = dict[str, tuple[int, Any]]


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer((HOST, 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def web(answers: Answers, key: tuple[str, str] = ("", "")) -> type[socketserver.BaseRequestHandler]:
    """Answers by path; 401 below /v1 and /api without the header `key`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, {}))
            if key[0] and self.path.startswith(("/v1", "/api")) and self.headers.get(key[0]) != key[1]:
                status, body = 401, {}
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler


class Redis(socketserver.StreamRequestHandler):
    """AUTH, PING, SMEMBERS and HGET in Redis' protocol."""

    def handle(self) -> None:
        authenticated = False
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2].decode())
            if words[0] == "AUTH":
                authenticated = words[1] == "hush"
                self.wfile.write(b"+OK\r\n" if authenticated else b"-WRONGPASS invalid password\r\n")
            elif not authenticated:
                self.wfile.write(b"-NOAUTH Authentication required.\r\n")
            elif words[0] == "PING":
                self.wfile.write(b"+PONG\r\n")
            elif words[0] == "SMEMBERS":
                self.wfile.write(b"*2\r\n$6\r\nrq:old\r\n$6\r\nrq:new\r\n")
            elif words == ["HGET", "rq:new", "pid"]:
                self.wfile.write(b"$3\r\n123\r\n")
            else:
                self.wfile.write(b"$-1\r\n")


def refusing() -> int:
    return Ports({}).claim("nobody")


@pytest.mark.parametrize(
    "check",
    [
        lambda port: health.search(port),
        lambda port: health.argilla(f"http://{HOST}:{port}", "key", "owner"),
        lambda port: health.vllm(f"http://{HOST}:{port}", "key", "m"),
        lambda port: health.redis(port, "hush"),
        lambda port: health.worker(port, "hush", set),
    ],
)
def test_nobody_there_is_unhealthy(check: Callable[[int], None]) -> None:
    with pytest.raises(Unhealthy, match="does not answer"):
        check(refusing())


def test_search_answers_for_a_cluster() -> None:
    with serving(web({"/": (200, {"cluster_name": "osmem"})})) as port:
        health.search(port)
    with serving(web({"/": (200, ["a directory listing"])})) as port, pytest.raises(Unhealthy):
        health.search(port)


class TestArgilla:
    answers: Answers = {"/api/v1/me": (200, {"username": "seedgate-pusher"})}  # noqa: RUF012
    key = ("X-Argilla-Api-Key", "hush")

    def test_knows_the_pusher(self) -> None:
        with serving(web(self.answers, self.key)) as port:
            health.argilla(f"http://{HOST}:{port}", "hush", "seedgate-pusher")

    def test_refuses_another_key(self) -> None:
        with serving(web(self.answers, self.key)) as port, pytest.raises(Unhealthy, match="our key"):
            health.argilla(f"http://{HOST}:{port}", "wrong", "seedgate-pusher")

    def test_of_somebody_else_does_not_count(self) -> None:
        with serving(web(self.answers)) as port, pytest.raises(Unhealthy, match="does not know"):
            health.argilla(f"http://{HOST}:{port}", "hush", "owner")


class TestVllm:
    answers: Answers = {  # noqa: RUF012
        "/health": (200, None),
        "/v1/models": (200, {"data": [{"id": "smollm2-135m"}]}),
    }
    key = ("Authorization", "Bearer hush")

    def test_serves_our_model(self) -> None:
        with serving(web(self.answers, self.key)) as port:
            health.vllm(f"http://{HOST}:{port}", "hush", "smollm2-135m")

    def test_serves_another_model(self) -> None:
        with serving(web(self.answers)) as port, pytest.raises(Unhealthy, match="not llama"):
            health.vllm(f"http://{HOST}:{port}", "hush", "llama")

    def test_whose_engine_is_dead_is_unhealthy(self) -> None:
        dead = web({**self.answers, "/health": (503, None)})
        with serving(dead) as port, pytest.raises(Unhealthy, match="answered 503"):
            health.vllm(f"http://{HOST}:{port}", "hush", "smollm2-135m")

    def test_with_another_key_is_not_ours(self) -> None:
        with serving(web(self.answers, self.key)) as port, pytest.raises(Unhealthy, match="our key"):
            health.vllm(f"http://{HOST}:{port}", "wrong", "smollm2-135m")


class TestRedis:
    def test_answers_a_ping(self) -> None:
        with serving(Redis) as port:
            health.redis(port, "hush")

    def test_with_another_password_is_not_ours(self) -> None:
        with serving(Redis) as port, pytest.raises(Unhealthy, match="WRONGPASS"):
            health.redis(port, "wrong")

    def test_knows_a_worker_of_ours(self) -> None:
        with serving(Redis) as port:
            health.worker(port, "hush", lambda: {123})

    def test_entries_of_workers_that_are_gone_do_not_count(self) -> None:
        with serving(Redis) as port, pytest.raises(Unhealthy, match="no worker has registered"):
            health.worker(port, "hush", lambda: {99})


def test_a_web_server_on_the_port_of_redis_is_unhealthy() -> None:
    with serving(web({})) as port, pytest.raises(Unhealthy):
        health.redis(port, "hush")

"""A vLLM server for tests: real HTTP on the loopback, no model, faults on demand.

Answers depend on nothing but the prompt and the choice's number, so two runs can be compared; the texts of
one label differ enough to pass the filters. A word of a prompt is likely if it stood there before. What it says in
trouble was taken from vLLM 0.32.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import socket
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENGINE_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
SYLLABLES = ["ba", "do", "ke", "li", "mo", "nu", "pa", "ri", "so", "tu", "va", "wen", "gor", "hil", "jam"]


def sentence(rng: random.Random) -> str:
    """Seven to eleven made-up words, so that two of them are never near each other."""
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(rng.randint(7, 11))]
    return " ".join(words).capitalize() + "."


class FakeVllm:
    """One server; a context manager that listens from entering to leaving.

    Args:
        delay_s: How long a completion takes.
        slots: Completions that it works on at once; others wait, as in a full server.
        api_key: What requests must bring, if anything.
        item_faults: Share of list items that are made unfit (too short).
        logprobs: Whether it says how likely tokens are; one that does not refuses to.

    Attributes:
        bodies: Bodies of the completion requests received, in order.
        peak: Most completion requests that were in flight at once.
        in_flight_samples: Requests in flight, noted as each arrived.
        metrics: What it says at `/metrics`; by default it has no such page.
        adapters: Other models that a request may name.
    """

    def __init__(
        self,
        *,
        model: str = "fake-135m",
        api_key: str | None = None,
        delay_s: float = 0.0,
        slots: int = 10_000,
        item_faults: float = 0.0,
        logprobs: bool = True,
        port: int = 0,
    ) -> None:
        self.model = model
        self.api_key = api_key
        self.delay_s = delay_s
        self.item_faults = item_faults
        self.logprobs = logprobs
        self.port = port
        self.bodies: list[dict[str, Any]] = []
        self.answered = 0
        self.peak = 0
        self.in_flight_samples: list[int] = []
        self.slots = threading.Semaphore(slots)
        self.engine_dead = False
        self.metrics: str | None = None
        self.adapters: set[str] = set()
        self._faults: deque[str] = deque()
        self._always: str | None = None
        self._when = ""
        self._in_flight = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Base URL, ending in `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeVllm:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- faults --------------------------------------------------------------------------------------

    def fail_next(self, *faults: str) -> None:
        """The next completion requests get these, one each.

        `500`, `429` (with Retry-After 0), `400`, `hang`, `truncated` (half a JSON), `empty` (no choices),
        `wrong_schema`, `reset` (the connection is closed unanswered), `half` (closed in the middle of the answer).
        """
        self._faults.extend(faults)

    def always(self, fault: str | None, when: str = "") -> None:
        """Every completion request gets this, until told otherwise; or those that have a text in them."""
        self._always, self._when = fault, when

    def stop(self) -> None:
        """Stops listening and breaks every open connection, as a killed process does."""
        self._stopping.set()
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
            server.break_connections()

    def start(self) -> None:
        """Listens (again), on the same port as before."""
        self._stopping.clear()
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down_for(self, seconds: float) -> None:
        """Dies now and comes back after that time."""
        self.stop()
        threading.Timer(seconds, self.start).start()

    def kill_engine(self) -> None:
        """From now on what vLLM does when its engine has died, until `start`."""
        self.engine_dead = True

    # -- answers -------------------------------------------------------------------------------------

    def begin(self, body: dict[str, Any]) -> str | None:
        """Notes a completion request; returns the fault that it gets."""
        with self._lock:
            self.bodies.append(body)
            self._in_flight += 1
            self.peak = max(self.peak, self._in_flight)
            self.in_flight_samples.append(self._in_flight)
            always = self._always if self._when in json.dumps(body, ensure_ascii=False) else None
            return self._faults.popleft() if self._faults else always

    def end(self) -> None:
        """The request of a `begin` is over."""
        with self._lock:
            self._in_flight -= 1
            self.answered += 1

    def wait(self, seconds: float) -> None:
        """Sleeps, but not past `stop`."""
        self._stopping.wait(seconds)

    def completion(self, body: dict[str, Any], *, wrong_schema: bool = False) -> dict[str, Any]:
        """What the model says to a request."""
        prompt = body.get("prompt") or json.dumps(body["messages"])
        choices = []
        for index in range(body.get("n", 1)):
            digest = hashlib.sha256(f"{index}:{prompt}".encode()).digest()
            rng = random.Random(digest)
            choice: dict[str, Any] = {"index": index, "finish_reason": "stop", "logprobs": None}
            text = '{"unasked": 1}' if wrong_schema else self._answer(body, rng)
            choice |= (
                {"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
            )
            if body.get("logprobs"):
                choice["logprobs"] = _logprobs(text, chat="messages" in body)
            if "prompt_logprobs" in body:
                choice["prompt_logprobs"] = _prompt_logprobs(prompt)
            choices.append(choice)
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 20 * len(choices)}
        return {"id": "cmpl-1", "model": self.model, "choices": choices, "usage": usage}

    def _answer(self, body: dict[str, Any], rng: random.Random) -> str:
        if "structured_outputs" in body:
            return str(rng.choice(body["structured_outputs"]["choice"]))
        return self._list(body, rng) if "prompt" in body else self._object(body, rng)

    def _list(self, body: dict[str, Any], rng: random.Random) -> str:
        """Continues a numbered list up to where the request wants it to stop."""
        number, heading = re.findall(r"(\d+)\. ?(.*?)$", body["prompt"].splitlines()[-1])[0]
        stops = [int(n) for stop in body.get("stop", []) for n in re.findall(r"^\n(\d+)\.$", stop)]
        last = min(stops, default=int(number) + 1) - 1
        texts = [
            sentence(rng) if rng.random() >= self.item_faults else "x" for _ in range(int(number), last + 1)
        ]
        more = "".join(f"\n{n}. {heading} {text}" for n, text in enumerate(texts[1:], int(number) + 1))
        return f" {texts[0]}{more}"

    def _object(self, body: dict[str, Any], rng: random.Random) -> str:
        """An object that fits the request's schema; free text where it has none."""
        if "response_format" not in body:
            return sentence(rng)
        schema = body["response_format"]["json_schema"]["schema"]
        return json.dumps(_value(schema, rng))


def _value(schema: dict[str, Any], rng: random.Random) -> Any:
    """Anything that fits a schema; where it asks for turns, one exchange."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if schema["type"] == "object":
        return {name: _value(rule, rng) for name, rule in schema["properties"].items()}
    if schema["type"] == "array":
        items = [_value(schema["items"], rng) for _ in range(schema.get("minItems", 1))]
        if "role" in schema["items"].get("properties", {}):
            return [turn | {"role": role} for turn, role in zip(items, ("user", "assistant"), strict=True)]
        return items
    made = {
        "string": sentence,
        "integer": lambda rng: rng.randint(1, 99),
        "boolean": lambda rng: rng.random() < 0.5,
    }
    return made[schema["type"]](rng) if schema["type"] in made else round(rng.uniform(1, 99), 2)


def _prompt_logprobs(prompt: str) -> list[dict[str, dict[str, Any]] | None]:
    """A token for each word: -1 if it stood in the prompt before, else -4; None for the first."""
    words = re.findall(r"\s*\S+", prompt)
    plain = [word.strip().casefold() for word in words]
    told = [
        {str(at): {"logprob": -1.0 if plain[at] in plain[:at] else -4.0, "rank": 1, "decoded_token": word}}
        for at, word in enumerate(words)
    ]
    return [None, *told[1:]]


def _logprobs(text: str, *, chat: bool) -> dict[str, Any]:
    """A token for each number, or what is between; beside a digit, the next one is as likely."""
    tokens = re.findall(r"\d+|\D+", text)
    tops = [{each: -0.7} | ({str(int(each) + 1): -0.7} if each.isdigit() else {}) for each in tokens]
    if not chat:
        return {"tokens": tokens, "token_logprobs": [-0.7] * len(tokens), "top_logprobs": tops}
    content = [
        {
            "token": each,
            "logprob": -0.7,
            "top_logprobs": [{"token": name, "logprob": value} for name, value in top.items()],
        }
        for each, top in zip(tokens, tops, strict=True)
    ]
    return {"content": content}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, fake: FakeVllm) -> None:
        self.fake = fake
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", fake.port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def break_connections(self) -> None:
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # head and body are two writes: the second would wait 40 ms for an answer to the first
    )
    server: _Server

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        fake = self.server.fake
        if self.path == "/health":
            self._send(503 if fake.engine_dead else 200, b"")
        elif self.path == "/metrics" and fake.metrics is not None:
            self._send(200, fake.metrics.encode())
        elif self.path == "/v1/models":
            entry = {"id": fake.model, "object": "model", "root": "org/fake", "max_model_len": 2048}
            self._allowed() and self._json(200, {"object": "list", "data": [entry]})
        else:
            self._json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        fake = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return
        if body["model"] not in (fake.model, *fake.adapters):
            self._error(404, "NotFoundError", f"The model `{body['model']}` does not exist.")
            return
        fault = fake.begin(body)
        try:
            self._answer(body, fault)
        finally:
            fake.end()

    def _answer(self, body: dict[str, Any], fault: str | None) -> None:
        fake = self.server.fake
        if fake.delay_s:
            with fake.slots:
                time.sleep(fake.delay_s)
        if fake.engine_dead:
            self._error(500, "InternalServerError", ENGINE_DEAD)
        elif fault == "hang":
            fake.wait(60)
            self.close_connection = True
        elif fault == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "429":
            self._error(429, "TooManyRequests", "slow down", headers={"Retry-After": "0"})
        elif not fake.logprobs and (body.get("logprobs") or "prompt_logprobs" in body):
            self._error(400, "BadRequestError", "logprobs are not available")
        elif fault in ("400", "500"):
            self._error(int(fault), "Error", "something about the request")
        elif fault == "truncated":
            self._send(200, json.dumps(fake.completion(body)).encode()[:-40])
        elif fault == "half":
            self._half(json.dumps(fake.completion(body)).encode())
        elif fault == "empty":
            self._json(200, fake.completion(body) | {"choices": []})
        else:
            self._json(200, fake.completion(body, wrong_schema=fault == "wrong_schema"))

    def _half(self, content: bytes) -> None:
        """Promises all of it, sends half, and closes the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def _allowed(self) -> bool:
        key = self.server.fake.api_key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self._json(401, {"error": "Unauthorized"})
        return False

    def _error(self, status: int, kind: str, message: str, *, headers: dict[str, str] | None = None) -> None:
        error = {"message": message, "type": kind, "param": None, "code": status}
        self._json(status, {"error": error}, headers=headers)

    def _json(self, status: int, value: Any, *, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), headers=headers)

    def _send(self, status: int, content: bytes, *, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

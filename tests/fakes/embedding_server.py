"""A server of `/v1/embeddings` that speaks HTTP: real vectors of nothing but letters, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WIDTH = 64


def vector(text: str) -> list[float]:
    """Counts of hashed words, not of length one: servers need not normalise."""
    out = [0.01] * WIDTH
    for word in text.casefold().split():
        out[hashlib.sha256(word.encode()).digest()[0] % WIDTH] += 1.0
    return out


class FakeEmbeddings:
    """What the server was asked, and what it is to get wrong.

    Attributes:
        bodies: Requests, in order.
        statuses: Answered first, one a request, instead of vectors.
        spoil: Applied to each answer.
        formats: Encodings that it does not refuse.
        ignores_format: Whether it answers with numbers, whatever is asked.
    """

    def __init__(self, *, key: str | None = None) -> None:
        self.key = key
        self.bodies: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.spoil: Any = None
        self.formats = ("base64", "float")
        self.ignores_format = False
        self.url = ""

    def coded(self, numbers: list[float], body: dict[str, Any]) -> Any:
        """As vLLM writes them: bytes of little-endian float32, or plain numbers."""
        if body["encoding_format"] != "base64" or self.ignores_format:
            return numbers
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()

    @contextmanager
    def serve(self) -> Iterator[FakeEmbeddings]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.bodies.append(body)
                if fake.key and self.headers.get("Authorization") != f"Bearer {fake.key}":
                    return self.answer(401, {"error": "wrong key"})
                if fake.statuses:
                    return self.answer(fake.statuses.pop(0), {"error": "not now"})
                if body["encoding_format"] not in fake.formats:
                    return self.answer(422, {"error": "no such encoding"})
                if self.path != "/v1/embeddings":
                    return self.answer(404, {"error": "no such path"})
                items = [
                    {"object": "embedding", "index": place, "embedding": fake.coded(vector(text), body)}
                    for place, text in enumerate(body["input"])
                ]
                answer: Any = {"object": "list", "data": list(reversed(items)), "model": body["model"]}
                return self.answer(200, fake.spoil(answer) if fake.spoil else answer)

            def answer(self, status: int, content: Any) -> None:
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def cosine(a: str, b: str) -> float:
    """Of two texts' vectors."""
    x, y = vector(a), vector(b)
    dot = sum(i * j for i, j in zip(x, y, strict=True))
    return dot / math.sqrt(sum(i * i for i in x) * sum(j * j for j in y))

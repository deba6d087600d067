"""A vLLM server for tests of evaluation: answers one label per prompt, loads and unloads adapters.

What it says and which codes it uses were taken from vLLM 0.32.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[[str, str], str]
"""From the served name and the prompt to what the model says."""


class AdapterServer:
    """One server; a context manager that listens from entering to leaving.

    Args:
        answer: What is said to a prompt.
        lora: Whether adapters can be loaded while it runs; `refuse` is what it says to a load then.

    Attributes:
        within: What is said to a prompt that limits the answer, if that differs.
        bodies: Bodies of the chat requests received.
        adapters: Name to folder of the adapters loaded now; `ever` of all that were.
    """

    def __init__(
        self,
        answer: Answer = lambda *_: "",
        *,
        model: str = "fake-135m",
        api_key: str | None = None,
        lora: bool = True,
        refuse: tuple[int, str] | None = None,
    ) -> None:
        self.answer = answer
        self.within: Answer | None = None
        self.models = [model]
        self.api_key = api_key
        self.lora = lora
        self.refuse = refuse
        self.bodies: list[dict[str, Any]] = []
        self.adapters: dict[str, str] = {}
        self.ever: dict[str, str] = {}
        self.broken = False
        self._server = _Server(self)

    @property
    def url(self) -> str:
        """Base URL, ending in `/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> AdapterServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def served(self) -> list[str]:
        """Every name that a request may give."""
        return [*self.models, *self.adapters]

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and content of the answer to a POST."""
        if path == "/v1/chat/completions":
            return self._chat(body)
        if self.lora and path == "/v1/load_lora_adapter":
            return self._load(body)
        if self.lora and path == "/v1/unload_lora_adapter":
            del self.adapters[body["lora_name"]]
            return 200, f"Success: LoRA adapter '{body['lora_name']}' removed successfully."
        return 404, {"detail": "Not Found"}

    def _load(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.refuse:
            status, message = self.refuse
            return status, {"error": {"message": message, "type": "BadRequestError", "code": status}}
        if not (Path(body["lora_path"]) / "adapter_config.json").is_file():
            message = f"Loading lora {body['lora_name']} failed: No adapter found for {body['lora_path']}"
            return 404, {"error": {"message": message, "type": "NotFoundError", "code": 404}}
        self.adapters[body["lora_name"]] = self.ever[body["lora_name"]] = body["lora_path"]
        return 200, f"Success: LoRA adapter '{body['lora_name']}' added successfully."

    def _chat(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.bodies.append(body)
        if self.broken:
            return 500, {"error": {"message": "EngineCore encountered an issue.", "code": 500}}
        if body["model"] not in self.served():
            message = f"The model `{body['model']}` does not exist."
            return 404, {"error": {"message": message, "type": "NotFoundError", "code": 404}}
        say = self.within if self.within and "structured_outputs" in body else self.answer
        said = say(body["model"], body["messages"][-1]["content"])
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": said},
            "finish_reason": "stop",
        }
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 30, "completion_tokens": 3}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fake: AdapterServer) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)


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
            self._send(503 if fake.broken else 200, "")
        elif self._allowed():
            entries = [{"id": name, "root": "org/fake", "max_model_len": 2048} for name in fake.served()]
            self._send(200, {"object": "list", "data": entries})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._allowed():
            self._send(*self.server.fake.post(self.path, body))

    def _allowed(self) -> bool:
        key = self.server.fake.api_key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self._send(401, {"error": "Unauthorized"})
        return False

    def _send(self, status: int, content: Any) -> None:
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

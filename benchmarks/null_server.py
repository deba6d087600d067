"""How many candidates per second does `generate` take through parsing, filters and ledger? At least 1,500 on two cores.

A server that answers at once (real HTTP, a process of its own, no model) takes the place of vLLM, so that all time is
seedgate's own and the server's. Texts are random words of the shipped example: nearly all pass every filter. Two arms:

- `served`: embeddings come from that server too (random vectors), as they would from a GPU;
- `here`: the default embedding model in numpy, on the same two cores. Its arithmetic alone is a limit, told beside it.

Memory: the peak of a process that makes 10,000 candidates and of the one that judges for it, against that of two that
make 100,000, `served`: at most 1.2 times.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TARGET, TARGET_MEMORY = 1500, 1.2
MODEL = "null-135m"
WIDTH, VECTORS = 384, 4096
WORDS_OF = Path(__file__).parents[1] / "seeds" / "examples" / "support_desk" / "seeds.jsonl"


# -- the server --------------------------------------------------------------------------------------


class Answers:
    """What the server says: texts of random words, vectors of random numbers."""

    def __init__(self) -> None:
        import numpy as np

        text = " ".join(
            json.loads(line)["text"] for line in WORDS_OF.read_text(encoding="utf-8").splitlines()
        )
        self.words = sorted(set(re.findall(r"[a-z]{3,}", text.lower())))
        self.rng = random.Random(0)
        vectors = np.random.default_rng(0).normal(size=(VECTORS, WIDTH)).astype(np.float32)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def sentence(self) -> str:
        """Eight to fourteen words in no order."""
        return " ".join(self.rng.choices(self.words, k=self.rng.randint(8, 14))).capitalize() + "."

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """Continues a numbered list up to where the request wants it to stop."""
        number, heading = re.findall(r"(\d+)\. ?(.*?)$", body["prompt"].splitlines()[-1])[0]
        last = min(int(n) for stop in body["stop"] for n in re.findall(r"^\n(\d+)\.$", stop)) - 1
        choices = []
        for index in range(body["n"]):
            texts = [self.sentence() for _ in range(int(number), last + 1)]
            more = "".join(f"\n{n}. {heading} {text}" for n, text in enumerate(texts[1:], int(number) + 1))
            choices.append({"index": index, "finish_reason": "stop", "text": f" {texts[0]}{more}"})
        usage = {"prompt_tokens": len(body["prompt"]) // 4, "completion_tokens": 60 * body["n"]}
        return {"model": MODEL, "choices": choices, "usage": usage}

    def embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        """A vector for each text, another for another text."""
        import numpy as np

        items = []
        for place, text in enumerate(body["input"]):
            turn, row = divmod(zlib.crc32(text.encode()), VECTORS)
            vector = np.roll(self.vectors[row], turn % WIDTH)
            coded = base64.b64encode(vector.tobytes()).decode()
            items.append(
                {
                    "index": place,
                    "embedding": coded if body["encoding_format"] == "base64" else vector.tolist(),
                }
            )
        return {"data": items}


class Connection(asyncio.Protocol):
    """Enough of HTTP/1.1 for one client that sends whole requests with a length."""

    def __init__(self, answers: Answers) -> None:
        self.answers, self.buffer = answers, b""

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that is whole."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            found = re.search(rb"(?i)content-length: (\d+)", head)
            length = int(found.group(1)) if found else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            content = json.dumps(self.answer(head.split(b" ", 2)[1].decode(), body)).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(content)
                + content
            )

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        """The JSON of the answer."""
        if path == "/v1/completions":
            return self.answers.completion(json.loads(body))
        if path == "/v1/embeddings":
            return self.answers.embeddings(json.loads(body))
        return {"data": [{"id": MODEL, "root": MODEL, "max_model_len": 4096}]}


def serve(port: Any) -> None:
    async def main() -> None:
        answers = Answers()
        server = await asyncio.get_running_loop().create_server(lambda: Connection(answers), "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def served() -> Iterator[str]:
    """Base URL of a null server in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()


# -- one run, in a process of its own -----------------------------------------------------------------


def run(url: str, arm: str, candidates: int, concurrency: int) -> None:
    """Generates, and prints what it took as one line of JSON."""
    from seedgate.generator import generate
    from seedgate.seeds import example_workspace, lock, verify

    settings: dict[str, Any] = {"vllm": {"model": MODEL, "urls": [url]}}
    if arm == "served":
        settings["embeddings"] = {"model": MODEL, "url": url}
        settings["policy"] = {"semantic_leak": 0.95}
    with (
        tempfile.TemporaryDirectory() as folder,
        example_workspace(Path(folder) / "ws", settings=settings) as ws,
    ):
        verify(ws, by="benchmark", statement="The shipped example, for a measurement.")
        lock(ws)
        started, used = time.perf_counter(), processor_s()
        report = generate(ws, candidates=candidates, cycle=1, concurrency=concurrency)
        seconds, used = time.perf_counter() - started, processor_s() - used
    peak = (
        sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        / 1024
    )
    print(
        json.dumps(
            {
                "candidates": report.new,
                "dropped": sum(report.dropped.values()),
                "requests": report.requests,
                "seconds": seconds,
                "processor_s": used,
                "peak_mib": peak,
            }
        )
    )


def processor_s() -> float:
    """Of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def measured(url: str, arm: str, candidates: int, concurrency: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--run", url, arm, str(candidates), str(concurrency)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{arm:7} {found['candidates']:7.0f} candidates in {found['seconds']:6.1f} s: "
        f"{found['candidates'] / found['seconds']:6.0f}/s, {found['dropped']:.0f} dropped, "
        f"{found['requests']:.0f} requests, {found['processor_s']:.1f} s of processor time, "
        f"peak {found['peak_mib']:.0f} MiB",
        flush=True,
    )
    return found


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="2,000 candidates, once, memory of 2,000 and 8,000"
    )
    parser.add_argument("--rounds", type=int, help="runs of each arm (default: 3)")
    parser.add_argument("--concurrency", type=int, default=32)
    args = parser.parse_args()
    few, many = (2000, 8000) if args.quick else (10_000, 100_000)
    rounds = args.rounds or (1 if args.quick else 3)
    print(f"{os.cpu_count()} processors, {args.concurrency} requests in flight, {rounds} rounds")
    found: dict[str, list[dict[str, float]]] = {"served": [], "here": []}
    with served() as url:
        for _ in range(rounds):
            for arm, each in found.items():
                each.append(measured(url, arm, few if arm == "served" else few // 5, args.concurrency))
        large = measured(url, "served", many, args.concurrency)
    rates = {arm: [one["candidates"] / one["seconds"] for one in each] for arm, each in found.items()}
    memory = large["peak_mib"] / statistics.median(one["peak_mib"] for one in found["served"])
    for arm, each in rates.items():
        print(f"{arm}: median {statistics.median(each):.0f}/s ({min(each):.0f} to {max(each):.0f})")
    rate = statistics.median(rates["served"])
    print(f"peak memory of {many} against {few} candidates: {memory:.2f} times (target {TARGET_MEMORY})")
    print(
        json.dumps(
            {
                "name": "null_server",
                "what": "candidates per second, embeddings served",
                "value": round(rate),
                "target": TARGET,
                "ok": rate >= TARGET and memory <= TARGET_MEMORY,
                "rates": {arm: [round(one) for one in each] for arm, each in rates.items()},
                "rate_large": round(large["candidates"] / large["seconds"]),
                "memory_ratio": round(memory, 3),
            }
        )
    )


if __name__ == "__main__":
    main()

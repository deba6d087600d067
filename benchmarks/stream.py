"""Does `generate` keep the server as busy as a plain load generator does? At least 0.9 of its candidates per second.

Both arms send the same requests in the same order to the same vLLM server: `generate` first, with everything
it does (prompts, filters, ledger), then asyncio, httpx and a semaphore, with nothing; what would have become
a candidate is counted afterwards. Each run has its own `cache_salt`, so no arm finds the other's prefixes in
the server's cache. Arms take turns, since a shared machine changes from minute to minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from seedgate.generator import Drop, generate
from seedgate.generator.clients.base import Completion, ModelInfo, Request
from seedgate.generator.clients.server import ServerClient
from seedgate.generator.clients.wire import body_of, completion_of, route_of
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.filters.schema import validated
from seedgate.generator.prompts import choose_form
from seedgate.records import Example
from seedgate.seeds import example_workspace, lock, verify
from seedgate.workspace import Workspace

TARGET = 0.9


@dataclass(frozen=True)
class Server:
    """Where both arms send their requests."""

    url: str
    model: str
    key: str | None


@dataclass(frozen=True)
class Result:
    """What one run of an arm did; tokens are those generated."""

    seconds: float
    requests: int
    candidates: int
    tokens: int

    def __str__(self) -> str:
        rates = (self.candidates / self.seconds, self.requests / self.seconds, self.tokens / self.seconds)
        return (
            f"{rates[0]:6.2f} candidates/s {rates[1]:5.2f} requests/s {rates[2]:6.1f} tokens/s"
            f"  ({self.candidates} candidates, {self.requests} requests, {self.seconds:.1f} s)"
        )


class Noting:
    """A ServerClient that keeps its requests in the order in which they were sent."""

    def __init__(self, inner: ServerClient) -> None:
        self.inner = inner
        self.requests: list[Request] = []
        self.tokens = 0

    async def start(self) -> ModelInfo:
        """See `Client.start`."""
        return await self.inner.start()

    async def complete(self, request: Request) -> Completion:
        """See `Client.complete`."""
        self.requests.append(request)
        completion = await self.inner.complete(request)
        self.tokens += completion.completion_tokens
        return completion

    async def aclose(self) -> None:
        """See `Client.aclose`."""
        await self.inner.aclose()


def with_generate(
    ws: Workspace, server: Server, cycle: int, candidates: int, concurrency: int
) -> tuple[Result, list[Request]]:
    client = Noting(
        ServerClient(
            (server.url,),
            server.model,
            api_key=server.key,
            connections=concurrency,
            extra={"cache_salt": uuid.uuid4().hex},
        )
    )
    started = time.perf_counter()
    report = generate(ws, candidates=candidates, cycle=cycle, concurrency=concurrency, client=client)
    seconds = time.perf_counter() - started
    return Result(seconds, report.requests, report.new, client.tokens), client.requests


async def send_plainly(
    server: Server, requests: list[Request], concurrency: int
) -> tuple[float, list[Completion]]:
    slots, salt = asyncio.Semaphore(concurrency), uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {server.key}"} if server.key else {}
    limits = httpx.Limits(max_connections=concurrency)

    async with httpx.AsyncClient(headers=headers, timeout=300, limits=limits, trust_env=False) as http:

        async def one(request: Request) -> Completion:
            async with slots:
                body = body_of(request, server.model) | {"cache_salt": salt}
                return completion_of(request, await http.post(server.url + route_of(request), json=body))

        started = time.perf_counter()
        completions = await asyncio.gather(*map(one, requests))
        return time.perf_counter() - started, completions


def with_load_generator(
    ws: Workspace, server: Server, cycle: int, requests: list[Request], concurrency: int
) -> Result:
    seconds, completions = asyncio.run(send_plainly(server, requests, concurrency))
    tokens = sum(completion.completion_tokens for completion in completions)
    return Result(seconds, len(requests), would_be_candidates(ws, server, completions), tokens)


def would_be_candidates(ws: Workspace, server: Server, completions: list[Completion]) -> int:
    """How many of the items would have passed, in a workspace that knows only its seeds."""
    asked = {event.subject: event.payload for event in ws.ledger.events("request.completed")}
    form = choose_form(ws.task, ws.config.generation, server.model)
    passed = 0
    with fresh_workspace(server.model) as other:
        chain = FilterChain.for_workspace(other)
        for completion in completions:
            fixed, shots = (
                asked[completion.request_id]["fixed"],
                len(asked[completion.request_id]["seed_ids"]),
            )
            for item in (i for choice in completion.choices for i in form.parse(choice, fixed, shots)):
                fields = validated(ws.task, item.fields or {})
                example = None if isinstance(fields, Drop) else Example(fields=fields)
                if example is not None and chain.check(example) is None:
                    chain.accept(example)
                    passed += 1
    return passed


@contextmanager
def fresh_workspace(model: str) -> Iterator[Workspace]:
    """The shipped example, ready to generate."""
    with tempfile.TemporaryDirectory() as folder:
        ws = example_workspace(Path(folder) / "workspace", settings={"vllm": {"model": model}})
        with ws:
            verify(ws, by="benchmark", statement="The shipped example, for a measurement.")
            lock(ws)
            yield ws


@contextmanager
def served(args: argparse.Namespace) -> Iterator[Server]:
    """The server that was named, else one of our own on the loopback."""
    url = args.url or os.environ.get("SEEDGATE_VLLM_URLS", "").split(",")[0]
    if url:
        yield Server(url.rstrip("/"), args.model, args.key or os.environ.get("SEEDGATE_VLLM_API_KEY"))
        return
    from seedgate.services import StackSpec, down, up

    with fresh_workspace(args.model) as ws:
        try:
            state = up(ws.root, StackSpec(services=("vllm",)), print)
            if state.vllm_url is None:
                raise SystemExit("the embedded stack has no vLLM")
            yield Server(state.vllm_url, args.model, ws.vllm_key())
        finally:
            down(ws.root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short pair of runs (default: six longer ones)"
    )
    parser.add_argument(
        "--url", help="base URL of a vLLM server, ending in /v1 (default: the embedded stack)"
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--key", help="its API key (default: SEEDGATE_VLLM_API_KEY)")
    parser.add_argument("--candidates", type=int, help="per run of `generate`")
    parser.add_argument("--pairs", type=int, help="runs of each arm")
    parser.add_argument("--concurrency", type=int, help="requests in flight, in both arms")
    args = parser.parse_args()
    candidates = args.candidates or (120 if args.quick else 600)
    pairs = args.pairs or (1 if args.quick else 6)
    args.concurrency = args.concurrency or (8 if args.quick else 16)
    arms: dict[str, list[Result]] = {"generate": [], "load generator": []}
    with served(args) as server:
        print(
            f"{server.url}, {server.model}; {pairs} pairs of {candidates} candidates, {args.concurrency} in flight"
        )
        with fresh_workspace(server.model) as ws:
            with_generate(ws, server, 1, 10, args.concurrency)  # warms up the server and this process
        for pair in range(1, pairs + 1):
            with fresh_workspace(server.model) as ws:
                ours, requests = with_generate(ws, server, pair, candidates, args.concurrency)
                theirs = with_load_generator(ws, server, pair, requests, args.concurrency)
            for (name, results), result in zip(arms.items(), (ours, theirs), strict=True):
                results.append(result)
                print(f"pair {pair}  {name:14} {result}", flush=True)
    tell(arms)


def tell(arms: dict[str, list[Result]]) -> None:
    """Totals, so that long runs count more than short ones; the spread over pairs beside them."""
    for what in ("candidates", "requests", "tokens"):
        ratios = [
            getattr(a, what) / a.seconds / (getattr(b, what) / b.seconds)
            for a, b in zip(*arms.values(), strict=True)
        ]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"ratio of {what}/s: median of pairs {statistics.median(ratios):.3f}, {spread}")
    value, baseline = (sum(r.candidates for r in rs) / sum(r.seconds for r in rs) for rs in arms.values())
    ratio = round(value / baseline, 4)
    result = {"name": "stream", "value": round(value, 3), "baseline": round(baseline, 3), "ratio": ratio}
    print(json.dumps(result | {"target": TARGET, "ok": ratio >= TARGET}))


if __name__ == "__main__":
    main()

"""Does `generate` keep the server as busy as a plain load generator does? At least 0.95 of its requests per second.

Both arms send the same requests in the same order to the same vLLM server: `generate` first, with everything
it does (prompts, filters, ledger), then asyncio, httpx and a semaphore, with nothing; what would have become
a candidate is counted afterwards. Each run has its own `cache_salt`, so no arm finds the other's prefixes in
the server's cache. Arms take turns, since a shared machine changes from minute to minute.

With `--distilabel PYTHON` two more arms: distilabel 1.5.3 in an environment of its own (`uv venv E`, then `uv pip
install --python E/bin/python 'distilabel[openai]==1.5.3' requests`) is given as many prompts, with the same number of
completions and sampling, as messages, since it sends no others, in its default batches. `distilabel` shows seeds of the
same labels drawn at random for each prompt, as one without plans would; `given our prompts` is told also which seeds to
show and in what order. Their lines are taken without their numbers and headings, the first three of each completion,
and counted as candidates if they pass the same filters; the start of a pipeline (a run of one prompt) is not counted.
`generate` is to bring at least 2 times as many candidates per second as `distilabel`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
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
from seedgate.generator.prompts import MOST_ITEMS, choose_form
from seedgate.records import Example
from seedgate.seeds import baseline, example_workspace, lock, verify
from seedgate.workspace import Workspace

TARGET, TARGET_DISTILABEL = 0.95, 2.0
_MARK = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*])?\s*(?:[A-Z][A-Za-z ]{2,30}:)?\s*\"?")
"""What a line begins with besides its text: a number, a heading."""


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


def with_seeds_drawn(ws: Workspace, server: Server, requests: list[Request]) -> list[str]:
    """As many prompts for the same labels, each with seeds drawn for it alone."""
    asked = {event.subject: event.payload for event in ws.ledger.events("request.completed")}
    form = choose_form(ws.task, ws.config.generation, server.model)
    seeds, rng, prompts = list(baseline(ws).seeds.values()), random.Random(0), []
    for request in requests:
        fixed, shots = asked[request.id]["fixed"], len(asked[request.id]["seed_ids"])
        own = [seed for seed in seeds if all(seed.fields[name] == value for name, value in fixed.items())]
        prompts.append(str(form.render(rng.sample(own, min(shots, len(own))), fixed).prompt))
    return prompts


def with_distilabel(
    ws: Workspace, server: Server, python: str, requests: list[Request], prompts: list[str]
) -> Result:
    asked = {event.subject: event.payload for event in ws.ledger.events("request.completed")}
    sampling = requests[0].sampling
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.json", Path(folder) / "found.json"
        kwargs = {"temperature": sampling.temperature, "top_p": sampling.top_p}
        told = {
            "prompts": prompts,
            "url": server.url,
            "model": server.model,
            "key": server.key,
            "n": sampling.n,
            "sampling": kwargs | {"max_new_tokens": sampling.max_tokens, "stop": ["\n\n"]},
        }
        given.write_text(json.dumps(told), encoding="utf-8")
        command = [python, str(Path(__file__).parent / "parts" / "distilabel_arm.py"), str(given), str(found)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        answer = json.loads(found.read_text(encoding="utf-8"))
    passed = 0
    with fresh_workspace(server.model) as other:
        chain = FilterChain.for_workspace(other)
        for request, texts in zip(requests, answer["texts"], strict=True):
            fixed = asked[request.id]["fixed"]
            for text in texts:
                lines = [_MARK.sub("", line).strip() for line in text.splitlines()]
                for line in [line for line in lines if line][:MOST_ITEMS]:
                    fields = validated(ws.task, fixed | {"text": line})
                    example = None if isinstance(fields, Drop) else Example(fields=fields)
                    if example is not None and chain.check(example) is None:
                        chain.accept(example)
                        passed += 1
    return Result(answer["seconds"] - answer["start_s"], len(requests), passed, 0)


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
    parser.add_argument("--distilabel", metavar="PYTHON", help="of an environment that has distilabel 1.5.3")
    parser.add_argument("--candidates", type=int, help="per run of `generate`")
    parser.add_argument("--pairs", type=int, help="runs of each arm")
    parser.add_argument("--concurrency", type=int, help="requests in flight, in both arms")
    args = parser.parse_args()
    candidates = args.candidates or (120 if args.quick else 600)
    pairs = args.pairs or (1 if args.quick else 6)
    args.concurrency = args.concurrency or (8 if args.quick else 16)
    arms: dict[str, list[Result]] = {"generate": [], "load generator": []}
    if args.distilabel:
        arms |= {"distilabel": [], "given our prompts": []}
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
                others = []
                if args.distilabel:
                    drawn, ours_told = (
                        with_seeds_drawn(ws, server, requests),
                        [str(r.prompt) for r in requests],
                    )
                    others = [
                        with_distilabel(ws, server, args.distilabel, requests, prompts)
                        for prompts in (drawn, ours_told)
                    ]
            for (name, results), result in zip(arms.items(), (ours, theirs, *others), strict=True):
                results.append(result)
                print(f"pair {pair}  {name:17} {result}", flush=True)
    tell(arms)


def tell(arms: dict[str, list[Result]]) -> None:
    """Totals, so that long runs count more than short ones; the spread over pairs beside them."""
    ours, found = arms["generate"], {}
    for name, theirs in list(arms.items())[1:]:
        for what in ("candidates", "requests", "tokens"):
            if not getattr(theirs[0], what):  # distilabel does not say how many tokens
                continue
            ratios = [
                getattr(a, what) / a.seconds / (getattr(b, what) / b.seconds)
                for a, b in zip(ours, theirs, strict=True)
            ]
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
            print(f"ratio of {what}/s to {name}: median of pairs {statistics.median(ratios):.3f}, {spread}")
            found[name, what] = round(rate(ours, what) / rate(theirs, what), 4)
    result: dict[str, object] = {
        "name": "stream",
        "value": round(rate(ours, "requests"), 3),
        "baseline": round(rate(arms["load generator"], "requests"), 3),
        "ratio": found["load generator", "requests"],
        "ratio_candidates": found["load generator", "candidates"],
        "target": TARGET,
        "ok": found["load generator", "requests"] >= TARGET,
    }
    if "distilabel" in arms:
        ratio = found["distilabel", "candidates"]
        result |= {
            "distilabel": ratio,
            "distilabel_given_our_prompts": found["given our prompts", "candidates"],
            "target_distilabel": TARGET_DISTILABEL,
            "ok": bool(result["ok"]) and ratio >= TARGET_DISTILABEL,
        }
    print(json.dumps(result))


def rate(results: list[Result], what: str) -> float:
    """Of all runs of an arm, per second."""
    return sum(getattr(r, what) for r in results) / sum(r.seconds for r in results)


if __name__ == "__main__":
    main()

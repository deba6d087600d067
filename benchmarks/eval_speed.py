"""Examples per second of `seedgate eval` beside a plain loop over the same vLLM server.

All arms send the same questions, those of the shipped example's evaluation rows with and without the constraint, to the
same server with the same greedy sampling. `eval` is all of it: prompts, questions, scores, intervals, ledger. `loop` is
one question after the other with httpx, as most evaluation scripts do, every fourth of them; `all at once` has as many
in flight as `eval`, and does nothing else: what can be reached. A round that is not counted comes first, so that every
arm finds all prompts in the server's cache; arms take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable

import httpx
from stream import Server, fresh_workspace, served

from seedgate.finetune import evaluate
from seedgate.finetune.asking import CONCURRENCY, ways
from seedgate.generator.clients.base import Request
from seedgate.generator.clients.wire import body_of, completion_of, route_of
from seedgate.seeds import baseline

TARGET = 0.95
"""Of what is reached all at once."""
LOOP_EVERY = 4
"""The loop takes as long for each question, however many it asks: one of so many will do."""


def questions(server: Server) -> list[Request]:
    """What `eval` asks, in its order."""
    with fresh_workspace(server.model) as ws:
        rows = [(row.id, tuple(ws.task.messages(row.fields)[:-1])) for row in baseline(ws).evaluation]
        return [
            Request(id_, prompt, sampling, None, choices)
            for choices, sampling in ways(ws, free=True).values()
            for id_, prompt in rows
        ]


def with_eval(server: Server, asked: list[Request]) -> float:
    with fresh_workspace(server.model) as ws:
        started = time.perf_counter()
        found = evaluate(ws)
        seconds = time.perf_counter() - started
        assert found.unconstrained is not None
        assert 2 * found.n == len(asked)
        return seconds


def with_loop(server: Server, asked: list[Request]) -> float:
    with httpx.Client(headers=headers(server), timeout=300, trust_env=False) as http:
        started = time.perf_counter()
        for each in asked:
            answer = http.post(server.url + route_of(each), json=body_of(each, server.model))
            completion_of(each, answer)
        return time.perf_counter() - started


def all_at_once(server: Server, asked: list[Request]) -> float:
    async def run() -> float:
        slots, limits = asyncio.Semaphore(CONCURRENCY), httpx.Limits(max_connections=CONCURRENCY)
        async with httpx.AsyncClient(
            headers=headers(server), timeout=300, limits=limits, trust_env=False
        ) as http:

            async def one(each: Request) -> None:
                async with slots:
                    answer = await http.post(server.url + route_of(each), json=body_of(each, server.model))
                    completion_of(each, answer)

            started = time.perf_counter()
            await asyncio.gather(*map(one, asked))
            return time.perf_counter() - started

    return asyncio.run(run())


def headers(server: Server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.key}"} if server.key else {}


ARMS: dict[str, Callable[[Server, list[Request]], float]] = {
    "eval": with_eval,
    "loop": with_loop,
    "all at once": all_at_once,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round (default: three)")
    parser.add_argument("--url", help="base URL of a vLLM server (default: the embedded stack)")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--key", help="its API key (default: SEEDGATE_VLLM_API_KEY)")
    parser.add_argument("--rounds", type=int)
    args = parser.parse_args()
    rounds = args.rounds or (1 if args.quick else 3)
    rates: dict[str, list[float]] = {arm: [] for arm in ARMS}
    with served(args) as server:
        os.environ["SEEDGATE_VLLM_URLS"], os.environ["SEEDGATE_VLLM_API_KEY"] = server.url, server.key or ""
        asked = questions(server)
        print(
            f"{server.model}; {len(asked) // 2} rows, {len(asked)} questions, {CONCURRENCY} in flight, {rounds} rounds"
        )
        all_at_once(server, asked)
        for number in range(rounds):
            names = list(ARMS) if number % 2 == 0 else list(ARMS)[::-1]
            for arm in names:
                given = asked[::LOOP_EVERY] if arm == "loop" else asked
                seconds = ARMS[arm](server, given)
                rates[arm].append(len(given) / seconds)
                print(
                    f"round {number + 1}  {arm:12} {rates[arm][-1]:6.2f} questions/s ({seconds:.1f} s)",
                    flush=True,
                )
    ratios = {
        arm: [ours / theirs for ours, theirs in zip(rates["eval"], rates[arm], strict=True)]
        for arm in ("loop", "all at once")
    }
    for arm, each in ratios.items():
        print(f"eval / {arm}: median {statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})")
    ratio = statistics.median(ratios["all at once"])
    result = {
        "name": "eval_speed",
        "value": round(statistics.median(rates["eval"]), 2),
        "baseline": round(statistics.median(rates["loop"]), 2),
        "ratio": round(statistics.median(ratios["loop"]), 3),
        "ratio_all_at_once": round(ratio, 3),
        "target": TARGET,
        "ok": ratio >= TARGET,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

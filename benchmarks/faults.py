"""What faulty servers cost: nothing lost, nothing twice, and at least 0.9 of what the healthy ones give together.

Servers of real HTTP without a model work on eight completions at a time, others wait, as in a full vLLM. In each arm
`generate` has the servers named on the left; beside it stands what those of them that are well gave alone, measured in
the same run. Faults: an address that refuses; a server that hangs, answers 500 or 429, truncated JSON, no choices, half
a response, or with a wrong schema, to every third request or to all; one that dies in the middle and one that comes
back. Last, three servers of which one is dead and one four times as slow as the third.

Lost or twice is read in the ledger: every request that was sent is there once under its number, without gaps, each
candidate once, and an audit of the chain finds nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the fakes are the tests'

from seedgate.errors import SeedgateError
from seedgate.generator import generate
from seedgate.generator.clients.server import ServerClient
from seedgate.seeds import example_workspace, lock, verify
from tests.fakes.embedding_server import FakeEmbeddings
from tests.fakes.vllm_server import FakeVllm

TARGET = 0.9
QUICK_S, SLOW_S, SLOTS, IN_FLIGHT = 0.4, 1.6, 8, 32
TIMEOUT_S = 12.0
EVERY_THIRD = ("500", "429", "truncated", "empty", "half", "reset")
ALWAYS = ("500", "truncated", "empty", "hang", "reset")


@dataclass(frozen=True)
class Result:
    """Of one run.

    Attributes:
        rate: Requests per second.
        whole: Whether the ledger has each request and candidate once.
    """

    rate: float
    requests: int
    whole: bool


def run(fakes: Sequence[FakeVllm], candidates: int, embeddings: str, form: str = "list") -> Result:
    settings = {
        "vllm": {"model": fakes[0].model},
        "generation": {"completions": 1, "prompt_form": form},
        "embeddings": {"model": "letters", "url": embeddings},
        "policy": {"semantic_leak": 0.99},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        example_workspace(Path(folder) / "ws", settings=settings) as ws,
    ):
        verify(ws, by="benchmark", statement="The shipped example, for a measurement.")
        lock(ws)
        client = ServerClient(
            tuple(fake.url for fake in fakes),
            fakes[0].model,
            timeout_s=TIMEOUT_S,
            connections=IN_FLIGHT,
            wait_s=0.1,
        )
        started = time.perf_counter()
        report = generate(ws, candidates=candidates, cycle=1, concurrency=IN_FLIGHT, client=client)
        seconds = time.perf_counter() - started
        asked = [event.payload["index"] for event in ws.ledger.events("request.completed")]
        made = [event.subject for event in ws.ledger.events("candidate.created")]
        whole = (
            sorted(asked) == list(range(len(asked)))
            and len(set(made)) == len(made) >= candidates
            and not list(ws.ledger.verify())
        )
    return Result(report.requests / seconds, report.requests, whole)


@contextmanager
def servers(*delays: float) -> Iterator[list[FakeVllm]]:
    with ExitStack() as stack:
        yield [stack.enter_context(FakeVllm(delay_s=delay, slots=SLOTS)) for delay in delays]


class EveryThird(FakeVllm):
    """Gives every third request a fault."""

    fault = "500"

    def begin(self, body: dict) -> str | None:
        """See `FakeVllm.begin`."""
        given = super().begin(body)
        return self.fault if len(self.bodies) % 3 == 0 else given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the candidates, fewer faults")
    parser.add_argument("--candidates", type=int, help="per run (default: 1500)")
    args = parser.parse_args()
    candidates = args.candidates or (400 if args.quick else 1500)
    print(
        f"{SLOTS} at a time of {QUICK_S} s (slow: {SLOW_S} s) per server, {IN_FLIGHT} in flight, "
        f"a request is given up after {TIMEOUT_S} s; {candidates} candidates a run"
    )
    found: dict[str, tuple[Result, float]] = {}

    def tell(name: str, result: Result, healthy: float) -> None:
        found[name] = (result, healthy)
        print(
            f"{name:34} {result.rate:6.1f} requests/s, {result.rate / healthy:.2f} of the healthy ones' {healthy:.1f}, "
            f"{result.requests} requests, {'each once' if result.whole else 'NOT each once'}",
            flush=True,
        )

    with FakeEmbeddings().serve() as embeddings:

        def measured(fakes: Sequence[FakeVllm], more: int = 1, form: str = "list") -> Result:
            return run(fakes, candidates // more, embeddings.url, form)

        with servers(QUICK_S) as alone:
            one = statistics.mean(measured(alone).rate for _ in range(2))
        with servers(SLOW_S) as alone:
            slow = measured(alone, more=3).rate
        print(f"alone: quick {one:.1f}, slow {slow:.1f} requests/s")
        faults: list[tuple[str, Callable[[FakeVllm], object]]] = [("refuses", FakeVllm.stop)]
        faults += [(f"{fault} always", lambda fake, fault=fault: fake.always(fault)) for fault in ALWAYS]
        for name, spoil in faults[:3] if args.quick else faults:
            with servers(QUICK_S, QUICK_S) as (well, ill):
                spoil(ill)
                tell(name, measured([well, ill]), one)
        for fault in EVERY_THIRD[:2] if args.quick else EVERY_THIRD:
            with servers(QUICK_S) as (well,), EveryThird(delay_s=QUICK_S, slots=SLOTS) as ill:
                ill.fault = fault
                # Two of three of its answers are good ones.
                tell(f"{fault}, every third", measured([well, ill]), one * 5 / 3)
        with servers(QUICK_S) as (well,), EveryThird(delay_s=QUICK_S, slots=SLOTS) as ill:
            ill.fault = "wrong_schema"
            tell("wrong schema, every third", measured([well, ill], more=3, form="chat"), one * 2)
        with servers(QUICK_S, QUICK_S) as (well, ill):
            tell("dies in the middle", dying(measured, well, ill, None), one)
        with servers(QUICK_S, QUICK_S) as (well, ill):
            tell("is away for two seconds", dying(measured, well, ill, 2.0), one)
        with servers(QUICK_S, SLOW_S, QUICK_S) as (quick, lazy, dead):
            dead.stop()
            tell("three: quick, slow, dead", measured([quick, lazy, dead]), one + slow)
    worst = min(found.items(), key=lambda item: item[1][0].rate / item[1][1])
    ratio = worst[1][0].rate / worst[1][1]
    whole = all(result.whole for result, _ in found.values())
    print(
        json.dumps(
            {
                "name": "faults",
                "what": "requests per second against those of the healthy servers, worst arm",
                "value": round(ratio, 3),
                "worst": worst[0],
                "target": TARGET,
                "ok": ratio >= TARGET and whole,
                "nothing_lost_nothing_twice": whole,
                "arms": {name: round(result.rate / healthy, 3) for name, (result, healthy) in found.items()},
            }
        )
    )


def dying(
    measured: Callable[[Sequence[FakeVllm]], Result], well: FakeVllm, ill: FakeVllm, back_s: float | None
) -> Result:
    """A run in the middle of which a server stops, and comes back if told when."""
    import threading

    timer = threading.Timer(1.5, ill.stop if back_s is None else lambda: ill.down_for(back_s))
    timer.start()
    try:
        return measured([well, ill])
    except SeedgateError as error:
        raise SystemExit(f"a run ended early: {error}") from error
    finally:
        timer.join()


if __name__ == "__main__":
    main()

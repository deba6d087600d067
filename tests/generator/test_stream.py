"""The stream: as many requests in flight as allowed from first to last, and nothing piling up behind them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from seedgate.errors import LedgerError, SeedgateError, ServiceError
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request, Sampling
from seedgate.generator.recording import Outcome
from seedgate.generator.strategies.base import Plan, Tally
from seedgate.generator.stream import AT_JUDGE, FLUSH_REQUESTS, Stream
from seedgate.ledger import NewEvent

SAMPLING = Sampling(1, 0.7, 0.9, 60)


class SlowModel:
    """A client whose requests take uneven times; notes how many were in flight."""

    def __init__(self, seconds: Callable[[int], float] = lambda n: 0.002 * (1 + n % 7)) -> None:
        self.seconds = seconds
        self.in_flight = 0
        self.samples: list[int] = []
        self.begun = 0
        self.fails_at: int | None = None
        self.room: int | None = None

    async def start(self) -> ModelInfo:
        return ModelInfo("slow")

    async def complete(self, request: Request) -> Completion:
        number, self.begun = self.begun, self.begun + 1
        self.in_flight += 1
        self.samples.append(self.in_flight)
        try:
            await asyncio.sleep(self.seconds(number))
        finally:
            self.in_flight -= 1
        if number == self.fails_at:
            raise ServiceError("the server is gone")
        return Completion(request.id, (Choice(0, "text", "stop"),))

    async def aclose(self) -> None:
        """Nothing to give back."""


class Judge:
    """Makes `accepted` candidates of every completion, in a thread."""

    def __init__(self, accepted: int = 1) -> None:
        self.accepted = accepted
        self.thread = ThreadPoolExecutor(1)

    def submit(self, answered: Sequence[tuple[Plan, Completion]]) -> Future[list[Outcome]]:
        return self.thread.submit(self.outcomes, answered)

    def close(self) -> None:
        self.thread.shutdown()

    def outcomes(self, answered: Sequence[tuple[Plan, Completion]]) -> list[Outcome]:
        return [
            Outcome([NewEvent("request.completed", plan.request.id, {})], 1, self.accepted)
            for plan, _ in answered
        ]


class HeldJudge(Judge):
    """Judges nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_judge = threading.Event()

    def outcomes(self, answered: Sequence[tuple[Plan, Completion]]) -> list[Outcome]:
        self.may_judge.wait()
        return super().outcomes(answered)


class Ledger:
    """Takes batches; as slow as it is told to be."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.may_write = threading.Event()
        self.may_write.set()
        self.batches: list[int] = []
        self.subjects: list[str] = []
        self.fails = False

    def append(self, events: list[NewEvent]) -> None:
        self.may_write.wait()
        time.sleep(self.seconds)
        if self.fails:
            raise LedgerError("the disk is full")
        self.batches.append(len(events))
        self.subjects += [event.subject for event in events]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110 - what happens is in a model that knows no events
            await asyncio.sleep(0.005)


def plans() -> Iterator[Plan]:
    for index in count():
        yield Plan(index, "test", Request(f"r{index}", "prompt", SAMPLING), {}, ())


def stream(model: SlowModel, ledger: Ledger, judge: Judge | None = None, **settings: Any) -> Stream:
    defaults: dict[str, Any] = {"target": 200, "concurrency": 8, "patience": 60, "on_outcome": lambda _: None}
    return Stream(
        model,
        plans(),
        judge or Judge(),
        settings.pop("tally", Tally()),
        ledger.append,
        **(defaults | settings),
    )


async def test_slots_are_refilled_one_by_one_not_in_batches() -> None:
    model = SlowModel(lambda n: 0.06 * (1 + n % 7))
    started = time.monotonic()
    await stream(model, Ledger(), target=140).run()
    elapsed = time.monotonic() - started
    assert max(model.samples) == 8
    # Waiting for the slowest of each eight would keep the slots busy for 4/7 of the time.
    assert sum(map(model.seconds, range(140))) / (8 * elapsed) > 0.75


async def test_where_no_number_is_given_the_client_finds_room() -> None:
    model = SlowModel(lambda _: 0.002)
    model.room = 3
    running = asyncio.create_task(stream(model, Ledger(), target=100_000, concurrency=None).run())
    await until(lambda: model.begun >= 50)
    assert max(model.samples) == 3
    model.room = 20
    await until(lambda: max(model.samples) == 20)
    model.room = 5
    await until(lambda: model.samples[-1] <= 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_slow_request_holds_nobody_up() -> None:
    model, ledger = SlowModel(lambda n: 600 if n == 3 else 0.002), Ledger()
    running = asyncio.create_task(stream(model, ledger, target=10_000).run())
    await until(lambda: model.begun >= 200)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "r3" not in ledger.subjects


async def test_a_slow_ledger_holds_back_the_requests() -> None:
    model, ledger = SlowModel(lambda _: 0.0), Ledger()
    ledger.may_write.clear()
    running = asyncio.create_task(stream(model, ledger, target=10_000, concurrency=8).run())
    await until(lambda: model.begun >= FLUSH_REQUESTS)
    await asyncio.sleep(0.25)  # time enough for as many again, if nothing held them back
    waiting = model.begun
    ledger.may_write.set()
    # Being written, with the judge, waiting for it, and in flight.
    assert waiting <= (2 + AT_JUDGE) * FLUSH_REQUESTS + 2 * 8
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ledger.subjects)[0] == "r0"


async def test_batches_are_bounded() -> None:
    ledger = Ledger(seconds=0.01)
    await stream(SlowModel(lambda _: 0.0), ledger, target=500).run()
    assert max(ledger.batches) <= FLUSH_REQUESTS
    assert len(ledger.batches) < 100


async def test_few_requests_do_not_wait_for_a_full_batch() -> None:
    ledger = Ledger()
    running = asyncio.create_task(
        stream(SlowModel(lambda n: 0.0 if n < 3 else 600), ledger, concurrency=4).run()
    )
    await until(lambda: set(ledger.subjects) >= {"r0", "r1", "r2"})
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_near_the_target_no_more_is_sent_than_is_needed() -> None:
    model, tally = SlowModel(lambda _: 0.02), Tally(yield_per_request=10.0)
    await stream(model, Ledger(), Judge(10), target=50, concurrency=32, tally=tally).run()
    assert model.begun == 5


async def test_what_is_in_flight_when_the_target_is_reached_is_recorded() -> None:
    model, ledger = SlowModel(), Ledger()
    await stream(model, ledger, Judge(3), target=20).run()
    assert len(ledger.subjects) == model.begun == len(set(ledger.subjects))


async def test_a_cycle_that_has_its_target_sends_nothing() -> None:
    model, tally = SlowModel(), Tally()
    tally.candidates["{}"] = 20
    await stream(model, Ledger(), target=20, tally=tally).run()
    assert model.begun == 0


async def test_it_gives_up_when_nothing_new_comes() -> None:
    model = SlowModel(lambda _: 0.0)
    run = stream(model, Ledger(), Judge(0), patience=30)
    await run.run()
    assert run.stalled
    assert (
        30 <= model.begun <= 30 + 8 + (1 + AT_JUDGE) * FLUSH_REQUESTS
    )  # those being judged, and those that wait


async def test_after_an_error_the_rest_in_flight_is_recorded_before_it_is_raised() -> None:
    model, ledger = SlowModel(lambda _: 0.05), Ledger()
    model.fails_at = 10
    with pytest.raises(ServiceError, match="gone"):
        await stream(model, ledger).run()
    assert len(ledger.subjects) == model.begun - 1
    assert model.begun <= 10 + 2 * 8


async def test_an_error_of_the_ledger_ends_the_run_with_that_error() -> None:
    ledger = Ledger()
    ledger.fails = True
    with pytest.raises(LedgerError, match="disk is full"):
        await stream(SlowModel(), ledger).run()


async def test_a_cancelled_run_records_what_had_come_back() -> None:
    model, ledger = SlowModel(lambda n: 0.001 if n < 20 else 600), Ledger()
    running = asyncio.create_task(stream(model, ledger).run())
    await until(lambda: model.begun == 28)  # eight are in flight, so that twenty came back
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(ledger.subjects) == 20


async def test_a_cancelled_run_loses_no_answer_however_many_wait() -> None:
    judge = HeldJudge()
    model, ledger = SlowModel(lambda _: 0.0), Ledger()
    running = asyncio.create_task(stream(model, ledger, judge, target=10_000, concurrency=256).run())
    await until(lambda: model.begun >= 256 and model.in_flight == 0)
    await asyncio.sleep(0.05)
    begun = model.begun
    running.cancel()
    await asyncio.sleep(0.05)
    judge.may_judge.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(ledger.subjects) == len(set(ledger.subjects)) == begun


async def test_a_ledger_that_fails_is_not_asked_twice() -> None:
    class Counting(Ledger):
        asked = 0

        def append(self, events: list[NewEvent]) -> None:
            self.asked += 1
            super().append(events)

    ledger = Counting()
    ledger.fails = True
    with pytest.raises(LedgerError):
        await stream(SlowModel(), ledger).run()
    assert ledger.asked == 1


async def test_what_was_judged_before_the_judge_failed_is_recorded() -> None:
    class Failing(Judge):
        def outcomes(self, answered: Sequence[tuple[Plan, Completion]]) -> list[Outcome]:
            if any(plan.index == 20 for plan, _ in answered):
                raise SeedgateError("the judge is gone")
            return super().outcomes(answered)

    ledger = Ledger()
    with pytest.raises(SeedgateError, match="judge is gone"):
        await stream(SlowModel(), ledger, Failing(), concurrency=1).run()
    assert ledger.subjects == [f"r{number}" for number in range(20)]


async def test_a_cancelled_run_records_what_is_with_the_judge_and_what_waits_for_it() -> None:
    judge = HeldJudge()
    model, ledger = SlowModel(lambda n: 0.001 if n < 20 else 600), Ledger()
    running = asyncio.create_task(stream(model, ledger, judge).run())
    await until(lambda: model.begun == 28)
    running.cancel()
    await asyncio.sleep(0.05)
    assert not ledger.subjects
    judge.may_judge.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ledger.subjects) == sorted(f"r{number}" for number in range(20))

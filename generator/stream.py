"""The stream from plans to the ledger: bounded everywhere, no barrier anywhere.

One task sends plans while slots are free and few answers wait; one task gives answers to the judge in the order in
which they came, and one appends what was judged in batches. A slow ledger holds the judge, so that answers wait, so
that nothing is sent, and nothing piles up. Near the target no more is sent than will
probably be needed; what is in flight when the target is reached is waited for and recorded.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from seedgate.errors import SeedgateError
from seedgate.generator.clients.base import Client, Completion
from seedgate.generator.clients.room import START
from seedgate.generator.judging import Judge
from seedgate.generator.recording import Outcome
from seedgate.generator.strategies.base import Plan, Tally
from seedgate.ledger import NewEvent

__all__ = ["FLUSH_REQUESTS", "Stream"]

FLUSH_REQUESTS = 64
FLUSH_S = 0.5
AT_JUDGE = 2
"""Lots that are judged or wait for it, so that the judge never does."""
PRIOR_REQUESTS = 4.0
"""How many requests' worth the first guess of the yield counts."""


_Result = tuple[Plan, Completion]


class _Lot(NamedTuple):
    """Answers that were given to the judge, and whether they are the last."""

    answered: list[_Result]
    judging: asyncio.Future[list[Outcome]]
    last: bool


class Stream:
    """Runs plans until the cycle has its target.

    Args:
        plans: Taken one at a time, just before each is sent.
        judge: Given lots of answers in order, two at a time.
        tally: The cycle's counts; kept up here.
        append: Writes events as one transaction; called from a thread.
        target: Candidates that the cycle is to have.
        concurrency: Most requests in flight; None: as many as the client finds room for.
        patience: Requests in a row without a candidate after which it gives up.
        on_outcome: Told of each judged request.

    Attributes:
        patience: As given.
        peak: Most requests that were in flight at once.
        stalled: Whether it gave up for lack of new candidates.
        exhausted: Whether the plans came to an end.
    """

    def __init__(
        self,
        client: Client,
        plans: Iterator[Plan],
        judge: Judge,
        tally: Tally,
        append: Callable[[list[NewEvent]], object],
        *,
        target: int,
        concurrency: int | None,
        patience: int,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self._client = client
        self._plans = plans
        self._judge = judge
        self._tally = tally
        self._append = append
        self._target = target
        self._concurrency = concurrency
        self.patience = patience
        self._on_outcome = on_outcome
        self._guess = tally.yield_per_request
        self._judged = 0
        self._accepted = 0
        self._barren = 0
        self._out = 0
        self._error: SeedgateError | None = None
        self.peak = 0
        self.exhausted = False

    @property
    def stalled(self) -> bool:
        """See the class."""
        return self._barren >= self.patience

    async def run(self) -> None:
        """Sends, judges and records until the target is reached or nothing new comes.

        Raises:
            SeedgateError: A request failed for good, or the ledger did. What had come back is recorded.
        """
        self._results: asyncio.Queue[_Result | None] = asyncio.Queue()  # bounded by whoever sends
        self._changed, self._moved = asyncio.Event(), asyncio.Event()
        self._lots: deque[_Lot] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                group.create_task(self._hand_over())
                group.create_task(self._send(group))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        if self._error is not None:
            raise self._error

    # -- sending -------------------------------------------------------------------------------------

    async def _send(self, group: asyncio.TaskGroup) -> None:
        while True:
            while self._out >= self._most_out() or self._results.qsize() >= FLUSH_REQUESTS:
                await self._change()
            if not await self._wanted():
                break
            try:
                plan = next(self._plans, None)
            except SeedgateError as error:
                self._error = self._error or error
                break
            if plan is None:
                self.exhausted = True
                break
            self._tally.requests[plan.group] += 1
            self._tally.in_flight[plan.group] += 1
            self._out += 1
            self.peak = max(self.peak, self._out)
            group.create_task(self._request(plan))
        while self._out:
            await self._change()
        self._results.put_nowait(None)

    def _most_out(self) -> int:
        return self._concurrency or self._client.room or START

    async def _wanted(self) -> bool:
        """Waits until another request is needed (True) or the end is certain (False)."""
        tally = self._tally
        while self._error is None and tally.total < self._target and not self.stalled:
            waiting = tally.in_flight.total()
            if not waiting or tally.total + waiting * tally.yield_per_request < self._target:
                return True
            await self._change()
        return False

    async def _request(self, plan: Plan) -> None:
        try:
            # What has come back must never wait in here, where an interrupt would lose it.
            self._results.put_nowait((plan, await self._client.complete(plan.request)))
        except SeedgateError as error:
            # No reason to give up what is in flight: it is waited for, recorded, and then this is raised.
            self._error = self._error or error
            self._tally.in_flight[plan.group] -= 1
        finally:
            self._out -= 1
            self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # -- judging -------------------------------------------------------------------------------------

    async def _hand_over(self) -> None:
        """Gives the judge all that has come back, lot by lot. Nothing is in its own hands while it waits."""
        last = False
        while not last:
            while len(self._lots) >= AT_JUDGE:
                await self._move()
            answered, last = self._waiting(await self._results.get(), most=FLUSH_REQUESTS)
            self._judged_soon(answered, last=last)

    def _waiting(self, *first: _Result | None, most: int = sys.maxsize) -> tuple[list[_Result], bool]:
        """What has come back and was not judged, and whether it is the last."""
        results = list(first)
        while None not in results and len(results) < most and not self._results.empty():
            results.append(self._results.get_nowait())
        return [each for each in results if each is not None], None in results

    def _judged_soon(self, answered: list[_Result], *, last: bool) -> None:
        """Elsewhere: meanwhile others may come back."""
        judging = asyncio.wrap_future(self._judge.submit(answered))
        # An error is raised where this is awaited, unless an earlier one was.
        judging.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._lots.append(_Lot(answered, judging, last))
        self._moved.set()
        self._changed.set()

    async def _move(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    # -- recording -----------------------------------------------------------------------------------

    async def _write(self) -> None:
        batch: list[NewEvent] = []
        more = True
        while more:
            try:
                try:
                    more = await self._gather(batch)
                except Exception:  # of the judge: what it said before is recorded
                    await asyncio.to_thread(self._append, list(batch))
                    raise
                await asyncio.to_thread(self._append, list(batch))
            except asyncio.CancelledError:
                # What came back cost tokens. A batch on its way already is not written twice: events have keys.
                self._judged_soon(self._waiting()[0], last=True)
                try:
                    while self._lots:
                        await self._take(batch)
                finally:
                    self._append(batch)
                raise
            batch.clear()

    async def _gather(self, batch: list[NewEvent]) -> bool:
        """Fills the batch with up to 64 requests or half a second of them; False after the last."""
        gathered, until = 0, None
        while True:
            try:
                async with asyncio.timeout_at(until):
                    while not self._lots:
                        await self._move()
                    if gathered + len(self._lots[0].answered) > FLUSH_REQUESTS:
                        return True
                    lot = await self._take(batch)
            except TimeoutError:
                return True
            if lot.last:
                return False
            gathered += len(lot.answered)
            until = until or asyncio.get_running_loop().time() + FLUSH_S

    async def _take(self, batch: list[NewEvent]) -> _Lot:
        """The oldest lot, once it is judged; it stays where it is until then."""
        outcomes = await asyncio.shield(self._lots[0].judging)
        lot = self._lots.popleft()
        self._moved.set()
        self._note(lot.answered, outcomes, batch)
        return lot

    def _note(self, answered: Sequence[_Result], outcomes: Sequence[Outcome], batch: list[NewEvent]) -> None:
        for (plan, _), outcome in zip(answered, outcomes, strict=True):
            batch.extend(outcome.events)
            self._count(plan, outcome)

    def _count(self, plan: Plan, outcome: Outcome) -> None:
        self._tally.candidates[plan.group] += outcome.accepted
        self._tally.in_flight[plan.group] -= 1
        self._judged += 1
        self._accepted += outcome.accepted
        self._barren = 0 if outcome.accepted else self._barren + 1
        known = PRIOR_REQUESTS * self._guess + self._accepted
        self._tally.yield_per_request = known / (PRIOR_REQUESTS + self._judged)
        self._changed.set()
        self._on_outcome(outcome)


def _first(errors: BaseExceptionGroup) -> BaseException:
    """The error that a person should see; a group of one is just that one."""
    inner = next((e for e in errors.exceptions if isinstance(e, SeedgateError)), errors.exceptions[0])
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner

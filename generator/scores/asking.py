"""The pass that asks a model for scores: as many requests in flight as allowed, scores recorded as they come.

It runs after the stream, on the client that the stream had: what waits is then known, the stream stays as it is, and
the server has one short pause between the two instead of two kinds of work to balance. One task reads candidates, some
workers ask, one task appends whatever has come since its last append; the queues between them are short.
A failed request costs a score and never a candidate: the next run asks again, and the third is the last, if the model
answered about others meanwhile. While it answers about none, that is no fault of the candidates, and none is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Client, Completion, Request
from seedgate.generator.scores.asked import Item, ModelScorer
from seedgate.generator.scores.recorded import MOST_ATTEMPTS, Mark, failed_event, scored_event
from seedgate.ledger import NewEvent

__all__ = ["Asked", "ask_scores"]

AT_ONCE = 256
"""Candidates read at a time."""

FAILURES_TO_GIVE_UP = 16
"""Requests for one scorer that fail in a row, after which it is not asked any more in this run."""

MOST_PENDING = 64


@dataclass
class Asked:
    """What came of asking, by name of the scorer.

    Attributes:
        scored: Scores that were recorded.
        silent: Candidates about which it had nothing to say; recorded as well.
        failed: Candidates without a score, and why: the last error of each scorer.
        left: Candidates that it was not asked about any more.
        given_up: Candidates among those that failed, which no run will ask about again.
    """

    scored: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each scorer that failed, or had nothing to say."""
        failures = (
            f"score {name}: {count} candidates have none, the model could not be asked"
            f" ({why}); run `seedgate generate` again to ask for them"
            for name, why in self.why.items()
            if (count := self.failed[name] + self.left[name] - self.given_up[name])
        )
        ends = (
            f"score {name}: {count} candidates go without, the model failed {MOST_ATTEMPTS} times"
            f" ({self.why[name]})"
            for name, count in self.given_up.items()
        )
        silences = (
            f"score {name}: there was nothing to say about {count} candidates"
            for name, count in self.silent.items()
        )
        return (*failures, *ends, *silences)


async def ask_scores(
    client: Client,
    wanted: Mapping[Mark, tuple[ModelScorer, Mapping[str, int]]],
    items: Callable[[Sequence[str]], list[Item]],
    append: Callable[[list[NewEvent]], object],
    *,
    concurrency: int,
    on_done: Callable[[int, int, str], None] | None = None,
) -> Asked:
    """Asks for scores and records them.

    Args:
        client: Started.
        wanted: What a score is recorded as, to the scorer and the ids of the candidates that lack it, with how often it
            failed before.
        items: Ids to candidates, without those whose text is gone; called from a thread.
        append: Writes events as one transaction; called from a thread.
        concurrency: Most requests in flight.
        on_done: Told how many of how many are done, and of what.
    """
    run = _Asking(client, wanted, items, append, concurrency, on_done)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(run.write())
            group.create_task(run.ask(group))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return run.asked


class _Asking:
    def __init__(
        self,
        client: Client,
        wanted: Mapping[Mark, tuple[ModelScorer, Mapping[str, int]]],
        items: Callable[[Sequence[str]], list[Item]],
        append: Callable[[list[NewEvent]], object],
        concurrency: int,
        on_done: Callable[[int, int, str], None] | None,
    ) -> None:
        self.asked = Asked()
        self._client = client
        self._wanted = wanted
        self._items = items
        self._append = append
        self._concurrency = concurrency
        self._on_done = on_done
        self._total = sum(len(ids) for _, ids in wanted.values())
        self._done = 0
        self._in_a_row: defaultdict[Mark, list[str]] = defaultdict(list)
        self._given_up: set[Mark] = set()
        self._slots = asyncio.Semaphore(concurrency)
        self._jobs: asyncio.Queue[tuple[Mark, ModelScorer, Item] | None] = asyncio.Queue(concurrency)
        self._found: asyncio.Queue[NewEvent | None] = asyncio.Queue(MOST_PENDING)

    async def ask(self, group: asyncio.TaskGroup) -> None:
        """Reads candidates for workers until all are asked about."""
        workers = [group.create_task(self._work()) for _ in range(self._concurrency)]
        for mark, (scorer, waiting) in self._wanted.items():
            ids = list(waiting)
            for start in range(0, len(ids), AT_ONCE):
                for item in await asyncio.to_thread(self._items, ids[start : start + AT_ONCE]):
                    await self._jobs.put((mark, scorer, item))
        for _ in workers:
            await self._jobs.put(None)
        await asyncio.gather(*workers)
        for mark in list(self._in_a_row):
            await self._blame(mark)
        await self._found.put(None)

    async def _work(self) -> None:
        while (job := await self._jobs.get()) is not None:
            mark, scorer, item = job
            if mark in self._given_up:
                self.asked.left[scorer.name] += 1
                continue
            try:
                score = await scorer.score(item, self._complete)
            except ServiceError as error:
                self.asked.failed[scorer.name] += 1
                self.asked.why[scorer.name] = error.message
                self._in_a_row[mark].append(item.example.id)
                if len(self._in_a_row[mark]) >= FAILURES_TO_GIVE_UP:
                    self._given_up.add(mark)
                continue
            await self._blame(mark)
            (self.asked.silent if score is None else self.asked.scored)[scorer.name] += 1
            await self._found.put(scored_event(item.example.id, mark, score))
            self._tell(scorer.name)

    async def _blame(self, mark: Mark) -> None:
        """Counts the failures in a row against their candidates, unless there are so many that it was the server."""
        failed = self._in_a_row.pop(mark, [])
        for id_ in failed if mark not in self._given_up else ():
            attempt = self._wanted[mark][1][id_] + 1
            if attempt >= MOST_ATTEMPTS:
                self.asked.given_up[mark.scorer] += 1
            await self._found.put(failed_event(id_, mark, attempt))

    async def _complete(self, request: Request) -> Completion:
        async with self._slots:
            return await self._client.complete(request)

    def _tell(self, name: str) -> None:
        self._done += 1
        if self._on_done is not None:
            self._on_done(self._done, self._total, f"scoring: {name}")

    async def write(self) -> None:
        """Appends what has come, until there is no more."""
        batch: list[NewEvent] = []
        more = True
        try:
            while more:
                more = self._gather(await self._found.get(), batch)
                if batch:
                    await asyncio.to_thread(self._append, list(batch))
                    batch.clear()
        except asyncio.CancelledError:
            # What came back cost tokens. A batch on its way already is not written twice: events have keys.
            if not self._found.empty():
                self._gather(self._found.get_nowait(), batch)
            if batch:
                self._append(batch)
            raise

    def _gather(self, event: NewEvent | None, batch: list[NewEvent]) -> bool:
        """Takes an event and all that wait behind it; False after the last."""
        while event is not None:
            batch.append(event)
            if self._found.empty():
                return True
            event = self._found.get_nowait()
        return False

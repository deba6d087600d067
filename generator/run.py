"""`generate`: one cycle's candidates, from the seeds to the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from seedgate.errors import InputError, SeedgateError
from seedgate.generator.allocation import Allocation
from seedgate.generator.clients.base import Client, ModelInfo
from seedgate.generator.clients.chosen import client_for
from seedgate.generator.clients.room import START
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.filters.semantic import MEASURED, measured_cosine
from seedgate.generator.judging import Judge, JudgeProcess, JudgeThread, Setting, pays
from seedgate.generator.prompts import Form, choose_form
from seedgate.generator.reading import tally_of
from seedgate.generator.recording import Recorder
from seedgate.generator.report import GenerationReport, Meter, ProgressFn
from seedgate.generator.scores import ModelScores
from seedgate.generator.scores.asking import Asked
from seedgate.generator.shares import allocated_event
from seedgate.generator.strategies.base import Tally
from seedgate.generator.strategies.choosing import Chooser, Chosen, ReviewedFn, templates_of
from seedgate.generator.stream import Stream
from seedgate.generator.templating import Templates
from seedgate.generator.writing import STRATEGY, Writer, WriterFn
from seedgate.ledger import Lease, NewEvent
from seedgate.seeds import Baseline, Meanings, baseline
from seedgate.workspace import Workspace

__all__ = ["explain", "generate"]

T = TypeVar("T")

FIRST_GUESS = 0.7
"""Candidates per item asked for, before anything is known; measured on the shipped example."""
LEAST_PATIENCE = 60


def generate(
    ws: Workspace,
    *,
    candidates: int | None = None,
    cycle: int,
    on_progress: ProgressFn | None = None,
    dry_run: bool = False,
    concurrency: int | None = None,
    client: Client | None = None,
    reviewed: ReviewedFn | None = None,
    writer: WriterFn | None = None,
) -> GenerationReport:
    """Asks the model for candidates until this cycle has as many as wanted, then for the scores of those that wait.

    After a kill or an error, the same call goes on where the ledger stands. A run that no longer finds
    anything new ends too, short of its target, and says so in its report.

    Args:
        candidates: How many the cycle is to have after the filters; default from `[generation]`.
        cycle: Number of the cycle.
        dry_run: Report what would be asked; nothing is sent or written.
        concurrency: Requests in flight; default from `[generation]`, where 0 leaves it to the servers.
        client: Where to send requests; default the workspace's vLLM endpoints.
        reviewed: What review has said (`seedgate.review.reviewed` of the workspace), for the strategies that go
            by it: without it nothing is repaired, and what was rejected counts as covered.
        writer: Which model was trained to write (`seedgate.finetune.newest_writer` of the workspace); asked if the
            strategy `writer` is wanted.

    Raises:
        ConfigError: A template or a strategy cannot be used.
        RefusedError: Seeds are not verified, or the evaluation set is not locked.
        BusyError: Another `generate` runs on this workspace.
        ServiceError: vLLM cannot be used; everything that had come back is kept. A score that could not be had is
            a warning in the report, and asked for by the next run.
    """
    base = baseline(ws)
    target = ws.config.generation.candidates if candidates is None else candidates
    if target < 1:
        raise InputError(f"{target} candidates: ask for at least 1")
    templates = Templates(ws.prompts_dir)
    form = choose_form(ws.task, ws.config.generation, ws.config.vllm.model, templates)
    asked_for = STRATEGY in ws.config.generation.strategies
    trained = writer() if writer and asked_for else None
    chooser = Chooser(ws, base, form, cycle, reviewed, trained.name if trained else "")
    scores = ModelScores(ws, base, form, templates)
    run = _Run(
        ws,
        base,
        form,
        templates,
        chooser,
        scores,
        cycle,
        target,
        concurrency or ws.config.generation.concurrency or None,
        trained,
    )
    if dry_run:
        return run.preview(tally_of(ws.ledger, cycle, form.fixed))
    with ws.ledger.lease("generate") as lease:
        tally = tally_of(ws.ledger, cycle, form.fixed)
        if tally.total < target:
            return _sync(run.execute(tally, lease, client, on_progress))
        asked = _sync(run.only_score(lease, client, on_progress)) if scores.lacking() else Asked()
        if not run.is_finished():  # killed between its last request and its end
            run.finish(lease, Meter(tally.total, target, None), run.begin(lease, ModelInfo(run.model)))
        return GenerationReport(
            cycle=cycle,
            run=None,
            target=target,
            candidates=tally.total,
            scored=dict(asked.scored),
            warnings=(*scores.warnings, *asked.warnings),
        )


def explain(ws: Workspace, *, cycle: int, reviewed: ReviewedFn | None = None) -> Allocation:
    """How a cycle's requests are shared out, and why: as recorded, or as they would be if it began now.

    Args:
        cycle: Number of the cycle, begun or not; nothing is written.
        reviewed: See `generate`.

    Raises:
        RefusedError: Seeds are not verified, or the evaluation set is not locked.
    """
    base = baseline(ws)
    form = choose_form(ws.task, ws.config.generation, ws.config.vllm.model, Templates(ws.prompts_dir))
    return Chooser(ws, base, form, cycle, reviewed).allocation


@dataclass(frozen=True)
class _Run:
    """One run's settings, and the steps of `generate` that need them."""

    ws: Workspace
    base: Baseline
    form: Form
    templates: Templates
    chooser: Chooser
    scores: ModelScores
    cycle: int
    target: int
    concurrency: int | None
    writer: Writer | None = None

    @property
    def model(self) -> str:
        return self.ws.config.vllm.model

    def preview(self, tally: Tally) -> GenerationReport:
        """What a dry run says."""
        chosen = self._choose(tally, ModelInfo(self.model))
        prompts = {name: plan.request.prompt for name, plan in chosen.mix.firsts(tally).items()}
        return GenerationReport(
            cycle=self.cycle,
            run=None,
            target=self.target,
            candidates=tally.total,
            form=self.form.name,
            warnings=(*self._unseeded(), *chosen.warnings, *self.scores.warnings, *self._unscored()),
            previews={
                name: prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False, indent=2)
                for name, prompt in prompts.items()
            },
        )

    async def execute(
        self, tally: Tally, lease: Lease, client: Client | None, on_progress: ProgressFn | None
    ) -> GenerationReport:
        """Runs the stream; records its beginning and end."""
        async with AsyncExitStack() as serving:
            client = client or await self._client(serving)
            return await self._execute(tally, lease, client, on_progress)

    async def _client(self, serving: AsyncExitStack) -> Client:
        served = ""
        if self.writer and not self.ws.vllm_offline:
            served = await serving.enter_async_context(self.writer.serve())
        return client_for(self.ws, connections=self.concurrency, writer=self.writer, served=served)

    async def _execute(
        self, tally: Tally, lease: Lease, client: Client, on_progress: ProgressFn | None
    ) -> GenerationReport:
        judge: Judge | None = None
        process: JudgeProcess | None = None
        try:
            process = JudgeProcess() if pays(self.target - tally.total) else None
            model = await client.start()
            chosen = self._choose(tally, model)
            run_id = self.begin(lease, model, chosen)
            meter = Meter(tally.total, self.target, on_progress)
            judge = await asyncio.to_thread(self._judge, process, model, run_id)
            stream = self._stream(client, judge, tally, lease, meter, chosen)
            await stream.run()
            judge.close()  # scoring may take long, and needs none of its memory
            warnings = (*self._unseeded(), *chosen.warnings, *self.scores.warnings)
            if stream.exhausted:
                warnings += (f"stopped short of {self.target}: the strategies have nothing more to ask",)
            if stream.stalled:
                warnings += (self._stalled(meter, stream.patience),)
            asked = await self._score(client, lease, on_progress)
        finally:
            if used := judge or process:
                used.close()
            await client.aclose()
        return self.finish(lease, meter, run_id, (*warnings, *asked.warnings), asked)

    async def only_score(self, lease: Lease, client: Client | None, on_progress: ProgressFn | None) -> Asked:
        """Asks for the scores that are lacking, and for no candidate."""
        client = client or client_for(self.ws, connections=self.concurrency)
        try:
            await client.start()
            return await self._score(client, lease, on_progress)
        finally:
            await client.aclose()

    def begin(self, lease: Lease, model: ModelInfo, chosen: Chosen | None = None) -> str:
        """Records that a run started; returns its id."""
        started = self.ws.ledger.events("run.started")
        number = sum(event.payload.get("cycle") == self.cycle for event in started) + 1
        run_id = f"c{self.cycle}-r{number}"
        settings = self.ws.config.generation.model_dump(mode="json") | {
            "target": self.target,
            "concurrency": self.concurrency,
            "form": self.form.name,
            "left_out": chosen.left_out if chosen else {},
            "templates": templates_of(self.ws, self.templates, self.form) | self.scores.templates,
            "model": model.name,
            "model_revision": model.revision,
        }
        if not self.ws.config.generation.semantic_duplicate:
            meanings = Meanings.for_workspace(self.ws)
            settings[MEASURED] = measured_cosine(self.ws, self.base.seeds.values(), meanings)
        payload = {"cycle": self.cycle, "settings": settings, "seed_set_hash": self.base.seed_set_hash}
        events = [NewEvent("run.started", run_id, payload, key=f"run:{run_id}")]
        if self.ws.config.generation.allocation == "learnt":
            events.insert(0, allocated_event(self.chooser.allocation))
        self.ws.ledger.append(events, lease=lease)
        return run_id

    def finish(
        self,
        lease: Lease,
        meter: Meter,
        run_id: str,
        warnings: tuple[str, ...] = (),
        asked: Asked | None = None,
    ) -> GenerationReport:
        """Records that a run ended by itself, scores included; returns its report."""
        report = meter.report(cycle=self.cycle, run=run_id, form=self.form.name, warnings=warnings)
        report = report.model_copy(update={"scored": dict(asked.scored) if asked else {}})
        payload = {
            "cycle": self.cycle,
            "requests": report.requests,
            "candidates": report.new,
            "dropped": report.dropped,
            "seconds": report.seconds,
        }
        event = NewEvent("run.finished", run_id, payload, key=f"run-finished:{run_id}")
        self.ws.ledger.append([event], lease=lease)
        return report

    def is_finished(self) -> bool:
        """Whether some run of the cycle has ended by itself."""
        ended = self.ws.ledger.events("run.finished", newest_first=True)
        return any(event.payload.get("cycle") == self.cycle for event in ended)

    async def _score(self, client: Client, lease: Lease, on_progress: ProgressFn | None) -> Asked:
        return await self.scores.ask(
            client, lease, concurrency=self.concurrency or client.room or START, on_done=on_progress
        )

    # -- parts ---------------------------------------------------------------------------------------

    def _stream(
        self,
        client: Client,
        judge: Judge,
        tally: Tally,
        lease: Lease,
        meter: Meter,
        chosen: Chosen,
    ) -> Stream:
        tally.yield_per_request = self._first_guess
        return Stream(
            client,
            chosen.mix.plans(tally),
            judge,
            tally,
            partial(self.ws.ledger.append, lease=lease),
            target=self.target,
            concurrency=self.concurrency,
            patience=max(LEAST_PATIENCE, 2 * (self.concurrency or 0)),
            on_outcome=meter.add,
        )

    def _judge(self, process: JudgeProcess | None, model: ModelInfo, run_id: str) -> Judge:
        if process:
            process.begin(Setting(self.ws.root, self.ws.config, model, self.cycle, run_id))
            return process
        chain = FilterChain.for_workspace(self.ws, self.base)
        return JudgeThread(Recorder(self.ws.task, self.form, chain, model, cycle=self.cycle, run=run_id))

    def _choose(self, tally: Tally, model: ModelInfo) -> Chosen:
        return self.chooser.choose(tally, model, (self.target - tally.total) / self._first_guess)

    @property
    def _first_guess(self) -> float:
        """Candidates that a request will bring."""
        return max(1.0, FIRST_GUESS * self.ws.config.generation.completions * self.form.items)

    # -- what to tell --------------------------------------------------------------------------------

    def _unseeded(self) -> tuple[str, ...]:
        label = self.ws.task.label_field
        if label is None:
            return ()
        shown = {seed.fields[label.name] for seed in self.base.seeds.values()}
        missing = [name for name in label.labels if name not in shown]
        if not missing:
            return ()
        return (f"no candidates for {', '.join(missing)}: no verified seed has that {label.name}",)

    def _unscored(self) -> tuple[str, ...]:
        return tuple(
            f"would ask for {name} of {count} candidates that wait, and of the new ones"
            for name, count in self.scores.lacking().items()
        )

    def _stalled(self, meter: Meter, patience: int) -> str:
        found = f"the last {patience} requests brought nothing new; {meter.why()}"
        hint = "raise temperature or shots in [generation], or add seeds"
        if meter.have + meter.new == 0:
            raise SeedgateError(f"no candidate at all: {found}", hint=hint)
        return f"stopped short of {self.target}: {found}; {hint}"


def _sync(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        running = False
    else:
        running = True
    if not running:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()

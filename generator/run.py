"""`generate`: one cycle's candidates, from the seeds to the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from seedgate.errors import InputError, SeedgateError
from seedgate.generator.clients.base import Client, ModelInfo, Sampling
from seedgate.generator.clients.chosen import client_for
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.prompts import Form, choose_form
from seedgate.generator.reading import tally_of
from seedgate.generator.recording import Recorder
from seedgate.generator.report import GenerationReport, Meter, ProgressFn
from seedgate.generator.strategies.base import Tally, group_of
from seedgate.generator.strategies.few_shot import FewShot
from seedgate.generator.stream import Stream
from seedgate.ledger import Lease, NewEvent
from seedgate.seeds import Baseline, baseline
from seedgate.workspace import Workspace

__all__ = ["generate"]

FIRST_GUESS = 0.7
"""Candidates per item asked for, before anything is known; measured on the shipped example."""
LONGEST_RUN = 4
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
) -> GenerationReport:
    """Asks the model for candidates until this cycle has as many as wanted.

    After a kill or an error, the same call goes on where the ledger stands. A run that no longer finds
    anything new ends too, short of its target, and says so in its report.

    Args:
        candidates: How many the cycle is to have after the filters; default from `[generation]`.
        cycle: Number of the cycle.
        dry_run: Report what would be asked; nothing is sent or written.
        concurrency: Requests in flight; default from `[generation]`.
        client: Where to send requests; default the workspace's vLLM endpoints.

    Raises:
        RefusedError: Seeds are not verified, or the evaluation set is not locked.
        BusyError: Another `generate` runs on this workspace.
        ServiceError: vLLM cannot be used; everything that had come back is kept.
    """
    base = baseline(ws)
    target = ws.config.generation.candidates if candidates is None else candidates
    if target < 1:
        raise InputError(f"{target} candidates: ask for at least 1")
    form = choose_form(ws.task, ws.config.generation, ws.config.vllm.model)
    run = _Run(ws, base, form, cycle, target, concurrency or ws.config.generation.concurrency)
    if dry_run:
        return run.preview(tally_of(ws.ledger, cycle, form.fixed))
    with ws.ledger.lease("generate") as lease:
        tally = tally_of(ws.ledger, cycle, form.fixed)
        if tally.total < target:
            return _sync(run.execute(tally, lease, client, on_progress))
        if not run.is_finished():  # killed between its last request and its end
            run.finish(lease, Meter(tally.total, target, None), run.begin(lease, ModelInfo(run.model)))
        return GenerationReport(cycle=cycle, run=None, target=target, candidates=tally.total)


@dataclass(frozen=True)
class _Run:
    """One run's settings, and the steps of `generate` that need them."""

    ws: Workspace
    base: Baseline
    form: Form
    cycle: int
    target: int
    concurrency: int

    @property
    def model(self) -> str:
        return self.ws.config.vllm.model

    def preview(self, tally: Tally) -> GenerationReport:
        """What a dry run says."""
        plan = next(self._strategy(tally, ModelInfo(self.model)).plans(tally))
        prompt = plan.request.prompt
        return GenerationReport(
            cycle=self.cycle,
            run=None,
            target=self.target,
            candidates=tally.total,
            form=self.form.name,
            warnings=self._unseeded(),
            preview=prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False, indent=2),
        )

    async def execute(
        self, tally: Tally, lease: Lease, client: Client | None, on_progress: ProgressFn | None
    ) -> GenerationReport:
        """Runs the stream; records its beginning and end."""
        client = client or client_for(self.ws, connections=self.concurrency)
        try:
            model = await client.start()
            run_id = self.begin(lease, model)
            meter = Meter(tally.total, self.target, on_progress)
            stream = self._stream(client, model, run_id, tally, lease, meter)
            await stream.run()
        finally:
            await client.aclose()
        warnings = self._unseeded()
        if stream.stalled:
            warnings += (self._stalled(meter, stream.patience),)
        return self.finish(lease, meter, run_id, warnings)

    def begin(self, lease: Lease, model: ModelInfo) -> str:
        """Records that a run started; returns its id."""
        started = self.ws.ledger.events("run.started")
        number = sum(event.payload.get("cycle") == self.cycle for event in started) + 1
        run_id = f"c{self.cycle}-r{number}"
        settings = self.ws.config.generation.model_dump(mode="json") | {
            "target": self.target,
            "concurrency": self.concurrency,
            "form": self.form.name,
            "strategy": FewShot.name,
            "model": model.name,
            "model_revision": model.revision,
        }
        payload = {"cycle": self.cycle, "settings": settings, "seed_set_hash": self.base.seed_set_hash}
        self.ws.ledger.append([NewEvent("run.started", run_id, payload, key=f"run:{run_id}")], lease=lease)
        return run_id

    def finish(
        self, lease: Lease, meter: Meter, run_id: str, warnings: tuple[str, ...] = ()
    ) -> GenerationReport:
        """Records that a run ended by itself; returns its report."""
        report = meter.report(cycle=self.cycle, run=run_id, form=self.form.name, warnings=warnings)
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

    # -- parts ---------------------------------------------------------------------------------------

    def _stream(
        self, client: Client, model: ModelInfo, run_id: str, tally: Tally, lease: Lease, meter: Meter
    ) -> Stream:
        config = self.ws.config.generation
        tally.yield_per_request = max(1.0, FIRST_GUESS * config.completions * self.form.items)
        chain = FilterChain.for_workspace(self.ws, self.base)
        return Stream(
            client,
            self._strategy(tally, model).plans(tally),
            Recorder(self.ws.task, self.form, chain, model, cycle=self.cycle, run=run_id),
            tally,
            partial(self.ws.ledger.append, lease=lease),
            target=self.target,
            concurrency=self.concurrency,
            patience=max(LEAST_PATIENCE, 2 * self.concurrency),
            on_outcome=meter.add,
        )

    def _strategy(self, tally: Tally, model: ModelInfo) -> FewShot:
        config = self.ws.config.generation
        groups = len({group_of({n: s.fields[n] for n in self.form.fixed}) for s in self.base.seeds.values()})
        requests = (self.target - tally.total) / max(1.0, FIRST_GUESS * config.completions * self.form.items)
        return FewShot(
            self.form,
            self.base.seeds.values(),
            key=f"{self.ws.config.name}:{self.cycle}",
            request_prefix=f"c{self.cycle}-",
            sampling=Sampling(config.completions, config.temperature, config.top_p, config.max_tokens),
            shots=config.shots,
            # Long runs share more, but each label must have several within what is to be asked.
            run=max(1, min(LONGEST_RUN, int(requests / (3 * groups)))),
            context_tokens=model.max_tokens,
        )

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

    def _stalled(self, meter: Meter, patience: int) -> str:
        found = f"the last {patience} requests brought nothing new; {meter.why()}"
        hint = "raise temperature or shots in [generation], or add seeds"
        if meter.have + meter.new == 0:
            raise SeedgateError(f"no candidate at all: {found}", hint=hint)
        return f"stopped short of {self.target}: {found}; {hint}"


def _sync(work: Coroutine[Any, Any, GenerationReport]) -> GenerationReport:
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

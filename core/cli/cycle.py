"""`cycle`, `report` and `demo`: the whole job."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, lines, say
from seedgate.errors import SeedgateError, WaitingError

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["cycle", "demo", "report"]

WATCH_EVERY_S = 20.0


def cycle(
    workspace: WorkspaceDir = Path(),
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Wait for the reviewers instead of stopping, and go on after their last answer."
        ),
    ] = False,
    cycles: Annotated[
        int | None, typer.Option(min=1, help="Stop when this many cycles are finished [default: one more].")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Do whatever can be done next: generate, push, pull, release, train, evaluate.

    Stops with exit code 75 while people are needed; run it again (or from a scheduler) and it continues.
    With --watch it looks at Argilla every 20 s until the cycle is finished, or Ctrl-C (exit code 130).

    Example: seedgate cycle; echo $?
    """
    from seedgate.cycle import budget_spent, cycle_state, next_step, plan, steps
    from seedgate.finetune import another_batch
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        if dry_run:
            step, ahead, spent = next_step(ws), plan(ws), budget_spent(ws)
            text = f"next: {step or 'nothing'}" + (f"\nplan: {' -> '.join(ahead)}" if ahead else "")
            text += f"\n{spent}" if spent and not ahead else ""
            emit({"next": str(step) if step else None, "plan": ahead, "spent": spent}, text, json_output=json)
            return
        if not json and (ahead := plan(ws)):
            say(f"plan: {' -> '.join(ahead)}")
        state = cycle_state(ws)
        last = cycles or (state.number if state.running else state.number + 1)
        done: list[dict[str, Any]] = []
        told = _Told(quiet=json)
        for step, result in steps(
            ws, stop_after=last, on_step=told.step, on_wait=told.waiting if watch else None
        ):
            done.append({"step": str(step), "report": result})
            if not json and result is not None and step.name != "start":
                say(f"  {result}")
        number, batch, page = cycle_state(ws).number, another_batch(ws), _page(ws)
        shown = f"{page} shows what it brought" if page else "`seedgate report` shows what it brought"
        spent = budget_spent(ws)
        text = "\n".join(filter(None, (f"cycle {number} is finished; {batch}", spent, shown)))
        data = {"done": done, "another_batch": batch, "page": page, "spent": spent}
        emit(data, text, json_output=json)


def _page(ws: Workspace) -> Path | None:
    """The report's page, written anew; None if that failed: the cycle's work is done all the same."""
    from seedgate.report import report_facts, write_page

    try:
        write_page(report_facts(ws), ws.report_path)
    except SeedgateError as error:
        say(f"the page of the report was not written: {error}")
        return None
    return ws.report_path


class _Told:
    """Tells whoever watches of each step, and of what is waited for, once: a night has many looks at Argilla."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._step = ""
        self._waiting = ""

    def step(self, step: Any) -> Any:
        """Announces a step; gives back where its progress goes."""
        if self._quiet or str(step) == self._step:
            return None
        self._step = str(step)
        say(f"[{step}]")
        return lines(f"  {step.name}")

    def waiting(self, error: WaitingError) -> None:
        """Says what is waited for, if that is news, and waits a little."""
        if error.message != self._waiting:
            self._waiting = error.message
            say(f"{error.message}; looking again every {WATCH_EVERY_S:g} s (Ctrl-C stops)")
        time.sleep(WATCH_EVERY_S)


def report(
    workspace: WorkspaceDir = Path(),
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            help="Where to write the page [default: report.html in the workspace; none with --json].",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Say what the workspace brought, as text, as JSON and as a page that needs nothing else to be read.

    Funnel and reasons, approvals, reviewers, error bounds, coverage, scores, accuracy, the learning curve, where the
    time went, and sample rows with their provenance.

    Example: seedgate report --html shown.html
    """
    from seedgate.cli.overview import text_of
    from seedgate.report import report_facts, write_page
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        facts = report_facts(ws)
        page = html if html is not None or json else ws.report_path
    if page is not None:
        write_page(facts, page)
    emit(facts, f"{text_of(facts)}\n\npage: {page}", json_output=json)


def demo(
    folder: Annotated[Path, typer.Argument(help="The demo's workspace.")] = Path("demo"),
    candidates: Annotated[int, typer.Option(min=10, help="Candidates per cycle.")] = 120,
) -> None:
    """Run the main job on the shipped example, with a SIMULATED reviewer for cycle 1.

    Starts the embedded stack, measures the base model and the 200 seeds alone, generates, lets a program
    review through Argilla, releases, trains, measures, and leaves cycle 2's candidates for your own eyes.

    Example: seedgate demo
    """
    from seedgate.cli.demo import run_demo

    run_demo(folder, candidates=candidates)

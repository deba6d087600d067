"""The demo: the whole first cycle with a simulated reviewer, then a second one for human eyes.

Everything the program reviewed says "simulated": the account's name, the Argilla workspace, the verdicts,
the release's manifest and card. The permission for it is fixed when the workspace is made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seedgate.cli.output import lines, say, tell
from seedgate.cycle import begin_cycle, cycle_state, next_step, run_step, steps
from seedgate.errors import WaitingError
from seedgate.records import Example
from seedgate.workspace import CONFIG_NAME, Workspace

__all__ = ["run_demo"]

STATEMENT = "Authored for the demo, row by row; see seeds/examples/README.md."


def run_demo(folder: Path, *, candidates: int, knowledge: Sequence[Example] | None = None) -> None:
    """Runs or continues the demo in `folder` and prints what it brought.

    Args:
        candidates: Wanted per cycle, for a workspace that is yet to be made.
        knowledge: What the simulated reviewer knows: labelled examples; the verified seeds if not given.
    """
    started = time.monotonic()
    if not (folder / CONFIG_NAME).is_file():
        _make(folder, candidates)
    with Workspace(folder) as ws:
        _vouch(ws)
        _stack(ws)
        _first_cycle(ws, knowledge)
        _summary(ws, started)
        _second_cycle(ws)
        _hand_over(ws)


def _make(folder: Path, candidates: int) -> None:
    from seedgate.seeds import example_workspace

    say(f"[workspace] {folder}: 200 seeds and a disjoint evaluation set, shipped with seedgate")
    settings = {"generation": {"candidates": candidates}}
    example_workspace(folder, simulated=True, settings=settings).close()


def _vouch(ws: Workspace) -> None:
    """Sign-off and lock; both are harmless to repeat, so a killed demo can be run again."""
    from seedgate.seeds import lock, verify

    if not ws.ledger.count("run.started"):
        verify(ws, by="seedgate demo", statement=STATEMENT)
        say(f"  {lock(ws)}")


def _stack(ws: Workspace) -> None:
    from seedgate.cli.stackspec import stack_spec
    from seedgate.services import up

    spec = stack_spec(ws)
    if spec is None:
        say("[stack] the servers named in the environment or in seedgate.toml")
        return
    say("[stack] vLLM (CPU) and Argilla on this machine")
    up(ws.root, spec, on_progress=lambda line: say(f"  {line}"))


def _first_cycle(ws: Workspace, knowledge: Sequence[Example] | None) -> None:
    while cycle_state(ws).number < 1 or (cycle_state(ws).number == 1 and cycle_state(ws).running):
        try:
            for step, result in steps(ws, simulated=True, stop_after=1, on_step=_announce):
                if result is not None and step.name != "start":
                    say(f"  {result}")
                if str(step) == "cycle 1: finish":
                    return
        except WaitingError:
            _simulate(ws, knowledge)


def _announce(step: Any) -> Any:
    say(f"[{step}]")
    return lines(f"  {step.name}")


def _simulate(ws: Workspace, knowledge: Sequence[Example] | None) -> None:
    from seedgate.review import SimulatedReviewer
    from seedgate.seeds import baseline

    say(f"[review] {ws.simulated_reviewer} signs in to Argilla and decides; a program, not a person")
    reviewer = SimulatedReviewer(ws, knowledge=knowledge or list(baseline(ws).seeds.values()))
    say(f"  {reviewer.review()}")


def _summary(ws: Workspace, started: float) -> None:
    from seedgate.cli.overview import text_of
    from seedgate.report import report_facts, write_page

    facts = report_facts(ws)
    write_page(facts, ws.report_path)
    say("")
    tell(text_of(facts))
    tell(f"\npage: {ws.report_path}")
    tell(f"{(time.monotonic() - started) / 60:.1f} minutes; intervals that overlap prove nothing.")


def _second_cycle(ws: Workspace) -> None:
    if cycle_state(ws).number == 1:
        begin_cycle(ws, simulated=False)
    while (
        (step := next_step(ws)) is not None
        and step.cycle == 2
        and step.name in ("writer", "generate", "push")
    ):
        say(f"  {run_step(ws, step, on_progress=_announce(step))}")


def _hand_over(ws: Workspace) -> None:
    from seedgate.review import review_status

    tell("\nCycle 2's candidates wait for your own eyes:")
    for reviewer in review_status(ws).reviewers:
        for place in reviewer.datasets:
            tell(f"  open      {ws.argilla_url()}")
            tell(f"  user      {reviewer.name}")
            password = ws.secrets.get(f"reviewer_{reviewer.name}_password")
            tell(f"  password  {password or 'as before: the account was there already'}")
            tell(f"  dataset   {place.dataset} ({place.open} to decide)")
    command = sys.argv[0] if sys.argv[0].endswith("/seedgate") else "seedgate"
    tell(f"then   {command} cycle -w {ws.root.name}      (it trains and measures what you approved)")
    tell(f"stop   {command} down -w {ws.root.name}")

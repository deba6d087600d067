"""`generate`: ask the models for candidates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, progress

__all__ = ["generate"]


def generate(
    workspace: WorkspaceDir = Path(),
    candidates: Annotated[
        int | None,
        typer.Option("-n", "--candidates", min=1, help="How many this cycle is to have after the filters."),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests in flight at a time.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Generate candidates with vLLM until this cycle has enough that pass the filters.

    Refused without a verified baseline and a locked evaluation set. After a kill, run it again: it goes on.
    How it asks is in [generation]; --dry-run shows the first prompt of each strategy.

    Example: seedgate generate -n 300
    """
    from seedgate.cycle import begin_cycle
    from seedgate.generator import generate as run
    from seedgate.review import reviewed
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("generating", quiet=json) as on_progress:
        state = begin_cycle(ws, dry_run=dry_run)
        report = run(
            ws,
            candidates=candidates or state.target,
            cycle=state.number,
            concurrency=concurrency,
            on_progress=on_progress,
            dry_run=dry_run,
            reviewed=partial(reviewed, ws),
        )
    emit(report, str(report), json_output=json)

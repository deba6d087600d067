"""`generate`: ask the models for candidates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, progress
from seedgate.errors import InputError

__all__ = ["generate"]


def generate(
    workspace: WorkspaceDir = Path(),
    candidates: Annotated[
        int | None,
        typer.Option("-n", "--candidates", min=1, help="How many this cycle is to have after the filters."),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests in flight at a time.")] = None,
    replay: Annotated[
        bool,
        typer.Option(help="Ask nothing: put stored completions through today's parser and filters again."),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Ask nothing: say how requests are shared out, and why; writes nothing."
        ),
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Generate candidates with vLLM until this cycle has enough that pass the filters.

    Refused without a verified baseline and a locked evaluation set. After a kill, run it again: it goes on.
    How it asks is in [generation]; --dry-run shows the first prompt of each strategy. Shares move with what
    reviewers decided: --explain shows them for the running cycle, or for the one that would begin. In the end it asks
    for the scores that [generation] names, of all that wait without: also if the cycle has its candidates already.

    With --replay, what was dropped before and passes now becomes a candidate: after a change of [generation], or of
    seedgate, without a model.

    Example: seedgate generate -n 300
    Example: seedgate generate --explain
    Example: seedgate generate --replay --dry-run
    """
    from seedgate.cli.explaining import explain as told
    from seedgate.cycle import begin_cycle
    from seedgate.finetune import newest_writer
    from seedgate.generator import generate as run
    from seedgate.review import reviewed
    from seedgate.workspace import Workspace

    if explain:
        if replay or candidates or concurrency:
            raise InputError("--explain asks nothing: leave out --replay, --candidates and --concurrency")
        told(workspace, json=json)
        return
    if replay:
        if candidates or concurrency:
            raise InputError("--replay asks nothing: leave out --candidates and --concurrency")
        _replay(workspace, dry_run=dry_run, json=json)
        return
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
            writer=partial(newest_writer, ws),
        )
    emit(report, str(report), json_output=json)


def _replay(folder: Path, *, dry_run: bool, json: bool) -> None:
    from seedgate.generator import replay as run
    from seedgate.workspace import Workspace

    with Workspace(folder) as ws, progress("replaying", quiet=json) as on_progress:
        report = run(ws, dry_run=dry_run, on_progress=on_progress)
    emit(report, str(report), json_output=json)

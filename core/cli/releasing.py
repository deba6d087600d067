"""`release` and `release diff`: what is approved as an immutable folder, and what changed between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, progress
from seedgate.errors import InputError

__all__ = ["diff", "release"]


def release(
    context: typer.Context, workspace: WorkspaceDir = Path(), dry_run: DryRun = False, json: Json = False
) -> None:
    """Write an immutable release: verified seeds and approved candidates, nothing else.

    Example: seedgate release
    Example: seedgate release diff
    """
    if context.invoked_subcommand is not None:
        if dry_run or json or workspace != Path():  # it would be dropped without a word
            raise InputError(f"options of `release {context.invoked_subcommand}` stand behind it")
        return
    from seedgate.finetune import release as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("releasing", quiet=json) as on_progress:
        made = run(ws, on_progress=on_progress, dry_run=dry_run)
    emit(made, str(made), json_output=json)


def diff(
    before: Annotated[
        str | None, typer.Argument(metavar="[A]", help="A release [default: the one made before B].")
    ] = None,
    after: Annotated[str | None, typer.Argument(metavar="[B]", help="Another [default: the newest].")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows shown of each kind; --json has all.")] = 10,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Tell what changed from release A to release B: rows, meaning, balance, and how many may be wrong.

    Both are verified first. Rows that left come with the reason that the ledger knows, corrected ones word by word,
    added ones with how near they are in meaning to a row of A.

    Example: seedgate release diff
    Example: seedgate release diff r001 r003 --limit 50
    """
    from seedgate.cli.diff_text import diff_text
    from seedgate.finetune import release_diff
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("comparing", quiet=json) as on_progress:
        found = release_diff(ws, before, after, on_progress=on_progress)
        text = "" if json else diff_text(ws.task, found, limit)
    emit(found, text, json_output=json)

"""`prompts`: the templates that candidates are asked for with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, table

__all__ = ["prompts"]


def prompts(
    workspace: WorkspaceDir = Path(),
    copy: Annotated[
        list[str] | None, typer.Option(help="Write this shipped template into prompts/ (repeatable).")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """List the prompt templates, or copy some into the workspace to edit them there.

    A file in prompts/ replaces the shipped template of that name; `seedgate generate --dry-run` shows the result.

    Example: seedgate prompts --copy few_shot.chat
    """
    from seedgate.generator import TEMPLATES, Templates
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        templates = Templates(ws.prompts_dir)
        if copy:
            paths = [templates.copy(name, dry_run=dry_run) for name in dict.fromkeys(copy)]
            verb = "would write" if dry_run else "wrote"
            emit({"copied": paths}, "\n".join(f"{verb} {path}" for path in paths), json_output=json)
            return
        found = [
            {"name": name, "from": templates.place(name), "hash": templates.hash(name)} for name in TEMPLATES
        ]
    rows = [[each["name"], each["from"], each["hash"][:12]] for each in found]
    emit({"templates": found}, table(["template", "from", "hash"], rows), json_output=json)

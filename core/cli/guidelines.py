"""`guidelines list`, `guidelines compatible`: which version reviewers were shown, and which still count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seedgate.cli.options import Json, WorkspaceDir
from seedgate.cli.output import emit, table

__all__ = ["compatible", "versions"]


def versions(workspace: WorkspaceDir = Path(), json: Json = False) -> None:
    """List the versions of the guidelines by hash, with the rounds that showed them.

    Example: seedgate guidelines list
    """
    from seedgate.review import guideline_versions
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        found = guideline_versions(ws)
    rows = [
        [
            each.hash[:12],
            "present" if each.present else "compatible" if each.compatible else "earlier",
            each.verdicts,
            f"{each.rounds[0]} to {each.rounds[-1]}" if len(each.rounds) > 1 else "".join(each.rounds),
        ]
        for each in found
    ]
    emit(found, table(["version", "counts as", "verdicts", "rounds"], rows), json_output=json)


def compatible(
    version: Annotated[str, typer.Argument(help="Hash of the earlier version, or its first 8 or more.")],
    by: Annotated[str, typer.Option(help="The adjudicator; none of the reviewers.")],
    statement: Annotated[str, typer.Option(help="Why the two versions mean the same.")],
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Record that an earlier version means the same as the present one: its approvals count again.

    Example: seedgate guidelines compatible 3fa91c22 --by ana --statement "only typing errors were mended"
    """
    from seedgate.review import declare_compatible
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        declare_compatible(ws, version, by=by, statement=statement)
        present = ws.guidelines()[1]
    report = {"version": version, "with": present, "by": by, "statement": statement}
    emit(report, f"{version[:12]} counts as the present guidelines, {present[:12]}", json_output=json)

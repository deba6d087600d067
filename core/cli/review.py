"""`push`, `pull`, `adjudicate`: the review in Argilla."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import as_json, emit, progress

__all__ = ["adjudicate", "pull", "push"]


def push(
    workspace: WorkspaceDir = Path(),
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Open another wave although one is still undecided.")
    ] = False,
    rereview: Annotated[
        int | None,
        typer.Option(help="Approved rows to have looked at again, blind [default: a share of the wave]."),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put the next wave of candidates before the reviewers in Argilla.

    What reviewers disagree on goes to the adjudicator's own dataset, if one is named. Safe to repeat: an
    interrupted push is completed, nothing is pushed twice.

    Example: seedgate push
    """
    from seedgate.cycle import cycle_state
    from seedgate.review import push as run
    from seedgate.review import push_cases
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("pushing", quiet=json) as on_progress:
        state = cycle_state(ws)
        report = run(
            ws,
            cycle=state.number,
            simulated=state.simulated,
            ahead=ahead,
            rereview=rereview,
            on_progress=on_progress,
            dry_run=dry_run,
        )
        docket = push_cases(ws, dry_run=dry_run)
    said = f"{report}; {docket}" if docket.docket else str(report)
    emit(as_json(report) | {"docket": as_json(docket)}, said, json_output=json)


def pull(workspace: WorkspaceDir = Path(), dry_run: DryRun = False, json: Json = False) -> None:
    """Fetch what reviewers have submitted. Drafts, discards and suggestions never count.

    It ends with whether another batch is worth the experts' time, as soon as that can be said.

    Example: seedgate pull
    """
    from seedgate.finetune import another_batch
    from seedgate.review import pull as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("pulling", quiet=json) as on_progress:
        report = run(ws, on_progress=on_progress, dry_run=dry_run)
        batch = another_batch(ws)
    said = str(report) if batch.answer == "unknown" else f"{report}\n{batch}"
    emit(as_json(report) | {"another_batch": as_json(batch)}, said, json_output=json)


def adjudicate(
    candidate: Annotated[str, typer.Argument(help="Id of the candidate, or its first 8 or more characters.")],
    decision: Annotated[Literal["approve", "reject"], typer.Argument(help="approve or reject.")],
    by: Annotated[str, typer.Option(help="Who settles it; none of its reviewers.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Settle a conflict between reviewers.

    Example: seedgate adjudicate 3fa91c22 reject --by ana --comment "two issues, neither is this one"
    """
    from seedgate.review import adjudicate as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        report = run(ws, candidate, by=by, decision=decision, comment=comment)
    emit(report, f"{report.candidate_id[:12]}: {report.outcome} ({report.reason})", json_output=json)

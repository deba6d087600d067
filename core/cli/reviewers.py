"""`reviewers ...`: what is known about each reviewer, and what an adjudicator may do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedgate.cli.options import Json, WorkspaceDir
from seedgate.cli.output import emit, table

if TYPE_CHECKING:
    from seedgate.review.measures import Agreement

__all__ = ["end", "measures", "void"]

By = Annotated[str, typer.Option(help="The workspace's adjudicator; none of its reviewers.")]
Statement = Annotated[str, typer.Option(help="Why; it is recorded.")]


def measures(workspace: WorkspaceDir = Path(), json: Json = False) -> None:
    """List the reviewers: decisions, pace, missed and falsely rejected controls, quarantines, agreement.

    Rates come with 95 % intervals that hold whenever one looks. Agreement is on the candidates that two or more
    decided: Krippendorff's alpha over all, Cohen's kappa of each two. Pull first for the latest.

    Example: seedgate reviewers list
    """
    from seedgate.review.measures import Rate, measure_agreement, measure_reviewers
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        found = measure_reviewers(ws)
        agreed = measure_agreement(ws)

    def rate(each: Rate) -> str:
        return f"{each.found}/{each.of} ({each.low:.0%} to {each.high:.0%})" if each.of else "-"

    headers = ["reviewer", "approve", "edit", "reject", "pace s", "missed", "falsely rejected", "quarantine"]
    rows = [
        [
            each.name + (" (simulated)" if each.simulated else ""),
            *(each.decisions.get(kind, 0) for kind in ("approve", "edit", "reject")),
            f"{each.pace_s:.0f}" if each.pace_s is not None else "-",
            rate(each.missed),
            rate(each.falsely_rejected),
            each.quarantine or "",
        ]
        for each in found
    ]
    doubt = [
        f"review again: released row {id_[:12]} ({each.name})" for each in found for id_ in each.in_doubt
    ]
    text = "\n".join([table(headers, rows), *doubt, *_agreement(agreed)])
    emit({"reviewers": found, "agreement": agreed}, text, json_output=json)


def _agreement(found: Agreement) -> list[str]:
    if not found.items:
        return []
    alpha = "not defined, all answers are the same" if found.alpha is None else f"{found.alpha:.2f}"
    rows = [
        [f"{p.first}, {p.second}", p.items, p.alike, "-" if p.kappa is None else f"{p.kappa:.2f}"]
        for p in found.pairs
    ]
    head = f"\nagreement on {found.items} candidates that two or more decided: Krippendorff's alpha {alpha}"
    return [head, table(["reviewers", "candidates", "alike", "Cohen's kappa"], rows)]


def void(
    record: Annotated[
        str, typer.Argument(help="Id of the control's record, or its first 8 or more characters.")
    ],
    by: By,
    statement: Statement,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Declare a disputed control void: it says nothing about its reviewer any more.

    Example: seedgate reviewers void 3fa91c22 --by zoe --statement "both labels are defensible"
    """
    from seedgate.review.quarantine import void_control
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        control = void_control(ws, record, by=by, statement=statement)
    said = {"record_id": control.record_id, "reviewer": control.reviewer, "by": by}
    emit(said, f"control {control.record_id[:12]} of {control.reviewer} is void", json_output=json)


def end(
    reviewer: Annotated[str, typer.Argument(help="Whose quarantine.")],
    by: By,
    statement: Statement,
    stand: Annotated[
        bool, typer.Option("--stand", help="Let the approvals that were set aside count after all.")
    ] = False,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """End a quarantine: approvals count again from now on, and a new measure begins.

    Those that were set aside stay pending, and their candidates go before reviewers again.

    Example: seedgate reviewers end ana --by zoe --statement "we went through the guidelines together"
    """
    from seedgate.review.quarantine import end_quarantine
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        end_quarantine(ws, reviewer, by=by, statement=statement, stand=stand)
    what = "count after all" if stand else "stay pending and are asked for again"
    text = f"quarantine of {reviewer} ended; the approvals that were set aside {what}"
    emit({"reviewer": reviewer, "by": by, "stand": stand}, text, json_output=json)

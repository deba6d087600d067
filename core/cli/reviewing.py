"""`review status`, `review propose`: where review stands, and one correction for several candidates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, table

if TYPE_CHECKING:
    from seedgate.review import ReviewStatus

__all__ = ["propose", "review_text", "status"]

LISTED = 10


def status(
    workspace: WorkspaceDir = Path(),
    fresh: Annotated[bool, typer.Option("--pull", help="Fetch what was submitted first.")] = False,
    json: Json = False,
) -> None:
    """Show who has how much left, at what pace, until when, and what waits for an adjudicator.

    Pace is the median time from one submission to the next, breaks of over half an hour left out.

    Example: seedgate review status --pull
    """
    from seedgate.cycle import cycle_state
    from seedgate.review import pull, review_status
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        if fresh:
            pull(ws)
        found = review_status(ws, simulated=cycle_state(ws).simulated)
    emit({"review": found, "done_in_s": found.done_in_s}, review_text(found), json_output=json)


def propose(
    candidate: Annotated[str, typer.Argument(help="Id of the corrected candidate, or its first 8 or more.")],
    limit: Annotated[int, typer.Option(min=1, help="Proposals at most, the most alike first.")] = 20,
    workspace: WorkspaceDir = Path(),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Propose a reviewer's correction of a label for pending candidates that are like it.

    Each proposal becomes a new pending candidate beside the old one and is reviewed as any other; nothing is
    approved by it. Look with --dry-run first.

    Example: seedgate review propose 3fa91c22 --dry-run
    """
    from seedgate.review import propose as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        found = run(ws, candidate, limit=limit, dry_run=dry_run)
    rows = [
        [each.candidate_id[:12], f"{each.similarity:.2f}", each.problem or "pending", each.fields]
        for each in found
    ]
    made = sum(each.problem is None for each in found)
    text = f"{'would propose' if dry_run else 'proposed'} {made} corrections; they wait for review"
    shown = table(["candidate", "alike", "state", "as proposed"], rows) + "\n" if rows else ""
    emit({"proposals": found}, shown + text, json_output=json)


def review_text(found: ReviewStatus) -> str:
    """The same for people: one part each for reviewers, their datasets, and what is set aside."""
    parts = [_summary(found), _reviewers(found), _places(found), _conflicts(found), _quarantines(found)]
    return "\n\n".join(part for part in parts if part)


def _summary(found: ReviewStatus) -> str:
    if found.open:
        when = "" if found.done_in_s is None else f", about {_duration(found.done_in_s)} of work"
        first = f"{found.open} to decide{when}"
    else:
        first = "nothing waits for a reviewer"
    lines = [f"{first}; {found.unassigned} more candidates wait for a later wave"]
    if found.half_pushed:
        lines.append(f"round {found.half_pushed} is half pushed: run `seedgate push` to complete it")
    lines.append(f"sign in at {found.url}" if found.url else "Argilla is not up: run `seedgate up`")
    return "\n".join(lines)


def _reviewers(found: ReviewStatus) -> str:
    rows = [
        [
            f"{who.name} (SIMULATED)" if who.simulated else who.name,
            who.open,
            who.decided,
            who.skipped,
            "-" if who.pace_s is None else f"{who.pace_s:g} s",
            "-" if who.left_s is None else _duration(who.left_s),
        ]
        for who in found.reviewers
    ]
    return table(["reviewer", "to decide", "decided", "skipped", "per decision", "work left"], rows)


def _places(found: ReviewStatus) -> str:
    rows = [
        [who.name, place.workspace, place.dataset, place.assigned, place.open]
        for who in found.reviewers
        for place in who.datasets
    ]
    return table(["waits for", "Argilla workspace", "dataset", "records", "to decide"], rows) if rows else ""


def _conflicts(found: ReviewStatus) -> str:
    if not found.conflicts:
        return ""
    lines = [f"{len(found.conflicts)} conflicts wait for an adjudicator: seedgate adjudicate ID ..."]
    lines += [f"  {candidate}" for candidate in found.conflicts[:LISTED]]
    more = len(found.conflicts) - LISTED
    return "\n".join([*lines, *([f"  and {more} more: --json has all"] if more > 0 else [])])


def _quarantines(found: ReviewStatus) -> str:
    lines = [f"in quarantine: {name}, {why}; their approvals do not count" for name, why in found.quarantines]
    more = "the adjudicator looks into it: seedgate reviewers list, then seedgate reviewers end NAME"
    return "\n".join([*lines, more]) if lines else ""


def _duration(seconds: float) -> str:
    """Rounded as people say it: `40 s`, `12 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"

"""`up`, `down`, `status`: the embedded stack of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedgate.cli.options import Json, WorkspaceDir
from seedgate.cli.output import emit, say, table

if TYPE_CHECKING:
    from seedgate.review import ReviewStatus

__all__ = ["down", "status", "up"]


def up(
    workspace: WorkspaceDir = Path(),
    only: Annotated[
        list[str] | None, typer.Option(help="Start only this service: argilla or vllm (repeatable).")
    ] = None,
    json: Json = False,
) -> None:
    """Start vLLM and Argilla on this machine, for this workspace.

    Everything listens on loopback, with generated passwords. Running it again starts only what is down.

    Example: seedgate up
    """
    from seedgate.cli.stackspec import stack_spec
    from seedgate.services import up as start
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        spec = stack_spec(ws, only or ())
        if spec is None:
            emit({}, "nothing to start: vLLM and Argilla have addresses elsewhere", json_output=json)
            return
        state = start(ws.root, spec, on_progress=(lambda _line: None) if json else say)
        lines = []
        if state.argilla_url:
            lines.append(f"Argilla  {state.argilla_url}")
        if state.vllm_url:
            lines.append(f"vLLM     {state.vllm_url} (model {state.served_model})")
        lines.append("`seedgate status` shows health and logs, `seedgate down` stops it; data stays.")
        emit(state, "\n".join(lines), json_output=json)


def down(workspace: WorkspaceDir = Path(), json: Json = False) -> None:
    """Stop what `up` started for this workspace, and nothing else. Data stays.

    Example: seedgate down
    """
    from seedgate.services import down as stop
    from seedgate.workspace import find_root

    stopped = stop(find_root(workspace))
    emit(stopped, f"stopped: {', '.join(stopped) or 'nothing was running'}", json_output=json)


def status(workspace: WorkspaceDir = Path(), json: Json = False) -> None:
    """Show services, where the cycle stands and what waits for whom.

    Example: seedgate status --json
    """
    from seedgate.cli.overview import overview
    from seedgate.cycle import cycle_state
    from seedgate.review import review_status
    from seedgate.services import status as services
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        running = services(ws.root)
        view = overview(ws)
        rows = [[s.name, s.state, s.health, s.url or "", str(s.log)] for s in running]
        text = table(["service", "state", "health", "url", "log"], rows) if rows else "embedded stack: not up"
        text += "".join(f"\n{s.name}: {s.detail}" for s in running if s.detail)
        review = review_status(ws, simulated=cycle_state(ws).simulated)
        parts = [text, view.text, f"{_short(review)} (seedgate review status)"]
        emit({"services": running, **view.data, "review": review}, "\n\n".join(parts), json_output=json)


def _short(review: ReviewStatus) -> str:
    if not review.open and not review.conflicts:
        return "nothing waits for a reviewer"
    shares = ", ".join(f"{who.name} {who.open} in {who.dataset}" for who in review.reviewers if who.open)
    settle = f"; {len(review.conflicts)} conflicts for an adjudicator" if review.conflicts else ""
    return f"{review.open} to decide" + (f": {shares}" if shares else "") + settle

"""`generate --explain`: how a cycle's requests are shared out, as tables and sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedgate.cli.output import emit, table

if TYPE_CHECKING:
    from seedgate.generator import Allocation

__all__ = ["explain"]

MOST_LABELS = 6
"""Labels with a sentence of their own: those whose weight is furthest from an even share. The table has all."""


def explain(folder: Path, *, json: bool) -> None:
    """Shows the allocation of the running cycle, or of the one that would begin; writes nothing."""
    from functools import partial

    from seedgate.cycle import begin_cycle
    from seedgate.generator import explain as explained
    from seedgate.review import reviewed
    from seedgate.workspace import Workspace

    with Workspace(folder) as ws:
        cycle = begin_cycle(ws, dry_run=True).number
        begun = ws.ledger.last("generation.allocated", subject=str(cycle)) is not None
        found = explained(ws, cycle=cycle, reviewed=partial(reviewed, ws))
    emit(found.payload() | {"begun": begun}, as_text(found, begun=begun), json_output=json)


def as_text(found: Allocation, *, begun: bool) -> str:
    """Tables and sentences."""
    when = "as its first run recorded it" if begun else "as it would begin now"
    parts = [f"cycle {found.cycle}, {when}: {found.why}"]
    if found.how == "configured":
        rows: list[list[Any]] = [[name, f"{share:.0%}"] for name, share in found.shares.items()]
        return "\n\n".join([*parts, table(["strategy", "share of requests"], rows)])
    parts.append(_strategies(found))
    parts.append("\n".join(str(each) for each in found.strategies))
    if found.labels:
        parts.append(_labels(found))
        parts.append("\n".join(str(each) for each in found.labels if each in _furthest(found)))
    return "\n\n".join(parts)


def _strategies(found: Allocation) -> str:
    headers = [
        "strategy",
        "configured",
        "share",
        "decided",
        "approved",
        "95 %",
        "new",
        "new rows/hour",
        "held at",
    ]
    rows: list[list[Any]] = [
        [
            each.name,
            f"{each.configured:.0%}",
            f"{each.share:.0%}",
            each.decided,
            f"{each.approved:.2f}",
            f"{each.low:.2f} to {each.high:.2f}",
            f"{each.new:.2f}",
            "-" if each.per_hour is None else f"{each.per_hour:.0f}",
            each.bound,
        ]
        for each in found.strategies
    ]
    return table(headers, rows)


def _labels(found: Allocation) -> str:
    steered = list(found.weights)
    headers = ["label", "weight", *steered, "decided", "approved", "95 %", "wrong label", "held at"]
    rows: list[list[Any]] = [
        [
            each.name,
            f"{each.weight:.2f}",
            *(f"{each.by[name]:.2f}" for name in steered),
            each.decided,
            f"{each.approved:.2f}",
            f"{each.low:.2f} to {each.high:.2f}",
            f"{each.wrong:.2f}",
            each.bound,
        ]
        for each in found.labels
    ]
    return table(headers, rows)


def _furthest(found: Allocation) -> list[Any]:
    return sorted(found.labels, key=lambda each: -abs(each.weight - 1))[:MOST_LABELS]

"""Measurements of models at the cycle and the rows of their release; the newest ablation and learning curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["ablation", "learning_curve", "placed"]


def placed(ws: Workspace, evaluations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Measurements with the cycle of their release and its rows; the base model's with none.

    Returns:
        As given, with `cycle`, `rows`, `approved` and `simulated` (approved rows that a program approved).
    """
    made: dict[str, dict[str, Any]] = {}
    cycle = 0
    for event in ws.ledger.events("cycle.started", "release.created"):
        if event.kind == "cycle.started":
            cycle = int(event.subject)
            continue
        counted = event.payload["counts"]
        made[event.subject] = {
            "cycle": cycle,
            "rows": event.payload["rows"],
            "approved": counted.get("approved", 0),
            "simulated": counted.get("approved_simulated", 0),
        }
    nothing = {"cycle": None, "rows": 0, "approved": 0, "simulated": 0}
    return [{**each, **made.get(str(each["release"]), nothing)} for each in evaluations]


def ablation(ws: Workspace) -> dict[str, Any] | None:
    """What the newest ablation found, if there is one: its event's payload with `release` and `at`."""
    event = ws.ledger.last("ablation.measured")
    return None if event is None else {**event.payload, "release": event.subject, "at": event.at}


def learning_curve(ws: Workspace) -> dict[str, Any] | None:
    """What the newest `seedgate curve` found, if there is one: its event's payload with `release` and `at`."""
    event = ws.ledger.last("curve.measured")
    return None if event is None else {**event.payload, "release": event.subject, "at": event.at}

"""Measurements of models in their order: by cycle, by the rows they were trained on, and of the newest ablation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["ablation", "placed"]


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
    """What the newest ablation found, if there is one: its payload, with the arms that can be shown."""
    event = ws.ledger.last("ablation.measured")
    return None if event is None else shown_ablation(event.payload, at=event.at)


def shown_ablation(payload: Mapping[str, Any], *, at: str) -> dict[str, Any]:
    """The payload with arms that have a name and numbers; others are left out, further keys are kept."""
    arms = payload.get("arms")
    told = [dict(arm) for arm in arms if _measured(arm)] if isinstance(arms, list) else []
    return {**payload, "at": at, "arms": told}


def _measured(arm: Any) -> bool:
    return (
        isinstance(arm, Mapping)
        and bool(arm.get("title") or arm.get("arm"))
        and all(isinstance(arm.get(key), int | float) for key in ("value", "low", "high"))
    )

"""A cycle's shares: as its first run recorded them, else worked out from what review had said before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from seedgate.canonical import content_hash
from seedgate.generator.allocation import Allocation, Decided, allocate
from seedgate.ledger import NewEvent
from seedgate.seeds import verified_seeds
from seedgate.workspace import Workspace

__all__ = ["DecidedFn", "allocated_event", "allocation_of"]

DecidedFn = Callable[[], tuple[Decided, ...]]
"""What was decided before the cycle's first run."""


def allocation_of(ws: Workspace, cycle: int, decided: DecidedFn) -> Allocation:
    """Shares of a cycle; nothing is written.

    What a run of the cycle recorded holds for all of it, unless the configured shares are others by now.

    Args:
        ws: The workspace.
        cycle: Number of the cycle, begun or not.
        decided: Called only if there is something to learn.
    """
    config = ws.config.generation
    whole = sum(config.strategies.values())
    configured = {name: share / whole for name, share in config.strategies.items()}
    if config.allocation == "fixed":
        return Allocation(
            cycle, "configured", '[generation] allocation is "fixed"', configured, configured, {}
        )
    for event in list(ws.ledger.events("generation.allocated", subject=str(cycle))):
        if event.payload["configured"] == configured:
            return Allocation.of(event.payload)
    field = ws.task.label_field
    shown = {str(seed.fields[field.name]) for seed in verified_seeds(ws)[0].values()} if field else set()
    labels = [label for label in field.labels if label in shown] if field else []
    if len(configured) == 1 and len(labels) < 2:
        why = "one strategy and no labels: there is nothing to share out"
        return Allocation(cycle, "configured", why, configured, configured, {})
    return allocate(
        decided(), configured, labels, cycle=cycle, key=ws.config.name, yields=_yields(ws, before=cycle)
    )


def allocated_event(allocation: Allocation) -> NewEvent:
    """What the ledger is told at the beginning of a cycle's first run; telling it again changes nothing."""
    told = content_hash(allocation.configured)[:16]
    return NewEvent(
        "generation.allocated",
        str(allocation.cycle),
        allocation.payload(),
        key=f"allocated:{allocation.cycle}:{told}",
    )


def _yields(ws: Workspace, *, before: int) -> dict[str, float]:
    """Strategy to candidates per request, in earlier cycles."""
    asked: Counter[str] = Counter()
    brought: Counter[str] = Counter()
    for event in ws.ledger.events("request.completed", "candidate.created"):
        source = event.payload.get("provenance", event.payload)
        if source.get("cycle", before) >= before or source.get("edited_from"):
            continue
        counts = asked if event.kind == "request.completed" else brought
        counts[str(source.get("strategy", ""))] += 1
    return {name: brought[name] / number for name, number in asked.items()}

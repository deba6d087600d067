"""Models that differ in their training seed alone: how good the training is, rather than how lucky a run of it was.

A model trained again on the same rows answers a little differently. Where several of the same release and settings
were measured on the same locked set, their mean has an interval that resamples seeds and rows, each by itself
(`effects`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.finetune.effects import mean_of
from seedgate.finetune.figures import OverSeeds

if TYPE_CHECKING:
    from seedgate.ledger import Event
    from seedgate.workspace import Workspace

__all__ = ["every_over_seeds", "over_seeds"]

OWN = ("model", "weights")
"""What of a measurement's settings is of the model, and not of how it was asked."""


def over_seeds(ws: Workspace, model: str) -> OverSeeds | None:
    """The mean over the measured models that were trained as this one but for the seed; None if there is no other."""
    return next((each for each in every_over_seeds(ws) if model in each.models), None)


def every_over_seeds(ws: Workspace) -> list[OverSeeds]:
    """One for each training that was measured with two seeds or more, in the order of their last measurement."""
    groups: dict[str, dict[int, Event]] = defaultdict(dict)
    trained = {event.subject: event.payload for event in ws.ledger.events("model.trained")}
    newest = {event.subject: event for event in ws.ledger.events("model.evaluated")}
    for name, event in sorted(newest.items(), key=lambda each: each[1].seq):
        how = trained.get(name, {}).get("settings", {})
        if "seed" not in how or "settings" not in event.payload:
            continue
        key = _key(trained[name], event.payload)
        # Of two models with the same seed, the one that was measured last, at the place of that measurement.
        groups[key] = {**groups.pop(key, {}), int(how["seed"]): event}
    return list(_measured(ws, groups))


def _key(trained: dict[str, Any], payload: dict[str, Any]) -> str:
    """Equal for models that differ in their seed alone and were measured alike."""
    training = {name: value for name, value in trained["settings"].items() if name != "seed"}
    asked = {name: value for name, value in payload["settings"].items() if name not in OWN}
    return content_hash([trained["manifest_hash"], training, asked, payload["eval_hash"]])


def _measured(ws: Workspace, groups: dict[str, dict[int, Event]]) -> Iterator[OverSeeds]:
    import numpy as np

    for group in groups.values():
        events = [group[seed] for seed in sorted(group)]
        bodies = ws.ledger.bodies(event.payload["predictions_hash"] for event in events)
        if len(events) < 2 or any(event.payload["predictions_hash"] not in bodies for event in events):
            continue
        said = [
            {row["id"]: float(row["score"]) for row in bodies[event.payload["predictions_hash"]]}
            for event in events
        ]
        scores = np.array([[each[id_] for id_ in sorted(said[0])] for each in said])
        first = events[0].payload
        found, means = mean_of(scores, first["confidence"]), scores.mean(axis=1)
        yield OverSeeds(
            models=tuple(event.subject for event in events),
            seeds=tuple(sorted(group)),
            metric=first["metric"],
            n=scores.shape[1],
            value=found.value,
            low=max(found.low, 0.0),  # the seeds' deviations are stretched, also past what a score can be
            high=min(found.high, 1.0),
            confidence=first["confidence"],
            least=float(means.min()),
            most=float(means.max()),
        )

"""The models of a release that differ in their training seed alone: which there are, and which seed is next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.finetune.records import is_writer
from seedgate.finetune.training import present_settings

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["but_for_the_seed", "models_of", "next_seed"]


def but_for_the_seed(settings: Mapping[str, Any]) -> str:
    """Equal for settings of a training that differ in the seed alone."""
    return content_hash({name: value for name, value in settings.items() if name != "seed"})


def models_of(ws: Workspace, release: str, wanted: int = 1) -> list[str]:
    """Names of the models of a release, by training seed; of two with the same seed the newest.

    They are those that were trained as the newest one was, or, if these are fewer than wanted, those that were trained
    under the present settings.
    """
    return list(_by_seed(ws, release, wanted).values())


def next_seed(ws: Workspace, release: str, wanted: int) -> int | None:
    """The seed to train with next, from that of `[training]` upwards; None once there are as many models as wanted."""
    known = _by_seed(ws, release, wanted)
    if len(known) >= wanted:
        return None
    return next(seed for seed in count(ws.config.training.seed) if seed not in known)


def _by_seed(ws: Workspace, release: str, wanted: int) -> dict[int, str]:
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    newest = present = but_for_the_seed(present_settings(ws))
    for event in ws.ledger.events("model.trained"):
        settings = event.payload.get("settings", {})
        if event.payload["release"] == release and not is_writer(settings):
            newest = but_for_the_seed(settings)
            groups[newest][int(settings.get("seed", 0))] = event.subject
    chosen = newest if len(groups[newest]) >= wanted else present
    return dict(sorted(groups[chosen].items()))

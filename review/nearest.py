"""The verified seed that is most like a candidate, for showing beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from seedgate.seeds import NearIndex, text_of, verified_seeds

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["NearestSeed"]


class NearestSeed:
    """Looks among the verified seeds of a workspace."""

    def __init__(self, ws: Workspace) -> None:
        self._task = ws.task
        self._seeds, _ = verified_seeds(ws)
        self._index = NearIndex(ws.config.policy.near_duplicate)
        for seed in self._seeds.values():
            self._index.add(seed.id, text_of(ws.task, seed.fields))

    def to(self, fields: Mapping[str, Any], *, ignore: Collection[str] = ()) -> dict[str, Any] | None:
        """The fields of the nearest seed; None if no seed has anything in common with the input.

        Args:
            fields: Of the example that the seed is to be shown beside.
            ignore: Ids of seeds that must not be shown.
        """
        found = self._index.nearest_any(text_of(self._task, fields), ignore=ignore)
        return None if found is None else self._seeds[found[0]].fields

"""Drops texts that say what a seed or an earlier candidate says, in whatever words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.seeds import MeaningIndex, Meanings
from seedgate.seeds.meaning_index import CLOSE, products
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SemanticFilter"]


class SemanticFilter:
    """Compares the meaning of input texts; rejected candidates are among what it knows, as all candidates are.

    Args:
        meanings: Where vectors come from.
        threshold: The cosine from which a text is a repetition: `[generation] semantic_duplicate`.
    """

    name = "semantic"

    def __init__(self, meanings: Meanings, threshold: float) -> None:
        self._meanings = meanings
        self._threshold = threshold
        self._index = MeaningIndex()
        self._unlike: set[str] = set()

    def load(self, ws: Workspace, ids: Iterable[str]) -> None:
        """Takes note of a workspace's rows, from the stored index as far as it goes."""

        def vectors_of(wanted: Sequence[str]) -> NDArray[np.float32]:
            bodies = ws.ledger.bodies(wanted)
            return self._meanings.vectors([Example(fields=bodies[id_]) for id_ in wanted])

        path = ws.state_dir / f"meanings-{self._meanings.space[:12]}.usearch"
        self._index.load(path, list(dict.fromkeys(ids)), vectors_of)

    def prepare(self, examples: Sequence[Example]) -> None:
        """Compares several at once with all that is known and with each other: most are like nothing."""
        self._unlike = set()
        if not examples:
            return
        vectors = self._meanings.held(examples)
        nearest = self._index.nearest_of(vectors)
        likeness = products(vectors, vectors)
        likeness[range(len(examples)), range(len(examples))] = -1
        most = likeness.max(1) if nearest is None else likeness.max(1).clip(min=nearest)
        limit = self._threshold - CLOSE
        self._unlike = {each.id for each, own in zip(examples, most, strict=True) if own < limit}

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """See `Filter.check`."""
        if not len(self._index) or example.id in self._unlike:
            return None
        found = self._index.nearest(self._meanings.of(example), ignore=ignore)
        if found is None or found[1] < self._threshold:
            return None
        return Drop(self.name, "semantic_duplicate", f"{found[1]:.2f} like {found[0][:12]} in meaning")

    def accept(self, example: Example) -> None:
        """Adds it, and stores its vector for later runs."""
        self._index.add([example.id], self._meanings.of(example)[None])
        self._meanings.keep(example)

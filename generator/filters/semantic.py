"""Drops texts that say what a seed or an earlier candidate says, in whatever words.

From which cosine on differs from task to task, as for leaks (`seedgate.seeds.leakage`): questions to a bank are more
like each other than problems of arithmetic. So it is what one seed in a hundred reaches with another seed, which
people wrote as different ones. The workspace's first run measures and records it, so that it does not drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from seedgate.generator.filters.base import Drop
from seedgate.records import Example
from seedgate.seeds import MeaningIndex, Meanings
from seedgate.seeds.meaning_index import CLOSE, nearest_other, products
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MEASURED", "SemanticFilter", "cosine_of", "measured_cosine", "repetition_cosine"]

MEASURED = "semantic_duplicate_measured"
"""Name of the measured cosine among the settings in `run.started`."""

LEVEL = 0.01
LEAST, MOST = 0.85, 0.97
"""Where the measured cosine is held: see benchmarks/duplicates.py."""
UNMEASURED, LEAST_SEEDS = 0.95, 100
"""What holds where there are fewer seeds than that, which say little about how alike different texts are."""


def repetition_cosine(ws: Workspace, seeds: Iterable[Example], meanings: Meanings) -> float:
    """The cosine from which a text is a repetition: the configured one, else that of the first run, else measured."""
    given: float = ws.config.generation.semantic_duplicate
    return given or measured_cosine(ws, seeds, meanings)


def measured_cosine(ws: Workspace, seeds: Iterable[Example], meanings: Meanings) -> float:
    """As the first run recorded it; before that, of these seeds."""
    for event in ws.ledger.events("run.started"):
        if MEASURED in event.payload["settings"]:
            return float(event.payload["settings"][MEASURED])
    rows = list(seeds)
    if len(rows) < LEAST_SEEDS:
        return UNMEASURED
    return round(cosine_of(meanings.vectors(rows)), 3)


def cosine_of(vectors: NDArray[np.float32]) -> float:
    """What one in a hundred of these reaches with another of them, shape [rows, width], within bounds."""
    nearest: list[float] = sorted(nearest_other(vectors).tolist(), reverse=True)
    return min(max(nearest[int(LEVEL * len(nearest))], LEAST), MOST)


class SemanticFilter:
    """Compares the meaning of input texts; rejected candidates are among what it knows, as all candidates are.

    Args:
        meanings: Where vectors come from.
        threshold: The cosine from which a text is a repetition.
    """

    name = "semantic"

    def __init__(self, meanings: Meanings, threshold: float) -> None:
        self._meanings = meanings
        self._threshold = threshold
        self._index = MeaningIndex()
        self._prepared: set[str] = set()
        self._unlike: set[str] = set()

    def load(self, ws: Workspace, ids: Iterable[str]) -> None:
        """Takes note of a workspace's rows, from the stored index as far as it goes."""

        def vectors_of(wanted: Sequence[str]) -> NDArray[np.float32]:
            bodies = ws.ledger.bodies(wanted)
            return self._meanings.vectors([Example(fields=bodies[id_]) for id_ in wanted])

        path = ws.state_dir / f"meanings-{self._meanings.space[:12]}.npz"
        self._index.load(path, list(dict.fromkeys(ids)), vectors_of)

    def prepare(self, examples: Sequence[Example]) -> None:
        """Compares several at once with all that is known and with each other: most are like nothing."""
        self._prepared, self._unlike = {each.id for each in examples}, set()
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
        if example.id not in self._prepared:
            self._unlike.clear()
        self._index.add([example.id], self._meanings.of(example)[None])
        self._meanings.keep(example)

"""The nearest of many vectors: compared with each while they are few, through a graph from some thousands on.

The graph is usearch's HNSW (Malkov & Yashunin 2016, https://arxiv.org/abs/1603.09320): adding and asking take a time
that grows with log n, and the nearest is missed in about one case of a hundred. It is kept beside the vectors and
grows from run to run; anything that does not fit is built anew. The gate does not use it: the evaluation set is
always compared row by row (`seedgate.seeds.leakage`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedgate.files import atomic_write
from seedgate.seeds.threads import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["INDEX_NAMES", "MOST_EXACT", "MeaningIndex", "cosines"]

INDEX_NAMES = "meanings-*.usearch"
"""In `.seedgate`, one for each space."""

MOST_EXACT = 32_768
"""Up to so many, comparing with each, many at once, takes less time than the graph (benchmarks/duplicates.py)."""

CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 16, 128, 96
NEIGHBOURS = 16
CLOSE = 0.002
"""Two ways of computing a cosine differ by less, half precision in the graph included."""
_CHUNK = 1024
SAVED_FROM = 0.05
"""Growth from which the file is written again, as a share."""


class MeaningIndex:
    """Vectors of length one by id.

    Args:
        most_exact: See `MOST_EXACT`.
    """

    def __init__(self, most_exact: int = MOST_EXACT) -> None:
        self._most_exact = most_exact
        self._ids: list[str] = []
        self._matrix: Array | None = None
        self._graph: Any = None
        self._by_key: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Sequence[str], vectors: Array) -> None:
        """Adds vectors, shape [ids, width]."""
        if not ids:
            return
        if self._graph is None and len(self._ids) + len(ids) > self._most_exact:
            held, self._graph = self._rows(), _graph(vectors.shape[1])
            self._graph_add(self._ids, held)
            self._matrix = None
        if self._graph is not None:
            self._graph_add(ids, vectors)
        else:
            self._matrix_add(vectors)
        self._ids.extend(ids)

    def nearest(self, vector: Array, *, ignore: Collection[str] = ()) -> tuple[str, float] | None:
        """Id and cosine of the nearest, None if there is none; of equally near ones the one added first."""
        if not self._ids:
            return None
        if self._graph is not None:
            matches = self._graph.search(vector, NEIGHBOURS + len(ignore))
            pairs = zip(matches.keys.tolist(), matches.distances.tolist(), strict=True)
            found = ((self._by_key[key], round(1 - distance, 4)) for key, distance in pairs)
            return next((pair for pair in found if pair[0] not in ignore), None)
        likeness = cosines(self._rows(), vector)
        for _ in range(len(ignore) + 1):
            place = int(likeness.argmax())
            if self._ids[place] not in ignore:
                return self._ids[place], round(float(likeness[place]), 4)
            likeness[place] = -2
            if likeness.max() == -2:
                return None
        return self._past(likeness, ignore)

    def nearest_of(self, vectors: Array) -> Array | None:
        """Cosine of the nearest to each of several, shape [vectors]; None if there is nothing to compare with.

        Through other arithmetic than `nearest`: what is within `CLOSE` of a threshold must be asked there.
        """
        import numpy as np

        if not self._ids:
            return None
        if self._graph is None:
            nearest: Array = products(vectors, self._rows()).max(1)
            return nearest
        found = self._graph.search(np.ascontiguousarray(vectors), NEIGHBOURS, threads=1)
        return np.asarray(1 - found.distances.reshape(len(vectors), -1)[:, 0], np.float32)

    def nearest_each(self, vectors: Array) -> list[tuple[str, float]]:
        """Id and cosine of the nearest to each of several, computed as in `nearest_of`; empty if nothing is known."""
        import numpy as np

        if not self._ids:
            return []
        if self._graph is None:
            likeness = products(vectors, self._rows())
            places = likeness.argmax(1)
            cosine = likeness[np.arange(len(vectors)), places]
            pairs = zip(places.tolist(), cosine.tolist(), strict=True)
            return [(self._ids[place], round(own, 4)) for place, own in pairs]
        found = self._graph.search(np.ascontiguousarray(vectors), NEIGHBOURS, threads=1)
        keys, distances = (part.reshape(len(vectors), -1)[:, 0] for part in (found.keys, found.distances))
        pairs = zip(keys.tolist(), distances.tolist(), strict=True)
        return [(self._by_key[key], round(1 - distance, 4)) for key, distance in pairs]

    def all_near(self, vector: Array, threshold: float) -> list[tuple[str, float]]:
        """Id and cosine of those at or over the threshold, the nearest first, `NEIGHBOURS` at most."""
        import numpy as np

        if not self._ids:
            return []
        if self._graph is not None:
            matches = self._graph.search(vector, NEIGHBOURS)
            pairs = zip(matches.keys.tolist(), matches.distances.tolist(), strict=True)
            found = [(self._by_key[key], round(1 - distance, 4)) for key, distance in pairs]
        else:
            likeness = cosines(self._rows(), vector)
            places = np.flatnonzero(likeness >= threshold - 1e-4)
            places = places[np.argsort(-likeness[places], kind="stable")][:NEIGHBOURS]
            found = [(self._ids[place], round(float(likeness[place]), 4)) for place in places.tolist()]
        return [pair for pair in found if pair[1] >= threshold]

    def load(self, path: Path, ids: Sequence[str], vectors_of: Callable[[Sequence[str]], Array]) -> None:
        """Fills an empty index with these ids, from the file as far as it goes, and updates the file.

        Args:
            path: The file; need not exist, and is not used while vectors are few.
            ids: All that the index is to know.
            vectors_of: Vectors of some of them.
        """
        if len(ids) <= self._most_exact:
            self.add(ids, vectors_of(ids))
            return
        saved = self._restore(path, ids)
        missing = [id_ for id_ in ids if id_ not in saved]
        self._ids = [id_ for id_ in ids if id_ in saved]
        if missing:
            self.add(missing, vectors_of(missing))
        if self._graph is not None and len(missing) > SAVED_FROM * len(saved):
            with atomic_write(path, mode=0o600) as file:
                file.write(memoryview(self._graph.save()))

    def _restore(self, path: Path, ids: Sequence[str]) -> set[str]:
        """The ids in the file; none if it is not whole, or has one that is unknown now."""
        from usearch.index import Index

        known = {_key(id_): id_ for id_ in ids}
        try:
            graph = Index.restore(str(path)) if path.is_file() else None
            keys = [int(key) for key in graph.keys] if graph is not None else []
        except (RuntimeError, ValueError, OSError):
            return set()
        if graph is None or not known.keys() >= set(keys):
            return set()
        self._graph = graph
        self._by_key = {key: known[key] for key in keys}
        return set(self._by_key.values())

    def _past(self, likeness: Array, ignore: Collection[str]) -> tuple[str, float] | None:
        """For ids that were added more than once."""
        for place in (-likeness).argsort(kind="stable").tolist():
            if likeness[place] > -2 and self._ids[place] not in ignore:
                return self._ids[place], round(float(likeness[place]), 4)
        return None

    def _rows(self) -> Array:
        import numpy as np

        return np.zeros((0, 1), np.float32) if self._matrix is None else self._matrix[: len(self._ids)]

    def _matrix_add(self, vectors: Array) -> None:
        import numpy as np

        count, room = len(self._ids), 0 if self._matrix is None else len(self._matrix)
        if count + len(vectors) > room:
            grown = np.zeros((2 * (count + len(vectors)), vectors.shape[1]), np.float32)
            grown[:count] = self._rows() if count else grown[:0]
            self._matrix = grown
        assert self._matrix is not None  # noqa: S101  for the type checker
        self._matrix[count : count + len(vectors)] = vectors

    def _graph_add(self, ids: Sequence[str], vectors: Array) -> None:
        import numpy as np

        fresh = [place for place, id_ in enumerate(ids) if _key(id_) not in self._by_key]
        self._by_key |= {_key(ids[place]): ids[place] for place in fresh}
        if fresh:
            keys = np.array([_key(ids[place]) for place in fresh], np.uint64)
            # One thread: the same rows in the same order make the same graph.
            self._graph.add(keys, np.ascontiguousarray(vectors[fresh]), threads=1)


def products(rows: Array, others: Array) -> Array:
    """Cosines of each with each, shape [rows, others], by BLAS: much faster than `cosines`, and not to the last bit."""
    with one_thread():
        found: Array = rows @ others.T
    return found


def nearest_other(vectors: Array) -> Array:
    """For each of several, shape [rows, width], the cosine of the nearest other one; -1 where there is none."""
    import numpy as np

    found = np.full(len(vectors), -1, np.float32)
    for start in range(0, len(vectors), _CHUNK):
        likeness = products(vectors[start : start + _CHUNK], vectors)
        here = np.arange(len(likeness))
        likeness[here, start + here] = -1
        found[start : start + _CHUNK] = likeness.max(1)
    return found


def cosines(rows: Array, vector: Array) -> Array:
    """Cosine of each row with a vector; not by BLAS, whose threads would wait for each other at this size."""
    import numpy as np

    found: Array = np.einsum("ij,j->i", rows, vector)
    return found


def _key(id_: str) -> int:
    """The first 64 bits of a content hash."""
    return int(id_[:16], 16)


def _graph(width: int) -> Any:
    from usearch.index import Index

    return Index(
        ndim=width,
        metric="cos",
        dtype="f16",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )

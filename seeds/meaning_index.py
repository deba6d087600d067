"""The nearest of many vectors: compared with each while they are few, with those around from some thousands on.

Cosines are right to within .003, since rows in cells are rounded (`seedgate.seeds.packed`); what cells miss, and how
seldom, is in `seedgate.seeds.meaning_cells`. They are kept beside the vectors and grow from run to run; anything that
does not fit is built anew. The gate does not use them: the evaluation set is always compared row by row, unrounded
(`seedgate.seeds.leakage`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from seedgate.files import atomic_write
from seedgate.seeds.meaning_cells import Cells
from seedgate.seeds.threads import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Numbers = NDArray[np.int64]

__all__ = ["INDEX_NAMES", "MOST_EXACT", "MeaningIndex", "cosines"]

INDEX_NAMES = "meanings-*"
"""In `.seedgate`, one for each space."""

MOST_EXACT = 8192
"""Below so many, comparing with each misses nothing and takes .1 ms, many at once (benchmarks/duplicates.py)."""

LOT = 256
"""Rows that are given to the cells at once, whatever they came in; until then each is compared with."""
NEIGHBOURS = 16
CLOSE = 0.002
"""Two ways of computing a cosine differ by less, half precision on disk included."""
_CHUNK, _LOADED = 1024, 4096
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
        self._cells: Cells | None = None
        self._tail: Array | None = None  # rows that are in no cell, the newest, and room for more

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Sequence[str], vectors: Array) -> None:
        """Adds vectors, shape [ids, width]; in whatever portions they come, the outcome is the same."""
        done = 0
        while done < len(ids):
            end = min(len(ids), done + self._most_outside() - len(self._rows()))
            self._append(vectors[done:end])
            self._ids.extend(ids[done:end])
            done = end
            if len(self._rows()) == self._most_outside():
                self._settle()

    def nearest(self, vector: Array, *, ignore: Collection[str] = ()) -> tuple[str, float] | None:
        """Id and cosine of the nearest, None if there is none; of equally near ones the one added first."""
        found = ((self._ids[number], cosine) for number, cosine in self._by_cosine(vector))
        return next((pair for pair in found if pair[0] not in ignore), None)

    def nearest_of(self, vectors: Array) -> Array | None:
        """Cosine of the nearest to each of several, shape [vectors]; None if there is nothing to compare with.

        Through other arithmetic than `nearest`: what is within `CLOSE` of a threshold must be asked there.
        """
        return self._nearest(vectors)[1] if self._ids else None

    def nearest_each(self, vectors: Array) -> list[tuple[str, float]]:
        """Id and cosine of the nearest to each of several, computed as in `nearest_of`; empty if nothing is known."""
        if not self._ids:
            return []
        numbers, cosine = self._nearest(vectors)
        pairs = zip(numbers.tolist(), cosine.tolist(), strict=True)
        return [(self._ids[number], round(own, 4)) for number, own in pairs]

    def all_near(self, vector: Array, threshold: float) -> list[tuple[str, float]]:
        """Id and cosine of those at or over the threshold, the nearest first, `NEIGHBOURS` at most."""
        found: list[tuple[str, float]] = []
        for number, cosine in self._by_cosine(vector):
            if cosine < threshold or len(found) == NEIGHBOURS:
                break
            found.append((self._ids[number], cosine))
        return found

    def load(self, path: Path, ids: Sequence[str], vectors_of: Callable[[Sequence[str]], Array]) -> None:
        """Fills an empty index with these ids, from the file as far as it goes, and updates the file.

        Args:
            path: The file; need not exist, and is not used while vectors are few.
            ids: All that the index is to know.
            vectors_of: Vectors of some of them, rounded to half precision.
        """
        if len(ids) < self._most_exact:
            self.add(ids, vectors_of(ids))
            return
        self._restore(path, ids)
        saved = set(self._ids)
        missing = [id_ for id_ in ids if id_ not in saved]
        for start in range(0, len(missing), _LOADED):
            part = missing[start : start + _LOADED]
            self.add(part, vectors_of(part))
        if len(missing) > SAVED_FROM * len(saved):
            self._save(path)

    def _save(self, path: Path) -> None:
        import numpy as np

        if self._cells is None:
            return
        values, scales = self._cells.packed()
        with atomic_write(path, mode=0o600) as file:
            np.savez(
                file,
                ids=np.array(self._ids, np.bytes_),
                rows=values,
                scales=scales,
                tail=self._rows().astype(np.float16),
                cells=self._cells.cell_of_each().astype(np.int32),
                centres=self._cells.centres,
                full=np.array(self._cells.full),
            )

    def _restore(self, path: Path, ids: Sequence[str]) -> None:
        """What the file has; nothing if it is not whole, or has an id that is unknown now."""
        import numpy as np

        if not path.is_file():
            return
        try:
            with path.open("rb") as file, np.load(file) as saved:
                found = [id_.decode() for id_ in saved["ids"].tolist()]
                rows, tail = saved["rows"], saved["tail"].astype(np.float32)
                if len(found) != len(rows) + len(tail) or not set(ids) >= set(found):
                    return
                cells = saved["cells"].astype(np.int64)
                given = rows, saved["scales"], cells, saved["centres"], int(saved["full"])
                self._cells = Cells.restored(*given)
        except (BadZipFile, EOFError, KeyError, OSError, TypeError, UnicodeDecodeError, ValueError):
            return
        self._ids, self._tail = found[: len(rows)], None
        self.add(found[len(rows) :], tail)

    def _nearest(self, vectors: Array) -> tuple[Numbers, Array]:
        """Number and cosine of the nearest to each; of equally near ones, the one added first."""
        import numpy as np

        tail = self._rows()
        if not len(tail):
            assert self._cells is not None  # noqa: S101  for the type checker
            return self._cells.nearest_of(vectors)
        likeness = products(vectors, tail)
        places = likeness.argmax(1)
        cosine = likeness[np.arange(len(vectors)), places]
        if self._cells is None:
            return places, cosine
        numbers, own = self._cells.nearest_of(vectors)
        in_cells = own >= cosine
        return np.where(in_cells, numbers, places + len(self._cells)), np.where(in_cells, own, cosine)

    def _by_cosine(self, vector: Array) -> Iterator[tuple[int, float]]:
        """Number and rounded cosine of all that is compared, the nearest first, then the one added first."""
        import numpy as np

        tail, first = self._rows(), len(self._cells) if self._cells else 0
        parts = self._cells.near(vector) if self._cells else []
        if len(tail):
            parts = [*parts, (np.arange(first, first + len(tail)), tail)]
        if not parts:
            return
        numbers = np.concatenate([part for part, _ in parts])
        likeness = np.concatenate([cosines(rows, vector) for _, rows in parts])
        # Few are ever asked for, and sorting all takes longer than comparing with them.
        most = min(NEIGHBOURS, len(numbers))
        near = likeness >= np.partition(likeness, -most)[-most]
        for part in (near, ~near):
            order = np.lexsort((numbers[part], -likeness[part]))
            own = numbers[part][order].tolist(), likeness[part][order].tolist()
            yield from ((number, round(cosine, 4)) for number, cosine in zip(*own, strict=True))

    def _most_outside(self) -> int:
        """Rows from which on none stays outside the cells."""
        return LOT if self._cells else max(self._most_exact, LOT)

    def _settle(self) -> None:
        """Gives the cells the rows that are in none."""
        rows = self._rows()
        if self._cells is None:
            self._cells = Cells(rows)
            self._tail = None
        else:
            self._cells.add(rows)

    def _rows(self) -> Array:
        """Those in no cell."""
        import numpy as np

        count = len(self._ids) - (len(self._cells) if self._cells else 0)
        return np.zeros((0, 1), np.float32) if self._tail is None else self._tail[:count]

    def _append(self, vectors: Array) -> None:
        import numpy as np

        count, room = len(self._rows()), 0 if self._tail is None else len(self._tail)
        if count + len(vectors) > room:
            grown = np.zeros(
                (min(2 * (count + len(vectors)), self._most_outside()), vectors.shape[1]), np.float32
            )
            grown[:count] = self._rows() if count else grown[:0]
            self._tail = grown
        assert self._tail is not None  # noqa: S101  for the type checker
        self._tail[count : count + len(vectors)] = vectors


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

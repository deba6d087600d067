"""Vectors in cells around centres: each is compared with the few thousand around it.

An inverted file, as in Jegou, Douze & Schmid 2011 (https://doi.org/10.1109/TPAMI.2010.57), of rows with a byte for each
number: a row is in the cell of the nearest centre, and what is asked is compared by BLAS with the rows of some cells.
Centres are means of a sample; whenever the rows have doubled they are found anew, twice as many. So a row is compared
with some thousands, and with one centre for every `ROWS`. Time grows faster than that: the more cells, the fewer of a
lot ask the same one, which is then read from memory for each (n^1.3 to 100,000, n^1.7 from there to 300,000).

A near row is missed if none of these cells has it, which is the rarer the nearer it is (docs/log.md has the figures).
Rejected: cells that are split where they grow. They miss ten to fifty times as many near rows, since what lies around a
split stays where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seedgate.seeds.packed import PackedRows
from seedgate.seeds.threads import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Numbers = NDArray[np.int64]

__all__ = ["Cells"]

ROWS = 256
"""Per cell when centres are found; up to twice as many until they are found again."""
CELLS = 8
"""Asked at most."""
WITHIN = 0.16
"""A cell whose centre's cosine is lower than the nearest one's by more is not asked: saves a fifth of the time."""
SAMPLE, ROUNDS, SEED = 16, 2, 20
"""Rows of the sample per centre, rounds of k-means, and what the sample is drawn by."""
_CHUNK = 1024


class Cells:
    """Rows of length one, numbered as they come.

    Args:
        rows: The first ones, shape [rows, width], at least one.
    """

    def __init__(self, rows: Array) -> None:
        self._rows = PackedRows.of(rows)
        self._part()

    @classmethod
    def restored(cls, rows: PackedRows, cells: Numbers, centres: Array, full: int) -> Cells:
        """Those whose `rows`, `cell_of_each`, `centres` and `full` these are.

        Raises:
            ValueError: They don't belong together.
        """
        import numpy as np

        if len(rows) != len(cells) or not np.array_equal(np.unique(cells), np.arange(len(centres))):
            raise ValueError("rows, cells and centres do not belong together")
        made = cls.__new__(cls)
        made._rows = rows
        made._fill(cells, centres, full)
        return made

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> PackedRows:
        """By number."""
        return self._rows

    @property
    def centres(self) -> Array:
        """Shape [cells, width]."""
        return self._centres

    @property
    def full(self) -> int:
        """The number of rows from which centres are found anew."""
        return self._full

    def cell_of_each(self) -> Numbers:
        """By the row's number, shape [rows]."""
        import numpy as np

        found = np.zeros(len(self), np.int64)
        for place, cell in enumerate(self._cells):
            found[cell.numbers] = place
        return found

    def add(self, rows: Array) -> None:
        """Adds some; in lots of the same size the same rows make the same cells."""
        for place, members in _groups(_nearest_centre(rows, self._centres)):
            self._cells[place].add(len(self) + members)
        self._rows.add(rows)
        if len(self) >= self._full:
            self._part()

    def nearest_of(self, vectors: Array) -> tuple[Numbers, Array]:
        """Number and cosine of the nearest row to each of several, by BLAS."""
        import numpy as np

        with one_thread():
            likeness = vectors @ self._centres.T
            asked, cells = self._asked(likeness)
            number, cosine = np.zeros(len(asked), np.int64), np.zeros(len(asked), np.float32)
            order = np.argsort(cells, kind="stable")
            asked, sorted_vectors = asked[order], vectors[asked[order]]
            for start, end, place in _runs(cells[order]):
                members = self._cells[place].numbers
                found = self._rows.products(members, sorted_vectors[start:end])
                at = found.argmax(0)
                number[start:end] = members[at]
                cosine[start:end] = found[at, np.arange(end - start)]
        best = np.lexsort((number, -cosine, asked))
        best = best[np.append(True, asked[best][1:] != asked[best][:-1])]
        return number[best], cosine[best]

    def near(self, vector: Array) -> list[tuple[Numbers, Array]]:
        """Numbers and rows of each of the cells nearest to one vector."""
        import numpy as np

        _, places = self._asked(np.einsum("ij,j->i", self._centres, vector)[None])
        members = [self._cells[place].numbers for place in places.tolist()]
        return [(own, self._rows.rows(own)) for own in members]

    def _asked(self, likeness: Array) -> tuple[Numbers, Numbers]:
        """Pairs of who asks and which cell; cosines with the centres have shape [vectors, cells]."""
        import numpy as np

        most = min(CELLS, likeness.shape[1])
        # Values alone are parted several times as fast as places.
        least = np.partition(likeness, -most, axis=1)[:, -most]
        least = np.maximum(least, likeness.max(1) - WITHIN)
        asked, places = np.nonzero(likeness >= least[:, None])
        return asked, places

    def _part(self) -> None:
        self._fill(*_parted(self._rows), 2 * len(self._rows))

    def _fill(self, cells: Numbers, centres: Array, full: int) -> None:
        self._centres, self._full = centres, full
        self._cells = [_Cell(members) for _, members in _groups(cells)]


class _Cell:
    """The numbers of some rows, ascending."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers, self._count = numbers, len(numbers)

    @property
    def numbers(self) -> Numbers:
        return self._numbers[: self._count]

    def add(self, numbers: Numbers) -> None:
        import numpy as np

        count = self._count + len(numbers)
        if count > len(self._numbers):
            self._numbers = np.resize(self.numbers, count + count // 2)
        self._numbers[self._count : count] = numbers
        self._count = count


def _parted(rows: PackedRows) -> tuple[Numbers, Array]:
    """The cell of each row, and centres of which each has a row."""
    import numpy as np

    count = max(len(rows) // ROWS, 1)
    drawn = np.random.default_rng(SEED).permutation(len(rows))[: SAMPLE * count]
    sample, centres = rows.rows(np.sort(drawn)), rows.rows(drawn[:count])
    for _ in range(ROUNDS):
        for place, members in _groups(_nearest_centre(sample, centres)):
            centres[place] = sample[members].sum(0)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), np.float32(1e-6))
    parts = (rows.rows(slice(start, start + _CHUNK)) for start in range(0, len(rows), _CHUNK))
    nearest = np.concatenate([_nearest_centre(part, centres) for part in parts])
    kept, cells = np.unique(nearest, return_inverse=True)
    return cells, centres[kept]


def _nearest_centre(rows: Array, centres: Array) -> Numbers:
    import numpy as np

    with one_thread():
        chunks = (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))
        return np.concatenate([(chunk @ centres.T).argmax(1) for chunk in chunks])


def _groups(cells: Numbers) -> Iterator[tuple[int, Numbers]]:
    """Each cell that occurs, with where, ascending."""
    import numpy as np

    order = np.argsort(cells, kind="stable")
    for start, end, place in _runs(cells[order]):
        yield place, order[start:end]


def _runs(values: Numbers) -> Iterator[tuple[int, int, int]]:
    """Start, end and value of each run of equal ones."""
    import numpy as np

    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])) if len(values) else values
    yield from zip(starts.tolist(), [*starts[1:].tolist(), len(values)], values[starts].tolist(), strict=True)

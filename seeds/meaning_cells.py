"""Vectors in cells around centres: each is compared with the few thousand around it.

An inverted file, as in Jegou, Douze & Schmid 2011 (https://doi.org/10.1109/TPAMI.2010.57), of rows with a byte for each
number: a row is in the cell of the nearest centre, and what is asked is compared by BLAS with the rows of some cells.
Centres are means of a sample; whenever the rows have doubled they are found anew, twice as many. So a row is compared
with some thousands, and with one centre for every `ROWS`. Time grows faster than that: the more cells, the fewer of a
lot ask the same one, which is then read for each (n^1.3 to 100,000, n^1.7 from there to 300,000).

A near row is missed if none of these cells has it, which is the rarer the nearer it is (docs/log.md has the figures).
Rejected: cells that are split where they grow. They miss ten to fifty times as many near rows, since what lies around a
split stays where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from seedgate.seeds.packed import RowFile, packed, unpacked
from seedgate.seeds.threads import one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Numbers = NDArray[np.int64]
    Bytes = NDArray[np.int8]
    _Part = tuple[Numbers, Bytes, Array]
    """Numbers of some rows, their bytes and scales."""
    Parts = Callable[[], Iterator[_Part]]

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

    _cells: Sequence[_Cell]

    def __init__(self, rows: Array) -> None:
        parts = _in_memory(*packed(rows))
        self._fill(parts, *_parted(parts, len(rows)), 2 * len(rows))

    @classmethod
    def restored(cls, values: Bytes, scales: Array, cells: Numbers, centres: Array, full: int) -> Cells:
        """Those whose `packed`, `cell_of_each`, `centres` and `full` these are.

        Raises:
            ValueError: They don't belong together.
        """
        import numpy as np

        fits = values.dtype == np.int8 and values.shape == (len(cells), centres.shape[1])
        if (
            not fits
            or len(scales) != len(cells)
            or not np.array_equal(np.unique(cells), np.arange(len(centres)))
        ):
            raise ValueError("rows, cells and centres do not belong together")
        made = cls.__new__(cls)
        made._fill(_in_memory(values, scales), cells, centres, full)
        return made

    def __len__(self) -> int:
        return self._count

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

        found = np.zeros(self._count, np.int64)
        for place, cell in enumerate(self._cells):
            found[cell.numbers] = place
        return found

    def packed(self) -> tuple[Bytes, Array]:
        """Bytes and scale of each row, by its number, shapes [rows, width] and [rows]."""
        import numpy as np

        values, scales = (
            np.zeros((self._count, self._centres.shape[1]), np.int8),
            np.zeros(self._count, np.float32),
        )
        for cell in self._cells:
            values[cell.numbers], scales[cell.numbers] = cell.values(), cell.scales
        return values, scales

    def add(self, rows: Array) -> None:
        """Adds some; in lots of the same size the same rows make the same cells."""
        values, scales = packed(rows)
        for place, members in _groups(_nearest_centre(rows, self._centres)):
            self._cells[place].add(self._count + members, values[members], scales[members])
        self._count += len(rows)
        if self._count >= self._full:
            self._fill(self._parts, *_parted(self._parts, self._count), 2 * self._count)

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
                cell = self._cells[place]
                # With few columns, OpenBLAS takes two thirds of the time that it takes with as few rows.
                found = cell.values().astype(np.float32) @ sorted_vectors[start:end].T
                found *= cell.scales[:, None]  # after, since there are fewer numbers
                at = found.argmax(0)
                number[start:end] = cell.numbers[at]
                cosine[start:end] = found[at, np.arange(end - start)]
        best = np.lexsort((number, -cosine, asked))
        best = best[np.append(True, asked[best][1:] != asked[best][:-1])]
        return number[best], cosine[best]

    def near(self, vector: Array) -> list[tuple[Numbers, Array]]:
        """Numbers and rows of each of the cells nearest to one vector."""
        import numpy as np

        _, places = self._asked(np.einsum("ij,j->i", self._centres, vector)[None])
        cells = [self._cells[place] for place in places.tolist()]
        return [(cell.numbers, unpacked(cell.values(), cell.scales)) for cell in cells]

    def _asked(self, likeness: Array) -> tuple[Numbers, Numbers]:
        """Pairs of who asks and which cell; cosines with the centres have shape [vectors, cells]."""
        import numpy as np

        most = min(CELLS, likeness.shape[1])
        # Values alone are parted several times as fast as places.
        least = np.partition(likeness, -most, axis=1)[:, -most]
        least = np.maximum(least, likeness.max(1) - WITHIN)
        asked, places = np.nonzero(likeness >= least[:, None])
        return asked, places

    def _parts(self) -> Iterator[_Part]:
        return ((cell.numbers, cell.values(), cell.scales) for cell in self._cells)

    def _fill(self, parts: Parts, cells: Numbers, centres: Array, full: int) -> None:
        """Lays the rows out anew: those of a cell side by side, by number, with room for as many again."""
        import numpy as np

        file, made = RowFile(centres.shape[1]), []
        place = np.zeros(len(cells), np.int64)
        for _, members in _groups(cells):
            made.append(_Cell(file, members))
            place[members] = made[-1].start + np.arange(len(members))
        for numbers, values, scales in parts():
            order = np.argsort(place[numbers])
            places = place[numbers][order]
            for start, end, _ in _runs(places - np.arange(len(places))):
                file.write(int(places[start]), values[order[start:end]])
            for cell, members in _groups(cells[numbers]):
                made[cell].scale(numbers[members], scales[members])
        self._count, self._centres, self._full, self._cells = len(cells), centres, full, made


class _Cell:
    """Some rows, in the order of their numbers.

    Args:
        file: Where their bytes are, in one piece with room for as many again.
        numbers: Of those to begin with, ascending; their bytes and scales are still to be given.
    """

    def __init__(self, file: RowFile, numbers: Numbers) -> None:
        import numpy as np

        self._file, self._count, self._room = file, len(numbers), 2 * len(numbers)
        self.start = file.reserve(self._room)
        self._numbers, self._scales = np.resize(numbers, self._room), np.zeros(self._room, np.float32)

    @property
    def numbers(self) -> Numbers:
        """Shape [rows]."""
        return self._numbers[: self._count]

    @property
    def scales(self) -> Array:
        """Shape [rows]."""
        return self._scales[: self._count]

    def values(self) -> Bytes:
        """Shape [rows, width]."""
        return self._file.read(self.start, self._count)

    def scale(self, numbers: Numbers, scales: Array) -> None:
        """Takes note of the scales of some of the rows to begin with."""
        import numpy as np

        self._scales[np.searchsorted(self.numbers, numbers)] = scales

    def add(self, numbers: Numbers, values: Bytes, scales: Array) -> None:
        """Adds rows with higher numbers."""
        import numpy as np

        count = self._count + len(numbers)
        if count > self._room:
            held, self._room = self.values(), 2 * count
            self.start = self._file.reserve(self._room)
            self._file.write(self.start, held)
            self._numbers = np.resize(self.numbers, self._room)
            self._scales = np.resize(self.scales, self._room)
        self._file.write(self.start + self._count, values)
        self._numbers[self._count : count], self._scales[self._count : count] = numbers, scales
        self._count = count


def _in_memory(values: Bytes, scales: Array) -> Parts:
    import numpy as np

    def parts() -> Iterator[_Part]:
        for start in range(0, len(values), _CHUNK):
            part = slice(start, start + _CHUNK)
            yield np.arange(len(values))[part], values[part], scales[part]

    return parts


def _parted(parts: Parts, total: int) -> tuple[Numbers, Array]:
    """The cell of each row, and centres of which each has a row."""
    import numpy as np

    count = max(total // ROWS, 1)
    drawn = np.random.default_rng(SEED).permutation(total)[: SAMPLE * count]
    wanted = np.sort(drawn)
    sample = _rows_of(parts, wanted)
    centres = sample[np.searchsorted(wanted, drawn[:count])]
    for _ in range(ROUNDS):
        for place, members in _groups(_nearest_centre(sample, centres)):
            centres[place] = sample[members].sum(0)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), np.float32(1e-6))
    nearest = np.zeros(total, np.int64)
    for numbers, values, scales in parts():
        nearest[numbers] = _nearest_centre(unpacked(values, scales), centres)
    kept, cells = np.unique(nearest, return_inverse=True)
    return cells, centres[kept]


def _rows_of(parts: Parts, wanted: Numbers) -> Array:
    """The rows with these numbers, ascending, in single precision."""
    import numpy as np

    found: list[Array] = []
    order: list[Numbers] = []
    for numbers, values, scales in parts():
        own = np.isin(numbers, wanted)
        found.append(unpacked(values[own], scales[own]))
        order.append(numbers[own])
    rows: Array = np.concatenate(found)[np.argsort(np.concatenate(order))]
    return rows


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

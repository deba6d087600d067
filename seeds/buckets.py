"""Rows of bytes in hashed bands: finds those that agree with a row in a whole band (locality-sensitive hashing).

Three numpy arrays and no Python object per row, since an index of a million texts has 33 million entries: the bands of
all rows as integers, for each band a table of the newest entry at each slot, and for each entry the next older one at
its slot. An entry is a number: that of the row, counted from one, times the number of bands, plus the band. None is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Row = NDArray[np.uint8]

__all__ = ["WIDEST", "Buckets"]

WIDEST = 8
"""Most bytes of a band."""

_FIRST_ROOM = 64


class Buckets:
    """Rows of bytes by place, in the order in which they are added.

    Args:
        bands: How many; a row has `bands * width` bytes.
        width: Bytes of a band: 1, 2, 4 or 8.
        most_steps: How many rows of a slot are looked at, the newest first.
    """

    def __init__(self, bands: int, width: int, most_steps: int) -> None:
        import numpy as np

        self._bands, self._type, self._most_steps = bands, np.dtype(f"u{width}"), most_steps
        self._len = 0
        # Multiply-shift hashing: a random odd factor for each band, modulo 2^64, of which the highest bits count.
        chance = np.random.default_rng(20)
        self._factors = chance.integers(2**63, size=bands, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._rows = np.zeros((1, bands), self._type)
        self._grow(_FIRST_ROOM)

    def __len__(self) -> int:
        return self._len

    def add(self, row: Row) -> None:
        """Adds a row, shape [bands * width]; its place is how many there were."""
        if self._len + 1 == len(self._rows):
            self._grow(2 * len(self._rows))
        self._len += 1
        own = row.view(self._type)
        slots = self._slots(own)
        self._rows[self._len] = own
        self._older[self._len] = self._newest[slots]
        self._newest[slots] = self._len * self._bands + self._each

    def sharing(self, row: Row) -> list[int]:
        """Places of rows that have a band in common with this one, each once, in order."""
        import numpy as np

        own = row.view(self._type)
        rows, older = self._rows.reshape(-1), self._older.reshape(-1)
        entries, found = self._newest[self._slots(own)], []
        for _ in range(self._most_steps):
            if not np.count_nonzero(entries):
                break
            agree = rows[entries] == own
            if np.count_nonzero(agree):
                found.append(entries[agree])
            entries = older[entries]
        numbers = {entry // self._bands for part in found for entry in part.tolist()}
        return sorted(number - 1 for number in numbers if number)

    def apart(self, rows: Row) -> NDArray[np.bool_]:
        """Whether each of several rows, shape [rows, bands * width], has no band in common with any that was added."""
        import numpy as np

        own = rows.view(self._type)
        held, older = self._rows.reshape(-1), self._older.reshape(-1)
        apart, places = np.ones(len(own), np.bool_), np.arange(len(own))
        entries = self._newest[self._slots(own)]
        for _ in range(self._most_steps):
            left = entries.any(1)
            own, entries, places = own[left], entries[left], places[left]
            if not len(places):
                break
            shared = ((held[entries] == own) & (entries > 0)).any(1)
            apart[places[shared]] = False
            own, entries, places = own[~shared], older[entries[~shared]], places[~shared]
        return apart

    def alike(self, rows: Row) -> NDArray[np.bool_]:
        """Whether each of several rows has a band in common with another of them."""
        import numpy as np

        own = rows.view(self._type)
        order = np.argsort(own, axis=0, kind="stable")
        ranked = np.take_along_axis(own, order, 0)
        found = np.zeros(len(own), np.bool_)
        same, bands = np.nonzero(ranked[1:] == ranked[:-1])
        found[order[same, bands]] = found[order[same + 1, bands]] = True
        return found

    def agreement(self, row: Row, places: Sequence[int]) -> list[int]:
        """How many bytes each of these rows has in common with this one."""
        import numpy as np

        rows = self._rows[np.array(places, np.intp) + 1].view(np.uint8)
        counts: list[int] = np.count_nonzero(rows == row, axis=1).tolist()
        return counts

    def _slots(self, own: NDArray[np.unsignedinteger]) -> NDArray[np.intp]:
        import numpy as np

        return (own * self._factors >> self._shift).view(np.intp) + self._tables

    def _grow(self, room: int) -> None:
        """Moves the rows to arrays of this size, a power of two, and builds the tables anew."""
        import numpy as np

        rows = np.zeros((room, self._bands), self._type)
        rows[: self._len + 1] = self._rows[: self._len + 1]
        self._rows = rows
        self._each = np.arange(self._bands, dtype=np.uint32)
        self._tables = np.arange(self._bands, dtype=np.intp) * room
        self._shift = np.uint64(65 - room.bit_length())
        self._older = np.zeros((room, self._bands), np.uint32)
        self._newest = np.zeros(self._bands * room, np.uint32)
        for band in range(self._bands if self._len else 0):
            hashed = rows[1 : self._len + 1, band] * self._factors[band] >> self._shift
            slots = hashed.view(np.intp) + self._tables[band]
            order = np.argsort(slots, kind="stable")
            entries = ((order + 1) * self._bands + band).astype(np.uint32)
            same = slots[order[1:]] == slots[order[:-1]]
            self._older[order[1:][same] + 1, band] = entries[:-1][same]
            last = np.append(~same, True)
            self._newest[slots[order[last]]] = entries[last]

"""Cosines of many vectors with all of a few thousand others, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seedgate.seeds.meaning_index import products

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["cosines_of"]

AT_ONCE = 1024


def cosines_of(rows: Array, others: Array) -> Iterator[tuple[slice, Array]]:
    """Places of some rows, and their cosines, shape [rows, others]; vectors are of length one."""
    for start in range(0, len(rows), AT_ONCE):
        places = slice(start, min(start + AT_ONCE, len(rows)))
        yield places, products(rows[places], others)

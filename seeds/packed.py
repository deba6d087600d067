"""Rows of numbers in a byte each, in a file without a name: a quarter of single precision, and none of the memory.

Each row is scaled so that its largest number is 127, rounded, and given its former length again (a scalar quantizer,
row by row), so that a cosine moves by less than .003. Of vectors with 384 numbers the error of a cosine has a standard
deviation of about .0005 (the step by the root of 12).

What is read often stays in the system's cache of files, which gives memory back when somebody needs it. The file is
gone when the process is, however it ends.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import finalize

from seedgate.files import os_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Numbers = NDArray[np.int64]
    Bytes = NDArray[np.int8]

__all__ = ["RowFile", "packed", "unpacked"]

_LEAST = 1e-30


def packed(rows: Array) -> tuple[Bytes, Array]:
    """Rows in single precision as bytes, shape [rows, width], and what to multiply each with, shape [rows]."""
    import numpy as np

    steps = np.maximum(np.abs(rows).max(1, initial=0), np.float32(_LEAST)) / np.float32(127)
    values = np.rint(rows / steps[:, None])
    lengths = np.linalg.norm(rows, axis=1), np.maximum(np.linalg.norm(values, axis=1), np.float32(1))
    return values.astype(np.int8), (lengths[0] / lengths[1]).astype(np.float32)


def unpacked(values: Bytes, scales: Array) -> Array:
    """What `packed` was given, but for rounding."""
    import numpy as np

    found: Array = values.astype(np.float32)
    found *= scales[:, None]
    return found


class RowFile:
    """Rows of bytes by place.

    Args:
        width: Bytes of a row.
    """

    def __init__(self, width: int) -> None:
        self._folder = Path(tempfile.gettempdir())
        with os_errors(self._folder, "writing a temporary file"), tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())
        finalize(self, os.close, self._file)
        self._width, self._end = width, 0

    def reserve(self, count: int) -> int:
        """The first of so many new places in a row; what was never written there is zero."""
        start, self._end = self._end, self._end + count
        with os_errors(self._folder, "writing a temporary file"):
            os.ftruncate(self._file, self._end * self._width)
        return start

    def write(self, place: int, values: Bytes) -> None:
        """Writes rows from a place on."""
        content, done = memoryview(values.tobytes()), 0
        with os_errors(self._folder, "writing a temporary file"):
            while done < len(content):
                done += os.pwrite(self._file, content[done:], place * self._width + done)

    def read(self, place: int, count: int) -> Bytes:
        """The rows from a place on, shape [count, width]."""
        import numpy as np

        found = np.empty((count, self._width), np.int8)
        content, done = found.data.cast("B"), 0
        with os_errors(self._folder, "reading a temporary file"):
            while done < len(content):
                got = os.preadv(self._file, [content[done:]], place * self._width + done)
                if not got:
                    raise OSError("it is shorter than it was")
                done += got
        return found

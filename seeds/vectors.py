"""Vectors of examples on disk, so that each is computed once: `.seedgate/embeddings.db`, rebuilt if it is lost.

A vector says much of its text, so it goes when the text is redacted: rows are named by the example's id, and
`keep_only` is told which may stay. SQLite without its write-ahead log, whose file would keep what was removed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seedgate.errors import SeedgateError
from seedgate.files import os_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["VectorStore"]

WAIT_S = 30.0
_CHUNK = 500
_TABLE = """CREATE TABLE IF NOT EXISTS vectors (
    space TEXT NOT NULL, id TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (space, id))"""


class VectorStore:
    """Vectors of one space: of one model, over the same fields of an example.

    A file that is damaged is removed and begun anew: nothing in it is the only copy of anything.

    Args:
        path: The database; need not exist.
        space: Names what the vectors can be compared within.
    """

    def __init__(self, path: Path, space: str) -> None:
        self.path, self.space = path, space

    def get(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Those of the ids that are there."""
        import numpy as np

        found: dict[str, NDArray[np.float32]] = {}
        if not self.path.exists():
            return found
        with _guarded(self.path), self._open() as connection:
            for part in _parts(ids):
                marks = ",".join("?" * len(part))
                query = f"SELECT id, vector FROM vectors WHERE space = ? AND id IN ({marks})"  # noqa: S608
                for id_, blob in connection.execute(query, (self.space, *part)):
                    found[id_] = np.frombuffer(blob, np.float16).astype(np.float32)
        return found

    def put(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Adds vectors in one transaction; one that is there stays as it is."""
        import numpy as np

        rows = [(self.space, id_, vector.astype(np.float16).tobytes()) for id_, vector in vectors.items()]
        if rows:
            with _guarded(self.path), self._open() as connection, connection:
                connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            with os_errors(self.path, "writing"):
                self.path.touch(mode=0o600)
        with closing(sqlite3.connect(self.path, timeout=WAIT_S)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(_TABLE)
            yield connection

    @staticmethod
    def keep_only(path: Path, ids: Collection[str]) -> int:
        """Removes the vectors of all other ids, of every space, overwriting their bytes; says how many."""
        gone: set[str] = set()
        if not path.exists():
            return 0
        with _guarded(path), closing(sqlite3.connect(path, timeout=WAIT_S)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(_TABLE)
            known = {row[0] for row in connection.execute("SELECT DISTINCT id FROM vectors")}
            gone = known - set(ids)
            with connection:
                connection.executemany("DELETE FROM vectors WHERE id = ?", [(id_,) for id_ in gone])
            if gone:
                connection.execute("VACUUM")
        return len(gone)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise SeedgateError(
            f"{path}: {error}", hint="free space or end what holds it, then run again"
        ) from error
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)

"""Vectors of a workspace's examples: in memory, else on disk, else computed; many at once, since that is faster.

They are rounded to half precision (a cosine moves by less than 1e-4), in memory as on disk: what is compared is the
same whether it was just computed or stored by an earlier run, on whatever processor that ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.records import Example
from seedgate.seeds.content import text_of
from seedgate.seeds.embedding import Embedder, embedder_of
from seedgate.seeds.vectors import VectorStore
from seedgate.task import Task
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["VECTORS_NAME", "Meanings", "can_be_compared", "held_rows"]

VECTORS_NAME = "embeddings.db"
"""In `.seedgate`."""

FLUSH = 1024
MOST_HELD = 4096
_CHUNK = 512


class Meanings:
    """Examples to vectors of their input texts.

    Args:
        task: Says which fields are the input.
        store: Where vectors last; in memory only if not given.
    """

    def __init__(self, task: Task, embedder: Embedder, store: VectorStore | None = None) -> None:
        self._task = task
        self._embedder = embedder
        self._store = store
        self._held: dict[str, NDArray[np.float32]] = {}
        self._unsaved: dict[str, NDArray[np.float32]] = {}

    @classmethod
    def for_workspace(cls, ws: Workspace) -> Meanings:
        """Those of a workspace, with its configured model."""
        embedder = embedder_of(ws)
        space = space_of(ws.task, embedder)
        return cls(ws.task, embedder, VectorStore(ws.state_dir / VECTORS_NAME, space))

    @property
    def identity(self) -> str:
        """The model's."""
        return self._embedder.identity

    @property
    def space(self) -> str:
        """Equal for vectors that can be compared."""
        return space_of(self._task, self._embedder)

    def vectors(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Shape [examples, width]; for rows that stay, so each is stored."""
        import numpy as np

        parts = [self._known(examples[start : start + _CHUNK]) for start in range(0, len(examples), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def prepare(self, examples: Sequence[Example], *, stored: bool = False) -> None:
        """Computes at once what `of` will be asked for one by one; `stored`: the examples are rows that stay."""
        fresh = {each.id: each for each in examples if each.id not in self._held}
        if not fresh:
            return
        if len(self._held) + len(fresh) > MOST_HELD:
            self._held.clear()
            fresh = {each.id: each for each in examples}
        found = self._store.get(list(fresh)) if self._store else {}
        missing = [each for id_, each in fresh.items() if id_ not in found]
        computed = dict(zip((each.id for each in missing), self._computed(missing), strict=True))
        if self._store and stored:
            self._store.put(computed)
        self._held |= found | computed

    def of(self, example: Example) -> NDArray[np.float32]:
        """The vector of one example, which may never be a row."""
        self.prepare([example])
        return self._held[example.id]

    def held(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Those of several, shape [examples, width]; none of them need ever be a row."""
        import numpy as np

        self.prepare(examples)
        return np.stack([self._held[each.id] for each in examples])

    def keep(self, example: Example) -> None:
        """Stores the vector of one that became a row; some at a time, the last ones when they are next asked for."""
        self._unsaved[example.id] = self.of(example)
        if self._store and len(self._unsaved) >= FLUSH:
            self._store.put(self._unsaved)
            self._unsaved.clear()

    def _known(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        import numpy as np

        found = self._store.get([each.id for each in examples]) if self._store else {}
        missing = list({each.id: each for each in examples if each.id not in found}.values())
        fresh = dict(zip((each.id for each in missing), self._computed(missing), strict=True))
        if self._store:
            self._store.put(fresh)
        return np.stack([(found | fresh)[each.id] for each in examples])

    def _computed(self, examples: Sequence[Example]) -> Sequence[NDArray[np.float32]]:
        import numpy as np

        if not examples:
            return []
        vectors = self._embedder.embed([text_of(self._task, each.fields) for each in examples])
        return list(vectors.astype(np.float16).astype(np.float32))


def can_be_compared(task: Task, fields: Mapping[str, Any]) -> bool:
    """Whether a row has what the task as declared today compares; another declaration made it, if not."""
    return fields.keys() >= {field.name for field in task.fields if field.required}


def held_rows(ws: Workspace, ids: Sequence[str]) -> Iterator[list[Example]]:
    """Rows by id, in their order and some at a time, without those that are gone or can't be compared."""
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        bodies = ws.ledger.bodies(part)
        rows = [bodies[id_] for id_ in part if id_ in bodies and can_be_compared(ws.task, bodies[id_])]
        if rows:
            yield [Example(fields=fields) for fields in rows]


def space_of(task: Task, embedder: Embedder) -> str:
    """The same id has another text where other fields are the input, so those are part of the space."""
    return content_hash([embedder.identity, [field.name for field in task.inputs]])

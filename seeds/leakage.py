"""Whether content leaks from the evaluation set: equal, nearly equal in letters, or the same in meaning (G7).

One definition for seeds, candidates, edits and releases. For meaning, a text leaks if it is more like a row of the
set than the set's own rows are like each other, but for one in a hundred: people wrote those independently, so what
is nearer than that was hardly written without knowing the row. That cosine differs from task to task (.78 on grade
school mathematics, .96 to .99 on short questions to a bank), so it is measured by `seeds lock` and fixed there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from seedgate.errors import RefusedError
from seedgate.ledger import Ledger
from seedgate.records import Example
from seedgate.seeds.content import text_of
from seedgate.seeds.meaning import Meanings
from seedgate.seeds.meaning_index import CLOSE, cosines, nearest_other, products
from seedgate.seeds.near import NearIndex
from seedgate.task import Task
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Leak", "LeakCheck", "SemanticBound", "allowed", "calibrated", "locked_bound"]

LEVEL = 0.01
"""The share of independent texts that may be taken for leaks."""

LEAST, MOST = 0.75, 0.99
"""Where the measured threshold is held: rows of a set that is small or far apart say little about its own alikeness,
and one whose rows repeat each other must not make everything independent."""

_CHUNK = 1024

Kind = Literal["exact", "near", "semantic"]


class SemanticBound(BaseModel):
    """From where two texts mean the same, as the lock records it.

    Attributes:
        model: The embedder's identity.
        threshold: Least cosine that is a leak.
        chosen: By whom: measured on the set, or named in the policy.
        alike: Share of the set's rows that another one of them is as like: what to expect of independent texts.
        alike_high: Upper end of its 95 % interval (Clopper-Pearson).
    """

    model_config = ConfigDict(frozen=True)

    model: str
    threshold: float
    chosen: Literal["measured", "policy"]
    alike: float
    alike_high: float

    def __str__(self) -> str:
        by = "named in [policy]" if self.chosen == "policy" else "measured on these rows"
        return (
            f"a text leaks in meaning from a cosine of {self.threshold:.3f} ({by}, {self.model}); "
            f"{self.alike:.1%} of independent texts would (95 %: up to {self.alike_high:.1%})"
        )


def calibrated(vectors: NDArray[np.float32], model: str, policy: float = 0.0) -> SemanticBound:
    """The bound for an evaluation set.

    Args:
        vectors: Those of its rows, shape [rows, width].
        model: The embedder's identity.
        policy: A threshold that a person has named; 0 for none.
    """
    import numpy as np
    from scipy.stats import beta

    nearest = np.sort(nearest_other(vectors))[::-1]
    if policy:
        threshold = policy
    elif len(nearest) < 2:
        threshold = LEAST
    else:
        measured = math.floor(float(nearest[allowed(len(nearest))]) * 1000 + 1) / 1000
        threshold = min(max(measured, LEAST), MOST)
    count, over = max(len(nearest), 1), int((nearest >= threshold).sum())
    high = float(beta.ppf(0.975, over + 1, count - over)) if over < count else 1.0
    chosen: Literal["measured", "policy"] = "policy" if policy else "measured"
    return SemanticBound(
        model=model,
        threshold=round(threshold, 4),
        chosen=chosen,
        alike=round(over / count, 4),
        alike_high=round(high, 4),
    )


def allowed(n: int) -> int:
    """How many of n independent texts may lie above the threshold, so that a further one does with `LEVEL` at most.

    The quantile of conformal prediction (Vovk et al. 2005), which holds in the mean for any n and distribution.

    >>> [allowed(n) for n in (50, 160, 1000)]
    [0, 0, 9]
    """
    return max(n - math.ceil((1 - LEVEL) * (n + 1)), 0)


def locked_bound(ledger: Ledger) -> SemanticBound | None:
    """What the lock recorded; the first lock counts, whatever shortened it later."""
    event = next(ledger.events("eval.locked"), None)
    recorded = event.payload.get("semantic") if event else None
    return SemanticBound.model_validate(recorded) if recorded else None


class Leak(NamedTuple):
    """What a text leaks from: the row's id, and how near it is (Jaccard of letters, or cosine)."""

    kind: Kind
    row: str
    likeness: float

    def __str__(self) -> str:
        row = f"row {self.row[:12]} of the evaluation set"
        if self.kind == "exact":
            return f"equals {row}"
        return f"{self.likeness:.2f} like {row}" + (" in meaning" if self.kind == "semantic" else "")


class LeakCheck:
    """Compares examples with an evaluation set; letters first, since that is cheap.

    Args:
        near_duplicate: The Jaccard similarity of character 5-grams from which two texts are the same.
        meanings: Vectors; without them letters alone count, as fits tests of letters only.
        bound: From where two texts mean the same; measured on the set if not given.

    Attributes:
        meanings: As given; None where there is nothing to compare with.
    """

    def __init__(
        self,
        task: Task,
        evaluation: Sequence[Example],
        near_duplicate: float,
        meanings: Meanings | None = None,
        bound: SemanticBound | None = None,
    ) -> None:
        self._task = task
        self._rows = list({each.id: each for each in evaluation}.values())
        self._ids = {each.id for each in self._rows}
        self._index = NearIndex(near_duplicate)
        for example in self._rows:
            self._index.add(example.id, text_of(task, example.fields))
        self.meanings = meanings if self._rows else None
        self._given = bound
        self._far: set[str] = set()
        self._apart: set[str] = set()

    @classmethod
    def for_workspace(cls, ws: Workspace, evaluation: Sequence[Example]) -> LeakCheck:
        """The check that a workspace's lock asks for; before one, what its policy would lock.

        Raises:
            RefusedError: The configured embeddings are not those of the lock.
        """
        meanings, policy = Meanings.for_workspace(ws), ws.config.policy.semantic_leak
        bound = locked_bound(ws.ledger)
        if bound is None and policy and evaluation:
            bound = calibrated(meanings.vectors(evaluation), meanings.identity, policy)
        elif bound is not None and bound.model != meanings.identity:
            raise RefusedError(
                f"the evaluation set was locked with embeddings of {bound.model}, "
                f"[embeddings] in seedgate.toml names {meanings.identity}",
                hint="put the former back, or make a new workspace",
            )
        return cls(ws.task, evaluation, ws.near_duplicate, meanings, bound)

    @cached_property
    def bound(self) -> SemanticBound | None:
        """From where two texts mean the same; None if that is not asked."""
        if self.meanings is None:
            return None
        return self._given or calibrated(self._vectors, self.meanings.identity)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        assert self.meanings is not None  # noqa: S101  for the type checker
        return self.meanings.vectors(self._rows)

    def prepare(self, examples: Sequence[Example], *, stored: bool = False) -> None:
        """Computes at once what `find` needs of each; `stored`: for rows that stay."""
        self._apart, self._far = set(), set()
        for start in range(0, len(examples), _CHUNK):
            part = examples[start : start + _CHUNK]
            apart = self._index.apart([text_of(self._task, each.fields) for each in part])
            self._apart |= {each.id for each, alone in zip(part, apart, strict=True) if alone}
        if self.meanings is None or self.bound is None:
            return
        limit = self.bound.threshold - CLOSE
        for start in range(0, len(examples), _CHUNK):
            part = examples[start : start + _CHUNK]
            self.meanings.prepare(part, stored=stored)
            likeness = products(self.meanings.held(part), self._vectors).max(1)
            self._far |= {each.id for each, most in zip(part, likeness, strict=True) if most < limit}

    def find(self, example: Example) -> Leak | None:
        """What the example leaks from, None if from nothing."""
        if example.id in self._ids:
            return Leak("exact", example.id, 1.0)
        if example.id not in self._apart:
            near = self._index.nearest(text_of(self._task, example.fields))
            if near is not None:
                return Leak("near", *near)
        if self.meanings is None or self.bound is None:
            return None
        if example.id in self._far:
            return None
        likeness = cosines(self._vectors, self.meanings.of(example))
        place = int(likeness.argmax())
        cosine = round(float(likeness[place]), 4)
        return Leak("semantic", self._rows[place].id, cosine) if cosine >= self.bound.threshold else None

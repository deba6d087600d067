"""Seeds that say the same in other words: repeated if the output agrees, suspicious if it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seedgate.records import Example
from seedgate.seeds.content import output_of, text_of
from seedgate.seeds.findings import Finding
from seedgate.seeds.meaning_index import MeaningIndex
from seedgate.seeds.near import jaccard
from seedgate.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["repetitions"]


def repetitions(
    seeds: Sequence[Example],
    task: Task,
    vectors: NDArray[np.float32],
    *,
    threshold: float,
    near_duplicate: float,
) -> Iterator[Finding]:
    """For each seed the earlier one nearest in meaning with the same output, and with another one.

    Args:
        vectors: Those of the seeds, shape [seeds, width].
        threshold: Cosine from which two texts say the same.
        near_duplicate: Likeness in letters from which the comparison of letters has told of the pair already.
    """
    index = MeaningIndex()
    first: dict[str, Example] = {}
    for seed, vector in zip(seeds, vectors, strict=True):
        told: set[bool] = set()
        text, output = text_of(task, seed.fields), output_of(task, seed.fields)
        for id_, cosine in index.all_near(vector, threshold):
            other = first[id_]
            agrees = output_of(task, other.fields) == output
            if agrees in told or jaccard(text, text_of(task, other.fields)) >= near_duplicate:
                continue
            told.add(agrees)
            yield _finding((other.source, seed.source), agrees, cosine)
        if seed.id not in first:
            first[seed.id] = seed
            index.add([seed.id], vector[None])


def _finding(rows: tuple[str, str], agrees: bool, cosine: float) -> Finding:
    if agrees:
        return Finding(
            code="semantic_duplicate",
            severity="warning",
            rows=rows,
            what=f"the inputs mean the same ({cosine:.3f}), with the same output",
            advice="keep both only if each adds something",
        )
    return Finding(
        code="semantic_conflict",
        severity="warning",
        rows=rows,
        what=f"the inputs mean the same ({cosine:.3f}), with different outputs",
        advice="make sure that both are right",
    )

"""How far the rows that one release adds are from the rows of another, in meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any, NamedTuple

from seedgate.finetune.diff_records import Distance, Novelty
from seedgate.generator.filters.semantic import repetition_cosine
from seedgate.records import Example
from seedgate.seeds import MeaningIndex, Meanings, output_of, verified_seeds
from seedgate.seeds.meaning import can_be_compared, held_rows
from seedgate.workspace import Workspace

__all__ = ["Nearest", "novelty"]

BATCH = 512
SAMPLE = 500
"""Rows of the first release whose own nearest neighbour is looked up: what is usual there needs no more."""


class Nearest(NamedTuple):
    """The row of the first release that is nearest to an added one; `agrees`: whether a near row has its output."""

    nearest: str
    cosine: float
    near: bool
    agrees: bool | None


def novelty(
    ws: Workspace, before: Sequence[str], added: Mapping[str, Mapping[str, Any]]
) -> tuple[Novelty | None, dict[str, Nearest]]:
    """The whole and, by id, each added row; nothing if there is nothing to compare.

    Vectors are the workspace's stored ones; the nearest is found as `MeaningIndex` finds it: beside each row while
    these are some thousands, beside those around it from there on. In memory are the first release's vectors, a batch
    of the added rows, and no text of rows that both have.

    Args:
        ws: The workspace.
        before: Ids of the first release's rows; what was redacted since, or is of another task, is passed over.
        added: Id to content of the rows that only the second one has.
    """
    meanings = Meanings.for_workspace(ws)
    index, known = MeaningIndex(), []
    for rows in held_rows(ws, before):
        index.add([row.id for row in rows], meanings.vectors(rows))
        known += [row.id for row in rows]
    fitting = [id_ for id_, fields in added.items() if can_be_compared(ws.task, fields)]
    if not known or not fitting:
        return None, {}
    threshold = repetition_cosine(ws, verified_seeds(ws)[0].values(), meanings)
    found: dict[str, Nearest] = {}
    for start in range(0, len(fitting), BATCH):
        ids = fitting[start : start + BATCH]
        vectors = meanings.vectors([Example(fields=dict(added[id_])) for id_ in ids])
        pairs = dict(zip(ids, index.nearest_each(vectors), strict=True))
        found |= _judged(ws, added, pairs, threshold)
    near = sum(each.near for each in found.values())
    return Novelty(
        model=meanings.identity,
        threshold=threshold,
        new=len(found) - near,
        near=near,
        conflicting=sum(each.agrees is False for each in found.values()),
        added=_distance([1 - each.cosine for each in found.values()]),
        within=_within(ws, index, meanings, known),
    ), found


def _judged(
    ws: Workspace,
    added: Mapping[str, Mapping[str, Any]],
    pairs: Mapping[str, tuple[str, float]],
    threshold: float,
) -> Iterator[tuple[str, Nearest]]:
    bodies = ws.ledger.bodies({other for other, cosine in pairs.values() if cosine >= threshold})
    for id_, (other, cosine) in pairs.items():
        near = cosine >= threshold
        agrees = output_of(ws.task, bodies[other]) == output_of(ws.task, added[id_]) if near else None
        yield id_, Nearest(other, cosine, near, agrees)


def _within(ws: Workspace, index: MeaningIndex, meanings: Meanings, known: Sequence[str]) -> Distance | None:
    if len(known) < 2:
        return None
    step = -(-len(known) // SAMPLE)
    distances: list[float] = []
    for rows in held_rows(ws, known[::step]):
        for row, vector in zip(rows, meanings.vectors(rows), strict=True):
            nearest = index.nearest(vector, ignore=(row.id,))
            distances += [1 - nearest[1]] if nearest else []
    return _distance(distances)


def _distance(values: Sequence[float]) -> Distance:
    # Rounded vectors may give a cosine a hair above 1.
    own = [max(value, 0.0) for value in values]
    return Distance(len(own), round(fmean(own), 4), round(median(own), 4), round(max(own), 4))

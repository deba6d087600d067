"""What approved rows add to the seeds' clusters of meaning: the map of `seeds check`, before and after.

The clusters stay those of the seeds: a row counts where the nearest middle is, or as outside of all where that is
further away than nearly every seed is from the other seeds of its cluster. Vectors are the workspace's stored ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedgate.errors import SeedgateError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seedgate.records import Decision
    from seedgate.seeds import Meanings
    from seedgate.workspace import Workspace

__all__ = ["OUTSIDE", "meaning"]

OUTSIDE = 0.01
"""A row is outside if it is further from every middle than all but this share of the seeds are from the others'."""

_NOWHERE = -1


def meaning(ws: Workspace, found: Mapping[str, Decision]) -> dict[str, Any]:
    """`meaning`: the seeds' clusters with seeds and approved rows, those that are thin, and rows outside of all.

    Thin is a cluster with at most a quarter of an even share of the rows (`seedgate.seeds.gaps`): of the seeds before,
    of seeds and approved rows after. Where there is no map, `clusters` is empty and `said` tells why.

    Args:
        ws: The workspace.
        found: The gate's word on every candidate.
    """
    approved = [id_ for id_, decision in found.items() if decision.outcome == "approved"]
    try:
        return {"meaning": _meaning(ws, approved)}
    except SeedgateError as error:  # a report is not worth less for a model that cannot be reached
        return {"meaning": _none(f"what texts mean cannot be computed: {error.message}")}


def _none(why: str) -> dict[str, Any]:
    return {
        "clusters": [],
        "thin": None,
        "rows": 0,
        "outside": 0,
        "nearness": None,
        "model": None,
        "said": why,
    }


def _meaning(ws: Workspace, approved: list[str]) -> dict[str, Any]:
    from seedgate.seeds import Meanings, verified_seeds
    from seedgate.seeds.coverage import LEAST_SEEDS, clusters_of, coverage_in
    from seedgate.seeds.gaps import thin_clusters

    seeds = list(verified_seeds(ws)[0].values())
    if len(seeds) < LEAST_SEEDS:
        return _none(f"of fewer than {LEAST_SEEDS} verified seeds there is no map of meaning")
    meanings = Meanings.for_workspace(ws)
    vectors = meanings.vectors(seeds)
    clusters = clusters_of(seeds, ws.task, vectors)
    if clusters is None:
        return _none("the seeds' texts are all the same: there is no map of meaning")
    nearness = _nearness(vectors, clusters.belongs)
    added = _added(ws, meanings, approved, clusters.middles, nearness)
    outside = added.pop(_NOWHERE, 0)
    held = coverage_in(clusters, seeds, ws.task, vectors).clusters
    before = thin_clusters([each.seeds for each in held])
    after = thin_clusters([each.seeds + added[place] for place, each in enumerate(held)])
    told = {
        "clusters": [
            {
                "name": each.name,
                "text": each.text,
                "seeds": each.seeds,
                "approved": added[place],
                "thin_before": place in before,
                "thin_after": place in after,
            }
            for place, each in enumerate(held)
        ],
        "thin": {"before": len(before), "after": len(after)},
        "rows": added.total() + outside,
        "outside": outside,
        "nearness": round(nearness, 4),
        "model": meanings.identity,
    }
    return {**told, "said": _said(told)}


def _nearness(vectors: NDArray[np.float32], belongs: NDArray[np.int64]) -> float:
    """The cosine that all but `OUTSIDE` of the seeds reach with the middle of the others in their cluster.

    Of the others, since a seed draws the middle towards itself, as an approved row does not.
    """
    import numpy as np

    sums = np.zeros((int(belongs.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, belongs, vectors)
    others = sums[belongs] - vectors
    lengths = np.linalg.norm(others, axis=1)
    some = np.bincount(belongs)[belongs] > 1
    own = sorted(((vectors * others).sum(1)[some] / np.maximum(lengths[some], 1e-9)).tolist())
    return float(own[int(OUTSIDE * len(own))])


def _added(
    ws: Workspace, meanings: Meanings, approved: list[str], middles: NDArray[np.float32], nearness: float
) -> Counter[int]:
    """How many rows are nearest to each middle, and to none of them near enough."""
    from seedgate.seeds.meaning import held_rows
    from seedgate.seeds.meaning_index import products

    found: Counter[int] = Counter()
    for rows in held_rows(ws, approved):
        likeness = products(meanings.vectors(rows), middles)
        places, inside = likeness.argmax(1).tolist(), (likeness.max(1) >= nearness).tolist()
        found.update(place if near else _NOWHERE for place, near in zip(places, inside, strict=True))
    return found


def _said(told: Mapping[str, Any]) -> str:
    thin = told["thin"]
    return (
        f"Of the {len(told['clusters'])} clusters of meaning that the seeds form, {thin['before']} had few seeds and"
        f" {thin['after']} have few rows with what is approved; {told['outside']:,} of {told['rows']:,} approved rows"
        " are outside all of them."
    )

"""What is thin or missing in the map of coverage, in words.

All of it is information: what is rare in life may be rare among the seeds. But generation is shown the seeds and
returns more of what it sees, so a gap here is a gap in what is made of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from seedgate.seeds.coverage import Coverage
from seedgate.seeds.findings import MOST_ROWS, Finding

__all__ = [
    "BORDER_SEEDS",
    "BORDER_SHARE",
    "EXPECTED",
    "THIN_SHARE",
    "gaps",
    "missing_cells",
    "thin_cells",
    "thin_clusters",
]

EXPECTED = 3.0
"""A tag is missed where so many seeds with it would be expected if it came everywhere alike; then none is no chance
(probability e^-3, .05)."""

THIN_SHARE = 0.25
"""Thin: at most this share of what is expected, or of an even split."""

BORDER_SEEDS, BORDER_SHARE = 3, 0.2
"""A label is missed in a cluster that is the second nearest to so many of its seeds, and to this share of them."""


def thin_clusters(counts: Sequence[int]) -> set[int]:
    """Places of the clusters with so few of the rows.

    >>> thin_clusters([20, 2, 30])
    {1}
    """
    even = sum(counts) / len(counts)
    return {place for place, count in enumerate(counts) if count <= THIN_SHARE * even}


def missing_cells(coverage: Coverage) -> set[tuple[str, int]]:
    """Label and cluster: none there, though the label comes close to it."""
    seeds: Counter[str] = Counter()
    for cell in coverage.cells:
        seeds[cell.label] += 0 if cell.tag else cell.seeds
    return {
        (label, cluster)
        for label, cluster, count in coverage.borders
        if count >= max(BORDER_SEEDS, BORDER_SHARE * seeds[label])
    }


def thin_cells(coverage: Coverage) -> set[tuple[str, int]]:
    """Label and cluster: a single seed, where the label has others elsewhere."""
    if coverage.labels == ("",):
        return set()
    return {(cell.label, cell.cluster) for cell in coverage.cells if not cell.tag and cell.seeds == 1}


def gaps(coverage: Coverage) -> Iterator[Finding]:
    """One finding for each thin cluster, each label's thin and missing places, and each tag that is missed."""
    yield from _clusters(coverage)
    yield from _labels(coverage)
    yield from _tags(coverage)


def _clusters(coverage: Coverage) -> Iterator[Finding]:
    counts = [cluster.seeds for cluster in coverage.clusters]
    total, thin = sum(counts), thin_clusters(counts)
    for place, cluster in enumerate(coverage.clusters):
        if place in thin:
            yield Finding(
                code="thin",
                severity="info",
                rows=cluster.rows[:MOST_ROWS],
                what=f"only {cluster.seeds} of {total} seeds are about {cluster.name!r}",
                advice="add more, if such texts come up",
            )


def _labels(coverage: Coverage) -> Iterator[Finding]:
    rows = {(cell.label, cell.cluster): cell.rows for cell in coverage.cells if not cell.tag}
    thin, missing = thin_cells(coverage), missing_cells(coverage)
    for label in coverage.labels:
        single = [c for c in range(len(coverage.clusters)) if (label, c) in thin]
        if single:
            yield Finding(
                code="thin",
                severity="info",
                rows=tuple(rows[label, cluster][0] for cluster in single)[:MOST_ROWS],
                what=f"{label!r} has a single seed about {_named(coverage, single)}",
                advice="add more there, if such texts come up",
            )
        absent = [c for c in range(len(coverage.clusters)) if (label, c) in missing]
        if absent:
            yield Finding(
                code="missing",
                severity="info",
                rows=tuple(coverage.clusters[cluster].medoid for cluster in absent)[:MOST_ROWS],
                what=f"{label or 'the map'!r} has no seed about {_named(coverage, absent)}, though it comes close",
                advice="write some, unless the label does not go there",
            )


def _named(coverage: Coverage, clusters: list[int]) -> str:
    return "; ".join(repr(coverage.clusters[cluster].name) for cluster in clusters)


def _tags(coverage: Coverage) -> Iterator[Finding]:
    """A tag in a label or a cluster against what its share of all seeds lets expect."""
    by_label: dict[tuple[str, str], int] = defaultdict(int)
    by_cluster: dict[tuple[str, int], int] = defaultdict(int)
    for cell in coverage.cells:
        by_label[cell.tag, cell.label] += cell.seeds
        by_cluster[cell.tag, cell.cluster] += cell.seeds
    total = sum(by_label["", label] for label in coverage.labels)
    for tag in coverage.tags:
        share = sum(by_label[tag, label] for label in coverage.labels) / total
        for label in coverage.labels:
            yield from _tag(
                coverage, tag, f"{label!r}", by_label[tag, label], share * by_label["", label], label
            )
        for number, cluster in enumerate(coverage.clusters):
            expected = share * by_cluster["", number]
            yield from _tag(
                coverage, tag, f"those about {cluster.name!r}", by_cluster[tag, number], expected, number
            )


def _tag(
    coverage: Coverage, tag: str, where: str, count: int, expected: float, place: str | int
) -> Iterator[Finding]:
    if expected < EXPECTED or count > THIN_SHARE * expected:
        return
    rows = [
        row
        for cell in coverage.cells
        if cell.tag == tag and place in (cell.label, cell.cluster)
        for row in cell.rows
    ]
    yield Finding(
        code="thin" if count else "missing",
        severity="info",
        rows=tuple(dict.fromkeys(rows))[:MOST_ROWS],
        what=f"of {where} {count or 'none'} tagged {tag!r}, where {expected:.0f} would be the same share as elsewhere",
        advice="tag or write some, if they come up",
    )

"""What seeds cover: a map of labels, tags and clusters of meaning, with how many seeds lie in each cell.

Clusters come from k-means on the embeddings, the same ones for the same rows. Each is described by the words that are
commoner in it than elsewhere and by its medoid, the row nearest to its middle. They stand in the order of the labels
that they hold, so that the map is read along its diagonal.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from seedgate.records import Example
from seedgate.seeds.content import text_of
from seedgate.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LEAST_SEEDS",
    "Cell",
    "Cluster",
    "Clusters",
    "Coverage",
    "clusters_of",
    "coverage_in",
    "coverage_of",
    "values_of",
]

LEAST_SEEDS = 40
"""Of fewer seeds there is no map: a cluster would be a handful."""

MOST_CLUSTERS = 24
MOST_TAGS = 6
WORDS = 3
_WORD = re.compile(r"[^\W\d_][\w'’-]+")
_TEXT_CHARS = 80


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Cluster(_Part):
    """Seeds that are near in meaning.

    Attributes:
        words: Commoner here than elsewhere, the most typical first.
        medoid, text: Source and beginning of the row nearest to the middle.
        seeds: How many there are.
        rows: Their sources.
    """

    words: tuple[str, ...]
    medoid: str
    text: str
    seeds: int
    rows: tuple[str, ...]

    @property
    def name(self) -> str:
        """The words, or the text where no word is typical."""
        return ", ".join(self.words) or self.text


class Clusters(NamedTuple):
    """Middles of length one, shape [clusters, width], and the cluster of each seed, shape [seeds]."""

    middles: NDArray[np.float32]
    belongs: NDArray[np.int64]


class Cell(_Part):
    """A cell of the map that is not empty.

    Attributes:
        label: "" where the task has no labels.
        tag: "" for all seeds, with and without tags.
        cluster: Its place in `Coverage.clusters`.
        rows: Sources of the seeds in it.
    """

    label: str
    tag: str
    cluster: int
    seeds: int
    rows: tuple[str, ...]


class Coverage(_Part):
    """The map.

    Attributes:
        labels: Of the first field with labels, in the task's order; ("",) if it has none.
        tags: The most frequent ones, `MOST_TAGS` at most.
        cells: Those with seeds, by label, tag and cluster.
        borders: Label and cluster where the label has no seed, but the cluster is the second nearest to some of its
            seeds; with how many.
    """

    labels: tuple[str, ...]
    tags: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    cells: tuple[Cell, ...]
    borders: tuple[tuple[str, int, int], ...]

    def counts(self) -> dict[tuple[str, str, int], int]:
        """Seeds by label, tag ("" for all) and cluster; only where there are some."""
        return {(cell.label, cell.tag, cell.cluster): cell.seeds for cell in self.cells}


def coverage_of(seeds: Sequence[Example], task: Task, vectors: NDArray[np.float32]) -> Coverage | None:
    """The map of seeds; None if they are fewer than `LEAST_SEEDS`, or all the same.

    Args:
        vectors: Those of the seeds, shape [seeds, width].
    """
    clusters = clusters_of(seeds, task, vectors)
    return None if clusters is None else coverage_in(clusters, seeds, task, vectors)


def clusters_of(seeds: Sequence[Example], task: Task, vectors: NDArray[np.float32]) -> Clusters | None:
    """The clusters of the map, in its order; None where there is no map. See `coverage_of`."""
    import numpy as np

    if len(seeds) < LEAST_SEEDS:
        return None
    middles, belongs = _clustered(vectors)
    if len(middles) < 2:
        return None
    order = _order(belongs, [values_of(seed, task) for seed in seeds], _labels(task))
    return Clusters(middles[order], np.argsort(order)[belongs])


def coverage_in(
    clusters: Clusters, seeds: Sequence[Example], task: Task, vectors: NDArray[np.float32]
) -> Coverage:
    """The map over clusters that were found already."""
    middles, belongs = clusters
    tags = tuple(
        tag for tag, _ in Counter(t for seed in seeds for t in set(seed.tags)).most_common(MOST_TAGS)
    )
    cells = _cells(seeds, task, belongs.tolist(), tags)
    return Coverage(
        labels=_labels(task),
        tags=tags,
        clusters=_described(seeds, task, vectors, middles, belongs),
        cells=cells,
        borders=_borders(seeds, task, vectors @ middles.T, belongs.tolist(), cells),
    )


def values_of(seed: Example, task: Task) -> tuple[str, ...]:
    """The labels under which a seed counts; ("",) if the task has none."""
    field = next((field for field in task.outputs if field.labels), None)
    if field is None:
        return ("",)
    value = seed.fields.get(field.name)
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _labels(task: Task) -> tuple[str, ...]:
    return next((field.labels for field in task.outputs if field.labels), ("",))


def _clustered(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Middles of length one and the cluster of each row; the square root of half the rows of them."""
    import numpy as np
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    distinct = len(np.unique(vectors, axis=0))
    wanted = min(max(2, round(math.sqrt(len(vectors) / 2))), MOST_CLUSTERS, distinct)
    with threadpool_limits(1):  # sums in the same order, so the same clusters
        found = KMeans(wanted, n_init=5, random_state=0).fit(vectors)
    middles = found.cluster_centers_
    lengths = np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-9)
    return np.asarray(middles / lengths, np.float32), np.asarray(found.labels_, np.int64)


def _order(belongs: NDArray[np.int64], values: Sequence[tuple[str, ...]], labels: Sequence[str]) -> list[int]:
    """The clusters by the mean place of their seeds' labels."""
    place = {label: number for number, label in enumerate(labels)}
    sums: dict[int, list[int]] = {}
    for cluster, owned in zip(belongs.tolist(), values, strict=True):
        sums.setdefault(cluster, []).extend(place[label] for label in owned if label in place)
    means = {cluster: sum(places) / max(len(places), 1) for cluster, places in sums.items()}
    return sorted(means, key=lambda cluster: (means[cluster], cluster))


def _cells(
    seeds: Sequence[Example], task: Task, belongs: Sequence[int], tags: Sequence[str]
) -> tuple[Cell, ...]:
    held: dict[tuple[str, str, int], list[str]] = {}
    for seed, cluster in zip(seeds, belongs, strict=True):
        for label in values_of(seed, task):
            for tag in ("", *(tag for tag in tags if tag in seed.tags)):
                held.setdefault((label, tag, cluster), []).append(seed.source)
    places = {label: number for number, label in enumerate(_labels(task))}
    ranks = {tag: number for number, tag in enumerate(("", *tags))}
    ordered = sorted(held, key=lambda key: (places.get(key[0], -1), ranks[key[1]], key[2]))
    return tuple(
        Cell(label=label, tag=tag, cluster=cluster, seeds=len(rows), rows=tuple(rows))
        for label, tag, cluster in ordered
        for rows in (held[label, tag, cluster],)
    )


def _borders(
    seeds: Sequence[Example],
    task: Task,
    nearness: NDArray[np.float32],
    belongs: Sequence[int],
    cells: Sequence[Cell],
) -> tuple[tuple[str, int, int], ...]:
    occupied = {(cell.label, cell.cluster) for cell in cells}
    found: Counter[tuple[str, int]] = Counter()
    for seed, near, own in zip(seeds, nearness, belongs, strict=True):
        near = near.copy()
        near[own] = -2
        second = int(near.argmax())
        found.update((label, second) for label in values_of(seed, task) if (label, second) not in occupied)
    return tuple((label, cluster, count) for (label, cluster), count in sorted(found.items()))


def _described(
    seeds: Sequence[Example],
    task: Task,
    vectors: NDArray[np.float32],
    middles: NDArray[np.float32],
    belongs: NDArray[np.int64],
) -> tuple[Cluster, ...]:
    import numpy as np

    words = [_words(text_of(task, seed.fields)) for seed in seeds]
    everywhere = Counter(word for each in words for word in each)
    out = []
    for number, middle in enumerate(middles):
        places = np.flatnonzero(belongs == number)
        medoid = seeds[int(places[int((vectors[places] @ middle).argmax())])]
        text = " ".join(text_of(task, medoid.fields).split())
        out.append(
            Cluster(
                words=_typical([words[place] for place in places.tolist()], everywhere, len(seeds)),
                medoid=medoid.source,
                text=text if len(text) <= _TEXT_CHARS else text[: _TEXT_CHARS - 3] + "...",
                seeds=len(places),
                rows=tuple(seeds[place].source for place in places.tolist()),
            )
        )
    return tuple(out)


def _words(text: str) -> set[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = {word.replace("’", "'") for word in _WORD.findall(text.casefold())}
    return {word for word in found if word.partition("'")[0] not in ENGLISH_STOP_WORDS}


def _typical(inside: Sequence[set[str]], everywhere: Counter[str], total: int) -> tuple[str, ...]:
    """The words with the greatest difference between their share of the texts inside and outside."""
    here = Counter(word for each in inside for word in each)
    outside = max(total - len(inside), 1)
    gain = {word: n / len(inside) - (everywhere[word] - n) / outside for word, n in here.items()}
    ranked = sorted(
        (word for word in gain if here[word] > 1 or len(inside) < 3), key=lambda word: (-gain[word], word)
    )
    return tuple(word for word in ranked[:WORDS] if gain[word] > 0)

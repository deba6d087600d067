"""Probable label errors: rows that a classifier which has not seen them would label otherwise.

Logistic regression on the embeddings gives each row probabilities out of fold. Confident learning (Northcutt, Jiang &
Chuang 2021, https://arxiv.org/abs/1911.00068; cleanlab) estimates how many labels are wrong and takes the rows with
the least probability of their own label. Of these a row is told if another label is `TIMES` as likely, since with few
rows per label the estimate is several times too high; of the others from `CERTAIN` times on, since with few labels it
is too low (docs/adr/0010-cleanlab-and-a-ratio.md).
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from seedgate.records import Example
from seedgate.seeds.findings import MOST_ROWS, Finding
from seedgate.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CERTAIN",
    "LEAST_ROWS",
    "TIMES",
    "Suspect",
    "confident_issues",
    "label_findings",
    "out_of_fold",
    "suspects",
]

LEAST_ROWS = 3
"""A label with fewer rows is not judged: a fold would learn it from one row."""

TIMES, CERTAIN = 10.0, 20.0
STRENGTH = 10.0
"""Inverse regularisation; vectors of length one ask for more than the usual 1."""

FOLDS = 5


class Suspect(NamedTuple):
    """A row that is probably labelled wrong.

    Attributes:
        row: Its place.
        label: The likelier label.
        given, suggested: Out-of-fold probability of the label that it has, and of that one.
    """

    row: int
    label: str
    given: float
    suggested: float


def label_findings(seeds: Sequence[Example], task: Task, vectors: NDArray[np.float32]) -> Iterator[Finding]:
    """A warning for each probable error, the likeliest first, and which labels could not be judged.

    Args:
        vectors: Those of the seeds, shape [seeds, width].
    """
    field = task.label_field
    if field is None:
        return
    labels = [str(seed.fields.get(field.name)) for seed in seeds]
    for each in suspects(labels, vectors):
        yield Finding(
            code="label_error",
            severity="warning",
            rows=(seeds[each.row].source,),
            what=f"{field.name} is {labels[each.row]!r}; the other rows suggest {each.label!r} "
            f"({each.suggested:.0%} against {each.given:.0%})",
            advice=f"read the row, and correct it if it is {each.label!r}",
        )
    yield from _not_judged(seeds, labels, field.name)


def _not_judged(seeds: Sequence[Example], labels: Sequence[str], field: str) -> Iterator[Finding]:
    counted = Counter(labels)
    few = sorted(label for label, count in counted.items() if count < LEAST_ROWS)
    rows = [seed.source for seed, label in zip(seeds, labels, strict=True) if label in few]
    if few:
        named = ", ".join(map(repr, few[:5])) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        yield Finding(
            code="not_judged",
            severity="info",
            rows=tuple(rows[:MOST_ROWS]),
            what=f"{len(rows)} rows were not looked at for label errors: {named} have fewer than {LEAST_ROWS} rows",
            advice="read these rows yourself, or add more like them",
        )


def suspects(labels: Sequence[str], vectors: NDArray[np.float32]) -> list[Suspect]:
    """Rows that are probably labelled wrong, the likeliest first.

    Args:
        labels: One for each row.
        vectors: Shape [rows, width].
    """
    import numpy as np

    counted = Counter(labels)
    judged = [place for place, label in enumerate(labels) if counted[label] >= LEAST_ROWS]
    names = sorted({labels[place] for place in judged})
    if len(names) < 2:
        return []
    known = {name: number for number, name in enumerate(names)}
    given = np.array([known[labels[place]] for place in judged])
    chances = out_of_fold(given, vectors[judged])
    own, best = chances[np.arange(len(given)), given], chances.argmax(1)
    likeliest = chances[np.arange(len(given)), best]
    wanted = np.where(confident_issues(given, chances), TIMES, CERTAIN)
    told = np.flatnonzero(likeliest >= wanted * own)
    ranked = told[np.argsort(own[told] / likeliest[told], kind="stable")]
    return [
        Suspect(judged[place], names[best[place]], float(own[place]), float(likeliest[place]))
        for place in ranked.tolist()
    ]


def out_of_fold(given: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probability of each label by a classifier that was fitted without the row, shape [rows, labels].

    Args:
        given: Label of each row, from 0; each at least twice.
        vectors: Shape [rows, width].
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(min(FOLDS, int(np.bincount(given).max())), shuffle=True, random_state=0)
    model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3)
    # BLAS threads wait for each other at this size (see `minilm`). A label with fewer rows than folds is missing from
    # the tested part of some, never from the fitted one; sklearn warns of it all the same.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        found = cross_val_predict(model, vectors, given, cv=folds, method="predict_proba")
    return np.asarray(found, np.float64)


def confident_issues(given: NDArray[np.int64], chances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The rows of least probability of their label, as many as confident learning estimates to be wrong."""
    import numpy as np
    from cleanlab.filter import find_label_issues

    found = find_label_issues(
        given, chances, filter_by="low_self_confidence", min_examples_per_class=1, n_jobs=1
    )
    return np.asarray(found, np.bool_)

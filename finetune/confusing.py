"""Which labels a model takes for which, and how well it finds each: from answers in the ledger, so of any measurement.

Macro-F1 is the mean F1 of the labels that the locked set has, each counting alike however many rows it has. Its
interval resamples rows, as that of any other score does. With fewer than about five rows a label it holds less often
than it says (docs/log.md), and that of a model without a fault has no width: then read the accuracy's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seedgate.errors import SeedgateError
from seedgate.fields import plain_answer
from seedgate.finetune.figures import Confusion, Evaluation, LabelFigures, Share
from seedgate.finetune.intervals import RESAMPLES, SEED, f1_interval, share_interval
from seedgate.seeds.locking import evaluation_set, set_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seedgate.task import Task
    from seedgate.workspace import Workspace

    Counts = NDArray[np.int64]

__all__ = ["answered_label", "confusion", "confusions", "label_figures", "macro_f1"]


def confusion(ws: Workspace, result: Evaluation) -> Confusion | None:
    """What a model took for what; None where the answer is not one label, or rows or answers are no longer there."""
    return next(confusions(ws, [result]))


def confusions(ws: Workspace, results: Iterable[Evaluation]) -> Iterator[Confusion | None]:
    """As `confusion`, of several measurements; the evaluation set is read once."""
    label = ws.task.label_field
    try:
        rows = evaluation_set(ws) if label is not None and ws.task.choices else []
    except SeedgateError:  # changed since it was locked: whoever asks a model is told so
        rows = []
    known, expected = set_hash(row.id for row in rows), {}
    if label is not None:
        expected = {row.id: str(row.fields[label.name]) for row in rows}
    for result in results:
        said = ws.ledger.bodies([result.predictions_hash]).get(result.predictions_hash)
        yield (
            _confusion(ws.task, expected, said, result.confidence)
            if expected and said and result.eval_hash == known
            else None
        )


def answered_label(task: Task) -> Mapping[str, str]:
    """From an answer, as `plain_answer` leaves it, to the label that it means."""
    label = task.label_field
    if label is None or not task.choices:
        return {}
    return {plain_answer(each): name for each, name in zip(task.choices, label.labels, strict=True)}


def _confusion(
    task: Task, expected: Mapping[str, str], said: Sequence[Mapping[str, str]], confidence: float
) -> Confusion:
    from sklearn.metrics import confusion_matrix

    labels = list(answered_label(task).values())
    place = {name: at for at, name in enumerate(labels)}
    meant, outside = answered_label(task), len(labels)
    wanted = [place[expected[row["id"]]] for row in said]
    given = [place.get(meant.get(plain_answer(row["answer"]), ""), outside) for row in said]
    # No row is expected to be outside: that line of the square goes.
    counts = confusion_matrix(wanted, given, labels=range(outside + 1))[:outside]
    return Confusion(
        labels=tuple(labels),
        counts=tuple(tuple(int(n) for n in line) for line in counts),
        macro_f1=macro_f1(counts, confidence),
        confidence=confidence,
    )


def label_figures(found: Confusion) -> dict[str, LabelFigures]:
    """Precision, recall and F1 of each label that has rows, in the labels' order."""
    answered = [sum(column) for column in zip(*found.counts, strict=True)]
    return {
        label: _figures(found.counts[at][at], sum(found.counts[at]), answered[at], found.confidence)
        for at, label in enumerate(found.labels)
        if sum(found.counts[at])
    }


def _figures(right: int, rows: int, answered: int, confidence: float) -> LabelFigures:
    either = rows + answered - right
    low, high = f1_interval(right, either, confidence)
    return LabelFigures(
        rows=rows,
        answered=answered,
        precision=_share(right, answered, confidence) if answered else None,
        recall=_share(right, rows, confidence),
        f1=Share(n=either, value=2 * right / (rows + answered), low=low, high=high),
    )


def _share(right: int, among: int, confidence: float) -> Share:
    low, high = share_interval(right, among, confidence)
    return Share(n=among, value=right / among, low=low, high=high)


def macro_f1(counts: Counts, confidence: float) -> Share:
    """Macro-F1 with its percentile bootstrap interval.

    Args:
        counts: Shape [labels, labels + 1]: rows of each label by what was answered, the last column for none of them.
        confidence: Of the interval, as .95.
    """
    import numpy as np
    from sklearn.metrics import f1_score

    labels = len(counts)
    wanted, given = np.nonzero(counts)
    n, times = int(counts.sum()), counts[wanted, given]
    value = f1_score(
        np.repeat(wanted, times),
        np.repeat(given, times),
        labels=np.flatnonzero(counts.sum(axis=1)),
        average="macro",
        zero_division=0,
    )
    # Only cells that hold something can be drawn: a line of `drawn` is a confusion matrix, shape [resamples, cells].
    drawn = np.random.default_rng(SEED).multinomial(n, times / n, size=RESAMPLES)
    of_row, of_answer = np.eye(labels)[wanted], np.eye(labels + 1)[given, :labels]
    rows, answers, right = drawn @ of_row, drawn @ of_answer, drawn @ (of_row * of_answer)
    # A label that a draw lacks is none of its labels.
    scores = np.where(rows > 0, 2 * right / np.maximum(rows + answers, 1), 0).sum(axis=1)
    means = scores / (rows > 0).sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Share(n=n, value=float(value), low=float(low), high=float(high))

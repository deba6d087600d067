"""What reviewing a candidate is worth: the probability that it is approved, times what would be new about it.

New is what a classifier on the seeds does not know yet: 1 minus the agreement with the label; novelty where there is no
label. Before there are decisions to learn from, agreement stands for the probability as well, but only up to the median
of what waits: from there on all count as equally likely. The surest first would be the obvious order, and is the worst:
nearly all is approved, and a student trained on it is worse than one trained on candidates in random order, a third of
which were rejected (benchmarks/queue_order.py, docs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from seedgate.generator.scores import DIGITS, Scores
from seedgate.review.approval import learn
from seedgate.review.scored import Judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Valued", "value_of"]


class Valued(NamedTuple):
    """Candidate id to its value, and how values were made; no values where nothing is known yet."""

    values: dict[str, float]
    how: str


def value_of(scores: Mapping[str, Scores], strategies: Mapping[str, str], known: Sequence[Judged]) -> Valued:
    """Values of candidates.

    Args:
        scores: Candidate id to scores.
        strategies: Candidate id to strategy.
        known: What was decided of earlier ones.
    """
    import numpy as np

    ids = list(scores)
    agreement = _column(scores, "label_agreement")
    labelled = bool(np.isfinite(agreement).any())
    # Of a label that no seed has, nothing is known.
    fresh = 1 - np.nan_to_num(agreement) if labelled else np.nan_to_num(_column(scores, "novelty"))
    by = "(1 - label agreement)" if labelled else "novelty"
    model = learn(known) if ids else None
    if model is not None:
        chances = model.chances([scores[id_] for id_ in ids], [strategies.get(id_, "") for id_ in ids])
        return _valued(ids, chances * fresh, f"approval {model} x {by}")
    if not labelled:
        return Valued({}, "none: no label to agree with, and too few decisions to learn from")
    middle = float(np.nanmedian(agreement))
    likely = np.minimum(np.nan_to_num(agreement, nan=middle), middle)
    return _valued(ids, likely * fresh, f"label agreement up to its median x {by}")


def _column(scores: Mapping[str, Scores], name: str) -> Array:
    import numpy as np

    return np.array([each.get(name, np.nan) for each in scores.values()], float)


def _valued(ids: Sequence[str], values: Array, how: str) -> Valued:
    return Valued(dict(zip(ids, values.round(DIGITS).tolist(), strict=True)), how)

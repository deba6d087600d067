"""How likely a reviewer is to approve a candidate, learnt from the gate's decisions on scored candidates.

Logistic regression on the scores and the strategy, whose probabilities need no further calibration. All decided
candidates teach it, with equal weight: which of them were shown depends on the scores that it is given, on labels
in turn and on chance, so among candidates with the same scores the shown are like the others (selection on what the
model sees does not bend it). It is used only if it predicts held-out decisions better than their share does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.generator.scores import Scores
from seedgate.review.scored import Judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LEAST", "LEAST_EACH", "ApprovalModel", "learn"]

LEAST, LEAST_EACH = 40, 10
"""Decided candidates before there is a model, and of each outcome: two for every fold."""

FOLDS = 5
LEAST_OF_STRATEGY = 5
"""Decided candidates before a strategy has a say of its own."""
EDGE = 1e-3
"""Probabilities are held this far from 0 and 1 before their logarithm is taken."""


class ApprovalModel(NamedTuple):
    """A fitted model.

    Attributes:
        decided: How many candidates taught it.
        loss, base: Mean log loss of held-out decisions, by it and by the share of approvals alone; nats.
    """

    features: _Features
    regression: Any
    decided: int
    loss: float
    base: float

    def chances(self, scores: Sequence[Scores], strategies: Sequence[str]) -> Array:
        """Probability of approval, shape [candidates]."""
        found: Array = self.regression.predict_proba(self.features.of(scores, strategies))[:, 1]
        return found

    def __str__(self) -> str:
        return f"learnt from {self.decided} decisions (held-out log loss {self.loss:.3f}, share alone {self.base:.3f})"


def learn(known: Sequence[Judged]) -> ApprovalModel | None:
    """The model, None if too few are decided or it tells no more than the share of approvals does."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    truth = np.array([each.approved for each in known], bool)
    if len(truth) < LEAST or min(truth.sum(), (~truth).sum()) < LEAST_EACH:
        return None
    features = _Features(known)
    x = features.of([each.scores for each in known], [each.strategy for each in known])
    regression = LogisticRegression(C=1.0, max_iter=300)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(1):  # threads wait for each other at this size (see `minilm`)
        held_out = cross_val_predict(regression, x, truth, cv=folds, method="predict_proba")[:, 1]
        regression.fit(x, truth)
    loss = float(log_loss(truth, held_out))
    base = float(log_loss(truth, np.full(len(truth), truth.mean())))
    return ApprovalModel(features, regression, len(truth), loss, base) if loss < base else None


class _Features:
    """Scores and strategy as columns of about the same scale; what is not known is in the middle."""

    def __init__(self, known: Sequence[Judged]) -> None:
        import numpy as np

        self._names = sorted({name for each in known for name in each.scores})
        counted = Counter(each.strategy for each in known)
        self._strategies = sorted(name for name, count in counted.items() if count >= LEAST_OF_STRATEGY)
        raw = self._raw([each.scores for each in known])
        self._middle = np.nanmean(raw, axis=0) if self._names else np.zeros(0)
        spread = np.nanstd(raw, axis=0) if self._names else np.zeros(0)
        self._spread = np.where(spread > 0, spread, 1.0)

    def of(self, scores: Sequence[Scores], strategies: Sequence[str]) -> Array:
        """Shape [candidates, columns]."""
        import numpy as np

        numbers = np.nan_to_num((self._raw(scores) - self._middle) / self._spread)
        names = [[float(own == name) for name in self._strategies] for own in strategies]
        out: Array = np.hstack([numbers, np.array(names, float).reshape(len(scores), len(self._strategies))])
        return out

    def _raw(self, scores: Sequence[Scores]) -> Array:
        import numpy as np

        rows = [[each.get(name, np.nan) for name in self._names] for each in scores]
        out: Array = np.array(rows, float).reshape(len(scores), len(self._names))
        if (
            "label_agreement" in self._names
        ):  # a probability of the same question: its odds, not itself, add up
            at = self._names.index("label_agreement")
            held = np.clip(out[:, at], EDGE, 1 - EDGE)
            out[:, at] = np.log(held / (1 - held))
        return out

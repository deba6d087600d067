"""How likely a candidate's own label is, to a classifier that knows the verified seeds alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from seedgate.generator.scores.base import Pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LabelAgreement"]

STRENGTH = 10.0
"""Inverse regularisation, as for label errors among seeds (`seedgate.seeds.label_errors`)."""


class LabelAgreement:
    """Logistic regression on the seeds' vectors; NaN without a label, or where no seed has the candidate's."""

    name = "label_agreement"
    version = 1

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """See `Scorer.score`: a probability."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        out = np.full(len(pool.vectors), np.nan)
        names = sorted(Counter(pool.seed_labels))
        if len(names) < 2 or not len(pool.vectors):
            return out
        known = {name: number for number, name in enumerate(names)}
        model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3)
        with threadpool_limits(1):  # threads wait for each other at this size (see `minilm`)
            model.fit(pool.seeds, [known[label] for label in pool.seed_labels])
            chances = model.predict_proba(pool.vectors)
        own = np.array([known.get(label, -1) for label in pool.labels])
        judged = np.flatnonzero(own >= 0)
        out[judged] = chances[judged, own[judged]]
        return out

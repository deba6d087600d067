"""What reviewing a candidate is worth: the probability that it is approved, times its novelty.

Before there are decisions to learn from, a label's agreement stands for the probability, but only up to the median of
what waits: from there on all count as equally likely. Without that limit the queue begins with what the classifier is
surest of, of which nearly all is approved and nothing learnt: with 300 decisions a student trained on it was worse than
one trained on candidates at random, a third of which were rejected (benchmarks/queue_order.py, docs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seedgate.generator.scores import DIGITS, Scores
from seedgate.review.approval import learn
from seedgate.review.scored import Judged

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
    novelty = np.array([scores[id_].get("novelty", 0.0) for id_ in ids])
    model = learn(known) if ids else None
    if model is not None:
        chances = model.chances([scores[id_] for id_ in ids], [strategies.get(id_, "") for id_ in ids])
        return _valued(ids, chances * novelty, f"approval {model} x novelty")
    agreement = np.array([scores[id_].get("label_agreement", np.nan) for id_ in ids])
    if not np.isfinite(agreement).any():
        return Valued({}, "none: no label to agree with, and too few decisions to learn from")
    middle = float(np.nanmedian(agreement))
    # A label that no seed has is not known to be unlikely.
    likely = np.minimum(np.nan_to_num(agreement, nan=middle), middle)
    return _valued(ids, likely * novelty, "label agreement up to its median x novelty")


def _valued(ids: Sequence[str], values: object, how: str) -> Valued:
    import numpy as np

    return Valued(dict(zip(ids, np.round(np.asarray(values, float), DIGITS).tolist(), strict=True)), how)

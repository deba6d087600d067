"""Scores: what a candidate looks like beside the verified seeds. They order the queue; none approves anything.

One scorer per file. All are computed in one pass over the candidates, from vectors that are stored already, and are
functions of the candidate, the seeds and what was shown earlier: not of the others that wait.
"""

from seedgate.generator.scores.base import Pool, Scorer
from seedgate.generator.scores.fit import Fit
from seedgate.generator.scores.label_agreement import LabelAgreement
from seedgate.generator.scores.novelty import Novelty
from seedgate.generator.scores.scoring import DIGITS, SCORERS, Scores, pool_of, score

__all__ = [
    "DIGITS",
    "SCORERS",
    "Fit",
    "LabelAgreement",
    "Novelty",
    "Pool",
    "Scorer",
    "Scores",
    "pool_of",
    "score",
]

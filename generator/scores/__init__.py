"""Scores: what a candidate looks like beside the verified seeds. They order the queue; none approves anything.

One scorer per file. Some are computed in one pass over the candidates, from vectors that are stored already, as
functions of the candidate, the seeds and what was shown earlier: not of the others that wait. Others ask the model,
which costs its time: `generate` asks for those that `[generation] scores` names, and the ledger keeps them.
"""

from seedgate.generator.scores.asked import Item, ModelScorer, Setting
from seedgate.generator.scores.base import Pool, Scorer
from seedgate.generator.scores.choosing import MODEL_SCORERS, ModelScores
from seedgate.generator.scores.fit import Fit
from seedgate.generator.scores.judge import APPROVES_FROM, Judge
from seedgate.generator.scores.label_agreement import LabelAgreement
from seedgate.generator.scores.likelihood import Likelihood
from seedgate.generator.scores.novelty import Novelty
from seedgate.generator.scores.recorded import recorded
from seedgate.generator.scores.scoring import DIGITS, SCORERS, Scores, pool_of, score
from seedgate.generator.scores.self_consistency import SelfConsistency

__all__ = [
    "APPROVES_FROM",
    "DIGITS",
    "MODEL_SCORERS",
    "SCORERS",
    "VERSIONS",
    "Fit",
    "Item",
    "Judge",
    "LabelAgreement",
    "Likelihood",
    "ModelScorer",
    "ModelScores",
    "Novelty",
    "Pool",
    "Scorer",
    "Scores",
    "SelfConsistency",
    "Setting",
    "pool_of",
    "recorded",
    "score",
]

VERSIONS: dict[str, int] = {each.name: each.version for each in (*SCORERS, *MODEL_SCORERS.values())}
"""Every score to its version, in the order of reports."""

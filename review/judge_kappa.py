"""How far the judge agrees with people: Cohen's kappa of what it would approve with what the gate decided.

Kappa takes away what chance would agree on, which an AUC does not see: a judge that ranks well, but likes nearly all,
has a high AUC and a low kappa. Its interval is a bootstrap's over the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seedgate.generator.scores import APPROVES_FROM, Judge
from seedgate.review.facts import Standing, standing
from seedgate.review.score_auc import LEAST_EACH
from seedgate.review.scored import Judged, judged

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["JudgeKappa", "judge_kappas", "kappa_of"]

RESAMPLES = 499
SEED = 0
"""The same decisions give the same interval."""


@dataclass(frozen=True, slots=True)
class JudgeKappa:
    """The judge's agreement with the gate's decisions.

    Attributes:
        among: `random`: the slice that no score ranked. `all`: the ranked too.
        kappa, low, high: With a 95 % interval; None if fewer than ten are approved or rejected.
        alike: How many of the decided ones it would have decided alike.
        simulated: How many of the decisions are a program's.
    """

    among: Literal["random", "all"]
    kappa: float | None
    low: float | None
    high: float | None
    alike: int
    decided: int
    simulated: int

    def __str__(self) -> str:
        if self.kappa is None or self.low is None or self.high is None:
            return "n too small"
        return f"{self.kappa:.2f} ({self.low:.2f} to {self.high:.2f})"


def judge_kappas(ws: Workspace, now: Standing | None = None) -> list[JudgeKappa]:
    """Over all cycles, in the random slice and among all; empty if no decided candidate had been judged.

    Args:
        ws: The workspace.
        now: State and decisions, if they are known already.
    """
    if ws.ledger.last("candidate.scored") is None:
        return []
    now = now or standing(ws)
    known = [each for each in judged(ws.ledger, now.state, now.decisions) if Judge.name in each.scores]
    return [_row("random", [each for each in known if each.random]), _row("all", known)] if known else []


def kappa_of(grades: Sequence[float], approved: Sequence[bool]) -> tuple[float, float, float]:
    """Cohen's kappa (scikit-learn) of grades cut at `APPROVES_FROM` and decisions, and a 95 % interval.

    There must be several decisions of each outcome. The interval is a percentile bootstrap's (scipy): where the judge
    would decide all alike, kappa is 0 in every sample, and so are its ends.
    """
    import numpy as np
    from scipy.stats import bootstrap
    from sklearn.metrics import cohen_kappa_score

    liked, truth = np.asarray(grades, float) >= APPROVES_FROM, np.asarray(approved, bool)
    value = float(cohen_kappa_score(liked, truth))
    found = bootstrap(
        (liked, truth),
        lambda one, other: cohen_kappa_score(one, other, labels=[False, True]),
        paired=True,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return value, float(found.confidence_interval.low), float(found.confidence_interval.high)


def _row(among: Literal["random", "all"], known: Sequence[Judged]) -> JudgeKappa:
    grades, approved = [each.scores[Judge.name] for each in known], [each.approved for each in known]
    alike = sum((grade >= APPROVES_FROM) == one for grade, one in zip(grades, approved, strict=True))
    counts = (alike, len(known), sum(each.simulated for each in known))
    if min(sum(approved), len(approved) - sum(approved)) < LEAST_EACH:
        return JudgeKappa(among, None, None, None, *counts)
    return JudgeKappa(among, *kappa_of(grades, approved), *counts)

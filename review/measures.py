"""What is known about each reviewer: how they decide, how fast, and what controls say about their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan
from statistics import median
from typing import TYPE_CHECKING

from seedgate.review.anytime import interval
from seedgate.review.held import released_in_doubt
from seedgate.review.pace import stamped
from seedgate.review.quarantine import allowed_misses, answered_controls, strongest_evidence, window_start
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = [
    "Agreement",
    "Pair",
    "Rate",
    "ReviewerMeasures",
    "cohen_kappa",
    "krippendorff_alpha",
    "measure_agreement",
    "measure_reviewers",
]


@dataclass(frozen=True, slots=True)
class Rate:
    """`found` of `of`, and the shares from `low` to `high` that this leaves possible whenever one looks (95 %)."""

    found: int
    of: int
    low: float
    high: float

    @classmethod
    def among(cls, found: int, of: int) -> Rate:
        """The rate with its interval."""
        return cls(found, of, *interval(found, of))


@dataclass(frozen=True)
class ReviewerMeasures:
    """One reviewer.

    Attributes:
        decisions: Standing verdicts on candidates, by decision; controls are not among them.
        skipped: Records discarded.
        pace_s: Median seconds from one submission to the next; None if there are too few.
        stamped: Submissions that nobody can have read.
        missed: Wrong controls approved.
        falsely_rejected: Right controls rejected.
        evidence: The e-value that the miss rate is above policy, since the measured window began; quarantine
            starts at 100.
        quarantine: Why their approvals are set aside now; None if they count.
        in_doubt: Released candidates that rest on approvals in quarantine: to be reviewed again.
    """

    name: str
    simulated: bool
    decisions: dict[str, int]
    skipped: int
    pace_s: float | None
    stamped: int
    missed: Rate
    falsely_rejected: Rate
    evidence: float
    quarantine: str | None
    in_doubt: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two reviewers on the candidates that both decided: how many, on how many of them alike, Cohen's kappa.

    `kappa` is None where chance explains everything: both always gave the same answer.
    """

    first: str
    second: str
    items: int
    alike: int
    kappa: float | None


@dataclass(frozen=True)
class Agreement:
    """How far reviewers agree: approve, edit or reject, on candidates that two or more decided.

    Attributes:
        items: How many candidates that are.
        alpha: Krippendorff's alpha over all of them; None if there are none, or all answers are the same.
    """

    items: int
    alpha: float | None
    pairs: tuple[Pair, ...]


def measure_agreement(ws: Workspace, state: ReviewState | None = None) -> Agreement:
    """Agreement on candidates; without controls and re-reviews, which are chosen rows.

    Args:
        ws: The workspace.
        state: What the ledger says, if it was read already; as of the newest event if not given.
    """
    state = state or read_state(ws.ledger)
    given: dict[str, dict[str, str]] = {}
    for heard in state.verdicts.values():
        verdict = heard.verdict
        apart = state.is_control(verdict.record_id) or state.is_rereview(verdict.record_id)
        if not apart and verdict.problem is None and verdict.decision is not None:
            given.setdefault(verdict.candidate_id, {})[verdict.reviewer] = verdict.decision
    shared = [answers for answers in given.values() if len(answers) > 1]
    names = sorted({name for answers in shared for name in answers})
    alpha = krippendorff_alpha([[each.get(name) for each in shared] for name in names]) if shared else nan
    pairs = []
    for first, second in combinations(names, 2):
        both = [(each[first], each[second]) for each in shared if first in each and second in each]
        if both:
            kappa = cohen_kappa(*zip(*both, strict=True)) if len({a for ab in both for a in ab}) > 1 else nan
            pairs.append(Pair(first, second, len(both), sum(a == b for a, b in both), _number(kappa)))
    return Agreement(len(shared), _number(alpha), tuple(pairs))


def _number(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def measure_reviewers(ws: Workspace, state: ReviewState | None = None) -> tuple[ReviewerMeasures, ...]:
    """Everybody who was ever asked.

    Args:
        ws: The workspace.
        state: What the ledger says, if it was read already; as of the newest event if not given.
    """
    state = state or read_state(ws.ledger)
    names = dict.fromkeys([*ws.config.review.reviewers, *(a.reviewer for a in state.assignments.values())])
    quick = stamped(state)
    doubt = released_in_doubt(state)
    return tuple(_measured(ws, state, name, quick.keys(), doubt) for name in names)


def _measured(
    ws: Workspace, state: ReviewState, name: str, quick: Set[str], doubt: dict[str, str]
) -> ReviewerMeasures:
    own = [h.verdict for h in state.verdicts.values() if h.verdict.reviewer == name]
    on_candidates = [v for v in own if not state.is_control(v.record_id)]
    controls = answered_controls(state, name)
    bad = [verdict.decision == "approve" for control, _, verdict in controls if control.truth == "bad"]
    good = [verdict.decision == "reject" for control, _, verdict in controls if control.truth == "good"]
    since = window_start(state, name)
    window = [v.decision == "approve" for c, seq, v in controls if c.truth == "bad" and seq > since]
    most = allowed_misses(state, (v for _, _, v in controls), ws.config.review.max_miss_rate)
    paces = [v.pace_s for v in own if v.pace_s is not None]
    resting = state.in_quarantine().get(name)
    return ReviewerMeasures(
        name=name,
        simulated=name == ws.simulated_reviewer,
        decisions=dict(Counter(str(v.decision) for v in on_candidates)),
        skipped=sum(
            state.assignments[id_].reviewer == name for id_ in state.skipped & state.assignments.keys()
        ),
        pace_s=median(paces) if paces else None,
        stamped=sum(v.response_id in quick for v in own),
        missed=Rate.among(sum(bad), len(bad)),
        falsely_rejected=Rate.among(sum(good), len(good)),
        evidence=strongest_evidence(window, most)[0],
        quarantine=resting.why if resting else None,
        in_doubt=tuple(id_ for id_, whose in doubt.items() if whose == name),
    )


def krippendorff_alpha(answers: Sequence[Sequence[str | None]]) -> float:
    """Krippendorff's alpha of nominal answers: one row per reviewer, one column per item, None where not asked.

    Not a number where everybody always said the same. Source: Krippendorff 2011, Computing Krippendorff's
    alpha-reliability, as implemented by the package `krippendorff`.
    """
    import krippendorff
    import numpy as np

    values = sorted({a for row in answers for a in row if a is not None})
    if len(values) < 2:
        return float("nan")
    codes = [[values.index(a) if a is not None else np.nan for a in row] for row in answers]
    return float(krippendorff.alpha(reliability_data=codes, level_of_measurement="nominal"))


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Cohen's kappa of two reviewers' answers to the same items (scikit-learn)."""
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(list(first), list(second)))

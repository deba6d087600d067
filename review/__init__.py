"""Review: waves of candidates before people in Argilla, their verdicts, and the gate that decides on them."""

from seedgate.review.adjudication import adjudicate, declare_compatible
from seedgate.review.ahead import nearly_done
from seedgate.review.collect import PullReport, pull
from seedgate.review.dockets import DocketReport, push_cases
from seedgate.review.evidence import Facts
from seedgate.review.facts import decisions
from seedgate.review.gate import decide
from seedgate.review.guideline_versions import GuidelineVersion, guideline_versions
from seedgate.review.judge_kappa import JudgeKappa, judge_kappas, kappa_of
from seedgate.review.measures import Rate
from seedgate.review.proposing import Proposal, propose
from seedgate.review.recalling import Why, recalls, reopen
from seedgate.review.rejections import reviewed
from seedgate.review.rounds import PushReport, push
from seedgate.review.score_auc import Auc, ScoreAuc, auc_of, score_aucs
from seedgate.review.seed_rounds import SeedPushReport, push_seeds
from seedgate.review.simulated import SimulatedReport, SimulatedReviewer
from seedgate.review.status import ReviewerStatus, ReviewStatus, open_assignments, review_status

__all__ = [
    "Auc",
    "DocketReport",
    "Facts",
    "GuidelineVersion",
    "JudgeKappa",
    "Proposal",
    "PullReport",
    "PushReport",
    "Rate",
    "ReviewStatus",
    "ReviewerStatus",
    "ScoreAuc",
    "SeedPushReport",
    "SimulatedReport",
    "SimulatedReviewer",
    "Why",
    "adjudicate",
    "auc_of",
    "decide",
    "decisions",
    "declare_compatible",
    "guideline_versions",
    "judge_kappas",
    "kappa_of",
    "nearly_done",
    "open_assignments",
    "propose",
    "pull",
    "push",
    "push_cases",
    "push_seeds",
    "recalls",
    "reopen",
    "review_status",
    "reviewed",
    "score_aucs",
]

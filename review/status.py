"""Where review stands, from the ledger alone: what each reviewer has left, and what the gate makes of the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedgate.errors import ServiceError
from seedgate.review.facts import decide_all, facts_of, outcomes
from seedgate.review.queue import open_of
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["DatasetStatus", "ReviewStatus", "ReviewerStatus", "open_assignments", "review_status"]


@dataclass(frozen=True)
class DatasetStatus:
    """One wave before one reviewer."""

    round: str
    workspace: str
    dataset: str
    assigned: int
    left: int


@dataclass(frozen=True)
class ReviewerStatus:
    """One reviewer.

    Attributes:
        assigned: Records put before them; of these `decided` have a verdict, `skipped` were discarded,
            `lost` vanished from Argilla, `left` wait.
        datasets: Where to work, oldest first; only those with something left.
    """

    name: str
    simulated: bool
    assigned: int
    decided: int
    skipped: int
    lost: int
    left: int
    datasets: tuple[DatasetStatus, ...]


@dataclass(frozen=True)
class ReviewStatus:
    """All of it.

    Attributes:
        url: Where reviewers sign in; None if Argilla is not up.
        outcomes: How many candidates the gate holds for what.
        conflicts: Ids of the candidates that wait for an adjudicator.
        pending: Reason to how many candidates are pending for it.
        half_pushed: Id of a round that a killed push left behind, if any.
    """

    url: str | None
    open: int
    reviewers: tuple[ReviewerStatus, ...]
    outcomes: dict[str, int]
    conflicts: tuple[str, ...]
    pending: dict[str, int]
    half_pushed: str | None


def review_status(ws: Workspace) -> ReviewStatus:
    """Where review stands; asks Argilla nothing, so pull first for the latest."""
    guideline_hash = ws.guidelines()[1]
    state = read_state(ws.ledger)
    left = _left(ws, state, guideline_hash)
    decided = decide_all(ws, state, guideline_hash).values()
    names = dict.fromkeys(
        [*ws.config.review.reviewers, *(assignment.reviewer for assignment in state.assignments.values())]
    )
    half = state.half_pushed()
    return ReviewStatus(
        url=_url(ws),
        open=len(left),
        reviewers=tuple(_reviewer(ws, state, name, left) for name in names),
        outcomes=outcomes(decided),
        conflicts=tuple(
            decision.candidate_id
            for decision in decided
            if decision.outcome == "conflict" or (decision.outcome, decision.invariant) == ("pending", "G8")
        ),
        pending=dict(Counter(d.reason for d in decided if d.outcome == "pending").most_common()),
        half_pushed=half.id if half else None,
    )


def open_assignments(ws: Workspace) -> int:
    """How many records wait for an answer that would count."""
    return len(_left(ws, read_state(ws.ledger), ws.guidelines()[1]))


def _left(ws: Workspace, state: ReviewState, guideline_hash: str) -> set[str]:
    """Record ids that may still be answered so that it counts."""
    return {a.record_id for facts in facts_of(ws, state, guideline_hash) for a in open_of(facts)}


def _reviewer(ws: Workspace, state: ReviewState, name: str, left: set[str]) -> ReviewerStatus:
    own = [a for a in state.assignments.values() if a.reviewer == name]
    answered = state.answered()
    datasets = []
    for opened in state.opened.values():
        records = [a.record_id for a in own if a.round == opened.id]
        waiting = len(left.intersection(records))
        if waiting:
            datasets.append(DatasetStatus(opened.id, *opened.datasets[name], len(records), waiting))
    return ReviewerStatus(
        name=name,
        simulated=name == ws.simulated_reviewer,
        assigned=len(own),
        decided=sum(a.record_id in answered for a in own),
        skipped=sum(a.record_id in state.skipped and a.record_id not in answered for a in own),
        lost=sum(a.record_id in state.lost and a.record_id not in answered for a in own),
        left=sum(a.record_id in left for a in own),
        datasets=tuple(datasets),
    )


def _url(ws: Workspace) -> str | None:
    try:
        return ws.argilla_url()
    except ServiceError:
        return None

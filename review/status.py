"""Where review stands, from the ledger alone: what each reviewer has left, and what the gate makes of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from seedgate.errors import ServiceError
from seedgate.review.evidence import Facts
from seedgate.review.facts import decide_all, facts_of, outcomes
from seedgate.review.planning import queue_of
from seedgate.review.queue import open_of
from seedgate.review.rounds import reviewers_of
from seedgate.review.rulings import needs_ruling
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
    open: int


@dataclass(frozen=True)
class ReviewerStatus:
    """One reviewer.

    Attributes:
        assigned: Records put before them; of these `decided` have a verdict, `skipped` were discarded,
            `lost` vanished from Argilla, `open` wait.
        pace_s: Median seconds from one submission to the next, breaks left out; None before the second.
        datasets: Where to work, oldest first; only those with something open.
    """

    name: str
    simulated: bool
    assigned: int
    decided: int
    skipped: int
    lost: int
    open: int
    datasets: tuple[DatasetStatus, ...]
    pace_s: float | None = None

    @property
    def left_s(self) -> float | None:
        """Seconds of work that are left at this pace; None if it is not known."""
        return 0.0 if not self.open else None if self.pace_s is None else self.open * self.pace_s

    @property
    def dataset(self) -> str:
        """Name of the dataset to open next; empty if nothing is open."""
        return self.datasets[0].dataset if self.datasets else ""


@dataclass(frozen=True)
class ReviewStatus:
    """All of it.

    Attributes:
        url: Where reviewers sign in; None if Argilla is not up.
        open: Records that wait for an answer.
        unassigned: Candidates that the next push would put before reviewers, in one wave or more.
        outcomes: How many candidates the gate holds for what.
        conflicts: Ids of the candidates that wait for an adjudicator.
        pending: Reason to how many candidates are pending for it.
        half_pushed: Id of a round that a killed push left behind, if any.
        quarantines: Whose approvals are set aside now, and why.
    """

    url: str | None
    open: int
    unassigned: int
    reviewers: tuple[ReviewerStatus, ...]
    outcomes: dict[str, int]
    conflicts: tuple[str, ...]
    pending: dict[str, int]
    half_pushed: str | None
    quarantines: tuple[tuple[str, str], ...] = ()

    @property
    def done_in_s(self) -> float | None:
        """Seconds until all that is open is decided, if everybody works on at their pace; None if unknown."""
        left = [who.left_s for who in self.reviewers if who.open]
        known = [seconds for seconds in left if seconds is not None]
        return max(known, default=0.0) if len(known) == len(left) else None


def review_status(ws: Workspace, *, simulated: bool = False) -> ReviewStatus:
    """Where review stands; asks Argilla nothing, so pull first for the latest.

    Args:
        ws: The workspace.
        simulated: Whether the next push would go to the simulated reviewer; matters to `unassigned`.
    """
    guideline_hash = ws.guidelines()[1]
    state = read_state(ws.ledger)
    facts = {each.candidate_id: each for each in facts_of(ws, state, guideline_hash)}
    left = _left(state, facts.values())
    decided = decide_all(ws, state, guideline_hash)
    queue = queue_of(ws, state, facts, decided, reviewers_of(ws, simulated=simulated))
    names = dict.fromkeys(
        [*ws.config.review.reviewers, *(assignment.reviewer for assignment in state.assignments.values())]
    )
    half = state.half_pushed()
    waiting = left | _open_controls(state) | state.open_rereviews()
    return ReviewStatus(
        url=_url(ws),
        open=len(left),
        unassigned=len(queue.waiting) + len(_undelivered(state)),
        reviewers=tuple(_reviewer(ws, state, name, waiting) for name in names),
        outcomes=outcomes(decided.values()),
        conflicts=tuple(id_ for id_, decision in decided.items() if needs_ruling(decision)),
        pending=dict(Counter(d.reason for d in decided.values() if d.outcome == "pending").most_common()),
        half_pushed=half.id if half else None,
        quarantines=tuple((name, each.why) for name, each in state.in_quarantine().items()),
    )


def open_assignments(ws: Workspace) -> int:
    """How many records wait for an answer that would count."""
    state = read_state(ws.ledger)
    return len(_left(state, facts_of(ws, state, ws.guidelines()[1])))


def _left(state: ReviewState, facts: Iterable[Facts]) -> set[str]:
    """Record ids that wait for an answer."""
    return {a.record_id for each in facts for a in open_of(each) if a.round in state.pushed}


def _open_controls(state: ReviewState) -> set[str]:
    """Controls that wait for an answer: their reviewers have them to do, and no cycle waits for them."""
    return {
        c.record_id for c in state.open_controls() if state.assignments[c.record_id].round in state.pushed
    }


def _undelivered(state: ReviewState) -> set[str]:
    """Candidates of a round that a killed push left behind: the next push completes it."""
    half = state.half_pushed()
    return {
        a.candidate_id
        for a in state.assignments.values()
        if half and a.round == half.id and a.why not in ("control", "rereview")
    }


def _reviewer(ws: Workspace, state: ReviewState, name: str, left: set[str]) -> ReviewerStatus:
    own = [a for a in state.assignments.values() if a.reviewer == name]
    answered = state.answered()
    given = Counter(a.round for a in own)
    waiting = Counter(a.round for a in own if a.record_id in left)
    datasets = [
        DatasetStatus(opened.id, *opened.datasets[name], given[opened.id], waiting[opened.id])
        for opened in state.opened.values()
        if waiting[opened.id]
    ]
    return ReviewerStatus(
        name=name,
        simulated=name == ws.simulated_reviewer,
        assigned=len(own),
        decided=sum(a.record_id in answered for a in own),
        skipped=sum(a.record_id in state.skipped and a.record_id not in answered for a in own),
        lost=sum(a.record_id in state.lost and a.record_id not in answered for a in own),
        open=waiting.total(),
        datasets=tuple(datasets),
        pace_s=_pace(state, name),
    )


def _pace(state: ReviewState, name: str) -> float | None:
    verdicts = (heard.verdict for heard in state.verdicts.values())
    gaps = [v.pace_s for v in verdicts if v.reviewer == name and v.pace_s is not None]
    return round(median(gaps), 1) if gaps else None


def _url(ws: Workspace) -> str | None:
    try:
        return ws.argilla_url()
    except ServiceError:
        return None

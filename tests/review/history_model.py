"""A plain model of what people did in a history, and what the gate may therefore let through.

It knows who was asked what, who said what about which content, when, and under which guidelines, and nothing of
how the gate reads the ledger. `Model.may_be_approved` says in the plainest words what may be approved.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf

__all__ = [
    "ADJUDICATOR",
    "CLASHING",
    "LEAKING",
    "PEOPLE",
    "Answer",
    "Asked",
    "Model",
    "Place",
    "Resting",
    "Ruling",
]

PEOPLE = ("anna", "ben", "cleo")
ADJUDICATOR = "zoe"
LEAKING, CLASHING = "When will the teapot get here??", "Still no kettle here!"


@dataclass(frozen=True)
class Place:
    """One record: what it shows, to whom, and why (`ranked`, `control` or `rereview`)."""

    record: str
    candidate: str
    reviewer: str
    why: str


@dataclass
class Asked:
    """A round. `pushed`: whether its push was completed."""

    id: str
    guideline: str
    quorum: int
    min_pace_s: float
    places: tuple[Place, ...]
    pushed: bool


@dataclass(frozen=True)
class Answer:
    """A standing response: what somebody said on a record and what is wrong with it, if anything is.

    `seq`: its place in the ledger. `at`: seconds. `account`: whose it is, whatever name it goes by.
    """

    seq: int
    at: float
    place: Place
    round: Asked
    account: str
    decision: str | None
    corrected: str | None
    flaw: str | None = None
    problem: str | None = None

    @property
    def reviewer(self) -> str:
        return self.place.reviewer

    @property
    def says(self) -> tuple[str | None, str | None, str | None]:
        return self.decision, self.corrected, self.problem


@dataclass(frozen=True)
class Ruling:
    """What somebody settled, having seen everything up to event `settles`."""

    candidate: str
    by: str
    decision: str
    guideline: str
    settles: int


@dataclass
class Resting:
    """A quarantine: whoever it is of, what they approved after `since` and up to `ended` is set aside."""

    since: int
    ended: float = inf
    stand: bool = False


@dataclass
class Model:
    """What people did, in plain words."""

    guideline: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    rounds: list[Asked] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    compatible: set[frozenset[str]] = field(default_factory=set)
    rulings: list[Ruling] = field(default_factory=list)
    resting: dict[str, list[Resting]] = field(default_factory=dict)
    ever_released: set[str] = field(default_factory=set)
    unreleased: set[str] = field(default_factory=set)
    recalled: set[str] = field(default_factory=set)
    void: dict[str, frozenset[str]] = field(default_factory=dict)
    missed: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)

    def root(self, candidate: str) -> str:
        while self.families[candidate] != candidate:
            candidate = self.families[candidate]
        return candidate

    def alone(self) -> list[str]:
        """Candidates that no edit made and none was made of."""
        sizes = Counter(self.root(id_) for id_ in self.texts)
        return [id_ for id_ in self.texts if sizes[self.root(id_)] == 1]

    # -- whose answers stand -------------------------------------------------------------------------

    def released(self, candidate: str) -> bool:
        return candidate in self.ever_released - self.unreleased

    def in_force(self, guideline: str) -> bool:
        return guideline == self.guideline or frozenset((guideline, self.guideline)) in self.compatible

    def about(self, answer: Answer, candidate: str) -> bool:
        """Whether an answer speaks of a candidate: a control's never does, nor one from before a reopening."""
        if answer.place.why == "control" or answer.round.id in self.void.get(candidate, ()):
            return False
        edited = answer.decision == "edit" and answer.corrected == candidate
        made = edited and self.families[candidate] == answer.place.candidate != candidate
        return answer.place.candidate == candidate or made

    def newest(self, candidate: str) -> list[Answer]:
        """Each account's last word on this content."""
        last: dict[str, Answer] = {}
        for answer in sorted(self.answers.values(), key=lambda a: a.seq):
            if self.about(answer, candidate):
                last[answer.account] = answer
        return list(last.values())

    def says_yes(self, answer: Answer, candidate: str) -> bool:
        approves = answer.decision == "approve" and answer.place.candidate == candidate
        return approves or (answer.decision == "edit" and answer.corrected == candidate)

    def stamped(self, answer: Answer) -> bool:
        """Whether nobody can have read it: another answer of the same person is too near in time."""
        return any(
            abs(other.at - answer.at) < answer.round.min_pace_s
            for other in self.answers.values()
            if other is not answer and other.reviewer == answer.reviewer
        )

    def in_quarantine(self, answer: Answer) -> bool:
        own = self.resting.get(answer.reviewer, [])
        return any(not each.stand and each.since < answer.seq <= each.ended for each in own)

    def held(self, answer: Answer) -> bool:
        return answer.decision != "reject" and (self.stamped(answer) or self.in_quarantine(answer))

    def sound(self, answer: Answer) -> bool:
        return answer.flaw is None and answer.round.pushed

    def approvals(self, candidate: str) -> list[Answer]:
        """Sound ones, under guidelines that hold, not set aside; a second look only takes away."""
        released = self.released(candidate)
        return [
            a
            for a in self.newest(candidate)
            if self.sound(a)
            and self.says_yes(a, candidate)
            and a.place.why != "rereview"
            and (released or (self.in_force(a.round.guideline) and not self.held(a)))
        ]

    def refusals(self, candidate: str) -> list[Answer]:
        """Sound answers against it; one under earlier guidelines is no weaker."""
        released = self.released(candidate)
        return [
            a
            for a in self.newest(candidate)
            if self.sound(a)
            and not self.says_yes(a, candidate)
            and (released or not self.held(a) or not self.in_force(a.round.guideline))
        ]

    # -- what follows --------------------------------------------------------------------------------

    def asked(self, candidate: str) -> set[str]:
        """Everybody who had to do with it as a reviewer, or with what it was corrected from."""
        of = {candidate, self.families[candidate]}
        void = self.void.get(candidate, frozenset())
        placed = {
            place.reviewer
            for each in self.rounds
            if each.id not in void
            for place in each.places
            if place.why != "control" and place.candidate in of
        }
        return placed | {a.reviewer for a in self.answers.values() if self.about(a, candidate)}

    def ruling(self, candidate: str) -> str | None:
        """What somebody else than its reviewers made of it, having seen every answer that counts."""
        counted = [*self.approvals(candidate), *self.refusals(candidate)]
        newest = max((a.seq for a in counted), default=0)
        asked = self.asked(candidate)
        for ruling in reversed(self.rulings):
            holds = self.released(candidate) or self.in_force(ruling.guideline)
            if (
                ruling.candidate == candidate
                and ruling.by not in asked
                and ruling.settles >= newest
                and holds
            ):
                return ruling.decision
        return None

    def enough(self, approvals: list[Answer]) -> bool:
        """Whether as many distinct people approved as one of their rounds asked for."""
        return any(
            len({a.reviewer for a in approvals if a.round.quorum <= quorum}) >= quorum
            for quorum in {a.round.quorum for a in approvals}
        )

    def may_be_approved(self, candidate: str) -> bool:
        """The invariants G1 to G9 for one candidate, its family left aside."""
        approvals, ruling = self.approvals(candidate), self.ruling(candidate)
        if candidate in self.recalled or self.texts[candidate] == LEAKING or not approvals:
            return False
        if ruling == "reject":
            return False
        if self.refusals(candidate):
            return ruling == "approve"
        return self.enough(approvals) and (self.texts[candidate] != CLASHING or ruling == "approve")

"""What the gate may know about a candidate, and which verdicts count as evidence."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from seedgate.records import Adjudication, Assignment, Case, Docket, Round, Verdict

__all__ = [
    "STALE",
    "Facts",
    "Fault",
    "Heard",
    "PushedDocket",
    "PushedRound",
    "Settled",
    "fault",
    "in_force",
    "person",
]


class Heard(NamedTuple):
    """A standing verdict and its place in the ledger."""

    seq: int
    verdict: Verdict


class Settled(NamedTuple):
    """An adjudication and its place in the ledger."""

    seq: int
    adjudication: Adjudication


@dataclass(frozen=True, slots=True)
class PushedRound:
    """A round whose records are before its reviewers.

    `users`: reviewer to Argilla's user id. `seq`: the place in the ledger of its push.
    """

    round: Round
    users: Mapping[str, str]
    pusher: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class PushedDocket:
    """A docket whose records are before the person asked, whose account is `user_id`."""

    docket: Docket
    dataset_id: str
    user_id: str
    pusher: str


@dataclass(frozen=True)
class Facts:
    """All that the gate may know about one candidate.

    Attributes:
        verdicts: Standing verdicts on it, and those on its original that were edited into it.
        assignments: By record id; of this candidate, and of its original where an edit made this one.
        delivered: (record id, dataset id) pairs that were pushed.
        opened: The rounds of these assignments, by id; `rounds` are those whose push was completed.
        guideline_hash: Of the guidelines in force; `compatible` are older ones that count as equal.
        skipped, lost: Record ids that their reviewer discarded, or that vanished from Argilla.
        retired: Reviewers who are no longer on the workspace's list or in quarantine: nobody waits for them.
        adjudications: On it, and those on its original that approved it as the correction.
        cases, dockets: By record id and by id; where those of them that came through Argilla were asked for.
        released: Whether a release has it: then a changed guideline no longer matters.
        recalled: Why it was taken out of a release, if it was.
        held: Response ids of approvals and edits that do not count while this is unreleased, and why (G6).
        unfit: Why it is no example of the present task, if so.
        leak: What it has in common with the evaluation set, if anything (G7).
        clash: Which verified seed says otherwise about nearly the same input, if any (G8).
        rivals: Other approved descendants of the same original (G5).
    """

    candidate_id: str
    guideline_hash: str
    verdicts: tuple[Heard, ...] = ()
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    delivered: frozenset[tuple[str, str]] = frozenset()
    opened: Mapping[str, Round] = field(default_factory=dict)
    rounds: Mapping[str, PushedRound] = field(default_factory=dict)
    compatible: frozenset[str] = frozenset()
    simulated_reviewer: str | None = None
    skipped: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    adjudications: tuple[Settled, ...] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)
    dockets: Mapping[str, PushedDocket] = field(default_factory=dict)
    released: bool = False
    recalled: str | None = None
    held: Mapping[str, str] = field(default_factory=dict)
    unfit: str | None = None
    leak: str | None = None
    clash: str | None = None
    rivals: tuple[str, ...] = ()


class Fault(NamedTuple):
    """Why a verdict does not count, and by which invariant."""

    invariant: str
    reason: str


STALE = Fault("G2", "given under earlier guidelines")


def fault(facts: Facts, verdict: Verdict) -> Fault | None:
    """Why this verdict cannot count towards this candidate, or None if it counts."""
    if verdict.problem is not None:
        return Fault("G9", verdict.problem)
    assignment = facts.assignments.get(verdict.record_id)
    pushed = facts.rounds.get(verdict.round)
    if assignment is None or pushed is None:
        return Fault("G3", "nobody was asked about this record")
    if assignment.why == "control":
        return Fault("G1", "a control: its verdict says nothing about a candidate")
    asked = (assignment.round, assignment.candidate_id, assignment.reviewer)
    if asked != (verdict.round, verdict.candidate_id, verdict.reviewer):
        return Fault("G3", f"{verdict.reviewer} was not assigned this candidate in this round")
    if (verdict.record_id, verdict.dataset_id) not in facts.delivered:
        return Fault("G2", "the record is not the one that was pushed")
    if verdict.reviewer not in pushed.round.reviewers:
        return Fault("G3", f"{verdict.reviewer} is not on the round's list of reviewers")
    if verdict.user_id == pushed.pusher:
        return Fault("G3", "given by the account that pushes")
    if verdict.user_id != pushed.users.get(verdict.reviewer):
        return Fault("G3", f"not given by the account of {verdict.reviewer}")
    program = verdict.reviewer in (*pushed.round.simulated, facts.simulated_reviewer)
    if verdict.simulated != program:
        return Fault("G3", "a program's verdict and a person's must not pass for each other")
    if verdict.simulated and verdict.reviewer != facts.simulated_reviewer:
        return Fault("G1", "this workspace has no such simulated reviewer")
    if verdict.seen_hash != verdict.candidate_id:
        return Fault("G2", "the record showed something else than the candidate")
    if verdict.guideline_hash != pushed.round.guideline_hash:
        return Fault("G2", "the dataset showed other guidelines than the round's")
    if not (facts.released or in_force(facts, verdict.guideline_hash)):
        return STALE
    if verdict.response_id in facts.held and verdict.decision != "reject" and not facts.released:
        return Fault("G6", facts.held[verdict.response_id])
    return _inconsistent(verdict)


def _inconsistent(verdict: Verdict) -> Fault | None:
    changed = verdict.corrected_hash != verdict.candidate_id
    if verdict.decision == "approve" and changed:
        return Fault("G5", "inconsistent: approved, but with a corrected field")
    if verdict.decision == "approve" and verdict.reasons:
        return Fault("G5", f"inconsistent: approved, but with a reason against it: {verdict.reasons[0]}")
    if verdict.decision == "edit" and (verdict.corrected_hash is None or not changed):
        return Fault("G5", "inconsistent: marked as edited, but nothing was changed")
    if verdict.decision is None:
        return Fault("G9", "no decision was given")
    return None


def person(name: str) -> str:
    """The name without what would make two of one person: case, width, spaces around.

    >>> person(" Anna") == person("anna")
    True
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


def in_force(facts: Facts, guideline_hash: str) -> bool:
    """Whether an answer given under these guidelines counts today."""
    return guideline_hash == facts.guideline_hash or guideline_hash in facts.compatible

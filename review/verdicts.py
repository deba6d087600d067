"""From a response that Argilla has to a Verdict, or to why it is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from seedgate.canonical import content_hash, sha256
from seedgate.errors import InputError
from seedgate.records import Assignment, Round, Verdict
from seedgate.review.answers import read_answer
from seedgate.review.board import Account, DatasetSpec, StoredRecord, StoredResponse
from seedgate.review.record_view import DECISION, seen_hash, shows_just, spec_hash
from seedgate.task import Task

__all__ = ["Asked", "Read", "in_utc", "pace", "read_verdict", "response_key"]

BREAK_S = 30 * 60
"""A longer gap says nothing about how long one decision took."""


@dataclass(frozen=True)
class Asked:
    """One reviewer's dataset of one round, as it was pushed and as it is.

    Attributes:
        account: The reviewer's account as it is now, None if it is gone.
        listed: Whether the workspace's list still has the reviewer.
        user_id: The account that the round was pushed to.
    """

    task: Task
    round: Round
    reviewer: str
    dataset_id: str
    spec: DatasetSpec
    account: Account | None
    listed: bool
    user_id: str

    def problem(self) -> str | None:
        """What makes every answer in this dataset one that cannot count, if anything does."""
        if not self.listed:
            return f"{self.reviewer} is not on the workspace's list of reviewers any more"
        if self.account is None or self.account.id != self.user_id:
            return f"the account {self.reviewer} is not the one that was asked"
        if self.account.role != "annotator":
            return f"{self.reviewer} has the role {self.account.role} in Argilla"
        if spec_hash(self.spec) != self.round.schema_hash:
            return "the dataset's fields or questions were changed in Argilla"
        return None


class Read(NamedTuple):
    """A verdict with the texts it refers to by hash."""

    verdict: Verdict
    corrected: dict[str, Any] | None
    comment: str


def read_verdict(
    asked: Asked,
    assignment: Assignment,
    fields: Mapping[str, Any] | None,
    record: StoredRecord,
    response: StoredResponse,
    pace_s: float | None,
    shown: Mapping[str, str] | None,
) -> Read:
    """The verdict in a submitted response of the assigned reviewer.

    Args:
        fields: The candidate's content, None if it is gone from the ledger.
        shown: The texts that were pushed, those about the candidate included; None if they are gone.
    """
    problem = asked.problem()
    if record.altered:
        problem = problem or "the record was changed in Argilla after it was pushed"
    if DECISION in record.suggested:
        problem = problem or "the record has a decision pre-filled, which seedgate never does"
    if shown is None or not shows_just(shown, record.fields):
        problem = problem or "the record shows something else than was pushed"
    try:
        seen = seen_hash(asked.task, fields or {}, record.fields)
    except (InputError, KeyError):
        seen, problem = _hash_of(dict(record.fields)), problem or "the record shows something else"
    answer = read_answer(asked.task, fields or {}, response.values if fields else None)
    if fields is None:
        problem = problem or "the candidate's content was removed"
    verdict = Verdict(
        candidate_id=assignment.candidate_id,
        round=assignment.round,
        reviewer=assignment.reviewer,
        decision=answer.decision,
        seen_hash=seen,
        corrected_hash=content_hash(answer.corrected) if answer.corrected is not None else None,
        reasons=answer.reasons,
        comment_hash=content_hash(answer.comment) if answer.comment else None,
        guideline_hash=sha256(asked.spec.guidelines),
        dataset_id=asked.dataset_id,
        record_id=assignment.record_id,
        response_id=response.id,
        user_id=response.user_id,
        submitted_at=in_utc(response.updated_at),
        pace_s=pace_s,
        simulated=assignment.reviewer in asked.round.simulated,
        problem=problem or answer.problem,
    )
    return Read(verdict, answer.corrected, answer.comment)


def response_key(response: StoredResponse) -> str:
    """The ledger key of what a response says now."""
    content = [response.status, dict(response.values or {}), response.updated_at, response.user_id]
    return f"verdict:{response.id}:{_hash_of(content)}"


def _hash_of(content: Any) -> str:
    """The content hash, also of what is no canonical JSON: nobody may stop a pull with a strange answer."""
    try:
        return content_hash(content)
    except InputError:
        return sha256(repr(content).encode("utf-8", "backslashreplace"))


def in_utc(stamp: str) -> str:
    """Argilla's time stamps are UTC without saying so."""
    return stamp if stamp.endswith(("Z", "+00:00")) else f"{stamp}+00:00"


def pace(submitted_at: str, earlier: str | None) -> float | None:
    """Seconds since the reviewer's submission before, None if there is none or a break lies between."""
    if earlier is None:
        return None
    gap = (datetime.fromisoformat(submitted_at) - datetime.fromisoformat(earlier)).total_seconds()
    return round(gap, 3) if 0 <= gap <= BREAK_S else None

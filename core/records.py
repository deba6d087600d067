"""The records that cross the borders between rooms: one type each, frozen, checked.

An Example's id is its content; a Candidate is an Example with the provenance it was born with; a Verdict is
one reviewer's answer about one candidate; a Decision is what the gate makes of all that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from seedgate.canonical import content_hash

__all__ = [
    "Adjudication",
    "Assignment",
    "Candidate",
    "Case",
    "CaseAnswer",
    "Decision",
    "Docket",
    "Example",
    "Outcome",
    "Provenance",
    "Reason",
    "Round",
    "Verdict",
    "VerdictDecision",
]

VerdictDecision = Literal["approve", "edit", "reject"]
"""A reviewer's answer. `edit`: the corrected fields are right, the original is not."""

Reason = Literal[
    "wrong_label",
    "wrong_fact",
    "off_topic",
    "unnatural",
    "duplicate",
    "format",
    "unsafe",
    "personal_data",
    "other",
]
"""Why a reviewer rejected or edited; the next cycle's generation acts on it."""

Outcome = Literal["approved", "rejected", "pending", "conflict", "void"]
"""The gate's word on a candidate.

`approved`: enough distinct reviewers approved exactly this content. `rejected`: enough rejected it, or it
was edited into another example. `pending`: not enough is known; the default for everything. `conflict`:
reviewers disagree, an adjudicator must settle it. `void`: withdrawn for good (recalled, leaking).
"""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(_Record):
    """Fields of one example of the task, with what is known about where it came from.

    Attributes:
        fields: Field name to JSON value, as the Task declares them.
        tags: `core`, `edge` or free ones.
        source: Where it came from, e.g. `seeds.jsonl:17`.
    """

    fields: dict[str, JsonValue]
    tags: tuple[str, ...] = ()
    source: str = ""

    @cached_property
    def id(self) -> str:
        """Hex SHA-256 of the canonical JSON of the fields: same content, same id, everywhere."""
        return content_hash(self.fields)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Example:
        """A copy, with `update` applied; its id is computed afresh."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("id", None)
        return copied


class Provenance(_Record):
    """How a candidate came to be, recorded when it did.

    Attributes:
        seed_ids: Ids of the seeds shown in the prompt, in order.
        request_id: One request to the server; `choice` and `item` say which part of its answer.
        finish_reason: The server's word, e.g. `stop` or `length`.
        prompt_tokens, completion_tokens: Of the whole request, as the server counted.
        edited_from: Id of the candidate that a reviewer corrected into this one, if any.
        repaired_from: Id of the rejected candidate that the model was asked to repair, if any.
    """

    cycle: int
    run: str
    strategy: str
    seed_ids: tuple[str, ...] = ()
    model: str
    model_revision: str = ""
    sampling: dict[str, JsonValue] = {}
    prompt_hash: str
    request_id: str
    choice: int = 0
    item: int = 0
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    at: str
    edited_from: str | None = None
    repaired_from: str | None = None


class Candidate(_Record):
    """A generated example, its provenance, and one score per scorer (scores order the queue, no more)."""

    example: Example
    provenance: Provenance
    scores: dict[str, float] = {}

    @property
    def id(self) -> str:
        """The example's id."""
        return self.example.id


class Assignment(_Record):
    """One candidate before one reviewer in one round.

    Attributes:
        record_id: Argilla's external id, derived from round, candidate and reviewer, so that a repeated
            push makes nothing new.
        shown_hash: Hash of the body with the exact texts of the record, field name to text, as sent. An
            approval counts only for the candidate whose fields these texts show.
        why: Why it is in this wave: `ranked` (by expected value), `random` (never ranked, keeps
            estimates honest), `control` (its right answer is known; its verdict changes no state), `rereview`
            (approved by others; looked at again, blind).
    """

    round: str
    candidate_id: str
    reviewer: str
    record_id: str
    shown_hash: str
    why: Literal["ranked", "random", "control", "rereview"] = "ranked"


class Round(_Record):
    """One push for review: bound to one guideline, one question schema, one quorum.

    Attributes:
        guideline_hash: SHA-256 of the guidelines' text, which `guidelines` is the body hash of.
        schema_hash: Hash of the fields and questions that reviewers see.
        reviewers: Who the wave's assignments go to; `simulated` names those of them that are programs.
        datasets: Reviewer to (Argilla workspace, Argilla dataset) names, create-only.
        purpose: `seeds`: its records are seeds to be verified, not candidates.
        min_pace_s: Two submissions of one person nearer than this were read by nobody.
        max_miss_rate: Share of wrong controls that a reviewer may let through; a later, laxer setting changes nothing.
    """

    id: str
    cycle: int
    wave: int
    guideline_hash: str
    guidelines: str
    task_hash: str
    schema_hash: str
    quorum: int
    reviewers: tuple[str, ...]
    simulated: tuple[str, ...] = ()
    datasets: dict[str, tuple[str, str]]
    at: str
    purpose: Literal["candidates", "seeds"] = "candidates"
    min_pace_s: float = 0.0
    max_miss_rate: float = 1.0


class Verdict(_Record):
    """One submitted response, as pulled from Argilla. Texts are bodies, so that they can be redacted.

    Attributes:
        decision: None if the response cannot be understood; `problem` says why.
        seen_hash: Hash of the fields that the record showed when pulled; must equal the candidate's id.
        corrected_hash: Hash of the fields after correction: the candidate's id where nothing was
            changed, the id of the corrected example where something was, None if malformed.
        comment_hash: Body hash of the reviewer's comment, if there is one.
        guideline_hash: SHA-256 of the guidelines that the dataset showed when pulled.
        submitted_at: When the response was last submitted, by Argilla's clock.
        pace_s: Seconds since the same reviewer's previous submission; None for the first and after a break.
        problem: Why the verdict cannot count as it stands, or None.
    """

    candidate_id: str
    round: str
    reviewer: str
    decision: VerdictDecision | None
    seen_hash: str
    corrected_hash: str | None = None
    reasons: tuple[Reason, ...] = ()
    comment_hash: str | None = None
    guideline_hash: str
    dataset_id: str
    record_id: str
    response_id: str
    user_id: str
    submitted_at: str
    pace_s: float | None = None
    simulated: bool = False
    problem: str | None = None


class Docket(_Record):
    """Cases put before one person in one Argilla dataset, create-only, under one version of the guidelines.

    Attributes:
        kind: `adjudication`: what reviewers could not settle, before somebody who is none of them.
            `second_look`: before the only reviewer there is, the row and the verified seed it clashes with (G8).
        by: Who is asked.
        schema_hash: Hash of the fields and questions of the dataset.
        place: (Argilla workspace, Argilla dataset) names.
    """

    id: str
    kind: Literal["adjudication", "second_look"]
    by: str
    guideline_hash: str
    guidelines: str
    schema_hash: str
    place: tuple[str, str]
    at: str


class Case(_Record):
    """One candidate in a docket.

    Attributes:
        record_id: Argilla's external id.
        shown_hash: Hash of the body with the exact texts of the record, field name to text.
        settles: Sequence number of the newest verdict that is shown.
        corrections: Letter of a reviewer to the id of the correction that may be approved instead.
    """

    docket: str
    candidate_id: str
    record_id: str
    shown_hash: str
    settles: int
    corrections: dict[str, str] = {}


class CaseAnswer(_Record):
    """Where an adjudication was given in Argilla.

    Attributes:
        shown_hash: Hash of the texts that the record showed when pulled; must equal the case's.
        submitted_at: By Argilla's clock.
        problem: Why the answer cannot count as it stands, or None.
    """

    docket: str
    dataset_id: str
    record_id: str
    response_id: str
    user_id: str
    shown_hash: str
    submitted_at: str
    problem: str | None = None


class Adjudication(_Record):
    """How somebody settled what reviewers could not.

    Attributes:
        decision: `correct` approves a reviewer's correction in the candidate's place; None if the answer
            cannot be understood.
        corrected_hash: Id of the correction that was approved.
        settles: Sequence number of the newest verdict it took into account; a later verdict reopens the
            conflict.
        answer: Where it was given in Argilla; None if on the shell.
    """

    candidate_id: str
    by: str
    decision: Literal["approve", "reject", "correct"] | None
    corrected_hash: str | None = None
    comment_hash: str | None = None
    guideline_hash: str
    settles: int
    answer: CaseAnswer | None = None


class Decision(_Record):
    """The gate's word on one candidate, always with the reason for it.

    Attributes:
        invariant: The rule that settled it, `G1` to `G10`.
        approvers: Distinct reviewers whose approval counts.
        verdicts: Response ids that the decision rests on.
        simulated: Whether any approval it rests on is a program's.
        guideline_hash: The version of the guidelines it was approved under.
        quorum: How many distinct reviewers had to approve.
    """

    candidate_id: str
    outcome: Outcome
    reason: str
    invariant: str = ""
    approvers: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()
    simulated: bool = False
    guideline_hash: str | None = None
    quorum: int | None = None


def dump(record: BaseModel) -> Mapping[str, Any]:
    """A record as the plain JSON that the ledger stores; fields that say nothing are left out."""
    return record.model_dump(mode="json", exclude_defaults=True)

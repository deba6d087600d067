"""The border to the place of review: what the rest of this room says and hears, without vendor types.

`Board` is what the pusher needs, `Desk` what a reviewer does; `seedgate.review.argilla` implements both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = [
    "Account",
    "Board",
    "DatasetSpec",
    "Desk",
    "DeskRecord",
    "FieldSpec",
    "NewRecord",
    "Option",
    "QuestionKind",
    "QuestionSpec",
    "ResponseStatus",
    "StoredRecord",
    "StoredResponse",
]

QuestionKind = Literal["label", "multilabel", "text"]
"""How a question is answered: one option, several options, free text."""

ResponseStatus = Literal["submitted", "draft", "discarded"]
"""Only `submitted` is an answer."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A text field of a record. `plain`: not rendered as markdown, which is what seedgate makes."""

    name: str
    title: str
    required: bool = True
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a label question: `value` is stored, `text` read, `description` shown on hovering."""

    value: str
    text: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class QuestionSpec:
    """A question about each record."""

    name: str
    title: str
    kind: QuestionKind
    required: bool = False
    description: str = ""
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """What a reviewer's dataset shows besides its records."""

    guidelines: str
    fields: tuple[FieldSpec, ...]
    questions: tuple[QuestionSpec, ...]


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to create. `suggestions` pre-fill questions by name."""

    record_id: str
    fields: Mapping[str, str]
    suggestions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One user's answer to one record; `values` is None where nothing was filled in."""

    id: str
    user_id: str
    status: ResponseStatus
    values: Mapping[str, Any] | None
    updated_at: str


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as the server has it.

    `altered`: somebody changed it after it was created. `suggested`: names of the questions that are pre-filled.
    """

    record_id: str | None
    fields: Mapping[str, Any]
    responses: tuple[StoredResponse, ...]
    altered: bool = False
    suggested: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the server."""

    id: str
    name: str
    role: str


class Board(Protocol):
    """The server as the pusher's account sees it. Every method may raise ServiceError."""

    @property
    def url(self) -> str:
        """Address for people."""

    @property
    def pusher(self) -> Account:
        """The account whose key this is."""

    def accounts(self) -> dict[str, Account]:
        """Every user by name."""

    def ensure_reviewer(self, name: str, password: str) -> Account:
        """The reviewer's account, made if missing. RefusedError if it has another role."""

    def ensure_workspace(self, name: str, members: Sequence[Account]) -> str:
        """Id of the workspace, made if missing, with these members in it."""

    def ensure_dataset(self, workspace_id: str, name: str, spec: DatasetSpec) -> str:
        """Id of the published dataset, made if missing; refused if one of that name differs."""

    def add_records(self, dataset_id: str, records: Sequence[NewRecord]) -> int:
        """Creates the records that are missing and touches no other; says how many it created."""

    def dataset_spec(self, dataset_id: str) -> DatasetSpec | None:
        """What the dataset shows now, None if it is gone."""

    def records(self, dataset_id: str) -> list[StoredRecord] | None:
        """All records with all responses, None if the dataset is gone."""

    def remove_records(self, dataset_id: str, record_ids: Sequence[str]) -> int:
        """Deletes these records with their responses, for redactions only; says how many were there."""


@dataclass(frozen=True, slots=True)
class DeskRecord:
    """A record as its reviewer sees it; `key` is what `Desk.submit` takes."""

    key: str
    fields: Mapping[str, str]
    suggestions: Mapping[str, Any]
    answered: bool


class Desk(Protocol):
    """The server as one signed-in reviewer uses it."""

    def records(self, workspace: str, dataset: str) -> list[DeskRecord]:
        """The records of one dataset with this reviewer's state."""

    def submit(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Submits answers: record key to question name to value."""

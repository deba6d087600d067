"""A Board without a server: what random histories push to and pull from, and where their people answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seedgate.review.board import (
    Account,
    DatasetSpec,
    NewRecord,
    ResponseStatus,
    StoredRecord,
    StoredResponse,
)

__all__ = ["BoardInMemory"]


class BoardInMemory:
    """Datasets, records and responses in dictionaries; each person has one response per record, as in Argilla."""

    url = "memory"

    def __init__(self, people: Sequence[str]) -> None:
        self.pusher = Account("user-pusher", "pusher", "owner")
        self._accounts = {name: Account(f"user-{name}", name, "annotator") for name in people}
        self._specs: dict[str, DatasetSpec] = {}
        self._records: dict[str, dict[str, NewRecord]] = {}
        self._responses: dict[str, dict[str, StoredResponse]] = {}

    # -- what seedgate asks of it --------------------------------------------------------------------

    def accounts(self) -> dict[str, Account]:
        return self._accounts | {self.pusher.name: self.pusher}

    def ensure_reviewer(self, name: str, password: str) -> Account:
        return self._accounts[name]

    def ensure_workspace(self, name: str, members: Sequence[Account]) -> str:
        return name

    def ensure_dataset(self, workspace_id: str, name: str, spec: DatasetSpec) -> str:
        dataset_id = f"{workspace_id}/{name}"
        self._specs.setdefault(dataset_id, spec)
        self._records.setdefault(dataset_id, {})
        return dataset_id

    def add_records(self, dataset_id: str, records: Sequence[NewRecord]) -> int:
        own = self._records[dataset_id]
        new = {r.record_id: r for r in records if r.record_id not in own}
        own |= new
        return len(new)

    def dataset_spec(self, dataset_id: str) -> DatasetSpec | None:
        return self._specs.get(dataset_id)

    def records(self, dataset_id: str) -> list[StoredRecord] | None:
        return [
            StoredRecord(id_, record.fields, tuple(self._responses.get(id_, {}).values()))
            for id_, record in self._records[dataset_id].items()
        ]

    def remove_records(self, dataset_id: str, record_ids: Sequence[str]) -> int:
        raise NotImplementedError

    # -- what people do on it ------------------------------------------------------------------------

    def respond(
        self, record_id: str, user_id: str, values: Mapping[str, Any], at: str, status: ResponseStatus
    ) -> None:
        """Submits, saves as a draft or discards; a response keeps its id for ever."""
        own = self._responses.setdefault(record_id, {})
        known = own.get(user_id)
        if known is not None:
            own[user_id] = replace(known, status=status, values=values, updated_at=at)
        else:
            own[user_id] = StoredResponse(f"{record_id}/{user_id}", user_id, status, values, at)

    def lose(self, record_id: str, user_id: str) -> None:
        """Deletes a response, as only the server's administrator can."""
        self._responses.get(record_id, {}).pop(user_id, None)

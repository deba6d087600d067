"""The pusher's side of Argilla 2.x over REST (argilla_server 2.8, api/handlers/v1).

Create-only: nothing here updates, and only `remove_records` deletes, for redactions. Argilla's own upsert would
replace a record's fields and keep the responses given to other fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from seedgate.errors import RefusedError, ServiceError
from seedgate.review import argilla_wire as wire
from seedgate.review.argilla_api import Api, RefusalError, retrying
from seedgate.review.board import Account, DatasetSpec, NewRecord, StoredRecord

__all__ = ["ArgillaBoard"]

PAGE = 1000  # the server's limit for listing; a wave fits into one page
BULK = 100  # records per request; the server takes 500, small ones keep each request short


class ArgillaBoard:
    """`Board` with an owner's API key.

    Raises:
        ServiceError: Argilla does not answer, is no 2.x, or refuses the key.
        RefusedError: The key's account is not an owner.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self._api = Api(url, {"X-Argilla-Api-Key": api_key})
        try:
            _check_version(self._api)
            self.pusher = wire.to_account(self._get("me"))
            self._check_role()
        except BaseException:
            self._api.close()
            raise

    def _check_role(self) -> None:
        if self.pusher.role != "owner":
            raise RefusedError(
                f"the API key for Argilla at {self.url} belongs to {self.pusher.name!r}, whose role is"
                f" {self.pusher.role}; making reviewers' accounts takes an owner",
                hint="set SEEDGATE_ARGILLA_API_KEY to an owner's key",
            )

    def __enter__(self) -> ArgillaBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    @property
    def url(self) -> str:
        """Address for people."""
        return self._api.url

    # -- people --------------------------------------------------------------------------------------

    def accounts(self) -> dict[str, Account]:
        """Every user by name."""
        return {user["username"]: wire.to_account(user) for user in self._get("users")["items"]}

    def ensure_reviewer(self, name: str, password: str) -> Account:
        """The reviewer's account, made with `password` if missing.

        Raises:
            RefusedError: An account of that name has another role than annotator.
        """

        def look_and_create() -> Account:
            users = self._api.call("GET", "users")["items"]
            found = [wire.to_account(user) for user in users if user["username"] == name]
            if found:
                return found[0]
            user = {"first_name": name, "username": name, "password": password, "role": "annotator"}
            return wire.to_account(self._api.call("POST", "users", json=user))

        account = retrying(look_and_create, self.url)
        if account.role != "annotator":
            raise RefusedError(
                f"Argilla account {name!r} has the role {account.role}: its verdicts could not count",
                hint="name a reviewer with an account of the role annotator in [review] reviewers",
            )
        return account

    # -- places --------------------------------------------------------------------------------------

    def ensure_workspace(self, name: str, members: Sequence[Account]) -> str:
        """Id of the workspace, made if missing, with these members in it."""

        def look_and_create() -> str:
            for workspace in self._api.call("GET", "me/workspaces")["items"]:
                if workspace["name"] == name:
                    return str(workspace["id"])
            return str(self._api.call("POST", "workspaces", json={"name": name})["id"])

        workspace_id = retrying(look_and_create, self.url)
        users = f"workspaces/{workspace_id}/users"

        def add_missing() -> None:
            present = {user["id"] for user in self._api.call("GET", users)["items"]}
            for account in members:
                if account.id not in present:
                    self._api.call("POST", users, json={"user_id": account.id})

        retrying(add_missing, self.url)
        return workspace_id

    def ensure_dataset(self, workspace_id: str, name: str, spec: DatasetSpec) -> str:
        """Id of the published dataset; one that a killed push left half made is completed.

        Raises:
            RefusedError: A dataset of this name shows or asks something else.
        """

        def look_and_create() -> str:
            query = {"workspace_id": workspace_id, "name": name}
            found = self._api.call("GET", "me/datasets", params=query)["items"]
            dataset = (
                found[0]
                if found
                else self._api.call("POST", "datasets", json=wire.from_dataset(spec) | query)
            )
            if dataset["status"] != "ready":
                self._complete(dataset["id"], spec)
            return str(dataset["id"])

        dataset_id = retrying(look_and_create, self.url)
        if self.dataset_spec(dataset_id) != spec:
            raise RefusedError(
                f"Argilla has a dataset {name!r} that shows or asks something else than this round",
                hint="rename or delete it in Argilla, then run again",
            )
        return dataset_id

    def _complete(self, dataset_id: str, spec: DatasetSpec) -> None:
        for kind, wanted in (("fields", wire.from_fields(spec)), ("questions", wire.from_questions(spec))):
            path = f"datasets/{dataset_id}/{kind}"
            present = {item["name"] for item in self._api.call("GET", path)["items"]}
            for item in wanted:
                if item["name"] not in present:
                    self._api.call("POST", path, json=item)
        self._api.call("PUT", f"datasets/{dataset_id}/publish")

    # -- records -------------------------------------------------------------------------------------

    def add_records(self, dataset_id: str, records: Sequence[NewRecord]) -> int:
        """Creates the records whose ids the dataset lacks; says how many.

        Raises:
            ServiceError: Argilla's search index, which the page reads, lacks records afterwards.
        """
        questions = retrying(lambda: self._questions(dataset_id), self.url)

        def create_missing() -> int:
            present = {record["external_id"] for record in self._list(dataset_id, "")}
            missing = [record for record in records if record.record_id not in present]
            for start in range(0, len(missing), BULK):
                items = [wire.from_record(record, questions) for record in missing[start : start + BULK]]
                self._api.call("POST", f"datasets/{dataset_id}/records/bulk", json={"items": items})
            return len(missing)

        created = retrying(create_missing, self.url)
        self._check_index(dataset_id, len(records))
        return created

    def _check_index(self, dataset_id: str, wanted: int) -> None:
        # The server commits records first and indexes them after, logging what failed; the page shows
        # only what is indexed.
        indexed = self._get(f"datasets/{dataset_id}/progress").get("total", 0)
        if indexed < wanted:
            raise ServiceError(
                f"Argilla at {self.url} has {wanted} records of a dataset but shows {indexed}:"
                " its search index is incomplete",
                hint="run `python -m argilla_server search-engine reindex` there (`seedgate down` and"
                " `seedgate up` do it for the embedded stack), then run again",
            )

    def records(self, dataset_id: str) -> list[StoredRecord] | None:
        """All records with all responses, None if the dataset is gone."""

        def read() -> list[StoredRecord]:
            names = {id_: name for name, id_ in self._questions(dataset_id).items()}
            return [wire.to_stored(item, names) for item in self._list(dataset_id, "responses,suggestions")]

        try:
            found: list[StoredRecord] = retrying(lambda: _found(read), self.url)
        except LookupError:
            return None
        return found

    def remove_records(self, dataset_id: str, record_ids: Sequence[str]) -> int:
        """Deletes these records with their responses, for redactions only; says how many were there."""
        wanted = set(record_ids)

        def delete_present() -> int:
            present = _found(lambda: [*self._list(dataset_id, "")])
            here = [record["id"] for record in present if record["external_id"] in wanted]
            for id_ in here:
                self._api.call("DELETE", f"records/{id_}")
            return len(here)

        try:
            return retrying(delete_present, self.url)
        except LookupError:
            return 0

    def dataset_spec(self, dataset_id: str) -> DatasetSpec | None:
        """What the dataset shows now, None if it is gone."""

        def read() -> DatasetSpec:
            places = (f"datasets/{dataset_id}{part}" for part in ("", "/fields", "/questions"))
            return wire.to_spec(*(_found(partial(self._api.call, "GET", place)) for place in places))

        try:
            return retrying(read, self.url)
        except LookupError:
            return None

    def _questions(self, dataset_id: str) -> dict[str, str]:
        """Question name to id."""
        return {
            q["name"]: q["id"] for q in self._api.call("GET", f"datasets/{dataset_id}/questions")["items"]
        }

    def _list(self, dataset_id: str, include: str) -> Iterator[dict[str, Any]]:
        params: dict[str, Any] = {"limit": PAGE} | ({"include": include} if include else {})
        seen: set[str] = set()
        total = 1
        offset = 0
        while offset < total:
            page = self._api.call("GET", f"datasets/{dataset_id}/records", params=params | {"offset": offset})
            total = page["total"]
            offset += PAGE
            for item in page["items"]:
                if item["id"] not in seen:
                    seen.add(item["id"])
                    yield item
        # Pages are ordered by a time stamp that several records may share.
        if len(seen) < total:
            raise ServiceError(f"Argilla listed {len(seen)} of {total} records", hint="run the command again")

    def _get(self, path: str) -> Any:
        return retrying(lambda: self._api.call("GET", path), self.url)


def _check_version(api: Api) -> None:
    def read() -> str:
        try:
            return str(api.call("GET", "version")["version"])
        except (RefusalError, KeyError, TypeError):
            return ""

    version = retrying(read, api.url)
    if not version.startswith("2."):
        found = f"is version {version}" if version else "does not say its version"
        raise ServiceError(
            f"the server at {api.url} {found}; seedgate works with Argilla 2.x",
            hint="check the address, or upgrade Argilla",
        )


def _found(call: Callable[[], Any]) -> Any:
    """The call's answer; LookupError instead of a 404."""
    try:
        return call()
    except RefusalError as error:
        if error.status == 404:
            raise LookupError(error.detail) from None
        raise

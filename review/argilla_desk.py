"""A reviewer's side of Argilla's REST API, as the page uses it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from seedgate.errors import ServiceError
from seedgate.review import argilla_wire as wire
from seedgate.review.argilla_api import Api, RefusalError, retrying
from seedgate.review.board import DeskRecord
from seedgate.secrets import variable

__all__ = ["ArgillaDesk"]

PAGE = 1000  # the server's limit for listing; a wave fits into one page
ANSWERS = 50  # responses per request; the server takes 100


class ArgillaDesk:
    """`Desk` of one reviewer, signed in with the account's own password, as the page does it.

    Raises:
        ServiceError: Argilla does not answer, or refuses the password.
    """

    def __init__(self, url: str, name: str, password: str) -> None:
        door = Api(url, {})
        try:
            token = retrying(lambda: _token(door, name, password), url)
        except PermissionError:
            raise ServiceError(
                f"Argilla at {url} refuses the password of {name!r}",
                hint=f"set {variable(f'reviewer_{name}_password')}",
            ) from None
        finally:
            door.close()
        self._api = Api(url, {"Authorization": f"Bearer {token}"})

    def __enter__(self) -> ArgillaDesk:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def records(self, workspace: str, dataset: str) -> list[DeskRecord]:
        """The records of one dataset with this reviewer's own state; none if it cannot be seen."""
        place = self._find("me/workspaces", workspace)
        found = place and self._find("me/datasets", dataset, workspace_id=place)
        if not found:
            return []
        names = {
            question["id"]: question["name"] for question in self._get(f"datasets/{found}/questions")["items"]
        }
        return [wire.to_desk_record(item["record"], names) for item in self._search(found)]

    def submit(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Submits answers: record key to question name to value.

        Raises:
            ServiceError: Argilla refused one of them.
        """
        items = [
            {
                "record_id": key,
                "status": "submitted",
                "values": {name: {"value": value} for name, value in values.items()},
            }
            for key, values in answers.items()
        ]
        for start in range(0, len(items), ANSWERS):
            part = items[start : start + ANSWERS]
            send = partial(self._api.call, "POST", "me/responses/bulk", json={"items": part})
            done = retrying(send, self._api.url)
            failed = [item["error"]["detail"] for item in done["items"] if item["error"]]
            if failed:
                raise ServiceError(f"Argilla refused {len(failed)} responses: {str(failed[0])[:300]}")

    def _find(self, path: str, name: str, **params: str) -> str | None:
        items = self._get(path, **params)["items"]
        return next((str(item["id"]) for item in items if item["name"] == name), None)

    def _search(self, dataset_id: str) -> list[dict[str, Any]]:
        path = f"me/datasets/{dataset_id}/records/search"
        params = {"include": "responses,suggestions", "limit": PAGE}
        answer = retrying(partial(self._api.call, "POST", path, params=params, json={}), self._api.url)
        return list(answer["items"])

    def _get(self, path: str, **params: str) -> Any:
        return retrying(lambda: self._api.call("GET", path, params=params), self._api.url)


def _token(door: Api, name: str, password: str) -> str:
    try:
        return str(door.call("POST", "token", data={"username": name, "password": password})["access_token"])
    except RefusalError as error:
        if error.status == 401:
            raise PermissionError from None
        raise

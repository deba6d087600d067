"""People at Argilla's REST API, the fake one or the real: reviewers who answer, and an owner who meddles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from seedgate.review.visible import unshow
from seedgate.workspace import Workspace

__all__ = ["Owner", "Reviewer"]

Json = dict[str, Any]


class _Person:
    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/api/v1/", headers=dict(headers), timeout=30, trust_env=False
        )

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """One request's JSON."""
        answer = self._client.request(method, path, **options)
        answer.raise_for_status()
        return answer.json()


class Reviewer(_Person):
    """Signs in with the password that push made, and answers records by the text they show."""

    def __init__(self, ws: Workspace, name: str, *, password: str | None = None) -> None:
        url = ws.argilla_url()
        secret = password or ws.secrets.get(f"reviewer_{name}_password")
        form = {"username": name, "password": secret}
        token = httpx.post(f"{url}/api/v1/token", data=form, trust_env=False).json()["access_token"]
        super().__init__(url, {"Authorization": f"Bearer {token}"})
        self.name = name

    def records(self) -> list[Json]:
        """Every record of every dataset this reviewer sees, oldest dataset first."""
        found = []
        for dataset in self.call("GET", "me/datasets")["items"]:
            path = f"me/datasets/{dataset['id']}/records/search"
            params = {"include": "responses,suggestions", "limit": 1000}
            names = {
                q["id"]: q["name"] for q in self.call("GET", f"datasets/{dataset['id']}/questions")["items"]
            }
            for item in self.call("POST", path, params=params, json={})["items"]:
                record = item["record"]
                record["prefilled"] = {names[s["question_id"]]: s["value"] for s in record["suggestions"]}
                found.append(record)
        return found

    def record(self, text: str) -> Json:
        """The newest record that shows this text."""
        return [r for r in self.records() if unshow(r["fields"]["text"]) == text][-1]

    def answer(self, text: str, decision: str, *, status: str = "submitted", **values: Any) -> Json:
        """Answers as the page does: what is pre-filled and left alone is sent along."""
        record = self.record(text)
        return self.put(record, record["prefilled"] | {"decision": decision} | values, status)

    def put(self, record: Json, values: Json, status: str = "submitted") -> Json:
        """Exactly these values for a record."""
        sent = {name: {"value": value} for name, value in values.items()}
        item = {"record_id": record["id"], "status": status, "values": sent}
        done = self.call("POST", "me/responses/bulk", json={"items": [item]})["items"][0]
        assert done["error"] is None, done["error"]
        return dict(done["item"])


class Owner(_Person):
    """Holds the pusher's key, and does with it what nobody should."""

    def __init__(self, ws: Workspace) -> None:
        super().__init__(ws.argilla_url(), {"X-Argilla-Api-Key": ws.argilla_key()})
        self._ws = ws

    def datasets(self) -> list[Json]:
        """The datasets that this workspace's rounds were pushed to."""
        pushed = [e.payload["datasets"] for e in self._ws.ledger.events("round.pushed")]
        ids = {dataset_id for datasets in pushed for dataset_id in datasets.values()}
        return [d for d in self.call("GET", "me/datasets")["items"] if d["id"] in ids]

    def records(self) -> list[Json]:
        """All records of them, with responses."""
        return [
            record
            for dataset in self.datasets()
            for record in self.call(
                "GET", f"datasets/{dataset['id']}/records", params={"include": "responses", "limit": 1000}
            )["items"]
        ]

    def cases(self, place: tuple[str, str] | None) -> list[Json]:
        """All records of the docket with these (workspace, dataset) names, with responses."""
        params = {"include": "responses", "limit": 1000}
        # A real server has the dockets of other tests' workspaces, too, under the same names.
        own = {event.payload["dataset_id"] for event in self._ws.ledger.events("docket.pushed")}
        datasets = [d for d in self.call("GET", "me/datasets")["items"] if d["id"] in own]
        found = [d["id"] for d in datasets if place and d["name"] == place[1]]
        return [
            record
            for id_ in found
            for record in self.call("GET", f"datasets/{id_}/records", params=params)["items"]
        ]

    def record(self, text: str) -> Json:
        """The newest record that shows this text."""
        return [r for r in self.records() if unshow(r["fields"]["text"]) == text][-1]

    def suggest(self, text: str, name: str, value: Any) -> None:
        """Pre-fills a question of the record that shows this text."""
        record = self.record(text)
        questions = self.call("GET", f"datasets/{record['dataset_id']}/questions")["items"]
        (id_,) = (question["id"] for question in questions if question["name"] == name)
        self.call("PUT", f"records/{record['id']}/suggestions", json={"question_id": id_, "value": value})

    def delete_dataset(self) -> None:
        """Deletes the newest of them."""
        self.call("DELETE", f"datasets/{self.datasets()[-1]['id']}")

    def delete_record(self, text: str) -> None:
        """Deletes a record."""
        self.call("DELETE", f"records/{self.record(text)['id']}")

    def delete_response(self, text: str) -> None:
        """Deletes a record's response."""
        self.call("DELETE", f"responses/{self.record(text)['responses'][0]['id']}")

    def change_response(self, text: str, **values: Any) -> None:
        """Writes into somebody's submitted response."""
        sent = {name: {"value": value} for name, value in values.items()}
        body = {"status": "submitted", "values": sent}
        self.call("PUT", f"responses/{self.record(text)['responses'][0]['id']}", json=body)

    def change_record(self, text: str, **fields: str) -> None:
        """Changes what a record shows."""
        record = self.record(text)
        self.call("PATCH", f"records/{record['id']}", json={"fields": record["fields"] | fields})

    def add_reviewer(self, name: str, password: str) -> None:
        """Lets somebody who is not on the workspace's list into the newest dataset, as an annotator."""
        account = {"username": name, "first_name": name, "password": password, "role": "annotator"}
        user = self.call("POST", "users", json=account)
        workspace = self.datasets()[-1]["workspace_id"]
        self.call("POST", f"workspaces/{workspace}/users", json={"user_id": user["id"]})

    def change_guidelines(self, guidelines: str) -> None:
        """Changes what the newest dataset tells its reviewer."""
        self.call("PATCH", f"datasets/{self.datasets()[-1]['id']}", json={"guidelines": guidelines})

    def answer(self, text: str, decision: str) -> None:
        """Answers a record as the account that pushes."""
        item = {
            "record_id": self.record(text)["id"],
            "status": "submitted",
            "values": {"decision": {"value": decision}},
        }
        self.call("POST", "me/responses/bulk", json={"items": [item]})

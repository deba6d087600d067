"""A small Argilla: the REST calls that review uses, over real HTTP, with the answers of argilla_server 2.8.

It keeps what it is told for as long as it lives, so that its clients may be killed: `hold` stops one at a
request of choice. Faults are asked for with `fail`: a refused connection, an answer that gets lost after the
work was done, an error status.
`tests/e2e/test_review_argilla.py` runs the same scenarios on the real server.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

__all__ = ["OWNER_KEY", "FakeArgilla", "Fault"]

OWNER_KEY = "owner.apikey"
Json = dict[str, Any]


class Answer(Exception):  # noqa: N818 - it ends a request, as an answer
    """Ends a request with this status and body."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match, after `skip` that go well.

    `status`: this answer instead of any work. `drop`: no answer and no work. `lose`: the work is done and
    the answer lost.
    """

    method: str
    path: str
    kind: Literal["status", "drop", "lose"] = "status"
    status: int = 500
    times: int = 1
    skip: int = 0

    def strikes(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path) or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Hold:
    """One request is kept waiting: its client is at a place that no clock decides. `reached` once it is there."""

    skip: int
    done: bool
    reached: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class FakeArgilla:
    """The server. `calls` are the requests it got; a context manager through `serve`."""

    version: str = "2.8.0"
    users: list[Json] = field(default_factory=list)
    workspaces: list[Json] = field(default_factory=list)
    members: list[tuple[str, str]] = field(default_factory=list)
    datasets: list[Json] = field(default_factory=list)
    records: list[Json] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    not_indexed: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._hold: Hold | None = None
        self._clock = datetime(2026, 1, 1, tzinfo=UTC)
        self.add_user("owner", "owner", "owner-password", key=OWNER_KEY)

    @contextmanager
    def serve(self) -> Iterator[FakeArgilla]:
        """Answers at `url` on the loopback until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def fail(self, method: str, path: str, **fault: Any) -> Fault:
        """Lets matching requests go wrong; see `Fault`."""
        made = Fault(method, path, **fault)
        self.faults.append(made)
        return made

    @contextmanager
    def hold(self, number: int, *, done: bool) -> Iterator[Hold]:
        """Keeps the `number`th request from now waiting until the block ends.

        `done`: its work is done and only the answer waits; otherwise it is dropped without any work.
        """
        held = self._hold = Hold(number - 1, done)
        try:
            yield held
        finally:
            self._hold = None
            held.ended.set()

    def _holds(self) -> Hold | None:
        with self._lock:
            held = self._hold
            if held is None:
                return None
            held.skip -= 1
            return held if held.skip == -1 else None

    def pass_time(self, seconds: float) -> None:
        """The server's clock goes on."""
        self._clock += timedelta(seconds=seconds)

    def add_user(self, name: str, role: str, password: str, *, key: str = "") -> Json:
        """A user, as its own JSON plus the password."""
        user = self._stamped(
            {
                "first_name": name,
                "last_name": None,
                "username": name,
                "role": role,
                "api_key": key or uuid.uuid4().hex,
                "password": password,
            }
        )
        self.users.append(user)
        return user

    # -- one request ---------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: Json, headers: Any, body: bytes) -> tuple[int, Any]:
        """Status and JSON for a request below /api/v1."""
        with self._lock:
            self.calls.append((method, path))
            for route_method, pattern, needs, call in _ROUTES:
                found = re.fullmatch(pattern, path)
                if route_method == method and found:
                    try:
                        user = self._user(headers) if needs != "nobody" else {}
                        if needs == "owner" and user["role"] != "owner":
                            raise Answer(
                                403, _server_error("ForbiddenOperationError", "Operation not allowed")
                            )
                        return call(self, _Request(method, user, found.groupdict(), query, body))
                    except Answer as ended:
                        return ended.status, ended.body
        return 404, {"detail": "Not Found"}

    def _user(self, headers: Any) -> Json:
        key = headers.get("X-Argilla-Api-Key")
        token = (headers.get("Authorization") or "").removeprefix("Bearer ")
        for user in self.users:
            if (key and user["api_key"] == key) or (token and token == f"token-{user['id']}"):
                return user
        raise Answer(401, _server_error("UnauthorizedError", "Could not validate credentials"))

    def _stamped(self, item: Json) -> Json:
        now = self._now()
        return {"id": str(uuid.uuid4()), **item, "inserted_at": now, "updated_at": now}

    def _now(self) -> str:
        self._clock += timedelta(microseconds=1)
        return self._clock.replace(tzinfo=None).isoformat(timespec="microseconds")

    # -- users and workspaces ------------------------------------------------------------------------

    def get_version(self, request: _Request) -> tuple[int, Any]:
        return 200, {"version": self.version}

    def get_me(self, request: _Request) -> tuple[int, Any]:
        return 200, _public(request.user)

    def create_token(self, request: _Request) -> tuple[int, Any]:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        for user in self.users:
            if (user["username"], user["password"]) == (form["username"], form["password"]):
                return 201, {"access_token": f"token-{user['id']}", "token_type": "bearer"}
        raise Answer(401, _server_error("UnauthorizedError", "Could not validate credentials"))

    def list_users(self, request: _Request) -> tuple[int, Any]:
        return 200, {"items": [_public(user) for user in self.users]}

    def create_user(self, request: _Request) -> tuple[int, Any]:
        new = request.json
        if any(user["username"] == new["username"] for user in self.users):
            raise Answer(409, {"detail": f"User username `{new['username']}` is not unique"})
        if not 8 <= len(new["password"]) <= 100:
            raise Answer(422, {"detail": "password"})
        return 201, _public(self.add_user(new["username"], new["role"], new["password"]))

    def list_my_workspaces(self, request: _Request) -> tuple[int, Any]:
        mine = [w for w in self.workspaces if self._member(request.user, w["id"])]
        return 200, {"items": mine}

    def create_workspace(self, request: _Request) -> tuple[int, Any]:
        name = request.json["name"]
        if any(workspace["name"] == name for workspace in self.workspaces):
            raise Answer(409, {"detail": f"Workspace name `{name}` is not unique"})
        self.workspaces.append(self._stamped({"name": name}))
        return 201, self.workspaces[-1]

    def list_workspace_users(self, request: _Request) -> tuple[int, Any]:
        ids = {user for workspace, user in self.members if workspace == request.place["id"]}
        return 200, {"items": [_public(user) for user in self.users if user["id"] in ids]}

    def add_workspace_user(self, request: _Request) -> tuple[int, Any]:
        pair = (request.place["id"], request.json["user_id"])
        if pair in self.members:
            raise Answer(409, {"detail": "Workspace user is not unique"})
        self.members.append(pair)
        return 201, _public(next(user for user in self.users if user["id"] == pair[1]))

    def _member(self, user: Json, workspace_id: str) -> bool:
        return user["role"] == "owner" or (workspace_id, user["id"]) in self.members

    # -- datasets ------------------------------------------------------------------------------------

    def list_my_datasets(self, request: _Request) -> tuple[int, Any]:
        items = [d for d in self.datasets if self._member(request.user, d["workspace_id"])]
        for name in ("workspace_id", "name"):
            if name in request.query:
                items = [d for d in items if d[name] == request.query[name]]
        return 200, {"items": [_dataset(d) for d in items]}

    def create_dataset(self, request: _Request) -> tuple[int, Any]:
        new = request.json
        if any((d["name"], d["workspace_id"]) == (new["name"], new["workspace_id"]) for d in self.datasets):
            raise Answer(409, {"detail": f"Dataset with name `{new['name']}` already exists"})
        self.datasets.append(self._stamped({**new, "status": "draft", "fields": [], "questions": []}))
        return 201, _dataset(self.datasets[-1])

    def get_dataset(self, request: _Request) -> tuple[int, Any]:
        return 200, _dataset(self._dataset(request))

    def update_dataset(self, request: _Request) -> tuple[int, Any]:
        dataset = self._dataset(request)
        dataset.update(request.json)
        return 200, _dataset(dataset)

    def delete_dataset(self, request: _Request) -> tuple[int, Any]:
        dataset = self._dataset(request)
        self.datasets.remove(dataset)
        self.records = [record for record in self.records if record["dataset_id"] != dataset["id"]]
        return 200, _dataset(dataset)

    def list_parts(self, request: _Request) -> tuple[int, Any]:
        return 200, {"items": self._dataset(request)[request.place["kind"]]}

    def create_part(self, request: _Request) -> tuple[int, Any]:
        dataset, kind, new = self._dataset(request), request.place["kind"], request.json
        if dataset["status"] == "ready":
            raise Answer(422, {"detail": f"{kind} cannot be created for a published dataset"})
        if any(part["name"] == new["name"] for part in dataset[kind]):
            raise Answer(409, {"detail": f"{kind} with name `{new['name']}` already exists"})
        # The server fills in what a client leaves out.
        if kind == "fields" or new["settings"]["type"] == "text":
            new["settings"].setdefault("use_markdown", False)
        else:
            new["settings"].setdefault("visible_options", None)
        dataset[kind].append(self._stamped({"description": None, **new, "dataset_id": dataset["id"]}))
        return 201, dataset[kind][-1]

    def publish(self, request: _Request) -> tuple[int, Any]:
        dataset = self._dataset(request)
        if dataset["status"] == "ready":
            raise Answer(422, {"detail": "Dataset has already been published"})
        if not any(question["required"] for question in dataset["questions"]):
            raise Answer(422, {"detail": "Dataset cannot be published without required questions"})
        dataset["status"] = "ready"
        return 200, _dataset(dataset)

    def progress(self, request: _Request) -> tuple[int, Any]:
        total = sum(record["dataset_id"] == request.place["id"] for record in self.records)
        shown = max(0, total - self.not_indexed)
        return 200, {"total": shown, "completed": 0, "pending": shown, "users": []}

    def _dataset(self, request: _Request) -> Json:
        for dataset in self.datasets:
            if dataset["id"] == request.place["id"]:
                return dataset
        raise Answer(404, {"detail": f"Dataset with id `{request.place['id']}` not found"})

    # -- records and responses -----------------------------------------------------------------------

    def list_records(self, request: _Request) -> tuple[int, Any]:
        dataset = self._dataset(request)
        mine = [record for record in self.records if record["dataset_id"] == dataset["id"]]
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 50))
        if not 1 <= limit <= 1000:
            raise Answer(422, {"detail": "limit"})
        include = set(request.query.get("include", "").split(","))
        page = [_record(record, include) for record in mine[offset : offset + limit]]
        return 200, {"items": page, "total": len(mine)}

    def create_records(self, request: _Request) -> tuple[int, Any]:
        dataset, items = self._dataset(request), request.json["items"]
        if dataset["status"] != "ready":
            raise Answer(422, {"detail": "records cannot be created for a non published dataset"})
        if not 1 <= len(items) <= 500:
            raise Answer(422, {"detail": "items"})
        present = {r["external_id"] for r in self.records if r["dataset_id"] == dataset["id"]}
        twice = [item["external_id"] for item in items if item["external_id"] in present]
        if twice:
            raise Answer(422, {"detail": f"found records with same external ids: {', '.join(twice)}"})
        names = {part["name"]: part for part in dataset["fields"]}
        for item in items:
            missing = [n for n, part in names.items() if part["required"] and item["fields"].get(n) is None]
            if missing or item["fields"].keys() - names.keys():
                raise Answer(422, {"detail": f"record is not valid: {missing}"})
        made = [
            self._stamped(
                {
                    "status": "pending",
                    "fields": item["fields"],
                    "metadata": None,
                    "external_id": item["external_id"],
                    "suggestions": item.get("suggestions") or [],
                    "responses": [],
                    "dataset_id": dataset["id"],
                }
            )
            for item in items
        ]
        self.records += made
        return 201, {"items": [_record(record, {"suggestions"}) for record in made]}

    def search(self, request: _Request) -> tuple[int, Any]:
        dataset = self._dataset(request)
        if not self._member(request.user, dataset["workspace_id"]):
            raise Answer(403, _server_error("ForbiddenOperationError", "Operation not allowed"))
        found = []
        for record in self.records:
            if record["dataset_id"] == dataset["id"]:
                own = [r for r in record["responses"] if r["user_id"] == request.user["id"]]
                shown = _record({**record, "responses": own}, {"responses", "suggestions"})
                found.append({"record": shown, "query_score": 1.0})
        return 200, {"items": found, "total": len(found)}

    def respond(self, request: _Request) -> tuple[int, Any]:
        return 200, {"items": [self._respond(request.user, item) for item in request.json["items"]]}

    def _respond(self, user: Json, item: Json) -> Json:
        record = self._find(item["record_id"])
        if record is None:
            return {"item": None, "error": {"detail": f"Record with id `{item['record_id']}` not found"}}
        dataset = next(d for d in self.datasets if d["id"] == record["dataset_id"])
        if not self._member(user, dataset["workspace_id"]):
            return {"item": None, "error": {"detail": "Operation not allowed"}}
        wrong = _wrong_values(dataset, item)
        if wrong:
            return {"item": None, "error": {"detail": wrong}}
        own = [r for r in record["responses"] if r["user_id"] == user["id"]]
        if own:
            own[0].update(values=item.get("values"), status=item["status"], updated_at=self._now())
            return {"item": own[0], "error": None}
        response = self._stamped(
            {
                "values": item.get("values"),
                "status": item["status"],
                "record_id": record["id"],
                "user_id": user["id"],
            }
        )
        record["responses"].append(response)
        return {"item": response, "error": None}

    def update_record(self, request: _Request) -> tuple[int, Any]:
        record = self._find(request.place["id"])
        if record is None:
            raise Answer(404, {"detail": "Record not found"})
        record.update(request.json, updated_at=self._now())
        return 200, _record(record, {"responses"})

    def suggest(self, request: _Request) -> tuple[int, Any]:
        record = self._find(request.place["id"])
        if record is None:
            raise Answer(404, {"detail": "Record not found"})
        # Of the real server, too: the record's own time stamp stays as it was.
        record["suggestions"].append(
            {"question_id": request.json["question_id"], "value": request.json["value"]}
        )
        return 201, record["suggestions"][-1]

    def delete_record(self, request: _Request) -> tuple[int, Any]:
        record = self._find(request.place["id"])
        if record is None:
            raise Answer(404, {"detail": "Record not found"})
        self.records.remove(record)
        return 200, _record(record, set())

    def change_response(self, request: _Request) -> tuple[int, Any]:
        for record in self.records:
            for response in record["responses"]:
                if response["id"] == request.place["id"]:
                    if request.method == "DELETE":
                        record["responses"].remove(response)
                    else:
                        response.update(request.json, updated_at=self._now())
                    return 200, response
        raise Answer(404, {"detail": "Response not found"})

    def _find(self, record_id: str) -> Json | None:
        return next((record for record in self.records if record["id"] == record_id), None)


@dataclass
class _Request:
    method: str
    user: Json
    place: dict[str, str]
    query: Json
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


_Call = Callable[[FakeArgilla, _Request], tuple[int, Any]]
_ID = r"(?P<id>[0-9a-f-]{36})"
_KIND = r"(?P<kind>fields|questions)"
_ROUTES: list[tuple[str, str, str, _Call]] = [
    ("GET", "version", "nobody", FakeArgilla.get_version),
    ("POST", "token", "nobody", FakeArgilla.create_token),
    ("GET", "me", "user", FakeArgilla.get_me),
    ("GET", "users", "owner", FakeArgilla.list_users),
    ("POST", "users", "owner", FakeArgilla.create_user),
    ("GET", "me/workspaces", "user", FakeArgilla.list_my_workspaces),
    ("POST", "workspaces", "owner", FakeArgilla.create_workspace),
    ("GET", f"workspaces/{_ID}/users", "owner", FakeArgilla.list_workspace_users),
    ("POST", f"workspaces/{_ID}/users", "owner", FakeArgilla.add_workspace_user),
    ("GET", "me/datasets", "user", FakeArgilla.list_my_datasets),
    ("POST", "datasets", "owner", FakeArgilla.create_dataset),
    ("GET", f"datasets/{_ID}", "user", FakeArgilla.get_dataset),
    ("PATCH", f"datasets/{_ID}", "owner", FakeArgilla.update_dataset),
    ("DELETE", f"datasets/{_ID}", "owner", FakeArgilla.delete_dataset),
    ("GET", f"datasets/{_ID}/{_KIND}", "user", FakeArgilla.list_parts),
    ("POST", f"datasets/{_ID}/{_KIND}", "owner", FakeArgilla.create_part),
    ("PUT", f"datasets/{_ID}/publish", "owner", FakeArgilla.publish),
    ("GET", f"datasets/{_ID}/progress", "user", FakeArgilla.progress),
    ("GET", f"datasets/{_ID}/records", "owner", FakeArgilla.list_records),
    ("POST", f"datasets/{_ID}/records/bulk", "owner", FakeArgilla.create_records),
    ("POST", f"me/datasets/{_ID}/records/search", "user", FakeArgilla.search),
    ("POST", "me/responses/bulk", "user", FakeArgilla.respond),
    ("PATCH", f"records/{_ID}", "owner", FakeArgilla.update_record),
    ("PUT", f"records/{_ID}/suggestions", "owner", FakeArgilla.suggest),
    ("DELETE", f"records/{_ID}", "owner", FakeArgilla.delete_record),
    ("PUT", f"responses/{_ID}", "user", FakeArgilla.change_response),
    ("DELETE", f"responses/{_ID}", "user", FakeArgilla.change_response),
]


def _public(user: Json) -> Json:
    return {name: value for name, value in user.items() if name != "password"}


def _dataset(dataset: Json) -> Json:
    return {name: value for name, value in dataset.items() if name not in ("fields", "questions")}


def _record(record: Json, include: set[str]) -> Json:
    hidden = {"responses", "suggestions"} - include
    return {name: value for name, value in record.items() if name not in hidden}


def _server_error(code: str, detail: str) -> Json:
    return {"detail": {"code": f"argilla.api.errors::{code}", "params": {"detail": detail}}}


def _wrong_values(dataset: Json, item: Json) -> str:
    values, questions = item.get("values") or {}, {q["name"]: q for q in dataset["questions"]}
    strange = values.keys() - questions.keys()
    if strange:
        return f"found response value for non configured question with name={sorted(strange)[0]!r}"
    if item["status"] == "submitted":
        missing = [name for name, q in questions.items() if q["required"] and name not in values]
        if missing:
            return f"missing response value for required question with name={missing[0]!r}"
    for name, given in values.items():
        known = [option["value"] for option in questions[name]["settings"].get("options", [])]
        chosen = given["value"] if isinstance(given["value"], list) else [given["value"]]
        if known and any(value not in known for value in chosen):
            return f"{given['value']!r} is not a valid label"
    return ""


def _handler(fake: FakeArgilla) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # head and body are two writes: the second would wait 40 ms for an answer to the first
        )

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            place = urlsplit(self.path)
            path = place.path.removeprefix("/api/v1/")
            query = {name: values[0] for name, values in parse_qs(place.query).items()}
            held = fake._holds()
            if held is not None and not held.done:
                held.reached.set()
                held.ended.wait()
                self.close_connection = True
                return
            fault = next((f for f in fake.faults if f.strikes(self.command, path)), None)
            if fault is not None and fault.kind == "drop":
                self.close_connection = True
                return
            if fault is not None and fault.kind == "status":
                status, answer = fault.status, {"detail": "asked for"}
            else:
                status, answer = fake.answer(self.command, path, query, self.headers, body)
            if held is not None:
                held.reached.set()
                held.ended.wait()
                self.close_connection = True
                return
            if fault is not None and fault.kind == "lose":
                self.close_connection = True
                return
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler

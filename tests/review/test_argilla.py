"""The adapter: clear errors, no doubles whatever gets lost on the way, nothing overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes.argilla_server import OWNER_KEY, FakeArgilla

from seedgate.errors import RefusedError, ServiceError
from seedgate.review import pull, push
from seedgate.review.argilla import ArgillaBoard
from seedgate.review.argilla_desk import ArgillaDesk
from seedgate.review.board import DatasetSpec, FieldSpec, NewRecord, Option, QuestionSpec
from seedgate.workspace import Workspace

SPEC = DatasetSpec(
    "Read it.",
    (FieldSpec("text", "Text"), FieldSpec("nearest", "Nearest", required=False)),
    (
        QuestionSpec(
            "decision", "Right?", "label", True, options=(Option("yes", "Yes"), Option("no", "No", "not"))
        ),
        QuestionSpec(
            "why", "Why?", "multilabel", description="Say.", options=(Option("a", "A"), Option("b", "B"))
        ),
        QuestionSpec("comment", "Comment", "text"),
    ),
)
RECORDS = [NewRecord(f"record-{n}", {"text": f"text {n}"}, {"comment": "pre-filled"}) for n in range(250)]


@pytest.fixture
def board(server: FakeArgilla) -> Iterator[ArgillaBoard]:
    with ArgillaBoard(server.url, OWNER_KEY) as opened:
        yield opened


@pytest.fixture
def dataset(board: ArgillaBoard) -> str:
    anna = board.ensure_reviewer("anna", "password-of-anna")
    return board.ensure_dataset(board.ensure_workspace("desk", [anna]), "wave", SPEC)


class TestOpening:
    def test_nobody_there(self) -> None:
        with pytest.raises(
            ServiceError, match=r"Argilla at http://127.0.0.1:9 does not answer: .*seedgate status"
        ):
            ArgillaBoard("http://127.0.0.1:9", OWNER_KEY)

    @pytest.mark.parametrize("version", ["1.29.0", "3.0.0", ""])
    def test_another_version(self, server: FakeArgilla, version: str) -> None:
        server.version = version
        with pytest.raises(ServiceError, match=r"works with Argilla 2\.x"):
            ArgillaBoard(server.url, OWNER_KEY)

    def test_something_that_is_no_argilla(self, server: FakeArgilla) -> None:
        server.fail("GET", "version", status=404)
        with pytest.raises(ServiceError, match="does not say its version"):
            ArgillaBoard(server.url, OWNER_KEY)

    def test_a_wrong_key(self, server: FakeArgilla) -> None:
        with pytest.raises(ServiceError, match="does not accept the API key: check SEEDGATE_ARGILLA_API_KEY"):
            ArgillaBoard(server.url, "wrong")

    @pytest.mark.parametrize("role", ["admin", "annotator"])
    def test_a_key_that_may_not_make_accounts(self, server: FakeArgilla, role: str) -> None:
        server.add_user("mia", role, "password-of-mia", key="mia.apikey")
        with pytest.raises(RefusedError, match=f"'mia', whose role is {role}"):
            ArgillaBoard(server.url, "mia.apikey")

    def test_no_key_is_shown_in_what_it_says_of_itself(self, board: ArgillaBoard) -> None:
        assert OWNER_KEY not in repr(board)
        assert OWNER_KEY not in repr(vars(board))


class TestEnsuring:
    def test_twice_makes_everything_once(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        anna = board.ensure_reviewer("anna", "other-password")
        assert board.ensure_dataset(board.ensure_workspace("desk", [anna]), "wave", SPEC) == dataset
        assert board.add_records(dataset, RECORDS) == 250
        assert board.add_records(dataset, RECORDS) == 0
        assert (len(server.users), len(server.workspaces), len(server.datasets)) == (2, 1, 1)
        assert len(server.records) == 250
        assert not [method for method, _ in server.calls if method in ("PATCH", "DELETE")]

    @pytest.mark.parametrize("kind", ["drop", "lose", "status"])
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "users$"),
            ("POST", "^workspaces$"),
            ("POST", "workspaces/.*/users"),
            ("POST", "^datasets$"),
            ("POST", "/fields"),
            ("POST", "/questions"),
            ("PUT", "/publish"),
            ("POST", "/records/bulk"),
            ("GET", "/records"),
        ],
    )
    def test_whatever_gets_lost_once_nothing_is_missing_or_double(
        self, board: ArgillaBoard, server: FakeArgilla, method: str, path: str, kind: str
    ) -> None:
        for skip in (0, 1):
            server.fail(method, path, kind=kind, skip=skip)
        anna = board.ensure_reviewer("anna", "password-of-anna")
        dataset = board.ensure_dataset(board.ensure_workspace("desk", [anna]), "wave", SPEC)
        board.add_records(dataset, RECORDS)
        assert (len(server.users), len(server.workspaces), len(server.members)) == (2, 1, 1)
        assert [record["external_id"] for record in server.records] == [r.record_id for r in RECORDS]
        assert board.dataset_spec(dataset) == SPEC

    def test_trouble_that_lasts_is_reported(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        server.fail("POST", "/records/bulk", status=503, times=99)
        with pytest.raises(ServiceError, match="503 from POST"):
            board.add_records(dataset, RECORDS)

    def test_a_dataset_of_that_name_with_other_questions_is_refused(
        self, board: ArgillaBoard, dataset: str
    ) -> None:
        other = DatasetSpec("Other.", SPEC.fields, SPEC.questions)
        with pytest.raises(RefusedError, match="shows or asks something else"):
            board.ensure_dataset(board.ensure_workspace("desk", []), "wave", other)

    def test_an_account_of_another_role_is_refused(self, board: ArgillaBoard, server: FakeArgilla) -> None:
        server.add_user("boss", "admin", "password-of-boss")
        with pytest.raises(RefusedError, match="'boss' has the role admin"):
            board.ensure_reviewer("boss", "password-of-anna")

    def test_records_that_the_page_would_not_show_are_reported(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        server.not_indexed = 3
        with pytest.raises(ServiceError, match="has 250 records of a dataset but shows 247"):
            board.add_records(dataset, RECORDS)


class TestReading:
    def test_a_dataset_comes_back_as_it_was_made(self, board: ArgillaBoard, dataset: str) -> None:
        assert board.dataset_spec(dataset) == SPEC

    def test_markdown_in_a_field_is_noticed(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        server.datasets[0]["fields"][0]["settings"] = {"type": "text", "use_markdown": True}
        spec = board.dataset_spec(dataset)
        assert spec is not None
        assert [field.plain for field in spec.fields] == [False, True]

    def test_records_come_in_pages_and_whole(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        many = [NewRecord(f"many-{n}", {"text": "x"}) for n in range(1100)]
        board.add_records(dataset, many)
        records = board.records(dataset)
        assert records is not None
        assert [record.record_id for record in records] == [record.record_id for record in many]

    def test_a_dataset_that_is_gone_is_none(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        server.datasets.clear()
        assert board.records(dataset) is None
        assert board.dataset_spec(dataset) is None


class TestTheDesk:
    def test_a_wrong_password_names_the_setting(self, server: FakeArgilla) -> None:
        server.add_user("anna", "annotator", "password-of-anna")
        with pytest.raises(
            ServiceError, match="refuses the password of 'anna': set SEEDGATE_REVIEWER_ANNA_PASSWORD"
        ):
            ArgillaDesk(server.url, "anna", "wrong-password")

    def test_shows_a_reviewer_only_their_own_state(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        board.add_records(dataset, RECORDS[:2])
        with ArgillaDesk(server.url, "anna", "password-of-anna") as desk:
            first, second = desk.records("desk", "wave")
            desk.submit({first.key: {"decision": "yes"}})
            assert [record.answered for record in desk.records("desk", "wave")] == [True, False]
            assert second.suggestions == {"comment": "pre-filled"}
            assert desk.records("desk", "no such wave") == []

    def test_a_refused_answer_is_an_error(
        self, board: ArgillaBoard, dataset: str, server: FakeArgilla
    ) -> None:
        board.add_records(dataset, RECORDS[:1])
        with ArgillaDesk(server.url, "anna", "password-of-anna") as desk:
            (record,) = desk.records("desk", "wave")
            with pytest.raises(ServiceError, match="refused 1 responses: 'maybe' is not a valid label"):
                desk.submit({record.key: {"decision": "maybe"}})


class TestPushAndPullInTrouble:
    def test_what_is_wrong_at_argilla_leaves_no_round_behind(
        self, review_workspace: Callable[..., Workspace], server: FakeArgilla
    ) -> None:
        ws = review_workspace()
        server.add_user("ben", "owner", "password-of-ben")
        head = ws.ledger.head()
        with pytest.raises(RefusedError, match="'ben' has the role owner"):
            push(ws, cycle=1)
        assert ws.ledger.head() == head

    def test_a_push_that_broke_off_is_completed_by_the_next(
        self, review_workspace: Callable[..., Workspace], server: FakeArgilla
    ) -> None:
        ws = review_workspace()
        server.fail("POST", "/records/bulk", status=503, times=99, skip=1)
        with pytest.raises(ServiceError, match="does not answer: 503"):
            push(ws, cycle=1)
        assert pull(ws).datasets == 0
        server.faults.clear()
        report = push(ws, cycle=1, limit=2)
        assert (report.resumed, report.wave, report.candidates) == (True, 1, 6)
        assert len({record["external_id"] for record in server.records}) == len(server.records) == 6
        assert ws.ledger.count("round.opened") == ws.ledger.count("round.pushed") == 1

    def test_a_password_is_kept_only_for_an_account_made_here(
        self, review_workspace: Callable[..., Workspace], server: FakeArgilla
    ) -> None:
        ws = review_workspace()
        server.add_user("anna", "annotator", "password-of-anna")
        push(ws, cycle=1)
        assert ws.secrets.get("reviewer_anna_password") is None
        assert ws.secrets.get("reviewer_ben_password") is not None

    def test_a_reviewer_who_became_an_admin_does_not_count(
        self, review_workspace: Callable[..., Workspace], server: FakeArgilla
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with ArgillaDesk(server.url, "anna", str(ws.secrets.get("reviewer_anna_password"))) as desk:
            workspace, dataset = (
                f"tiny-{ws.ledger.last('round.opened').subject[:8]}-anna",
                "tiny-cycle1-wave1",
            )  # type: ignore[union-attr]
            keys = [record.key for record in desk.records(workspace, dataset)]
            desk.submit({key: {"decision": "approve"} for key in keys})
        next(user for user in server.users if user["username"] == "anna")["role"] = "admin"
        report = pull(ws)
        assert report.recorded == 6
        assert report.anomalies == ("dataset unusable: anna has the role admin in Argilla",)
        assert all(e.payload["problem"] for e in ws.ledger.events("verdict.recorded"))

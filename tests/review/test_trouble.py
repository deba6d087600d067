"""What goes wrong around a review in weeks of it: restarts, keys, people and labels that change, two of everything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from seedgate.errors import BusyError, ServiceError
from seedgate.review import nearly_done, pull, push, review_status
from seedgate.workspace import Workspace
from tests.fakes.argilla_server import FakeArgilla
from tests.fakes.reviewing import Owner, Reviewer
from tests.review.scenarios import BOX, CARD, FEE, PUMP, by_text, outcomes

MakeWorkspace = Callable[..., Workspace]

LABEL, MORE = 'account = "signing in"', 'returns = "sending back"'


def approve(ws: Workspace, *texts: str, name: str = "anna") -> None:
    with Reviewer(ws, name) as person:
        for text in texts:
            person.answer(text, "approve")


@contextmanager
def edited(ws: Workspace, before: str, after: str) -> Iterator[Workspace]:
    """The workspace as the next command finds it after an edit of `seedgate.toml`."""
    config = ws.root / "seedgate.toml"
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))
    with Workspace(ws.root) as later:
        yield later


class TestArgilla:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/records/bulk"), ("GET", "/records"), ("POST", "/datasets$"), ("POST", "/users$")],
    )
    def test_a_restart_during_a_push_is_waited_out(
        self, review_workspace: MakeWorkspace, server: FakeArgilla, method: str, path: str
    ) -> None:
        ws = review_workspace()
        for kind in ("lose", "drop"):
            server.fail(method, path, kind=kind, times=2)
        assert push(ws, cycle=1).candidates == 6
        assert len({record["external_id"] for record in server.records}) == len(server.records) == 6

    def test_a_restart_during_a_pull_is_waited_out(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        approve(ws, PUMP, BOX)
        server.fail("GET", "/records", kind="drop", times=3)
        server.fail("GET", "/records", status=503, times=1)
        assert pull(ws).decisions == {"approve": 2}

    def test_an_outage_that_outlasts_a_pull_loses_nothing(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace()
        push(ws, cycle=1)
        for name in ("anna", "ben"):
            with Reviewer(ws, name) as person:
                for record in person.records():
                    person.put(record, record["prefilled"] | {"decision": "approve"})
        server.fail("GET", "/records", status=503, times=99, skip=1)
        with pytest.raises(ServiceError, match="does not answer"):
            pull(ws)
        kept = ws.ledger.count("verdict.recorded")
        server.faults.clear()
        assert kept + pull(ws).recorded == 6
        assert kept == 3, "the first dataset was read whole"

    def test_a_lost_search_index_hides_no_verdict(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        approve(ws, PUMP)
        server.not_indexed = 6
        server.fail("POST", "/search", status=500, times=99)
        assert pull(ws).recorded == 1
        assert outcomes(ws, PUMP) == ["approved"]

    def test_a_deleted_dataset_costs_only_what_was_undecided(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        approve(ws, PUMP, BOX)
        pull(ws)
        with Owner(ws) as owner:
            owner.delete_dataset()
        pull(ws)
        assert outcomes(ws, PUMP, BOX) == ["approved", "approved"]
        assert nearly_done(ws) == ("anna",)
        again = push(ws, cycle=1)
        assert (again.wave, again.records) == (2, {"anna": 4})
        approve(ws, FEE)
        pull(ws)
        assert outcomes(ws, PUMP, BOX, FEE) == ["approved"] * 3

    def test_an_expired_key_is_one_line_and_harms_nothing(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        approve(ws, PUMP)
        head, key = ws.ledger.head(), server.users[0]["api_key"]
        server.users[0]["api_key"] = "another"
        with pytest.raises(ServiceError, match="does not accept the API key") as refused:
            pull(ws)
        assert "\n" not in refused.value.message
        assert ws.ledger.head() == head
        server.users[0]["api_key"] = key
        assert pull(ws).recorded == 1


class TestPeople:
    def test_a_renamed_reviewer_goes_on_under_the_new_name(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        approve(ws, PUMP)
        pull(ws)
        with edited(ws, '"anna"', '"anna-b"') as later:
            assert review_status(later).open == 0, "nobody waits for a name that is gone"
            pushed = push(later, cycle=1)
            # To the ledger she is a second person now, who may look again at what anna approved.
            assert (pushed.candidates, pushed.rereviews, list(pushed.records)) == (5, 1, ["anna-b"])
            approve(later, BOX, name="anna-b")
            pull(later)
            assert outcomes(later, PUMP, BOX) == ["approved", "approved"]

    def test_an_answer_after_the_removal_does_not_count(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with edited(ws, '"anna"', '"cleo"') as later:
            approve(ws, PUMP)
            assert (
                pull(later).anomalies[0].startswith("dataset unusable: anna is not on the workspace's list")
            )
            assert outcomes(later, PUMP) == ["pending"]

    def test_an_account_that_was_made_anew_is_not_the_one_that_was_asked(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        approve(ws, PUMP)
        server.users[:] = [user for user in server.users if user["username"] != "anna"]
        server.add_user("anna", "annotator", "another password")
        assert "the account anna is not the one that was asked" in pull(ws).anomalies[0]
        assert outcomes(ws, PUMP) == ["pending"]


class TestTwoAtOnce:
    def test_of_two_pushers_one_works_and_the_other_is_told(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace(settings={"review": {"wave_size": 3}})
        busy: list[str] = []
        start = threading.Barrier(2)

        def one() -> None:
            with Workspace(ws.root) as own:
                start.wait()
                try:
                    push(own, cycle=1)
                except BusyError as error:
                    busy.append(error.message)

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert ws.ledger.count("round.opened") == ws.ledger.count("round.pushed") == 1
        assert len(server.records) == 3
        assert len(busy) <= 1, "the one that came late found a wave that waits"


class TestLabels:
    def test_a_new_label_opens_new_rounds_and_keeps_what_was_decided(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(one_reviewer=True, settings={"review": {"wave_size": 2}})
        push(ws, cycle=1)
        first = [r["fields"]["text"] for r in _records(ws)]
        approve(ws, *first)
        with edited(
            ws, 'account = "signing in"', 'account = "signing in"\nreturns = "sending back"'
        ) as later:
            pull(later)
            assert outcomes(later, *first) == ["approved", "approved"]
            opened = push(later, cycle=1)
            assert (opened.wave, opened.candidates) == (2, 2)
            with Owner(later) as owner:
                dataset = owner.datasets()[-1]
                questions = owner.call("GET", f"datasets/{dataset['id']}/questions")["items"]
            offered = [
                o["value"]
                for q in questions
                if q["name"] == "corrected_label"
                for o in q["settings"]["options"]
            ]
            assert offered == ["delivery", "billing", "account", "returns"]

    def test_a_label_that_is_gone_takes_its_candidates_with_it(
        self, review_workspace: MakeWorkspace, add_candidates: Callable[..., list[str]]
    ) -> None:
        ws = review_workspace(one_reviewer=True, rows={PUMP: "delivery"})
        with edited(ws, LABEL, f"{LABEL}\n{MORE}") as wider:
            add_candidates(wider, {CARD: "returns"})
            push(wider, cycle=1)
            approve(wider, PUMP, CARD)
            pull(wider)
            assert outcomes(wider, PUMP, CARD) == ["approved", "approved"]
        with edited(ws, f"{MORE}\n", "") as later:
            assert outcomes(later, PUMP, CARD) == ["approved", "pending"]
            assert "no example of the task any more" in by_text(later)[CARD].reason
            assert push(later, cycle=1).round is None


def _records(ws: Workspace) -> list[dict[str, dict[str, str]]]:
    with Reviewer(ws, "anna") as anna:
        return anna.records()

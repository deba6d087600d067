"""The simulated reviewer: only where it may, from what the record shows, and as wrong as it is told to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.argilla_server import FakeArgilla

from seedgate.errors import InputError, RefusedError, ServiceError
from seedgate.review import SimulatedReviewer, open_assignments, pull, push, review_status
from seedgate.review.board import DeskRecord
from seedgate.review.knowledge import LabelKnowledge, oddity
from seedgate.review.visible import show
from seedgate.seeds import verified_seeds
from seedgate.workspace import Workspace

MakeWorkspace = Callable[..., Workspace]


def record(text: str, label: str) -> DeskRecord:
    fields = {"text": show(text), "label": show(label)}
    return DeskRecord("key", fields, {"corrected_text": text, "corrected_label": label}, answered=False)


@pytest.fixture
def ws(review_workspace: MakeWorkspace) -> Workspace:
    return review_workspace(one_reviewer=True, simulated=True)


class TestWhatItDecides:
    def test_approves_a_natural_text_under_its_label(self, ws: Workspace) -> None:
        (answer,) = SimulatedReviewer(ws).decide([record("Where is the parcel I ordered?", "delivery")])
        assert answer == {
            "decision": "approve",
            "corrected_text": "Where is the parcel I ordered?",
            "corrected_label": "delivery",
        }

    def test_corrects_a_label_where_another_fits_much_better(self, ws: Workspace) -> None:
        text = "I forgot my password and the reset mail never comes."
        (answer,) = SimulatedReviewer(ws).decide([record(text, "delivery")])
        assert (answer["decision"], answer["corrected_label"], answer["reasons"]) == (
            "edit",
            "account",
            ["wrong_label"],
        )

    def test_rejects_what_nobody_would_write(self, ws: Workspace) -> None:
        (answer,) = SimulatedReviewer(ws).decide([record("1. parcel parcel parcel", "delivery")])
        assert (answer["decision"], answer["reasons"]) == ("reject", ["format"])

    def test_errs_on_every_record_if_told_so(self, ws: Workspace) -> None:
        wrong = SimulatedReviewer(ws, error_rate=1.0)
        right, odd = wrong.decide(
            [record("Where is the parcel I ordered?", "delivery"), record("1. parcel", "delivery")]
        )
        assert (right["decision"], odd["decision"]) == ("reject", "approve")


class TestWhereItMay:
    def test_not_under_another_account(self, ws: Workspace) -> None:
        with pytest.raises(RefusedError, match="the simulated reviewer is simulated-sam"):
            SimulatedReviewer(ws, account="anna")

    def test_not_before_its_account_was_made(self, ws: Workspace) -> None:
        with pytest.raises(ServiceError, match="run `seedgate push` first"):
            SimulatedReviewer(ws).review()

    def test_not_on_the_list_of_people(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, simulated=True)
        push(ws, cycle=1)
        assert SimulatedReviewer(ws).name not in {r.name for r in review_status(ws).reviewers}

    def test_needs_rows_of_two_labels(self, ws: Workspace) -> None:
        one = [seed for seed in verified_seeds(ws)[0].values() if seed.fields["label"] == "billing"]
        with pytest.raises(InputError, match="at least two labels"):
            LabelKnowledge(ws.task, one)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Where is my parcel?", None),
        ("Parcel?", "format"),
        ("Where is the parcel that I ordered from the", "format"),
        ("- Where is my parcel?", "format"),
        ("Where is my [order number] parcel?", "format"),
        ("Sure, here is a message about parcels", "unnatural"),
        ("no no no no parcel came today", "unnatural"),
    ],
)
def test_what_looks_odd(text: str, reason: str | None) -> None:
    assert oddity(text) == reason


class TestStatus:
    def test_counts_what_each_reviewer_has_left(self, ws: Workspace, server: FakeArgilla) -> None:
        push(ws, cycle=1, simulated=True, limit=4)
        status = review_status(ws, simulated=True)
        (sam,) = [reviewer for reviewer in status.reviewers if reviewer.simulated]
        assert (status.url, status.open, status.unassigned) == (server.url, 4, 2)
        assert (sam.assigned, sam.decided, sam.open, sam.dataset) == (4, 0, 4, "tiny-cycle1-wave1")
        SimulatedReviewer(ws).review()
        pull(ws)
        (sam,) = [reviewer for reviewer in review_status(ws).reviewers if reviewer.simulated]
        assert (sam.decided, sam.open, sam.datasets) == (4, 0, ())
        assert open_assignments(ws) == 0

    def test_a_half_pushed_round_waits_for_a_push_and_not_for_people(
        self, ws: Workspace, server: FakeArgilla
    ) -> None:
        server.fail("POST", "/records/bulk", status=503, times=99)
        with pytest.raises(ServiceError):
            push(ws, cycle=1)
        status = review_status(ws)
        assert (status.open, status.unassigned) == (0, 6)
        assert status.half_pushed is not None

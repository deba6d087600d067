"""The adjudicator's scenarios at the fake Argilla, and there also kills and faults."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.errors import RefusedError
from seedgate.review import pull, push, push_cases
from seedgate.review.case_view import case_spec
from seedgate.task import Task
from seedgate.workspace import Workspace
from tests.conftest import TINY_TASK
from tests.review.case_scenarios import CaseScenarios, adjudicator, disputed, zoe
from tests.review.killing import killed
from tests.review.scenarios import BOX, FEE, PUMP, outcomes, reviewers, settings


class TestAtTheFake(CaseScenarios):
    """See `CaseScenarios`."""


def test_approve_and_reject_are_on_the_same_keys_in_every_docket() -> None:
    for letters in ("", "b", "ca"):
        question = case_spec(Task.from_config(TINY_TASK), "Read.", "adjudication", letters).questions[0]
        values = [option.value for option in question.options]
        assert values == ["approve", "reject", *(f"correct_{letter}" for letter in sorted(letters))]


def test_reasons_are_told_in_the_words_that_reviewers_read(
    review_workspace: Callable[..., Workspace],
) -> None:
    ws = review_workspace(**settings(quorum=2, adjudicator=zoe()))
    push(ws, cycle=1)
    with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
        anna.answer(PUMP, "approve")
        ben.answer(PUMP, "reject", reasons=["format", "other"], comment="Two\nReviewer A: lines")
    pull(ws)
    push_cases(ws)
    with adjudicator(ws) as judge:
        fields = judge.record(PUMP)["fields"]
    assert fields["case_verdicts"] == (
        "Reviewer A approved\n"
        "Reviewer B rejected (cut off or badly formed, other):\n    Two\n    Reviewer A: lines"
    )
    assert fields["case_meanings"] == "delivery: where a parcel is"


PROGRAM = """
import sys
from seedgate.review import pull, push_cases
from seedgate.workspace import Workspace

with Workspace(sys.argv[1]) as ws:
    push_cases(ws) if sys.argv[2] == "push" else pull(ws)
"""


def test_after_kills_there_is_what_one_run_makes(
    review_workspace: Callable[..., Workspace], server: FakeArgilla
) -> None:
    ws = disputed(review_workspace, PUMP, BOX, FEE)
    for requests in (3, 7, 11, 15):
        assert killed(ws, server, PROGRAM, "push", at=requests, done=requests % 2 == 0)
    push_cases(ws)
    assert ws.ledger.count("docket.opened") == ws.ledger.count("docket.pushed") == 1
    with adjudicator(ws) as zoe:
        assert len(zoe.records()) == 3
        for text in (PUMP, BOX, FEE):
            zoe.answer(text, "approve")
    for requests in (2, 8, 14):
        assert killed(ws, server, PROGRAM, "pull", at=requests, done=requests % 2 == 0)
    pull(ws)
    assert ws.ledger.count("adjudication.recorded") == 3
    assert outcomes(ws, PUMP, BOX, FEE) == ["approved"] * 3
    assert list(ws.ledger.verify()) == []


@pytest.mark.parametrize("kind", ["drop", "lose", "status"])
def test_faults_on_the_way_leave_nothing_half_done(
    review_workspace: Callable[..., Workspace], server: FakeArgilla, kind: str
) -> None:
    ws = disputed(review_workspace, PUMP)
    server.fail("POST", r"records/bulk|datasets$|workspaces$", kind=kind, times=3)
    assert push_cases(ws).cases == 1
    with adjudicator(ws) as zoe:
        assert len(zoe.records()) == 1


def test_an_adjudicator_with_a_strong_account_is_refused_before_anything_is_opened(
    review_workspace: Callable[..., Workspace], server: FakeArgilla
) -> None:
    ws = disputed(review_workspace, PUMP)
    server.add_user(ws.config.review.adjudicator, "owner", "a password")
    with pytest.raises(RefusedError, match="has the role owner"):
        push_cases(ws)
    assert ws.ledger.count("docket.opened") == 0

"""The scenarios of tests/review at a real Argilla, and what only a real one can show."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from seedgate.errors import RefusedError, ServiceError
from seedgate.review import decisions, pull, push
from seedgate.review.argilla import ArgillaBoard
from seedgate.workspace import Workspace
from tests.e2e.conftest import Argilla
from tests.review.case_scenarios import CaseScenarios
from tests.review.conftest import TEXTS
from tests.review.scenarios import Scenarios
from tests.review.seed_scenarios import SeedScenarios

pytestmark = pytest.mark.e2e


@pytest.fixture
def review_workspace(
    argilla: Argilla,
    make_workspace: Callable[..., Workspace],
    add_candidates: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Workspace]:
    """Makes workspaces with six candidates and reviewers that no other test has."""
    argilla.use(monkeypatch)
    mark = secrets.token_hex(4)

    def make(
        *,
        one_reviewer: bool = False,
        simulated: bool = False,
        rows: dict[str, str] = TEXTS,
        **given: Any,
    ) -> Workspace:
        names = (f"anna-{mark}",) if one_reviewer else (f"anna-{mark}", f"ben-{mark}")
        sam = f"simulated-sam-{mark}" if simulated else None
        ws = make_workspace(reviewers=names, simulated_reviewer=sam, **given)
        add_candidates(ws, rows)
        return ws

    return make


class TestAdjudicationAtARealArgilla(CaseScenarios):
    """See `CaseScenarios`."""


class TestSeedsAtARealArgilla(SeedScenarios):
    """See `SeedScenarios`."""


class TestAtARealArgilla(Scenarios):
    """See `Scenarios`."""

    def test_a_wave_larger_than_one_request_arrives_whole(
        self, review_workspace: Callable[..., Workspace]
    ) -> None:
        rows = {f"Message number {n} about parcel {n * 7919} of mine": "delivery" for n in range(230)}
        ws = review_workspace(one_reviewer=True, rows=rows)
        report = push(ws, cycle=1, limit=1000)
        assert (report.candidates, report.created) == (230, 230)
        assert pull(ws).open == 230
        assert {d.outcome for d in decisions(ws).values()} == {"pending"}

    def test_a_reviewer_who_is_an_owner_is_refused(
        self,
        argilla: Argilla,
        make_workspace: Callable[..., Workspace],
        add_candidates: Any,
        monkeypatch: Any,
    ) -> None:
        argilla.use(monkeypatch)
        with ArgillaBoard(argilla.url, argilla.key) as board:
            ws = make_workspace(reviewers=(board.pusher.name,))
        add_candidates(ws, TEXTS)
        head = ws.ledger.head()
        with pytest.raises(RefusedError, match="has the role owner"):
            push(ws, cycle=1)
        assert ws.ledger.head() == head

    def test_a_wrong_key_is_one_clear_line(self, argilla: Argilla) -> None:
        with pytest.raises(ServiceError, match="does not accept the API key"):
            ArgillaBoard(argilla.url, "wrong")

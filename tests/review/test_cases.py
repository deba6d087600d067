"""The adjudicator's scenarios at the fake Argilla, and there also kills and faults."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from fakes.argilla_server import FakeArgilla

from seedgate.errors import RefusedError
from seedgate.review import pull, push_cases
from seedgate.workspace import Workspace
from tests.review.case_scenarios import CaseScenarios, adjudicator, disputed
from tests.review.scenarios import BOX, FEE, PUMP, outcomes


class TestAtTheFake(CaseScenarios):
    """See `CaseScenarios`."""


PROGRAM = """
import sys
from seedgate.review import pull, push_cases
from seedgate.workspace import Workspace

with Workspace(sys.argv[1]) as ws:
    push_cases(ws) if sys.argv[2] == "push" else pull(ws)
"""


def killed(ws: Workspace, server: FakeArgilla, command: str, requests: int) -> None:
    """Starts a command and kills it once it has made so many requests."""
    before = len(server.calls)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(ws.root), command], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(server.calls) < before + requests and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    _, error = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), error.decode()


def test_after_kills_there_is_what_one_run_makes(
    review_workspace: Callable[..., Workspace], server: FakeArgilla
) -> None:
    ws = disputed(review_workspace, PUMP, BOX, FEE)
    for requests in (3, 7, 11, 15):
        killed(ws, server, "push", requests)
    push_cases(ws)
    assert ws.ledger.count("docket.opened") == ws.ledger.count("docket.pushed") == 1
    with adjudicator(ws) as zoe:
        assert len(zoe.records()) == 3
        for text in (PUMP, BOX, FEE):
            zoe.answer(text, "approve")
    for requests in (2, 8, 14):
        killed(ws, server, "pull", requests)
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

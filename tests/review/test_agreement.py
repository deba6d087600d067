"""How far reviewers agree, and that people are told of it and of quarantines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fakes.reviewing import Reviewer
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.ledger import NewEvent
from seedgate.review import pull, push, review_status
from seedgate.review.measures import Pair, measure_agreement
from seedgate.workspace import Workspace
from tests.review.conftest import TEXTS

MakeWorkspace = Callable[..., Workspace]


@pytest.fixture
def decided(review_workspace: MakeWorkspace) -> Workspace:
    """Anna approves the first four of six and rejects the others; Ben approves the first three."""
    ws = review_workspace(settings={"review": {"quorum": 2}})
    push(ws, cycle=1)
    for name, approved in (("anna", 4), ("ben", 3)):
        with Reviewer(ws, name) as person:
            for place, text in enumerate(TEXTS):
                person.answer(text, "approve" if place < approved else "reject")
    pull(ws)
    return ws


def test_alpha_and_kappa_are_those_of_the_textbook(decided: Workspace) -> None:
    found = measure_agreement(decided)
    assert found.items == 6
    # Chance agrees on half: kappa (5/6 - 1/2) / (1 - 1/2). Seven approvals and five rejections in twelve answers:
    # alpha 1 - 11 * 2 / (2 * 7 * 5).
    assert found.pairs == (Pair("anna", "ben", 6, 5, 0.6667),)
    assert found.alpha == pytest.approx(1 - 11 * 2 / 70, abs=1e-4)


def test_a_list_tells_of_it(decided: Workspace) -> None:
    run = CliRunner()
    told = run.invoke(app, ["reviewers", "list", "-w", str(decided.root)], catch_exceptions=False).stdout
    assert "agreement on 6 candidates that two or more decided: Krippendorff's alpha 0.69" in told
    line = next(line for line in told.splitlines() if "anna, ben" in line)
    assert line.split()[-3:] == ["6", "5", "0.67"]
    raw = run.invoke(app, ["reviewers", "list", "--json", "-w", str(decided.root)]).stdout
    assert json.loads(raw)["agreement"]["pairs"][0]["kappa"] == 0.6667


def test_nothing_is_made_up_where_one_person_decides_or_all_say_the_same(
    review_workspace: MakeWorkspace,
) -> None:
    ws = review_workspace(settings={"review": {"quorum": 2}})
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna, Reviewer(ws, "ben") as ben:
        for text in TEXTS:
            anna.answer(text, "approve")
        pull(ws)
        assert (measure_agreement(ws).items, measure_agreement(ws).alpha) == (0, None)
        for text in TEXTS:
            ben.answer(text, "approve")
    pull(ws)
    found = measure_agreement(ws)
    assert (found.items, found.alpha) == (6, None)
    assert found.pairs == (Pair("anna", "ben", 6, 6, None),)
    told = CliRunner().invoke(app, ["reviewers", "list", "-w", str(ws.root)], catch_exceptions=False).stdout
    assert "not defined, all answers are the same" in told


def test_review_status_tells_of_quarantines(decided: Workspace) -> None:
    why = {"since": 0, "why": "approved 4 of 4 wrong controls", "evidence": [], "policy": {}}
    decided.ledger.append([NewEvent("quarantine.started", "ben", why)])
    assert review_status(decided).quarantines == (("ben", "approved 4 of 4 wrong controls"),)
    told = (
        CliRunner().invoke(app, ["review", "status", "-w", str(decided.root)], catch_exceptions=False).stdout
    )
    assert "in quarantine: ben, approved 4 of 4 wrong controls; their approvals do not count" in told
    assert "seedgate reviewers end NAME" in told

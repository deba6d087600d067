"""`generate --explain`: how requests are shared out and why, before a cycle and in it, and nothing written."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.argilla_server import OWNER_KEY, FakeArgilla
from fakes.reviewing import Reviewer
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError
from seedgate.ledger import NewEvent
from seedgate.review import pull, push
from seedgate.review.state import read_state
from seedgate.workspace import Workspace
from tests.conftest import add_rows
from tests.review.desk import desk_workspace


def explain(ws: Workspace, *more: str) -> str:
    arguments = ["generate", "--explain", "-w", str(ws.root), *more]
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


@pytest.fixture
def argilla(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with FakeArgilla().serve() as fake:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", fake.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        yield


@pytest.fixture
def ws(tmp_path: Path, argilla: None) -> Iterator[Workspace]:
    """Sixty candidates of cycle 1, all by `few_shot`, of which those of one label are rejected as wrong."""
    with desk_workspace(
        tmp_path / "desk", add_rows, candidates=60, wave_size=60, controls=0, min_pace_s=0
    ) as made:
        made.ledger.append(
            [NewEvent("cycle.started", "1", {"target": 60, "simulated": False}, key="cycle-start:1")]
        )
        push(made, cycle=1)
        state, rng = read_state(made.ledger), random.Random(1)
        labels = {id_: fields["label"] for id_, fields in made.ledger.bodies(state.candidates).items()}
        bad = rng.choice(sorted(set(labels.values())))
        with Reviewer(made, "anna") as anna:
            for record in anna.records():
                own = labels[state.assignments[record["external_id"]].candidate_id]
                answer = (
                    {"decision": "reject", "reasons": ["wrong_label"]}
                    if own == bad
                    else {"decision": "approve"}
                )
                anna.put(record, record["prefilled"] | answer)
        pull(made)
        made.ledger.append([NewEvent("cycle.finished", "1", {}, key="cycle-finish:1")])
        yield made


def test_before_anything_is_decided_it_shows_the_configuration(tmp_path: Path) -> None:
    with desk_workspace(tmp_path / "desk", add_rows, candidates=5) as ws:
        shown = explain(ws)
    assert shown.startswith("cycle 1, as it would begin now: 0 candidates of these strategies are decided")
    assert "few_shot" in shown
    assert "100%" in shown


def test_it_says_what_moved_which_label_and_writes_nothing(ws: Workspace) -> None:
    head = ws.ledger.head()
    shown = explain(ws)
    assert ws.ledger.head() == head
    assert shown.startswith("cycle 2, as it would begin now: learnt from 60 decided candidates")
    data = json.loads(explain(ws, "--json"))
    assert (data["cycle"], data["begun"], data["how"]) == (2, False, "learnt")
    lowest = data["labels"][-1]
    assert lowest["wrong"] > 0.3
    assert lowest["weight"] < 0.8
    assert f"{lowest['name']} {lowest['weight']:.2f} times an even share" in shown
    assert sum(data["shares"].values()) == pytest.approx(1)


def test_it_asks_nothing_so_it_takes_no_size(ws: Workspace) -> None:
    with pytest.raises(InputError, match="--explain asks nothing"):
        explain(ws, "-n", "20")

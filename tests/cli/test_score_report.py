"""`report` says how well each score told approved from rejected rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.argilla_server import OWNER_KEY, FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.generator.scores import Judge
from seedgate.generator.scores.recorded import Mark, scored_event
from seedgate.review import pull, push
from seedgate.review.state import read_state
from tests.conftest import add_rows
from tests.review.desk import desk_workspace


def report(folder: Path, *more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "seedgate", "report", "-w", str(folder), *more],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def argilla(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with FakeArgilla().serve() as fake:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", fake.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        yield


@pytest.mark.usefixtures("argilla")
def test_scores_are_measured_against_decisions(tmp_path: Path) -> None:
    ws = desk_workspace(tmp_path / "desk", add_rows, candidates=60, wave_size=60, controls=0.2, min_pace_s=0)
    with ws:
        ids = [event.subject for event in ws.ledger.events("candidate.created")]
        mark = Mark("judge", Judge.version, "model", "0" * 64)
        ws.ledger.append([scored_event(id_, mark, 2.0 + n % 3) for n, id_ in enumerate(ids)])
        push(ws, cycle=1)
        (event,) = ws.ledger.events("round.scored")
        scores = event.payload["scores"]
        likely = sorted(scores, key=lambda id_: -scores[id_]["label_agreement"])
        # Mostly as the score has it, with five surprises.
        approved = {*likely[:30], *likely[-5:]}
        of = {a.record_id: a for a in read_state(ws.ledger).assignments.values()}
        with Reviewer(ws, "anna") as anna:
            for record in anna.records():
                decision = "approve" if of[record["external_id"]].candidate_id in approved else "reject"
                anna.put(record, record["prefilled"] | {"decision": decision})
        pull(ws)
    data = json.loads(report(tmp_path / "desk", "--json"))
    rows = {(row["score"], row["among"]): row for row in data["scores"]}
    agreement = rows["label_agreement", "all"]
    assert agreement["approved"] + agreement["rejected"] == len(scores)
    assert 0.5 < agreement["low"] < agreement["auc"] < agreement["high"] < 1
    assert rows["label_agreement", "random"]["auc"] is None  # twelve were drawn: too few
    assert {row["simulated"] for row in data["scores"]} == {0}
    shown = report(tmp_path / "desk")
    line = next(each for each in shown.splitlines() if each.startswith("label_agreement"))
    assert f"{agreement['auc']:.2f} ({agreement['low']:.2f} to {agreement['high']:.2f})" in line
    assert "n too small" in line
    judge = {row["among"]: row for row in data["judge"]}
    assert (
        judge["all"]["decided"]
        == rows["judge", "all"]["approved"] + rows["judge", "all"]["rejected"]
        == len(scores)
    )
    assert -1 < judge["all"]["low"] < judge["all"]["kappa"] < judge["all"]["high"] < 1
    assert judge["random"]["kappa"] is None
    line = next(each for each in shown.splitlines() if each.startswith("all "))
    assert f"{judge['all']['kappa']:.2f} ({judge['all']['low']:.2f} to {judge['all']['high']:.2f})" in line

"""What shares are learnt from: the gate's decisions, weighted by how they came to be shown, and no control's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.review import pull, push, reviewed
from seedgate.review.learnt_from import MOST_WEIGHT, novel_from
from seedgate.review.state import read_state
from seedgate.workspace import Workspace
from tests.conftest import add_rows
from tests.review.desk import desk_workspace
from tests.review.scenarios import BOX, CARD, FEE, MAIL, PUMP, SILLY

MakeWorkspace = Callable[..., Workspace]


class TestFacts:
    @pytest.fixture
    def ws(self, review_workspace: MakeWorkspace) -> Workspace:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(PUMP, "approve")
            anna.answer(SILLY, "reject", reasons=["off_topic", "unnatural"])
            anna.answer(CARD, "edit", corrected_label="billing", reasons=["wrong_label"])
            anna.answer(BOX, "reject")
            anna.answer(MAIL, "reject", reasons=["other"], status="draft")
        pull(ws)
        return ws

    def test_each_decided_candidate_is_one_and_an_edit_counts_with_its_original(self, ws: Workspace) -> None:
        found = reviewed(ws).decided
        assert Counter((each.label, each.outcome, each.reasons) for each in found) == {
            ("delivery", "approved", ()): 1,
            ("billing", "rejected", ("off_topic", "unnatural")): 1,
            ("account", "edited", ("wrong_label",)): 1,
            ("delivery", "rejected", ()): 1,
        }
        assert {(each.strategy, each.cycle, each.weight) for each in found} == {("few_shot", 1, 1.0)}

    def test_novelty_is_as_recorded_with_the_round(self, ws: Workspace) -> None:
        (event,) = ws.ledger.events("round.scored")
        least = novel_from(ws)
        assert least is not None
        new = sum(scores["novelty"] >= least for scores in event.payload["scores"].values())
        left = {FEE, MAIL}
        bodies = ws.ledger.bodies(event.payload["scores"])
        open_new = sum(
            scores["novelty"] >= least
            for id_, scores in event.payload["scores"].items()
            if bodies[id_]["text"] in left
        )
        assert sum(bool(each.novel) for each in reviewed(ws).decided) == new - open_new

    def test_as_of_an_earlier_event_nothing_later_is_known(self, ws: Workspace) -> None:
        first = next(ws.ledger.events("verdict.recorded"))
        assert len(reviewed(ws, first.seq).decided) == 1
        assert reviewed(ws, first.seq - 1).decided == ()


def test_a_controls_verdict_teaches_nothing(tmp_path: Path, server: FakeArgilla) -> None:
    with desk_workspace(
        tmp_path / "desk", add_rows, candidates=40, wave_size=20, controls=0.5, min_pace_s=0
    ) as ws:
        push(ws, cycle=1)
        state = read_state(ws.ledger)
        assert len(state.controls) >= 5
        with Reviewer(ws, "anna") as anna:
            for record in anna.records():
                control = record["external_id"] in state.controls
                decision = "reject" if control else "approve"
                anna.put(record, record["prefilled"] | {"decision": decision})
        pull(ws)
        found = reviewed(ws).decided
        assert {each.outcome for each in found} == {"approved"}
        assert len(found) == sum(a.why != "control" for a in state.assignments.values())


class TestWeights:
    @pytest.fixture(params=["value", "labels"])
    def ws(self, tmp_path: Path, server: FakeArgilla, request: pytest.FixtureRequest) -> Workspace:
        ws = desk_workspace(
            tmp_path / "desk",
            add_rows,
            candidates=100,
            wave_size=30,
            controls=0.0,
            random_share=0.4,
            min_pace_s=0,
            order=request.param,
        )
        self.review(ws)
        return ws

    def review(self, ws: Workspace) -> None:
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            for record in anna.records():
                anna.put(record, record["prefilled"] | {"decision": "approve"})
        pull(ws)

    def test_by_value_the_random_slice_stands_for_what_was_left_out(self, ws: Workspace) -> None:
        with ws:
            found = reviewed(ws).decided
            if ws.config.review.order == "labels":  # in turn is at random within a label
                assert {each.weight for each in found} == {1.0}
                return
            drawn = [each.weight for each in found if each.weight != 1]
            assert 0 < len(drawn) <= 12
            assert set(drawn) == {min(MOST_WEIGHT, (100 - (30 - len(drawn))) / len(drawn))}

    def test_once_all_are_decided_all_count_as_one(self, ws: Workspace) -> None:
        with ws:
            for _ in range(3):
                self.review(ws)
            found = reviewed(ws).decided
            assert len(found) == 100
            assert {each.weight for each in found} == {1.0}

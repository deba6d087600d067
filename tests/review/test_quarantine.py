"""G6: who gets into quarantine, what it sets aside, and who may lift it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError, RefusedError
from seedgate.finetune import release
from seedgate.finetune.auditing import audit
from seedgate.ledger import NewEvent
from seedgate.review import decisions, pull, push
from seedgate.review.anytime import evidence_above, interval
from seedgate.review.gate import decide
from seedgate.review.measures import cohen_kappa, krippendorff_alpha, measure_reviewers
from seedgate.review.quarantine import ALPHA, end_quarantine, strongest_evidence, void_control
from seedgate.review.state import Quarantine, read_state
from seedgate.workspace import Workspace
from tests.review.evidence_making import CANDIDATE, any_facts

MakeWorkspace = Callable[..., Workspace]
TEXTS = {f"Message {n} says that parcel {n * 7919} is missing": "delivery" for n in range(12)}


def workspace(make: MakeWorkspace, **review: object) -> Workspace:
    settings_ = {"review": {"adjudicator": "zoe"} | review}
    return make(one_reviewer=True, rows=TEXTS, settings=settings_)


def approve_all(ws: Workspace, server: FakeArgilla, *, seconds: float) -> None:
    with Reviewer(ws, "anna") as anna:
        for record in anna.records():
            if not record["responses"]:
                server.pass_time(seconds)
                anna.put(record, record["prefilled"] | {"decision": "approve"})


def as_controls(ws: Workspace, *, truth: str = "bad") -> list[str]:
    """Makes controls of everything that waits, as if another program had pushed it so."""
    found = []
    for event in list(ws.ledger.events("round.opened")):
        payload = json.loads(json.dumps(event.payload))
        for item in payload["assignments"]:
            item["why"] = "control"
            made = {"candidate_id": item["candidate_id"], "truth": truth, "corruption": "near_label"}
            made |= {"sources": [], "reviewer": item["reviewer"], "round": item["round"]}
            ws.ledger.append([NewEvent("control.made", item["record_id"], made)])
            found.append(item["record_id"])
        ws.ledger.append([NewEvent("round.opened", event.subject, payload)])
    return found


def outcomes(ws: Workspace) -> set[str]:
    return {decision.outcome for decision in decisions(ws).values()}


class TestPace:
    def test_answers_that_nobody_can_have_read_are_pending_and_asked_again(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = workspace(review_workspace, min_pace_s=1.0, wave_size=4)
        push(ws, cycle=1)
        approve_all(ws, server, seconds=0.2)
        assert pull(ws).quarantined == ()
        held = [d for d in decisions(ws).values() if d.invariant == "G6"]
        assert len(held) == 4
        assert "nobody read it" in held[0].reason
        push(ws, cycle=1, limit=12)
        approve_all(ws, server, seconds=5)
        pull(ws)
        assert outcomes(ws) == {"approved"}

    def test_a_later_setting_changes_nothing_that_was_asked_before(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = workspace(review_workspace, min_pace_s=1.0, wave_size=4)
        push(ws, cycle=1)
        approve_all(ws, server, seconds=0.2)
        pull(ws)
        config = ws.root / "seedgate.toml"
        config.write_text(config.read_text().replace("min_pace_s = 1.0", "min_pace_s = 0.0"))
        with Workspace(ws.root) as later:
            assert outcomes(later) == {"pending"}

    def test_the_habit_starts_a_quarantine(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = workspace(review_workspace, min_pace_s=1.0)
        push(ws, cycle=1)
        approve_all(ws, server, seconds=0.01)
        assert "faster than anybody can read" in pull(ws).quarantined[0]
        assert pull(ws).quarantined == ()
        assert push(ws, cycle=1).round is None


class TestMissedControls:
    @pytest.fixture
    def caught(self, review_workspace: MakeWorkspace, server: FakeArgilla) -> tuple[Workspace, list[str]]:
        """Anna approved all of a wave of four wrong controls."""
        ws = workspace(review_workspace, wave_size=4)
        push(ws, cycle=1)
        ids = as_controls(ws)
        approve_all(ws, server, seconds=5)
        pull(ws, board=None)
        return ws, ids

    def test_set_aside_what_was_approved_since_the_window_began(
        self, caught: tuple[Workspace, list[str]]
    ) -> None:
        ws, ids = caught
        resting = read_state(ws.ledger).in_quarantine()["anna"]
        assert resting.since == 0
        assert "approved 4 of 4 wrong controls" in resting.why
        event = ws.ledger.last("quarantine.started")
        assert event is not None
        assert set(event.payload["evidence"]) == set(ids)
        (anna,) = measure_reviewers(ws)
        assert (anna.missed.found, anna.missed.of) == (4, 4)
        assert anna.evidence >= 1 / ALPHA
        assert push(ws, cycle=1).round is None

    def test_only_an_adjudicator_lifts_it_and_a_new_window_begins(
        self, caught: tuple[Workspace, list[str]], server: FakeArgilla
    ) -> None:
        ws, ids = caught
        with pytest.raises(RefusedError, match="adjudicator"):
            end_quarantine(ws, "anna", by="anna", statement="I am fine")
        with pytest.raises(InputError, match="say why"):
            end_quarantine(ws, "anna", by="zoe", statement=" ")
        with pytest.raises(InputError, match="no control"):
            void_control(ws, "0" * 32, by="zoe", statement="disputed")
        void_control(ws, ids[0][:12], by="zoe", statement="both labels are right")
        end_quarantine(ws, "anna", by="zoe", statement="we talked")
        with pytest.raises(RefusedError, match="in no quarantine"):
            end_quarantine(ws, "anna", by="zoe", statement="again")
        assert measure_reviewers(ws)[0].missed.of == 3
        push(ws, cycle=1, limit=12)
        approve_all(ws, server, seconds=5)
        assert pull(ws).quarantined == ()
        assert "approved" in outcomes(ws)


def test_released_rows_of_somebody_in_quarantine_stay_and_are_listed_for_another_look(
    review_workspace: MakeWorkspace, server: FakeArgilla
) -> None:
    ws = workspace(review_workspace)
    push(ws, cycle=1)
    approve_all(ws, server, seconds=5)
    pull(ws)
    release(ws)
    why = {"since": 0, "why": "approved 4 of 4 wrong controls", "evidence": [], "policy": {}}
    ws.ledger.append([NewEvent("quarantine.started", "anna", why)])
    released = set(read_state(ws.ledger).released) & set(decisions(ws))
    assert len(released) == len(TEXTS)
    assert outcomes(ws) == {"approved"}
    assert set(measure_reviewers(ws)[0].in_doubt) == released
    told = CliRunner().invoke(app, ["reviewers", "list", "-w", str(ws.root)], catch_exceptions=False).stdout
    assert told.count("review again: released row ") == len(released)
    assert audit(ws) == []
    end_quarantine(ws, "anna", by="zoe", statement="we looked at all of it", stand=True)
    assert measure_reviewers(ws)[0].in_doubt == ()


@settings(max_examples=100)
@given(st.integers(0, 50), st.integers(1, 30), st.integers(0, 100), st.booleans())
def test_a_quarantine_holds_what_lies_in_its_window(since: int, length: int, seq: int, stand: bool) -> None:
    lasting = Quarantine("anna", since, since + length, "why")
    assert lasting.holds(seq) == (seq > since)
    ended = lasting._replace(ended=since + length, stand=stand)
    assert ended.holds(seq) == (not stand and since < seq <= since + length)


@settings(max_examples=100)
@given(any_facts())
def test_g6_nothing_that_is_held_approves_and_controls_never_do(found: object) -> None:
    from dataclasses import replace

    held = replace(found, released=False, held={h.verdict.response_id: "held" for h in found.verdicts})  # type: ignore
    assert decide(held).outcome != "approved"
    placed = {id_: a.model_copy(update={"why": "control"}) for id_, a in found.assignments.items()}  # type: ignore
    decision = decide(replace(found, assignments=placed))  # type: ignore[type-var]
    assert decision.candidate_id == CANDIDATE
    assert decision.outcome != "approved"
    assert decision.outcome != "rejected"


class TestAnytime:
    def test_false_alarms_at_the_policys_own_rate_are_as_rare_as_stated(self) -> None:
        rng = random.Random(3)
        alarms = sum(
            strongest_evidence([rng.random() < 0.15 for _ in range(200)], 0.15)[0] >= 1 / ALPHA
            for _ in range(300)
        )
        assert alarms <= 8  # 3 expected at most; more than 8 has probability .004

    @given(st.integers(0, 30), st.integers(0, 30))
    def test_the_interval_holds_the_observed_share_and_shrinks(self, yes: int, no: int) -> None:
        n = yes + no
        low, high = interval(yes, n)
        assert 0 <= low <= (yes / n if n else 0.5) <= high <= 1
        if n:
            assert interval(yes * 4, n * 4)[1] - interval(yes * 4, n * 4)[0] < high - low

    def test_every_miss_speaks_against_and_every_catch_for(self) -> None:
        assert evidence_above(0, 0, 0.15) == pytest.approx(1)
        assert evidence_above(3, 5, 0.15) < evidence_above(4, 5, 0.15)
        assert evidence_above(3, 6, 0.15) < evidence_above(3, 5, 0.15)


class TestAgreement:
    @pytest.mark.data
    def test_the_known_kappas_of_pandalm(self, data_dir: Path) -> None:
        rows = json.loads((data_dir / "pandalm" / "testset-v1.json").read_text())
        people = [[str(row[f"annotator{n}"]) for row in rows] for n in (1, 2, 3)]
        pairs = [cohen_kappa(people[a], people[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
        assert sorted(round(kappa, 3) for kappa in pairs) == [0.852, 0.862, 0.879]
        assert krippendorff_alpha(people) == pytest.approx(sum(pairs) / 3, abs=0.002)

    def test_items_that_not_everybody_saw(self) -> None:
        assert krippendorff_alpha([["a", "b", None], ["a", "b", "a"]]) == pytest.approx(1)

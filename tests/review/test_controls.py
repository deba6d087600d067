"""Controls through push and pull: they show like candidates and change the state of none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.finetune.auditing import audit
from seedgate.review import adjudicate, decisions, open_assignments, pull, push, review_status
from seedgate.review.corruptions import (
    Source,
    corruptions_of,
    mislabelled,
    negated,
    truncated,
    wrong_number,
)
from seedgate.review.mislabelling import labelled_alike
from seedgate.review.state import Control, read_state
from seedgate.seeds import verified_seeds
from seedgate.task import Task
from seedgate.workspace import Workspace
from tests.review.desk import approve_but_bad_controls, desk_workspace

Json = dict[str, object]


@pytest.fixture
def desk(tmp_path: Path, add_candidates: Callable[..., list[str]], server: FakeArgilla) -> Workspace:
    return desk_workspace(
        tmp_path / "desk", add_candidates, candidates=60, controls=0.3, wave_size=20, min_pace_s=0
    )


def controls(ws: Workspace) -> list[Control]:
    return list(read_state(ws.ledger).controls.values())


def answer(ws: Workspace, decide: Callable[[bool], str], *, only: set[str] | None = None) -> None:
    """Anna answers what is open, told which records are controls, as no reviewer ever is."""
    known = {control.record_id for control in controls(ws)}
    with Reviewer(ws, "anna") as anna:
        for record in anna.records():
            if not record["responses"] and (only is None or record["external_id"] in only):
                decision = decide(record["external_id"] in known)
                anna.put(record, record["prefilled"] | {"decision": decision})


def test_they_are_placed_and_known_to_the_ledger_alone(desk: Workspace, server: FakeArgilla) -> None:
    report = push(desk, cycle=1)
    made = controls(desk)
    assert report.records["anna"] == report.candidates + len(made)
    assert 6 <= len(made) <= 10
    assert {control.truth for control in made} <= {"good", "bad"}
    keys = [sorted(record) for record in server.records]
    assert all(key == keys[0] for key in keys)
    assert {record["external_id"] for record in server.records} >= {c.record_id for c in made}
    assert audit(desk) == []


def test_they_go_among_re_reviews_too_and_take_none_of_them_out(
    tmp_path: Path, add_candidates: Callable[..., list[str]], server: FakeArgilla
) -> None:
    settings = {"controls": 0.3, "rereview": 0.5, "wave_size": 20, "min_pace_s": 0}
    two = ("anna", "ben")
    ws = desk_workspace(tmp_path / "desk", add_candidates, candidates=60, reviewers=two, **settings)
    push(ws, cycle=1)
    approve_but_bad_controls(ws, two)
    pull(ws)
    report = push(ws, cycle=1)
    state = read_state(ws.ledger)
    (draw,) = state.draws
    placed = {a.candidate_id for a in state.assignments.values() if a.why == "rereview"}
    assert report.rereviews == len(draw.rows) == 10
    assert placed == set(draw.rows)
    assert any(state.assignments[c.record_id].round == report.round for c in controls(ws))
    assert audit(ws) == []


def test_bad_ones_are_no_candidate_and_no_seed_and_their_sources_wait(desk: Workspace) -> None:
    push(desk, cycle=1)
    state = read_state(desk.ledger)
    shown = {a.candidate_id for a in state.assignments.values() if a.why != "control"}
    seeds = {event.subject for event in desk.ledger.events("seed.added")}
    for control in controls(desk):
        if control.truth == "bad":
            assert control.candidate_id not in state.candidates.keys() | seeds
        assert not shown & {control.candidate_id, *control.sources}
    # Even another wave ahead keeps from the reviewer what an open control was made of.
    push(desk, cycle=1, ahead=True, limit=60)
    later = read_state(desk.ledger)
    first = {c.record_id: c for c in controls(desk) if later.assignments[c.record_id].round.endswith("-1")}
    placed = {a.candidate_id for a in later.assignments.values() if a.why != "control"}
    assert not placed & {id_ for control in first.values() for id_ in control.sources}


def test_their_verdicts_change_nothing(desk: Workspace) -> None:
    push(desk, cycle=1)
    before = {id_: d.outcome for id_, d in decisions(desk).items()}
    ids = {control.record_id for control in controls(desk)}
    answer(desk, lambda _: "reject", only=ids)
    report = pull(desk)
    assert report.recorded == len(ids)
    assert {id_: d.outcome for id_, d in decisions(desk).items()} == before
    assert len(read_state(desk.ledger).control_answers) == len(ids)
    assert open_assignments(desk) == review_status(desk).open == push(desk, cycle=1).open


def test_edits_of_them_make_no_candidate(desk: Workspace) -> None:
    push(desk, cycle=1)
    count = len(decisions(desk))
    ids = {control.record_id for control in controls(desk)}
    with Reviewer(desk, "anna") as anna:
        for record in anna.records():
            if record["external_id"] in ids:
                text = str(record["prefilled"]["corrected_text"]) + " Please and thank you."
                anna.put(record, record["prefilled"] | {"decision": "edit", "corrected_text": text})
    assert pull(desk).corrected == 0
    assert len(decisions(desk)) == count


def test_what_others_approved_or_adjudication_rejected_becomes_one(
    tmp_path: Path, add_candidates: Callable[..., list[str]], server: FakeArgilla
) -> None:
    people = ("anna", "ben", "cleo")
    settings = {"controls": 0.3, "quorum": 2, "adjudicator": "zoe", "wave_size": 30, "min_pace_s": 0}
    ws = desk_workspace(tmp_path / "desk", add_candidates, candidates=90, reviewers=people, **settings)
    push(ws, cycle=1)
    known = {control.record_id: control.truth for control in controls(ws)}
    asked: dict[str, list[str]] = {}
    of_record = read_state(ws.ledger).assignments
    for assignment in of_record.values():
        if assignment.why != "control":
            asked.setdefault(assignment.candidate_id, []).append(assignment.reviewer)
    # A row that a control was made of has lost one of its two reviewers for now.
    contested = sorted(id_ for id_, names in asked.items() if len(names) == 2)[:10]
    for name in people:
        with Reviewer(ws, name) as person:
            for record in person.records():
                id_ = of_record[record["external_id"]].candidate_id
                clash = id_ in contested and name == asked[id_][0]
                decision = "reject" if clash or known.get(record["external_id"]) == "bad" else "approve"
                person.put(record, record["prefilled"] | {"decision": decision})
    pull(ws)
    assert {decisions(ws)[id_].outcome for id_ in contested} == {"conflict"}
    for id_ in contested:
        adjudicate(ws, id_, by="zoe", decision="reject")
    push(ws, cycle=1)
    state = read_state(ws.ledger)
    shown = {(a.candidate_id, a.reviewer) for a in state.assignments.values() if a.why != "control"}
    later = [c for c in controls(ws) if c.record_id not in known]
    made = {kind: [c for c in later if c.corruption == kind] for kind in ("approved", "adjudicated")}
    assert all(made.values())
    assert {c.candidate_id for c in made["adjudicated"]} <= set(contested)
    assert {(c.truth, c.corruption) for kind in made for c in made[kind]} == {
        ("good", "approved"),
        ("bad", "adjudicated"),
    }
    for control in (*made["approved"], *made["adjudicated"]):
        assert (control.candidate_id, control.reviewer) not in shown
        outcome = decisions(ws)[control.candidate_id].outcome
        assert outcome == ("approved" if control.truth == "good" else "rejected")


def test_no_cycle_waits_for_them_and_every_candidate_gets_its_turn(desk: Workspace) -> None:
    waves = 0
    while push(desk, cycle=1).round is not None:
        ids = {a.record_id for a in read_state(desk.ledger).assignments.values() if a.why != "control"}
        answer(desk, lambda _: "reject", only=ids)
        pull(desk)
        assert open_assignments(desk) == 0
        # Unanswered, a control keeps its sources back; here the reviewer comes round to them at last.
        answer(desk, lambda known: "reject" if known else "approve")
        pull(desk)
        waves += 1
        assert waves < 12
    assert {d.outcome for d in decisions(desk).values()} == {"rejected"}
    assert review_status(desk).unassigned == 0


def test_a_second_answer_mends_nothing(desk: Workspace) -> None:
    push(desk, cycle=1)
    bad = next(c for c in controls(desk) if c.truth == "bad")
    answer(desk, lambda _: "approve", only={bad.record_id})
    pull(desk)
    with Reviewer(desk, "anna") as anna:
        record = next(r for r in anna.records() if r["external_id"] == bad.record_id)
        anna.put(record, record["prefilled"] | {"decision": "reject"})
    pull(desk)
    state = read_state(desk.ledger)
    assert state.control_answers[bad.record_id].verdict.decision == "approve"


class TestCorruptions:
    TASK = Task.from_config({"preset": "instruction", "name": "how"})
    SOURCE = Source(
        "a", {"instruction": "How long?", "input": "", "output": "It is 25 minutes, said Maria in Leeds."}
    )
    OTHER = Source("b", {"instruction": "Who?", "input": "", "output": "We asked, and Peter was there."})

    def test_each_makes_one_fault_in_the_answer(self) -> None:
        rng = random.Random(1)
        for each in corruptions_of(self.TASK):
            made = each(self.TASK, self.SOURCE, [self.SOURCE, self.OTHER], rng)
            assert made is not None, each.__name__
            assert made.fields["instruction"] == "How long?"
            assert made.fields["output"] != self.SOURCE.fields["output"]

    def test_they_do_what_their_names_say(self) -> None:
        rng = random.Random(1)
        number = wrong_number(self.TASK, self.SOURCE, [], rng)
        opposite = negated(self.TASK, self.SOURCE, [], rng)
        short = truncated(self.TASK, self.SOURCE, [], rng)
        assert number is not None
        assert opposite is not None
        assert short is not None
        assert "25" not in number.fields["output"]
        assert opposite.fields["output"].startswith("It is not 25")
        assert self.SOURCE.fields["output"].startswith(short.fields["output"])

    def test_only_a_label_that_is_surely_wrong_takes_the_place_of_another(self) -> None:
        task = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b", "c"]})
        sure = Source("x", {"text": "A text of five words", "label": "a"}, {"a": 0.9, "b": 0.06, "c": 0.04})
        doubtful = Source("x", sure.fields, {"a": 0.4, "b": 0.35, "c": 0.25})
        misnamed = Source("x", {**sure.fields, "label": "b"}, sure.odds)
        for source, labels in ((sure, {"b", "c"}), (doubtful, set()), (misnamed, {"c"})):
            assert {label for label in "abc" if mislabelled(task, source, label)} == labels

    def test_wrong_rows_have_the_labels_of_the_wave_and_are_cut_only_where_none_is_surely_wrong(self) -> None:
        task = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b", "c"]})
        odds = {"a": 0.94, "b": 0.03, "c": 0.03}
        sources = [
            Source(str(n), {"text": f"Text {n} of five words", "label": "a"}, odds, "b") for n in range(9)
        ]
        doubtful = Source("x", sources[0].fields, {"a": 0.4, "b": 0.35, "c": 0.25}, "b")
        for pair in (("b", "b"), ("c", "b")):
            made = list(labelled_alike(task, iter([sources[:5], sources[5:]]), [pair], random.Random(1)))
            assert [each.fields["label"] for each in made] == [pair[0]] * 9
            assert {each.sources for each in made} == {(source.id,) for source in sources}
        assert [e.corruption for e in labelled_alike(task, [[doubtful]], [("b", "b")], random.Random(1))] == [
            "truncated"
        ]


def test_why_it_is_here_is_the_same_sentence_for_all_of_a_label(desk: Workspace, server: FakeArgilla) -> None:
    push(desk, cycle=1)
    answer(desk, lambda control: "reject" if control else "approve")
    pull(desk)
    label = desk.task.label_field
    assert label is not None
    before = len(server.records)
    push(desk, cycle=1)
    later, known = server.records[before:], {control.record_id for control in controls(desk)}
    assert {record["external_id"] in known for record in later} == {True, False}
    said: dict[str, set[str]] = {}
    for record in later:
        said.setdefault(record["fields"][label.name], set()).add(record["fields"]["why_here"])
    assert all(len(sentences) == 1 for sentences in said.values())
    approved = [id_ for id_, decision in decisions(desk).items() if decision.outcome == "approved"]
    counts = Counter(fields[label.name] for fields in desk.ledger.bodies(approved).values())
    seeds = Counter(seed.fields[label.name] for seed in verified_seeds(desk)[0].values())
    assert counts.total() > 10
    for name, sentences in said.items():
        (sentence,) = sentences
        assert f"{name} has {seeds[name]} seed" in sentence
        assert f" {counts[name]} approved row" in sentence

"""What the ledger is told of a wave's scores, and what is learnt and reported from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.generator.scores import SCORERS, Judge
from seedgate.generator.scores.recorded import Mark, scored_event
from seedgate.review import decisions, judge_kappas, pull, push, score_aucs
from seedgate.review.approval import learn
from seedgate.review.planning import plan_wave
from seedgate.review.rounds import reviewers_of
from seedgate.review.scored import judged
from seedgate.review.state import read_state
from seedgate.workspace import Workspace
from tests.conftest import add_rows

MakeWorkspace = Callable[..., Workspace]
NAMES = {each.name for each in SCORERS}


def review(**settings: Any) -> dict[str, Any]:
    return {"settings": {"review": {"order": "value"} | settings}}


def scored(ws: Workspace, wave: int = 1) -> dict[str, Any]:
    return [event.payload for event in ws.ledger.events("round.scored")][wave - 1]


def test_a_round_says_what_its_order_rested_on(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(one_reviewer=True, **review(wave_size=4, random_share=0.5))
    push(ws, cycle=1)
    told = scored(ws)
    state = read_state(ws.ledger)
    assert told["order"] == "value"
    assert set(told["scores"]) == {a.candidate_id for a in state.assignments.values()}
    assert all(set(scores) == NAMES for scores in told["scores"].values())
    assert told["values"].keys() == told["scores"].keys()
    assert {a.why for a in state.assignments.values()} == {"ranked", "random"}


def test_scores_are_recorded_though_labels_alone_order(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(one_reviewer=True, **review(wave_size=4, order="labels"))
    push(ws, cycle=1)
    told = scored(ws)
    assert (told["order"], told["values"]) == ("labels", {})
    assert len(told["scores"]) == 4
    assert all(set(scores) == NAMES for scores in told["scores"].values())


def test_controls_have_no_score_and_argilla_hears_of_none(
    review_workspace: MakeWorkspace, server: FakeArgilla
) -> None:
    ws = review_workspace(one_reviewer=True, **review(controls=0.4, good_controls=1.0))
    push(ws, cycle=1)
    state = read_state(ws.ledger)
    assert state.controls
    controls = {control.candidate_id for control in state.controls.values()}
    assert not controls & scored(ws)["scores"].keys()
    stored = json.dumps([server.records, server.datasets], default=str)
    assert not any(name in stored for name in NAMES)


def test_planning_again_gives_the_same_wave_and_scores(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(one_reviewer=True, **review(wave_size=3, controls=0.3))
    head = ws.ledger.head()
    again = {"cycle": 1, "size": 3, "simulated": False, "ahead": False}
    plans = [plan_wave(ws, read_state(ws.ledger), ("anna",), **again) for _ in range(2)]
    assert plans[0].assignments == plans[1].assignments
    assert plans[0].told == plans[1].told
    push(ws, cycle=1, dry_run=True)
    assert ws.ledger.head() == head
    push(ws, cycle=1)
    assert tuple(read_state(ws.ledger).assignments.values()) == plans[0].assignments


def test_what_was_shown_makes_its_like_less_novel(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(one_reviewer=True, **review())
    push(ws, cycle=1)
    with Reviewer(ws, reviewers_of(ws, simulated=False)[0]) as anna:
        for record in anna.records():
            anna.put(record, record["prefilled"] | {"decision": "approve"})
    pull(ws)
    (like,) = add_rows(ws, {"Wherever on earth is my new bike pump": "delivery"}, cycle=2)
    push(ws, cycle=2)
    assert scored(ws, 2)["scores"][like]["novelty"] < 0.2


def test_decisions_are_matched_with_the_scores_that_were_there_before(
    review_workspace: MakeWorkspace,
) -> None:
    ws = review_workspace(one_reviewer=True, **review(controls=0.4, random_share=0.5))
    push(ws, cycle=1)
    controls = set(read_state(ws.ledger).controls)
    with Reviewer(ws, reviewers_of(ws, simulated=False)[0]) as anna:
        for n, record in enumerate(anna.records()):
            decision = "approve" if n % 2 else "reject"
            anna.put(record, record["prefilled"] | {"decision": decision})
    pull(ws)
    state, found = read_state(ws.ledger), decisions(ws)
    known = judged(ws.ledger, state, found)
    answered = {a.candidate_id: a for a in state.assignments.values() if a.record_id not in controls}
    assert {each.candidate_id for each in known} == answered.keys()
    for each in known:
        assert each.approved == (found[each.candidate_id].outcome == "approved")
        assert each.random == (answered[each.candidate_id].why == "random")
        assert each.scores == scored(ws)["scores"][each.candidate_id]
        assert (each.cycle, each.strategy, each.simulated) == (1, "few_shot", False)


def test_a_figure_is_given_only_where_enough_is_decided(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(one_reviewer=True, **review())
    assert score_aucs(ws) == []
    push(ws, cycle=1)
    with Reviewer(ws, reviewers_of(ws, simulated=False)[0]) as anna:
        for record in anna.records():
            anna.put(record, record["prefilled"] | {"decision": "approve"})
    pull(ws)
    rows = score_aucs(ws)
    assert {row.score for row in rows} == NAMES | {"value"}
    assert {(row.approved, row.rejected) for row in rows if row.among == "all"} == {(6, 0)}
    assert all(row.auc is None and str(row) == "n too small" for row in rows)


def graded(ws: Workspace, grades: dict[str, float]) -> None:
    """What `generate` would have recorded of the judge."""
    mark = Mark("judge", Judge.version, "model", "0" * 64)
    ws.ledger.append([scored_event(id_, mark, grade) for id_, grade in grades.items()])


def test_scores_that_the_model_was_asked_for_are_recorded_with_the_round(
    review_workspace: MakeWorkspace,
) -> None:
    ws = review_workspace(one_reviewer=True, **review())
    ids = [event.subject for event in ws.ledger.events("candidate.created")]
    graded(ws, {ids[0]: 4.25, ids[1]: 1.5})
    ws.ledger.append([scored_event(ids[2], Mark("judge", Judge.version + 1, "model", ""), 5.0)])
    push(ws, cycle=1)
    told = scored(ws)
    assert told["scorers"] == {each.name: each.version for each in SCORERS} | {"judge": Judge.version}
    assert (told["scores"][ids[0]]["judge"], told["scores"][ids[1]]["judge"]) == (4.25, 1.5)
    # Of another version than today's, and who was never asked: none.
    assert [id_ for id_, scores in told["scores"].items() if "judge" not in scores] == sorted(ids[2:])


def test_they_are_reported_and_learnt_from_like_the_others(review_workspace: MakeWorkspace) -> None:
    texts = {f"{'Where' if n % 2 else 'Why'} is number {n} of my {n} orders": "delivery" for n in range(60)}
    ws = review_workspace(one_reviewer=True, **review(wave_size=66))
    added = add_rows(ws, texts)
    liked = set(added[::2])
    graded(ws, {id_: 4.5 if id_ in liked else 2.0 for id_ in added[:50]})
    push(ws, cycle=1)
    with Reviewer(ws, reviewers_of(ws, simulated=False)[0]) as anna:
        of = {a.record_id: a.candidate_id for a in read_state(ws.ledger).assignments.values()}
        for record in anna.records():
            decision = "approve" if of[record["external_id"]] in liked else "reject"
            anna.put(record, record["prefilled"] | {"decision": decision})
    pull(ws)
    rows = {(row.score, row.among): row for row in score_aucs(ws)}
    assert (rows["judge", "all"].auc, rows["judge", "all"].decided) == (1, 50)
    kappas = {row.among: row for row in judge_kappas(ws)}
    assert (kappas["all"].kappa, kappas["all"].alike, kappas["all"].decided) == (1, 50, 50)
    assert "n too small" in str(kappas["random"]) or kappas["random"].kappa == 1
    state, found = read_state(ws.ledger), decisions(ws)
    model = learn(judged(ws.ledger, state, found))
    assert model is not None
    high, low, unknown = model.chances([{"judge": 4.5}, {"judge": 2.0}, {}], ["few_shot"] * 3)
    assert high > unknown > low


def test_without_a_judge_nothing_is_said_of_one(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(one_reviewer=True, **review())
    push(ws, cycle=1)
    assert judge_kappas(ws) == []

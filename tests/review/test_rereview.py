"""Blind re-review at the fake Argilla: who is drawn, who looks, and what an answer does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes.reviewing import Owner, Reviewer

from seedgate.errors import InputError, RefusedError
from seedgate.records import Assignment, Decision
from seedgate.review import adjudicate, decisions, open_assignments, pull, push, review_status
from seedgate.review.evidence import Heard
from seedgate.review.facts import decide_all, facts_of
from seedgate.review.release_bound import ErrorBound, error_bound
from seedgate.review.rereview import answered_rereview, draw_rows
from seedgate.review.state import Born, Draw, ReviewState, read_state
from seedgate.workspace import Workspace
from tests.review.conftest import TEXTS
from tests.review.scenarios import released

MakeWorkspace = Callable[..., Workspace]
FIRST = dict(list(TEXTS.items())[:4])


def settings(**review: Any) -> dict[str, Any]:
    return {"settings": {"review": review}}


def approved_by_first(ws: Workspace) -> list[str]:
    """The first reviewer approves all; the ids, by text."""
    push(ws, cycle=1, reviewers=ws.config.review.reviewers[:1], rereview=0)
    with Reviewer(ws, ws.config.review.reviewers[0]) as anna:
        for text in FIRST:
            anna.answer(text, "approve")
    pull(ws)
    found = decisions(ws)
    assert {d.outcome for d in found.values()} == {"approved"}
    return list(found)


def rereviews(ws: Workspace) -> list[Assignment]:
    return [a for a in read_state(ws.ledger).assignments.values() if a.why == "rereview"]


def _as(heard: Heard, account: str) -> Heard:
    return heard._replace(verdict=heard.verdict.model_copy(update={"user_id": account}))


def text_of(ws: Workspace, id_: str) -> str:
    return str(ws.ledger.body(id_)["text"])


def bound(ws: Workspace) -> ErrorBound:
    """Of all that is approved."""
    state = read_state(ws.ledger)
    approved = [id_ for id_, d in decisions(ws).items() if d.outcome == "approved"]
    return error_bound(state, facts_of(ws, state, ws.guidelines()[1]), approved)


class TestWhoLooks:
    def test_a_second_person_gets_them_among_ordinary_candidates(
        self, review_workspace: MakeWorkspace, add_candidates: Callable[..., list[str]]
    ) -> None:
        ws = review_workspace(rows=FIRST, **settings(rereview=0.6))
        ids = approved_by_first(ws)
        more = add_candidates(ws, {f"New text number {n} about a refund": "billing" for n in range(6)})
        report = push(ws, cycle=1)
        assert (report.candidates, report.rereviews) == (6, 4)
        assert {(a.reviewer, a.candidate_id) for a in rereviews(ws)} == {("ben", id_) for id_ in ids}
        assert {a.candidate_id for a in read_state(ws.ledger).assignments.values()} == {*ids, *more}
        with Reviewer(ws, "ben") as ben:
            shown = ben.records()
        # Nothing that the server tells a reviewer about a record sets these apart.
        assert {(frozenset(r), str(r.get("metadata"))) for r in shown} == {
            (frozenset(shown[0]), str(shown[0].get("metadata")))
        }

    def test_the_adjudicator_looks_where_there_is_one_reviewer(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows=FIRST, one_reviewer=True, **settings(adjudicator="zoe"))
        approved_by_first(ws)
        report = push(ws, cycle=1, rereview=3)
        assert (report.candidates, report.rereviews, report.records) == (0, 3, {"zoe": 3})
        with Reviewer(ws, "zoe") as zoe:
            zoe.answer(text_of(ws, rereviews(ws)[0].candidate_id), "approve")
        assert pull(ws).anomalies == ()
        assert bound(ws).judged == 1

    def test_with_nobody_else_nothing_is_drawn_and_nothing_is_known(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows=FIRST, one_reviewer=True)
        approved_by_first(ws)
        assert push(ws, cycle=1, rereview=3).round is None
        assert (bound(ws).wrong, bound(ws).rows) == (4, 4)
        assert "no approved row was looked at again by a second person" in str(bound(ws))

    def test_none_goes_to_a_simulated_reviewer_and_their_number_is_limited(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows=FIRST, simulated=True)
        approved_by_first(ws)
        assert push(ws, cycle=1, simulated=True, rereview=2).round is None
        with pytest.raises(InputError, match="rereview 2000"):
            push(ws, cycle=1, rereview=2000)


class TestAnswers:
    def test_waiting_for_one_blocks_neither_row_nor_wave_nor_cycle(
        self, review_workspace: MakeWorkspace, add_candidates: Callable[..., list[str]]
    ) -> None:
        ws = review_workspace(rows=FIRST)
        ids = approved_by_first(ws)
        push(ws, cycle=1, rereview=4)
        assert [decisions(ws)[id_].outcome for id_ in ids] == ["approved"] * 4
        status = review_status(ws)
        assert (status.open, open_assignments(ws)) == (0, 0)
        assert {who.name: who.open for who in status.reviewers} == {"anna": 0, "ben": 4}
        add_candidates(ws, {"Another one about a parcel": "delivery"})
        assert push(ws, cycle=1).candidates == 1

    def test_an_approval_adds_nothing_and_a_rejection_makes_a_conflict(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows=FIRST, **settings(adjudicator="zoe"))
        ids = approved_by_first(ws)
        push(ws, cycle=1, rereview=4)
        with Reviewer(ws, "ben") as ben:
            ben.answer(text_of(ws, ids[0]), "approve")
            ben.answer(text_of(ws, ids[1]), "reject")
            ben.answer(text_of(ws, ids[2]), "approve", status="discarded")
        pull(ws)
        found = decisions(ws)
        assert [found[id_].outcome for id_ in ids] == ["approved", "conflict", "approved", "approved"]
        assert found[ids[0]].approvers == ("anna",)
        got = bound(ws)
        # The skipped one counts as found, and is still in; the rejected one has left.
        assert (got.drawn, got.judged, got.found, got.removed) == (4, 3, 2, 1)
        adjudicate(ws, ids[1], by="zoe", decision="approve")
        got = bound(ws)
        assert (got.found, got.rows) == (1, 4)  # it was a false alarm

    def test_found_wrong_by_adjudication_after_a_release_is_recalled(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows=FIRST, **settings(adjudicator="zoe"))
        ids = approved_by_first(ws)
        released(ws, *ids)
        push(ws, cycle=1, rereview=4)
        with Reviewer(ws, "ben") as ben:
            ben.answer(text_of(ws, ids[1]), "reject")
            report = pull(ws)
            assert (report.recalled, decisions(ws)[ids[1]].outcome) == (0, "conflict")
            assert adjudicate(ws, ids[1], by="zoe", decision="reject").outcome == "void"
        recalled = ws.ledger.last("row.recalled")
        assert recalled is not None
        assert (recalled.subject, recalled.payload["release"]) == (ids[1], "r001")

    def test_an_account_under_a_new_name_is_no_second_person(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows=FIRST, **settings(rereview=0.6))
        approved_by_first(ws)
        push(ws, cycle=1, rereview=4)
        with Reviewer(ws, "ben") as ben:
            for text in FIRST:
                ben.answer(text, "approve")
        pull(ws)
        assert (bound(ws).judged, bound(ws).if_none_missed) == (4, 0)
        state = read_state(ws.ledger)
        anna = next(h.verdict.user_id for h in state.verdicts.values() if h.verdict.reviewer == "anna")
        facts = [
            replace(f, verdicts=tuple(_as(h, anna) for h in f.verdicts))
            for f in facts_of(ws, state, ws.guidelines()[1])
        ]
        assert {answered_rereview(f) for f in facts} == {None}

    def test_who_looked_again_does_not_settle_what_follows(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows=FIRST, one_reviewer=True, **settings(adjudicator="zoe"))
        ids = approved_by_first(ws)
        push(ws, cycle=1, rereview=4)
        with Reviewer(ws, "zoe") as zoe:
            zoe.answer(text_of(ws, ids[0]), "reject")
        pull(ws)
        with pytest.raises(RefusedError, match="in re-review"):
            adjudicate(ws, ids[0], by="zoe", decision="approve")
        assert bound(ws).removed == 1

    def test_a_correction_in_re_review_needs_a_review_of_its_own(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows=FIRST)
        ids = approved_by_first(ws)
        push(ws, cycle=1, rereview=4)
        with Reviewer(ws, "ben") as ben:
            ben.answer(text_of(ws, ids[0]), "edit", corrected_label="billing")
        pull(ws)
        made = next(id_ for id_ in decisions(ws) if id_ not in ids)
        assert (decisions(ws)[ids[0]].outcome, decisions(ws)[made].outcome) == ("conflict", "pending")

    def test_what_vanished_is_asked_again_and_keeps_its_place(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows=FIRST)
        approved_by_first(ws)
        push(ws, cycle=1, rereview=2)
        with Owner(ws) as owner:
            owner.delete_dataset()
        pull(ws)
        drawn = read_state(ws.ledger).draws
        assert push(ws, cycle=1, rereview=2).records == {"ben": 2}
        assert read_state(ws.ledger).draws == drawn
        assert Counter(a.candidate_id for a in rereviews(ws)) == dict.fromkeys(drawn[0].rows, 2)
        with Reviewer(ws, "ben") as ben:
            for id_ in drawn[0].rows:
                ben.answer(text_of(ws, id_), "approve")
        pull(ws)
        assert (bound(ws).drawn, bound(ws).judged) == (2, 2)


class TestDrawing:
    def state(self, rows: int) -> tuple[ReviewState, dict[str, Decision]]:
        ids = [f"row{n}" for n in range(rows)]
        decided = {id_: Decision(candidate_id=id_, outcome="approved", reason="") for id_ in ids}
        return ReviewState(candidates={id_: Born(1, None) for id_ in ids}), decided

    def test_every_row_is_as_likely_as_any_other(self) -> None:
        from scipy.stats import chisquare

        state, decided = self.state(20)
        times: Counter[str] = Counter()
        for seed in range(2000):
            drawn = draw_rows(state, decided, 5, str(seed))
            assert drawn is not None
            times.update(drawn.rows)
        assert len(times) == 20
        assert chisquare(list(times.values())).pvalue > 0.001

    def test_a_row_is_drawn_once_and_new_rows_catch_up(self) -> None:
        state, decided = self.state(60)
        early = dict(list(decided.items())[:20])
        first = draw_rows(state, early, 10, "a")
        assert first is not None
        state.draws.append(first)
        second = draw_rows(state, decided, 20, "b")
        assert second is not None
        assert len(first.joined) == 20
        assert set(second.joined) == set(decided) - set(early)
        assert set(second.rows) <= set(second.joined)  # half of the early ones had been drawn, none of these
        assert draw_rows(state, decided, 20, "b") == second
        state.draws.append(second)
        third = draw_rows(state, decided, 100, "c")
        assert third is not None
        assert len({*first.rows, *second.rows, *third.rows}) == 60
        state.draws.append(Draw("", (), third.rows))
        assert draw_rows(state, decided, 1, "d") is None


def test_a_push_that_is_repeated_draws_nothing_twice(review_workspace: MakeWorkspace) -> None:
    ws = review_workspace(rows=FIRST)
    approved_by_first(ws)
    head = ws.ledger.head()
    assert push(ws, cycle=1, rereview=2, dry_run=True).rereviews == 2
    assert ws.ledger.head() == head
    push(ws, cycle=1, rereview=2)
    push(ws, cycle=1, rereview=2)
    rows = [id_ for draw in read_state(ws.ledger).draws for id_ in draw.rows]
    assert len(set(rows)) == len(rows) == 4
    state = read_state(ws.ledger)
    assert decide_all(ws, state, ws.guidelines()[1]).keys() == set(rows)

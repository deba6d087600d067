"""From the ledger to the error bound: what counts as judged, as found, as left."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from fakes.reviewing import Reviewer

from seedgate.review import decisions, pull, push
from seedgate.review.bound import BadControls, Stratum, wrong_rows
from seedgate.review.facts import facts_of
from seedgate.review.release_bound import ControlAnswer, ErrorBound, error_bound, more_for
from seedgate.review.state import read_state
from seedgate.workspace import Workspace

MakeWorkspace = Callable[..., Workspace]
SUBJECTS = (
    "the kettle",
    "my parcel",
    "a voucher",
    "the invoice",
    "two lamps",
    "our order",
    "one chair",
    "a rug",
)
VERBS = ("is missing since Tuesday", "was charged to the wrong card", "arrived broken, what now")
ROWS = {f"{subject} {verb}": "billing" for subject in SUBJECTS for verb in VERBS}


def controls(caught: int, missed: int, reviewer: str = "ben") -> list[ControlAnswer]:
    return [ControlAnswer(reviewer, True, False)] * caught + [ControlAnswer(reviewer, True, True)] * missed


def bound(ws: Workspace, answered: Iterable[ControlAnswer] = ()) -> ErrorBound:
    state = read_state(ws.ledger)
    approved = [id_ for id_, d in decisions(ws).items() if d.outcome == "approved"]
    return error_bound(state, facts_of(ws, state, ws.guidelines()[1]), approved, list(answered))


@pytest.fixture
def drawn(review_workspace: MakeWorkspace) -> Workspace:
    """24 rows that anna approved; 16 of them wait for ben's second look."""
    ws = review_workspace(rows=ROWS)
    push(ws, cycle=1, reviewers=["anna"], rereview=0)
    with Reviewer(ws, "anna") as anna:
        for record in anna.records():
            anna.put(record, record["prefilled"] | {"decision": "approve"})
    pull(ws)
    push(ws, cycle=1, rereview=16)
    return ws


def answer(ws: Workspace, *words: str) -> None:
    """ben answers in the order of drawing; `-` leaves a row unanswered."""
    rows = [id_ for draw in read_state(ws.ledger).draws for id_ in draw.rows]
    texts = {id_: body["text"] for id_, body in ws.ledger.bodies(rows).items()}
    with Reviewer(ws, "ben") as ben:
        for id_, word in zip(rows, words, strict=False):
            if word == "skip":
                ben.answer(texts[id_], "approve", status="discarded")
            elif word != "-":
                ben.answer(texts[id_], word)
    pull(ws)


class TestWhatCounts:
    def test_judged_rows_make_the_bound_that_the_maths_gives(self, drawn: Workspace) -> None:
        answer(drawn, "reject", *["approve"] * 15)
        got = bound(drawn, controls(58, 2))
        assert got.strata == ((24, 16, 1, 0),)
        assert got.wrong == wrong_rows([Stratum(24, 16, 1)], [BadControls(60, 58)])
        assert got.if_none_missed == wrong_rows([Stratum(24, 16, 1)], None)
        assert got.if_none_missed <= got.wrong <= got.if_twice_as_hard <= got.rows == 23
        assert [(r.name, r.rows, r.bad_controls, r.caught) for r in got.rereviewers] == [("ben", 16, 60, 58)]
        assert f"at most {got.wrong} of 23 generated rows wrong" in str(got)

    def test_without_controls_nothing_is_known_and_it_says_so(self, drawn: Workspace) -> None:
        answer(drawn, *["approve"] * 16)
        assert bound(drawn).wrong == 24
        assert "answered no known-bad controls" in str(bound(drawn))
        assert bound(drawn, controls(60, 0, "anna")).wrong == 24

    def test_answers_that_are_left_out_cannot_lower_it(self, drawn: Workspace) -> None:
        answer(drawn, *["approve"] * 4, "-", *["approve"] * 11)
        got = bound(drawn, controls(60, 0))
        early = wrong_rows([Stratum(24, 4)], [BadControls(60, 60)])
        counted = wrong_rows([Stratum(24, 16, 1, 1)], [BadControls(60, 60)])
        assert got.wrong == min(early, counted)
        assert (got.judged, got.found) == (15, 0)
        assert got.strata == ((24, 16, 1, 1),)
        answer(drawn, *["-"] * 4, "approve")
        assert bound(drawn, controls(60, 0)).wrong < got.wrong

    def test_a_skipped_row_counts_as_wrong_and_still_there(self, drawn: Workspace) -> None:
        answer(drawn, "skip", *["approve"] * 15)
        got = bound(drawn, controls(60, 0))
        assert (got.judged, got.found, got.removed) == (16, 1, 0)
        assert got.wrong >= 1

    def test_rows_approved_after_the_last_draw_may_all_be_wrong(
        self, drawn: Workspace, add_candidates: Callable[..., list[str]]
    ) -> None:
        answer(drawn, *["approve"] * 16)
        before = bound(drawn, controls(60, 0))
        add_candidates(drawn, {"Nobody has looked at this lamp again": "billing"})
        push(drawn, cycle=1, reviewers=["anna"], rereview=0)
        with Reviewer(drawn, "anna") as anna:
            anna.answer("Nobody has looked at this lamp again", "approve")
        pull(drawn)
        after = bound(drawn, controls(60, 0))
        assert (after.rows, after.strata[-1]) == (25, (1, 0, 0, 0))
        assert after.wrong == before.wrong + 1

    def test_the_estimate_is_there_beside_the_bound(self, drawn: Workspace) -> None:
        answer(drawn, *["approve"] * 16)
        assert bound(drawn).modelled is None
        got = bound(drawn, [*controls(18, 2, "anna"), *controls(20, 0)]).modelled
        assert got is not None
        assert 0 < got[0] < got[1] < 1


class TestMore:
    def test_what_it_asks_for_is_enough_and_exists(self, drawn: Workspace) -> None:
        answer(drawn, *["approve"] * 16)
        got = bound(drawn, controls(100, 0))
        more = more_for(got, 0.1)
        assert got.share > 0.1
        assert more.least is not None
        assert more.least <= more.rows == 8
        assert wrong_rows([Stratum(24, 16 + more.least)], [BadControls(100, 100)]) <= 2

    def test_the_same_ledger_gives_the_same_bound(self, drawn: Workspace) -> None:
        answer(drawn, "reject", *["approve"] * 15)
        first, second = bound(drawn, controls(58, 2)), bound(drawn, controls(58, 2))
        assert first == second
        assert first.agrees_with(second)
        moved = second.model_copy(update={"wrong": second.wrong + 1})
        assert first.agrees_with(moved)
        assert not first.agrees_with(second.model_copy(update={"wrong": second.wrong + 2}))
        assert not first.agrees_with(second.model_copy(update={"found": 0}))

"""From the ledger to decisions: content checks, families of corrections, earlier states."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer
from sqlalchemy import text as sql

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError, RefusedError
from seedgate.review import adjudicate, decisions, declare_compatible, pull, push, review_status
from seedgate.workspace import Workspace
from tests.review.scenarios import BOX, CARD, PUMP, by_text, outcomes

MakeWorkspace = Callable[..., Workspace]
ADJUDICATED = {"settings": {"review": {"quorum": 2, "adjudicator": "zoe"}}}


def approve_all(ws: Workspace, *names: str) -> None:
    push(ws, cycle=1)
    for name in names:
        with Reviewer(ws, name) as reviewer:
            for record in reviewer.records():
                reviewer.put(record, record["prefilled"] | {"decision": "approve"})
    pull(ws)


@pytest.fixture
def two_corrections(review_workspace: MakeWorkspace) -> tuple[Workspace, str, str]:
    """A workspace in which two corrections of one text have each been approved by two."""
    ws = review_workspace(rows={CARD: "account"}, **ADJUDICATED)
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna, Reviewer(ws, "ben") as ben:
        anna.answer(CARD, "edit", corrected_label="billing")
        ben.answer(CARD, "edit", corrected_label="delivery")
        pull(ws)
        assert push(ws, cycle=1).records == {"anna": 1, "ben": 1}
        anna.answer(CARD, "approve")
        ben.answer(CARD, "approve")
    pull(ws)
    ids = [content_hash({"text": CARD, "label": label}) for label in ("billing", "delivery")]
    return ws, ids[0], ids[1]


class TestCorrections:
    def test_of_two_corrections_neither_enters_until_one_is_settled(
        self, two_corrections: tuple[Workspace, str, str]
    ) -> None:
        ws, billing, delivery = two_corrections
        found = decisions(ws)
        assert [(found[i].outcome, found[i].invariant) for i in (billing, delivery)] == [
            ("conflict", "G5")
        ] * 2
        assert set(review_status(ws).conflicts) == {billing, delivery}
        adjudicate(ws, delivery, by="zoe", decision="reject")
        found = decisions(ws)
        assert (found[billing].outcome, found[delivery].outcome) == ("approved", "rejected")

    def test_an_adjudicator_can_choose_one_but_not_both(
        self, two_corrections: tuple[Workspace, str, str]
    ) -> None:
        ws, billing, delivery = two_corrections
        assert adjudicate(ws, billing, by="zoe", decision="approve").outcome == "approved"
        assert decisions(ws)[delivery].outcome == "conflict"
        assert adjudicate(ws, delivery, by="zoe", decision="approve").outcome == "conflict"
        assert decisions(ws)[billing].outcome == "conflict"

    def test_the_same_correction_by_both_is_one_candidate_with_two_approvals(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows={CARD: "account"}, **ADJUDICATED)
        push(ws, cycle=1)
        for name in ("anna", "ben"):
            with Reviewer(ws, name) as reviewer:
                reviewer.answer(CARD, "edit", corrected_label="billing")
        assert pull(ws).corrected == 1
        decision = decisions(ws)[content_hash({"text": CARD, "label": "billing"})]
        assert (decision.outcome, decision.approvers) == ("approved", ("anna", "ben"))

    def test_a_correction_that_a_filter_drops_is_no_candidate(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={CARD: "account", PUMP: "delivery"})
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(CARD, "edit", corrected_text=PUMP, corrected_label="delivery")
            anna.answer(PUMP, "edit", corrected_text="When will the teapot get here?")
        report = pull(ws)
        assert (report.dropped, report.corrected) == (2, 0)
        dropped = {e.payload["filter"] for e in ws.ledger.events("candidate.dropped")}
        assert dropped == {"exact", "evaluation"}
        assert outcomes(ws, CARD, PUMP) == ["rejected", "rejected"]
        assert pull(ws).dropped == 0

    def test_a_correction_of_a_correction_goes_on(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows={CARD: "account"}, **ADJUDICATED)
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna, Reviewer(ws, "ben") as ben:
            anna.answer(CARD, "edit", corrected_label="billing")
            ben.answer(CARD, "reject")
            pull(ws)
            push(ws, cycle=1)
            ben.answer(CARD, "edit", corrected_text=f"{CARD}.")
            pull(ws)
            assert push(ws, cycle=1).records == {"anna": 1}
            anna.answer(f"{CARD}.", "approve")
        pull(ws)
        approved = [id_ for id_, d in decisions(ws).items() if d.outcome == "approved"]
        assert approved == [content_hash({"text": f"{CARD}.", "label": "billing"})]


class TestContent:
    def test_what_equals_an_evaluation_row_is_void(self, review_workspace: MakeWorkspace) -> None:
        row = "When will the teapot get here?"
        ws = review_workspace(one_reviewer=True, rows={row: "billing", PUMP: "delivery"})
        approve_all(ws, "anna")
        assert outcomes(ws, row, PUMP) == ["void", "approved"]

    def test_what_says_otherwise_than_a_seed_needs_an_adjudicator(
        self, review_workspace: MakeWorkspace
    ) -> None:
        seed = "You took 40 pounds twice for one order."
        ws = review_workspace(
            one_reviewer=True, rows={seed: "delivery"}, settings={"review": {"adjudicator": "zoe"}}
        )
        approve_all(ws, "anna")
        decision = by_text(ws)[seed]
        assert (decision.outcome, decision.invariant) == ("pending", "G8")
        assert review_status(ws).conflicts == (decision.candidate_id,)
        assert push(ws, cycle=1).round is None
        assert adjudicate(ws, decision.candidate_id, by="zoe", decision="approve").outcome == "approved"

    def test_content_that_was_removed_is_not_approved(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        approve_all(ws, "anna")
        id_ = by_text(ws)[PUMP].candidate_id
        with ws.ledger._engine.begin() as connection:
            connection.execute(sql("DELETE FROM bodies WHERE hash = :hash"), {"hash": id_})
        assert decisions(ws)[id_].reason == "no example of the task any more: its content was removed"
        assert pull(ws).recorded == 0

    def test_a_changed_evaluation_set_approves_nothing(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        approve_all(ws, "anna")
        ws.eval_path.write_text(ws.eval_path.read_text() + '{"text": "One more row?", "label": "billing"}\n')
        with pytest.raises(RefusedError, match="not what was locked"):
            decisions(ws)


class TestWhenAndWho:
    def test_decisions_can_be_made_again_as_of_an_earlier_event(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        before = ws.ledger.head()[0]
        approve_all(ws, "anna")
        assert {d.outcome for d in decisions(ws).values()} == {"approved"}
        assert {d.outcome for d in decisions(ws, up_to=before).values()} == {"pending"}

    def test_somebody_taken_off_the_list_is_not_waited_for(
        self, review_workspace: MakeWorkspace, server: FakeArgilla
    ) -> None:
        ws = review_workspace(rows={PUMP: "delivery", BOX: "delivery"}, settings={"review": {"quorum": 2}})
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(PUMP, "reject")
            anna.answer(BOX, "approve")
        pull(ws)
        config = ws.root / "seedgate.toml"
        config.write_text(config.read_text().replace('"ben"', '"cleo"'))
        with Workspace(ws.root) as later:
            assert outcomes(later, PUMP, BOX) == ["rejected", "pending"]
            assert review_status(later).open == 0
            assert push(later, cycle=1).records == {"cleo": 1}

    @pytest.mark.parametrize(
        ("by", "error", "said"),
        [("anna", RefusedError, "not this workspace's adjudicator"), ("", RefusedError, "adjudicator")],
    )
    def test_only_the_adjudicator_declares_guidelines_compatible(
        self, review_workspace: MakeWorkspace, by: str, error: type[Exception], said: str
    ) -> None:
        ws = review_workspace(**ADJUDICATED)
        push(ws, cycle=1)
        with pytest.raises(error, match=said):
            declare_compatible(ws, ws.guidelines()[1], by=by, statement="same")
        with pytest.raises(InputError, match="no round had them"):
            declare_compatible(ws, "0" * 64, by="zoe", statement="same")
        with pytest.raises(InputError, match="say why"):
            declare_compatible(ws, ws.guidelines()[1], by="zoe", statement=" ")

    def test_an_adjudicator_who_is_a_reviewer_is_refused(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(settings={"review": {"adjudicator": "ben"}})
        with pytest.raises(RefusedError, match="one of the reviewers"):
            adjudicate(ws, next(iter(decisions(ws))), by="ben", decision="approve")

    def test_without_an_adjudicator_nothing_is_settled(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace()
        with pytest.raises(ConfigError, match="no adjudicator is named"):
            adjudicate(ws, next(iter(decisions(ws))), by="zoe", decision="approve")

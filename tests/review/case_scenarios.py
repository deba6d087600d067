"""What an adjudicator can and cannot settle in Argilla: run at the fake one here, at a real one by tests/e2e."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from fakes.reviewing import Owner, Reviewer

from seedgate.canonical import content_hash
from seedgate.errors import RefusedError
from seedgate.review import adjudicate, decisions, pull, push, push_cases
from seedgate.review.state import read_state
from seedgate.workspace import Workspace
from tests.conftest import TINY_SEEDS
from tests.review.scenarios import (
    BOX,
    CARD,
    FEE,
    PUMP,
    MakeWorkspace,
    by_text,
    outcomes,
    released,
    reviewers,
    settings,
)

CLASH = TINY_SEEDS["delivery"][0]  # a seed's input, with another label


def example(text: str, label: str) -> str:
    return content_hash({"text": text, "label": label})


def zoe() -> str:
    """A name that no other test's adjudicator has."""
    return f"zoe-{secrets.token_hex(4)}"


def disputed(make: MakeWorkspace, *texts: str, **review: Any) -> Workspace:
    """A workspace with an adjudicator in which the first reviewer approved these and the second did not."""
    ws = make(**settings(quorum=2, **({"adjudicator": zoe()} | review)))
    push(ws, cycle=1)
    with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
        for text in texts:
            anna.answer(text, "approve")
            ben.answer(text, "reject", reasons=["wrong_label"], comment="Not a <parcel>.")
    pull(ws)
    assert outcomes(ws, *texts) == ["conflict"] * len(texts)
    return ws


def adjudicator(ws: Workspace) -> Reviewer:
    return Reviewer(ws, ws.config.review.adjudicator)


class CaseScenarios:
    """From a conflict to its ruling."""

    def test_a_conflict_is_settled_in_the_adjudicators_own_dataset(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = disputed(review_workspace, PUMP, BOX)
        report = push_cases(ws)
        assert (report.cases, report.created, report.by) == (2, 2, ws.config.review.adjudicator)
        with adjudicator(ws) as zoe:
            assert len(zoe.records()) == 2
            shown = zoe.record(PUMP)["fields"]
            assert shown["label"] == "delivery"
            said = "Reviewer A approved\nReviewer B rejected (wrong label):\n    Not a &lt;parcel&gt;."
            assert shown["case_verdicts"] == said
            assert not any(name in str(shown) for name in reviewers(ws))
            assert zoe.record(PUMP)["prefilled"] == {}
            zoe.answer(PUMP, "approve", comment="It is one.")
            zoe.answer(BOX, "reject")
        assert pull(ws).rulings == 2
        assert outcomes(ws, PUMP, BOX) == ["approved", "rejected"]
        assert by_text(ws)[PUMP].reason == f"settled by {ws.config.review.adjudicator}"
        head = ws.ledger.head()
        assert (pull(ws).rulings, push_cases(ws).docket) == (0, None)
        assert ws.ledger.head() == head

    def test_what_waits_for_a_ruling_is_not_asked_twice_and_blocks_nothing(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = disputed(review_workspace, PUMP)
        head = ws.ledger.head()
        assert push_cases(ws, dry_run=True).cases == 1
        assert ws.ledger.head() == head
        assert push_cases(ws).cases == 1
        assert push_cases(ws).cases == 0
        with adjudicator(ws) as zoe:
            zoe.answer(PUMP, "approve", status="draft")
            assert pull(ws).rulings == 0
            zoe.answer(PUMP, "approve", status="discarded")
        assert pull(ws).rulings == 0
        assert outcomes(ws, PUMP) == ["conflict"]
        assert push_cases(ws).cases == 0

    def test_a_later_verdict_reopens_what_was_settled(self, review_workspace: MakeWorkspace) -> None:
        ws = disputed(review_workspace, PUMP)
        push_cases(ws)
        with adjudicator(ws) as zoe, Reviewer(ws, reviewers(ws)[1]) as ben:
            zoe.answer(PUMP, "approve")
            pull(ws)
            assert outcomes(ws, PUMP) == ["approved"]
            ben.answer(PUMP, "reject", reasons=["unsafe"])
            pull(ws)
            assert outcomes(ws, PUMP) == ["conflict"]
            assert push_cases(ws).cases == 1
            zoe.answer(PUMP, "reject")
        pull(ws)
        assert outcomes(ws, PUMP) == ["rejected"]

    def test_the_correction_can_be_approved_in_the_originals_place(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(
            rows={CARD: "account", PUMP: "delivery"}, **settings(quorum=2, adjudicator=zoe())
        )
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
            ben.answer(CARD, "approve")
            anna.answer(CARD, "edit", corrected_label="billing")
            anna.answer(PUMP, "approve")
            ben.answer(PUMP, "reject")
        pull(ws)
        assert push_cases(ws).cases == 2
        original, corrected = example(CARD, "account"), example(CARD, "billing")
        with adjudicator(ws) as judge:
            assert judge.record(CARD)["fields"]["case_correction_b"] == (
                f"Changes: Label\nText: {CARD}\nLabel: billing  (instead of account)"
            )
            judge.answer(CARD, "correct_b")
            # The page offers the option there too, for want of questions of its own for each record.
            judge.answer(PUMP, "correct_b")
        pull(ws)
        found = decisions(ws)
        assert (found[original].outcome, found[original].invariant) == ("rejected", "G5")
        assert found[corrected].outcome == "approved"
        assert found[corrected].approvers == (reviewers(ws)[0],)
        assert outcomes(ws, PUMP) == ["conflict"]
        assert push_cases(ws).cases == 1

    def test_a_correction_that_the_filters_refused_is_not_offered(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(rows={CLASH: "account"}, **settings(quorum=2, adjudicator=zoe()))
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
            anna.answer(CLASH, "edit", corrected_label="delivery")
            ben.answer(CLASH, "approve")
        pull(ws)
        push_cases(ws)
        with adjudicator(ws) as judge:
            shown = judge.record(CLASH)["fields"]["case_verdicts"]
            assert shown.startswith("Reviewer A made a correction that the filters refused")
            with pytest.raises(AssertionError, match="not a valid label"):
                judge.answer(CLASH, "correct_a")

    def test_rival_corrections_are_shown_beside_each_other(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows={CARD: "account"}, **settings(quorum=2, adjudicator=zoe()))
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
            anna.answer(CARD, "edit", corrected_label="billing")
            ben.answer(CARD, "edit", corrected_label="delivery")
            pull(ws)
            push(ws, cycle=1)
            anna.answer(CARD, "approve")
            ben.answer(CARD, "approve")
        pull(ws)
        one, other = example(CARD, "billing"), example(CARD, "delivery")
        assert {decisions(ws)[id_].invariant for id_ in (one, other)} == {"G5"}
        assert push_cases(ws).cases == 2
        with adjudicator(ws) as judge:
            by_label = {record["fields"]["label"]: record for record in judge.records()}
            assert by_label["billing"]["fields"]["case_rivals"] == (
                f"Text: {CARD}\nLabel: delivery  (here: billing)"
            )
            judge.put(by_label["billing"], {"decision": "approve"})
            judge.put(by_label["delivery"], {"decision": "reject"})
        pull(ws)
        found = decisions(ws)
        assert (found[one].outcome, found[other].outcome) == ("approved", "rejected")

    def test_a_clash_with_a_seed_is_shown_beside_it(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={CLASH: "billing"}, **settings(adjudicator=zoe()))
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(CLASH, "approve")
        pull(ws)
        assert by_text(ws)[CLASH].invariant == "G8"
        assert push_cases(ws).second_look is False
        with adjudicator(ws) as judge:
            assert (
                judge.record(CLASH)["fields"]["case_seed"]
                == f"Text: {CLASH}\nLabel: delivery  (here: billing)"
            )
            judge.answer(CLASH, "approve")
        pull(ws)
        assert outcomes(ws, CLASH) == ["approved"]

    def test_the_only_reviewer_takes_a_second_look_at_a_clash(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={CLASH: "billing", PUMP: "delivery"})
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(CLASH, "approve")
            pull(ws)
            report = push_cases(ws)
            assert (report.cases, report.second_look, report.by) == (1, True, reviewers(ws)[0])
            look = anna.record(CLASH)
            assert look["fields"]["case_seed"] == f"Text: {CLASH}\nLabel: delivery  (here: billing)"
            anna.put(look, {"decision": "approve"})
            pull(ws)
            assert outcomes(ws, CLASH) == ["approved"]
            # The first question, asked again, needs the second again.
            first = next(
                r
                for r in anna.records()
                if r["fields"]["text"] == CLASH and "corrected_label" in r["prefilled"]
            )
            anna.put(first, first["prefilled"] | {"decision": "reject"})
            pull(ws)
            assert outcomes(ws, CLASH) == ["rejected"]
            anna.put(first, first["prefilled"] | {"decision": "approve"})
            pull(ws)
            assert by_text(ws)[CLASH].invariant == "G8"
            push_cases(ws)
            anna.put(anna.record(CLASH), {"decision": "reject"})
        pull(ws)
        assert outcomes(ws, CLASH) == ["rejected"]

    def test_a_second_look_never_settles_a_disagreement(self, review_workspace: MakeWorkspace) -> None:
        ws = disputed(review_workspace, PUMP, adjudicator="")
        assert push_cases(ws).docket is None
        assert outcomes(ws, PUMP) == ["conflict"]

    def test_an_answer_that_changes_is_an_event_and_recalls_what_was_released(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = disputed(review_workspace, PUMP, BOX)
        push_cases(ws)
        with adjudicator(ws) as judge:
            judge.answer(PUMP, "approve")
            judge.answer(BOX, "approve")
            pull(ws)
            released(ws, by_text(ws)[PUMP].candidate_id)
            judge.answer(PUMP, "reject")
            judge.answer(BOX, "approve", status="draft")
        report = pull(ws)
        assert (report.changed, report.recalled) == (2, 1)
        assert outcomes(ws, PUMP, BOX) == ["void", "conflict"]

    def test_only_the_adjudicators_account_settles(self, review_workspace: MakeWorkspace) -> None:
        ws = disputed(review_workspace, PUMP)
        report = push_cases(ws)
        with Owner(ws) as owner, Reviewer(ws, reviewers(ws)[0]) as anna:
            record = owner.cases(report.place)[0]
            item = {
                "record_id": record["id"],
                "status": "submitted",
                "values": {"decision": {"value": "approve"}},
            }
            owner.call("POST", "me/responses/bulk", json={"items": [item]})
            with pytest.raises(AssertionError):
                anna.put(record, {"decision": "approve"})
        found = pull(ws)
        assert (found.rulings, found.anomalies[0].split(":")[0]) == (0, "foreign response")
        assert outcomes(ws, PUMP) == ["conflict"]

    def test_a_reviewer_who_was_named_adjudicator_later_settles_nothing(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = disputed(review_workspace, PUMP, adjudicator="")
        first = reviewers(ws)[0]
        text = (ws.root / "seedgate.toml").read_text()
        (ws.root / "seedgate.toml").write_text(
            text.replace('adjudicator = ""', f'adjudicator = "{first.capitalize()}"')
        )
        with Workspace(ws.root) as changed:
            if changed.config.review.adjudicator != first.capitalize():
                pytest.fail("the setting was not where the test looks for it")
            with pytest.raises(RefusedError, match="is one of the reviewers"):
                push_cases(changed)

    def test_a_case_that_was_changed_does_not_count(self, review_workspace: MakeWorkspace) -> None:
        ws = disputed(review_workspace, PUMP, BOX)
        report = push_cases(ws)
        with adjudicator(ws) as judge, Owner(ws) as owner:
            for record in owner.cases(report.place):
                fields = record["fields"]
                owner.call("PATCH", f"records/{record['id']}", json={"fields": fields | {"label": "billing"}})
            for record in judge.records():
                judge.put(record, {"decision": "approve"})
            for record in owner.cases(report.place):
                fields = record["fields"]
                owner.call(
                    "PATCH", f"records/{record['id']}", json={"fields": fields | {"label": "delivery"}}
                )
        anomalies = pull(ws).anomalies
        assert [a.split(":")[0] for a in anomalies] == ["record altered", "record altered"]
        assert outcomes(ws, PUMP, BOX) == ["conflict", "conflict"]

    def test_other_guidelines_in_the_docket_do_not_count(self, review_workspace: MakeWorkspace) -> None:
        ws = disputed(review_workspace, PUMP)
        push_cases(ws)
        dataset = read_state(ws.ledger).pushed_dockets.popitem()[1].dataset_id
        with adjudicator(ws) as judge, Owner(ws) as owner:
            owner.call("PATCH", f"datasets/{dataset}", json={"guidelines": "Approve everything."})
            judge.answer(PUMP, "approve")
        assert pull(ws).anomalies[0].startswith("guidelines changed")
        assert outcomes(ws, PUMP) == ["conflict"]

    def test_a_docket_that_was_deleted_voids_nothing_and_is_asked_anew(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = disputed(review_workspace, PUMP, FEE)
        push_cases(ws)
        with adjudicator(ws) as judge, Owner(ws) as owner:
            judge.answer(PUMP, "approve")
            pull(ws)
            dataset = read_state(ws.ledger).pushed_dockets.popitem()[1].dataset_id
            owner.call("DELETE", f"datasets/{dataset}")
            assert [a.split(":")[0] for a in pull(ws).anomalies] == ["dataset gone"]
            assert pull(ws).anomalies == ()
            assert outcomes(ws, PUMP, FEE) == ["approved", "conflict"]
            assert push_cases(ws).cases == 1
            judge.answer(FEE, "reject")
        pull(ws)
        assert outcomes(ws, PUMP, FEE) == ["approved", "rejected"]

    def test_what_was_settled_on_the_shell_meanwhile_needs_no_answer(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = disputed(review_workspace, PUMP)
        push_cases(ws)
        id_ = by_text(ws)[PUMP].candidate_id
        assert adjudicate(ws, id_, by=ws.config.review.adjudicator, decision="reject").outcome == "rejected"
        assert push_cases(ws).cases == 0

"""What review must do at any Argilla: run at the fake one here, and at a real one by tests/e2e.

A class with these tests needs a fixture `review_workspace` as tests/review/conftest.py has it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
from fakes.reviewing import Owner, Reviewer

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, RefusedError
from seedgate.finetune import redact, release
from seedgate.ledger import NewEvent
from seedgate.records import Decision
from seedgate.review import (
    SimulatedReviewer,
    adjudicate,
    decisions,
    declare_compatible,
    open_assignments,
    pull,
    push,
    review_status,
)
from seedgate.review.visible import unshow
from seedgate.workspace import Workspace
from tests.review.conftest import TEXTS

PUMP = "Where on earth is my new bicycle pump?"
CARD = "You charged my neighbour's card instead of mine"
SILLY = "Pump me up before you go"
MAIL = "Can I sign in with two mail addresses?"
BOX = "The box was left in the rain again"
FEE = "Why was there a fee for paying by cheque?"

MakeWorkspace = Callable[..., Workspace]


def by_text(ws: Workspace) -> dict[str, Decision]:
    """Text of each candidate to the gate's decision."""
    found = decisions(ws)
    bodies = ws.ledger.bodies(found)
    return {bodies[id_]["text"]: decision for id_, decision in found.items()}


def outcomes(ws: Workspace, *texts: str) -> list[str]:
    """The outcomes of these texts."""
    found = by_text(ws)
    return [found[text].outcome for text in texts]


def reviewers(ws: Workspace) -> tuple[str, ...]:
    return ws.config.review.reviewers


def settings(**review: Any) -> dict[str, Any]:
    return {"settings": {"review": review}}


def released(ws: Workspace, *ids: str) -> None:
    """As if a release had these candidates."""
    payload = {
        "manifest_hash": "0" * 64,
        "content_hash": "0" * 64,
        "rows": len(ids),
        "counts": {},
        "head": {},
        "ids": content_hash(list(ids)),
    }
    ws.ledger.append([NewEvent("release.created", "r001", payload, bodies=(list(ids),))])


class Scenarios:
    """The loop from push to decision."""

    def test_each_answer_becomes_the_decision_it_means(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve")
            anna.answer(CARD, "edit", corrected_label="billing", reasons=["wrong_label"])
            anna.answer(SILLY, "reject", reasons=["off_topic", "unnatural"], comment="Not ours.")
            anna.answer(MAIL, "approve", status="draft")
            anna.answer(BOX, "approve", status="discarded")
        report = pull(ws)
        assert report.decisions == {"approve": 1, "edit": 1, "reject": 1}
        assert (report.drafts, report.skipped, report.corrected, report.anomalies) == (1, 1, 1, ())
        found = decisions(ws)
        bodies = ws.ledger.bodies(found)
        got = {(bodies[i]["text"], bodies[i]["label"]): (d.outcome, d.invariant) for i, d in found.items()}
        assert got == {
            (PUMP, "delivery"): ("approved", "G4"),
            (CARD, "account"): ("rejected", "G5"),
            (CARD, "billing"): ("approved", "G4"),
            (SILLY, "billing"): ("rejected", "G4"),
            (MAIL, "account"): ("pending", "G4"),
            (BOX, "delivery"): ("pending", "G3"),
            (FEE, "billing"): ("pending", "G4"),
        }
        rejection = ws.ledger.last(
            "verdict.recorded", subject=content_hash({"text": SILLY, "label": "billing"})
        )
        assert rejection is not None
        assert rejection.payload["reasons"] == ["off_topic", "unnatural"]
        assert ws.ledger.body(rejection.payload["comment_hash"]) == "Not ours."

    def test_pulling_again_adds_nothing(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve")
            anna.answer(CARD, "edit", corrected_label="billing")
            anna.answer(BOX, "reject", status="discarded")
        pull(ws)
        head = ws.ledger.head()
        assert pull(ws).recorded == 0
        assert ws.ledger.head() == head

    def test_no_wave_is_opened_while_one_waits_unless_asked(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, **settings(wave_size=2))
        assert push(ws, cycle=1).candidates == 2
        waiting = push(ws, cycle=1)
        assert (waiting.round, waiting.open) == (None, 2)
        assert push(ws, cycle=1, ahead=True).wave == 2
        assert open_assignments(ws) == 4
        assert review_status(ws).unassigned == 2

    def test_a_dry_run_writes_nothing(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        head = ws.ledger.head()
        report = push(ws, cycle=1, dry_run=True)
        assert (report.candidates, report.dry_run) == (6, True)
        assert ws.ledger.head() == head

    def test_what_skipped_and_drafted_leaves_does_not_block_but_is_not_asked_twice(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(one_reviewer=True, rows={PUMP: "delivery"})
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve", status="discarded")
            pull(ws)
            assert open_assignments(ws) == 0
            assert push(ws, cycle=1).round is None
            # A change of mind is welcome.
            anna.answer(PUMP, "approve")
        pull(ws)
        assert outcomes(ws, PUMP) == ["approved"]

    def test_a_quorum_of_two_takes_two(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(**settings(quorum=2))
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
            anna.answer(PUMP, "approve")
            anna.answer(BOX, "reject")
            anna.answer(FEE, "approve")
            pull(ws)
            assert outcomes(ws, PUMP, BOX, FEE) == ["pending", "pending", "pending"]
            ben.answer(PUMP, "approve")
            ben.answer(BOX, "reject")
            ben.answer(FEE, "reject")
        pull(ws)
        assert outcomes(ws, PUMP, BOX, FEE) == ["approved", "rejected", "conflict"]
        assert by_text(ws)[PUMP].approvers == tuple(sorted(reviewers(ws)))

    def test_a_conflict_is_settled_by_somebody_else(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(**settings(quorum=2, adjudicator="zoe"))
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Reviewer(ws, reviewers(ws)[1]) as ben:
            anna.answer(PUMP, "approve")
            ben.answer(PUMP, "reject")
            pull(ws)
            id_ = by_text(ws)[PUMP].candidate_id
            with pytest.raises(RefusedError, match="not this workspace's adjudicator"):
                adjudicate(ws, id_, by=reviewers(ws)[0], decision="approve")
            with pytest.raises(RefusedError, match="nothing to settle"):
                adjudicate(ws, by_text(ws)[BOX].candidate_id, by="zoe", decision="approve")
            assert adjudicate(ws, id_[:8], by="zoe", decision="approve").outcome == "approved"
            # Who changes a verdict afterwards reopens it.
            ben.answer(PUMP, "reject", reasons=["unsafe"], corrected_label="billing")
            anna.answer(PUMP, "reject")
        pull(ws)
        assert outcomes(ws, PUMP) == ["rejected"]

    def test_a_correction_needs_the_others_approval_too(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(rows={CARD: "account"}, **settings(quorum=2))
        first, second = reviewers(ws)
        push(ws, cycle=1)
        with Reviewer(ws, first) as anna, Reviewer(ws, second) as ben:
            anna.answer(CARD, "edit", corrected_label="billing")
            pull(ws)
            original = content_hash({"text": CARD, "label": "account"})
            corrected = content_hash({"text": CARD, "label": "billing"})
            assert decisions(ws)[original].outcome == "pending"
            assert decisions(ws)[corrected].approvers == (first,)
            ben.answer(CARD, "reject")
            pull(ws)
            assert decisions(ws)[original].outcome == "rejected"
            assert push(ws, cycle=1).records == {second: 1}
            ben.answer(CARD, "approve")
        pull(ws)
        assert decisions(ws)[corrected].outcome == "approved"
        assert decisions(ws)[corrected].approvers == tuple(sorted((first, second)))

    def test_a_verdict_that_changes_no_longer_approves(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            for text in (PUMP, BOX, FEE):
                anna.answer(text, "approve")
            pull(ws)
            assert outcomes(ws, PUMP, BOX, FEE) == ["approved"] * 3
            anna.answer(PUMP, "reject")
            anna.answer(BOX, "approve", status="draft")
            anna.answer(FEE, "approve")
        report = pull(ws)
        assert (report.changed, report.recorded) == (2, 2)
        assert outcomes(ws, PUMP, BOX, FEE) == ["rejected", "pending", "approved"]

    def test_inconsistent_answers_are_pending_and_asked_again(self, review_workspace: MakeWorkspace) -> None:
        rows = {PUMP: "delivery", BOX: "delivery", FEE: "billing", MAIL: "account"}
        ws = review_workspace(one_reviewer=True, rows=rows)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve", corrected_label="billing")
            anna.answer(
                MAIL, "approve", reasons=["unnatural"]
            )  # a digit typed twice, or a doubt: nobody can know
            anna.answer(BOX, "edit")
            anna.put(anna.record(FEE), {"decision": "edit"})
            pull(ws)
            found = by_text(ws)
            assert [found[t].outcome for t in (PUMP, BOX, FEE, MAIL)] == ["pending"] * 4
            assert "inconsistent" in found[PUMP].reason
            assert "inconsistent" in found[BOX].reason
            assert "with a reason against it: unnatural" in found[MAIL].reason
            assert "malformed" in found[FEE].reason
            assert push(ws, cycle=1).candidates == 4
            for text in (PUMP, BOX, FEE, MAIL):
                anna.answer(text, "approve")
        pull(ws)
        assert outcomes(ws, PUMP, BOX, FEE, MAIL) == ["approved"] * 4

    def test_what_vanishes_is_reported_and_voids_nothing(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={PUMP: "delivery", BOX: "delivery", FEE: "billing"})
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Owner(ws) as owner:
            anna.answer(PUMP, "approve")
            anna.answer(BOX, "approve")
            pull(ws)
            owner.delete_response(PUMP)
            owner.delete_record(BOX)
            anomalies = pull(ws).anomalies
            assert [a.split(":")[0] for a in anomalies] == ["record gone", "response gone", "response gone"]
            owner.delete_dataset()
            assert [a.split(":")[0] for a in pull(ws).anomalies] == ["dataset gone"]
            assert outcomes(ws, PUMP, BOX, FEE) == ["approved", "approved", "pending"]
            # Nobody can answer there any more: the one that is left goes out again.
            assert open_assignments(ws) == 0
            assert push(ws, cycle=1).candidates == 1
            anna.answer(FEE, "approve")
        assert pull(ws).anomalies == ()
        assert outcomes(ws, FEE) == ["approved"]

    def test_a_record_that_was_changed_is_not_what_was_approved(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Owner(ws) as owner:
            owner.change_record(PUMP, label="billing")
            owner.change_record(BOX, label="billing")
            anna.answer(PUMP, "approve")
            anna.answer(BOX, "approve")
            # Put back, so that nothing is to be seen of it.
            owner.change_record(BOX, label="delivery")
        report = pull(ws)
        assert sum(a.startswith("record altered") for a in report.anomalies) == 2
        assert outcomes(ws, PUMP, BOX) == ["pending", "pending"]

    def test_other_guidelines_in_the_dataset_do_not_count(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Owner(ws) as owner:
            owner.change_guidelines("Approve everything.")
            anna.answer(PUMP, "approve")
        assert pull(ws).anomalies[0].startswith("guidelines changed")
        assert by_text(ws)[PUMP].invariant == "G2"
        assert outcomes(ws, PUMP) == ["pending"]

    def test_only_the_assigned_reviewer_counts(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Owner(ws) as owner:
            owner.answer(PUMP, "approve")
        report = pull(ws)
        assert report.recorded == 0
        assert report.anomalies[0].startswith("foreign response")
        assert outcomes(ws, PUMP) == ["pending"]

    def test_new_guidelines_open_a_new_round(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, **settings(adjudicator="zoe"))
        push(ws, cycle=1)
        earlier = ws.guidelines()[1]
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve")
            anna.answer(SILLY, "reject")
            pull(ws)
            ws.guidelines_path.write_text("Approve what is short.\n")
            assert outcomes(ws, PUMP, SILLY) == ["pending", "rejected"]
            assert "earlier guidelines" in by_text(ws)[PUMP].reason
            assert push(ws, cycle=1).candidates == 5
            anna.answer(BOX, "approve")
            pull(ws)
        assert outcomes(ws, PUMP, BOX) == ["pending", "approved"]
        declare_compatible(ws, earlier[:12], by="zoe", statement="only the wording changed")
        assert outcomes(ws, PUMP, BOX) == ["approved", "approved"]

    def test_a_decision_that_somebody_pre_fills_does_not_count(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Owner(ws) as owner, Reviewer(ws, reviewers(ws)[0]) as anna:
            owner.suggest(PUMP, "decision", "approve")
            anna.answer(PUMP, "approve")
            anna.answer(BOX, "approve")
            assert any(line.startswith("decision suggested") for line in pull(ws).anomalies)
        assert outcomes(ws, PUMP, BOX) == ["pending", "approved"]
        assert "pre-filled" in by_text(ws)[PUMP].reason

    def test_a_redacted_row_is_gone_from_argilla(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Owner(ws) as owner, Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve")
            pull(ws)
            id_ = by_text(ws)[PUMP].candidate_id
            redact(ws, id_, by="A Person", reason="asked for it")
            left = {unshow(record["fields"]["text"]) for record in owner.records()}
            assert PUMP not in left
            assert BOX in left
            assert PUMP not in {unshow(record["fields"]["text"]) for record in anna.records()}
        assert decisions(ws)[id_].outcome == "void"

    def test_a_change_after_the_release_recalls_the_row(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PUMP, "approve")
            pull(ws)
            released(ws, by_text(ws)[PUMP].candidate_id)
            anna.answer(PUMP, "reject")
        assert pull(ws).recalled == 1
        assert outcomes(ws, PUMP) == ["void"]

    def test_only_what_an_assigned_reviewer_approved_as_pushed_reaches_a_release(
        self, review_workspace: MakeWorkspace
    ) -> None:
        unread, foreign = "Nobody ever looked at this one", "My invoice went to the wrong street"
        ws = review_workspace(one_reviewer=True, rows={**TEXTS, unread: "delivery", foreign: "billing"})
        name = reviewers(ws)[0]
        stranger, password = name.replace("anna", "stranger"), secrets.token_hex(8)
        push(ws, cycle=1)
        with Reviewer(ws, name) as anna, Owner(ws) as owner:
            owner.add_reviewer(stranger, password)
            with Reviewer(ws, stranger, password=password) as unlisted:
                unlisted.answer(foreign, "approve")
            owner.answer(unread, "approve")
            anna.answer(CARD, "approve", status="draft")
            anna.answer(SILLY, "approve", status="discarded")
            owner.change_record(BOX, label="billing")  # edited by hand behind the reviewer's back
            anna.answer(BOX, "approve")
            anna.answer(MAIL, "approve")
            anna.answer(PUMP, "approve")
            anna.answer(FEE, "approve")
            pull(ws)
            assert outcomes(ws, FEE, MAIL, PUMP) == ["approved"] * 3
            anna.answer(FEE, "reject")
            owner.change_response(MAIL, decision="approve", corrected_label="billing")
        pull(ws)
        rows = pq.read_table(release(ws).path / "train.parquet").to_pylist()
        assert [row["text"] for row in rows if row["origin"] != "seed"] == [PUMP]
        assert len(rows) == 13
        assert set(outcomes(ws, CARD, SILLY, BOX, MAIL, FEE, unread, foreign)) == {"pending", "rejected"}

    def test_every_character_comes_back(self, review_workspace: MakeWorkspace) -> None:
        hostile = [
            "List<int> x = new List<string>(); &lt;b&gt; <!-- c --> <script>alert(1)</script> fails",
            "zero\u200bwidth and \u202ereversed text here",
            "the mark ⟦U+200B⟧ itself, and a tab\tand two  spaces",
            "two lines\nof text here",
        ]
        ws = review_workspace(one_reviewer=True, rows=dict.fromkeys(hostile, "billing"))
        push(ws, cycle=1)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            for text in hostile:
                anna.answer(text, "approve")
        pull(ws)
        assert outcomes(ws, *hostile) == ["approved"] * 4

    def test_the_simulated_reviewer_marks_what_it_approves(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, simulated=True)
        assert ws.simulated_reviewer is not None
        push(ws, cycle=1, simulated=True)
        report = SimulatedReviewer(ws).review()
        assert report.answered == 6
        assert SimulatedReviewer(ws).review().answered == 0
        pulled = pull(ws)
        assert pulled.decisions == report.decisions
        found = decisions(ws).values()
        assert {d.outcome for d in found} == {"approved", "rejected"}
        assert all(
            d.simulated and d.approvers == (ws.simulated_reviewer,) for d in found if d.outcome == "approved"
        )

    def test_nothing_is_simulated_where_people_decide(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        with pytest.raises(RefusedError, match="people decide here"):
            push(ws, cycle=1, simulated=True)
        with pytest.raises(RefusedError, match="reviewers are people"):
            SimulatedReviewer(ws)

    def test_a_quorum_nobody_can_reach_is_refused(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, **settings(quorum=2))
        with pytest.raises(ConfigError, match="quorum 2 is more than the 1 reviewers"):
            push(ws, cycle=1)

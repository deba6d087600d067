"""How a baseline is verified by reviewers in Argilla: run at the fake one here, at a real one by tests/e2e."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.reviewing import Owner, Reviewer

from seedgate.canonical import canonical_json, content_hash
from seedgate.errors import RefusedError
from seedgate.ledger import NewEvent
from seedgate.review import decisions, pull, push, push_seeds
from seedgate.review.state import read_state
from seedgate.seeds import verified_seeds, verify
from seedgate.workspace import Workspace
from tests.conftest import TINY_SEEDS
from tests.review.scenarios import MakeWorkspace, reviewers, settings

PARCEL, COURIER, TRACKING, _ = TINY_SEEDS["delivery"]
NEW = "My order number 7 arrived soaked and I want another one"


def unverified(make: MakeWorkspace, **given: Any) -> Workspace:
    return make(verified=False, locked=False, rows={}, **given)


def example(text: str, label: str) -> str:
    return content_hash({"text": text, "label": label})


def answer_all(ws: Workspace, name: str, decision: str = "approve") -> None:
    with Reviewer(ws, name) as reviewer:
        for record in reviewer.records():
            if not record["responses"]:
                reviewer.put(record, record["prefilled"] | {"decision": decision})


def write_seed(ws: Workspace, text: str, label: str) -> None:
    with ws.seeds_path.open("a") as file:
        file.write(canonical_json({"text": text, "label": label}) + "\n")


class SeedScenarios:
    """From `seeds.jsonl` to verified seeds."""

    def test_what_reviewers_approve_is_verified_wave_by_wave(self, review_workspace: MakeWorkspace) -> None:
        ws = unverified(review_workspace, one_reviewer=True, **settings(wave_size=8))
        head = ws.ledger.head()
        assert push_seeds(ws, dry_run=True).seeds == 8
        assert ws.ledger.head() == head
        report = push_seeds(ws)
        assert (report.seeds, report.created, report.left) == (8, 8, 4)
        assert (push_seeds(ws).round, push_seeds(ws).open) == (None, 8)
        answer_all(ws, reviewers(ws)[0])
        assert pull(ws).seeds_verified == 8
        assert push_seeds(ws).seeds == 4
        answer_all(ws, reviewers(ws)[0])
        assert pull(ws).seeds_verified == 4
        seeds, by = verified_seeds(ws)
        assert len(seeds) == 12
        assert set(by.values()) == {reviewers(ws)[0]}
        event = ws.ledger.last("seed.verified")
        assert event is not None
        assert event.payload["method"] == "argilla"
        assert event.payload["guideline_hash"] == ws.guidelines()[1]
        assert event.payload["verdicts"]
        head = ws.ledger.head()
        assert (pull(ws).seeds_verified, push_seeds(ws).round) == (0, None)
        assert ws.ledger.head() == head
        assert decisions(ws) == {}

    def test_it_takes_the_quorum(self, review_workspace: MakeWorkspace) -> None:
        ws = unverified(review_workspace, **settings(quorum=2))
        push_seeds(ws)
        answer_all(ws, reviewers(ws)[0])
        assert pull(ws).seeds_verified == 0
        with Reviewer(ws, reviewers(ws)[1]) as ben:
            ben.answer(PARCEL, "approve")
            ben.answer(COURIER, "reject")
        assert pull(ws).seeds_verified == 1
        assert list(verified_seeds(ws)[0]) == [example(PARCEL, "delivery")]

    def test_rejected_seeds_stay_out_and_edited_ones_are_verified_as_corrected(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        file = ws.seeds_path.read_bytes()
        push_seeds(ws)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PARCEL, "reject", reasons=["off_topic"])
            anna.answer(COURIER, "edit", corrected_label="account")
            anna.answer(TRACKING, "approve", status="draft")
        report = pull(ws)
        assert (report.seeds_verified, report.corrected, report.drafts) == (1, 1, 1)
        seeds, _ = verified_seeds(ws)
        assert list(seeds) == [example(COURIER, "account")]
        assert seeds[example(COURIER, "account")].source == f"edit of {example(COURIER, 'delivery')[:12]}"
        assert ws.seeds_path.read_bytes() == file
        assert ws.ledger.count("candidate.created") == 0

    def test_what_a_reviewer_rejected_is_not_signed_off_over_their_head(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PARCEL, "reject", reasons=["wrong_label"])
            pull(ws)
            with pytest.raises(RefusedError, match=f"{reviewers(ws)[0]} rejected this seed in Argilla"):
                verify(ws, by="An Expert", statement="I have read every row.")
            assert verified_seeds(ws)[0] == {}
            anna.answer(PARCEL, "approve")
            pull(ws)
        assert verify(ws, by="An Expert", statement="I have read every row.") == 11

    def test_a_correction_goes_before_the_others_first(self, review_workspace: MakeWorkspace) -> None:
        ws = unverified(review_workspace, **settings(quorum=2))
        push_seeds(ws)
        answer_all(ws, reviewers(ws)[1])
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(COURIER, "edit", corrected_label="account")
            for record in anna.records():
                if not record["responses"]:
                    anna.put(record, record["prefilled"] | {"decision": "approve"})
        assert pull(ws).seeds_verified == 11
        report = push_seeds(ws)
        assert (report.records, report.refused) == ({reviewers(ws)[1]: 1}, 1)
        answer_all(ws, reviewers(ws)[1])
        assert pull(ws).seeds_verified == 1
        assert example(COURIER, "account") in verified_seeds(ws)[0]

    def test_a_verdict_that_changes_takes_the_verification_back(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        answer_all(ws, reviewers(ws)[0])
        pull(ws)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PARCEL, "reject")
            assert pull(ws).seeds_withdrawn == 1
            assert example(PARCEL, "delivery") not in verified_seeds(ws)[0]
            anna.answer(PARCEL, "approve")
        assert pull(ws).seeds_verified == 1
        assert len(verified_seeds(ws)[0]) == 12

    def test_other_guidelines_afterwards_do_not_undo_it_but_stop_what_waits(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        with Reviewer(ws, reviewers(ws)[0]) as anna:
            anna.answer(PARCEL, "approve")
            pull(ws)
            ws.guidelines_path.write_text("Approve what is short.\n")
            anna.answer(COURIER, "approve")
            report = pull(ws)
        assert (report.seeds_verified, report.seeds_withdrawn) == (0, 0)
        assert list(verified_seeds(ws)[0]) == [example(PARCEL, "delivery")]
        assert push_seeds(ws).seeds == 11

    def test_forged_and_altered_answers_verify_nothing(self, review_workspace: MakeWorkspace) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Owner(ws) as owner:
            owner.answer(PARCEL, "approve")
            owner.change_record(COURIER, label="billing")
            anna.answer(COURIER, "approve")
            owner.change_record(COURIER, label="delivery")
        report = pull(ws)
        assert sorted(a.split(":")[0] for a in report.anomalies) == ["foreign response", "record altered"]
        assert report.seeds_verified == 0

    def test_a_deleted_seed_round_is_pushed_anew_and_voids_nothing(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        with Reviewer(ws, reviewers(ws)[0]) as anna, Owner(ws) as owner:
            anna.answer(PARCEL, "approve")
            pull(ws)
            owner.delete_dataset()
        assert pull(ws).seeds_withdrawn == 0
        assert len(verified_seeds(ws)[0]) == 1
        assert push_seeds(ws).seeds == 11

    def test_later_seeds_come_through_argilla_alone(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={})
        ws.ledger.append([NewEvent("run.started", "run", {"cycle": 1})])
        write_seed(ws, NEW, "delivery")
        with pytest.raises(RefusedError, match="after the first generation"):
            verify(ws, by="An Expert", statement="I have read every row.")
        assert push_seeds(ws).seeds == 1
        answer_all(ws, reviewers(ws)[0])
        assert pull(ws).seeds_verified == 1
        assert len(verified_seeds(ws)[0]) == 13

    def test_seeds_are_no_door_around_the_gate(
        self, review_workspace: MakeWorkspace, add_candidates: Callable[..., list[str]]
    ) -> None:
        ws = review_workspace(one_reviewer=True, rows={NEW: "delivery"})
        ws.ledger.append([NewEvent("run.started", "run", {"cycle": 1})])
        write_seed(ws, NEW + ".", "delivery")
        with pytest.raises(RefusedError, match="like the generated candidate"):
            push_seeds(ws)
        # And if it is generated while reviewers look at it:
        other = "Could someone ring me about the missing sofa legs please"
        ws.seeds_path.write_text("\n".join(ws.seeds_path.read_text().splitlines()[:-1]) + "\n")
        write_seed(ws, other, "delivery")
        assert push_seeds(ws).seeds == 1
        add_candidates(ws, {other: "delivery"})
        answer_all(ws, reviewers(ws)[0])
        report = pull(ws)
        assert report.seeds_verified == 0
        assert "100% like the generated candidate" in report.seeds_refused[0]

    def test_a_seeds_verdict_never_speaks_of_a_candidate_of_the_same_content(
        self, review_workspace: MakeWorkspace, add_candidates: Callable[..., list[str]]
    ) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        answer_all(ws, reviewers(ws)[0])
        (id_,) = add_candidates(ws, {PARCEL: "delivery"})
        pull(ws)
        assert decisions(ws)[id_].reason == "nobody has been asked yet"
        assert read_state(ws.ledger).opened == {}
        assert push(ws, cycle=1).wave == 1

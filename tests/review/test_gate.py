"""The gate: what approves, what does not, and that nothing else ever does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from seedgate.records import Adjudication, Verdict
from seedgate.review.evidence import Facts, Heard, Settled
from seedgate.review.gate import decide
from tests.review.evidence_making import (
    CANDIDATE,
    EARLIER,
    LIKE_NOW,
    NOW,
    ORIGINAL,
    OTHER,
    PROGRAM,
    PUSHER,
    a_round,
    a_verdict,
    any_facts,
    facts,
    user,
)

ONE, TWO = a_round(1), a_round(1, quorum=2)


def ruled(decision: Any, *, by: str = "zoe", settles: int = 99, guideline: str = NOW) -> tuple[Settled, ...]:
    made = Adjudication(
        candidate_id=CANDIDATE, by=by, decision=decision, guideline_hash=guideline, settles=settles
    )
    return (Settled(100, made),)


class TestWhatApproves:
    def test_one_sound_approval_where_one_is_enough(self) -> None:
        decision = decide(facts(a_verdict(ONE, "anna")))
        assert (decision.outcome, decision.approvers, decision.simulated) == ("approved", ("anna",), False)
        assert (decision.guideline_hash, decision.quorum) == (NOW, 1)

    def test_nothing_is_pending_with_a_reason(self) -> None:
        decision = decide(facts())
        assert (decision.outcome, decision.invariant, decision.reason) == (
            "pending",
            "G1",
            "nobody has been asked yet",
        )

    def test_an_edit_approves_what_it_made(self) -> None:
        edit = a_verdict(ONE, "anna", "edit", candidate=ORIGINAL, corrected_hash=CANDIDATE)
        assert decide(facts(edit)).outcome == "approved"

    def test_an_edit_closes_its_original(self) -> None:
        decision = decide(facts(a_verdict(ONE, "anna", "edit")))
        assert (decision.outcome, decision.invariant) == ("rejected", "G5")

    def test_a_program_approves_only_where_it_may_and_is_marked(self) -> None:
        pushed = a_round(1, simulated=True)
        verdict = a_verdict(pushed, PROGRAM)
        allowed = decide(facts(verdict, rounds=(pushed,), simulated_reviewer=PROGRAM))
        assert (allowed.outcome, allowed.simulated) == ("approved", True)
        assert decide(facts(verdict, rounds=(pushed,))).outcome == "pending"
        assert decide(facts(verdict, rounds=(pushed,), simulated_reviewer="other")).outcome == "pending"

    def test_guidelines_that_were_declared_compatible_count(self) -> None:
        pushed = a_round(1, guideline=LIKE_NOW)
        assert decide(facts(a_verdict(pushed, "anna"), rounds=(pushed,))).outcome == "approved"

    def test_a_released_row_outlives_its_guidelines(self) -> None:
        pushed = a_round(1, guideline=EARLIER)
        verdict = a_verdict(pushed, "anna")
        assert decide(facts(verdict, rounds=(pushed,))).outcome == "pending"
        assert decide(facts(verdict, rounds=(pushed,), released=True)).outcome == "approved"


class TestWhatDoesNot:
    @pytest.mark.parametrize(
        ("change", "invariant"),
        [
            ({"problem": "malformed: no decision"}, "G9"),
            ({"decision": None, "corrected_hash": None}, "G9"),
            ({"record_id": "another record"}, "G3"),
            ({"round": "another round"}, "G3"),
            ({"reviewer": "ben"}, "G3"),
            ({"user_id": PUSHER}, "G3"),
            ({"user_id": "stranger"}, "G3"),
            ({"user_id": user("ben")}, "G3"),
            ({"simulated": True}, "G3"),
            ({"dataset_id": "another dataset"}, "G2"),
            ({"seen_hash": OTHER}, "G2"),
            ({"guideline_hash": EARLIER}, "G2"),
            ({"guideline_hash": LIKE_NOW}, "G2"),
            ({"corrected_hash": OTHER}, "G5"),
            ({"corrected_hash": None}, "G5"),
            ({"decision": "edit"}, "G5"),
        ],
    )
    def test_an_approval_with_one_thing_wrong(self, change: dict[str, Any], invariant: str) -> None:
        right = a_verdict(ONE, "anna")
        sound = facts(right)
        wrong = replace(sound, verdicts=(Heard(10, Verdict.model_validate(right.model_dump() | change)),))
        decision = decide(wrong)
        assert (decision.outcome, decision.invariant, decision.approvers) == ("pending", invariant, ())

    def test_a_reviewer_who_was_not_on_the_rounds_list(self) -> None:
        with_account = replace(ONE, users={**ONE.users, "mallory": user("mallory")})
        for pushed in (ONE, with_account):
            decision = decide(facts(a_verdict(pushed, "mallory"), rounds=(pushed,)))
            assert (decision.outcome, decision.invariant) == ("pending", "G3")

    def test_an_answer_that_names_another_round_than_its_record(self) -> None:
        easy = a_round(2, quorum=1)
        moved = a_verdict(TWO, "anna").model_copy(update={"round": "round-2"})
        found = replace(facts(a_verdict(TWO, "anna"), rounds=(TWO, easy)), verdicts=(Heard(10, moved),))
        assert (decide(found).outcome, decide(found).invariant) == ("pending", "G3")

    def test_a_round_whose_push_was_never_completed(self) -> None:
        assert decide(replace(facts(a_verdict(ONE, "anna")), rounds={})).outcome == "pending"

    def test_earlier_guidelines(self) -> None:
        pushed = a_round(1, guideline=EARLIER)
        decision = decide(facts(a_verdict(pushed, "anna"), rounds=(pushed,)))
        assert (decision.outcome, decision.reason) == (
            "pending",
            "verdict of anna: given under earlier guidelines",
        )

    def test_a_quarantined_reviewer_whose_rejections_still_count(self) -> None:
        for decision, outcome in (("approve", "pending"), ("reject", "rejected")):
            verdict = a_verdict(ONE, "anna", decision)
            apart = facts(verdict, held={verdict.response_id: "anna is in quarantine"})
            assert decide(apart).outcome == outcome
        assert decide(facts(a_verdict(ONE, "anna"), held=apart.held)).invariant == "G6"

    @pytest.mark.parametrize(
        ("change", "outcome", "invariant"),
        [
            ({"leak": "equals row 3"}, "void", "G7"),
            ({"recalled": "changed"}, "void", "G9"),
            ({"clash": "seed says otherwise"}, "pending", "G8"),
            ({"rivals": (OTHER,)}, "conflict", "G5"),
            ({"unfit": "unknown label"}, "pending", "G9"),
        ],
    )
    def test_content_that_may_not_enter(self, change: dict[str, Any], outcome: str, invariant: str) -> None:
        decision = decide(facts(a_verdict(ONE, "anna"), **change))
        assert (decision.outcome, decision.invariant) == (outcome, invariant)


class TestQuorum:
    def test_two_distinct_reviewers_are_two(self) -> None:
        first = a_verdict(TWO, "anna")
        assert decide(facts(first, rounds=(TWO,))).outcome == "pending"
        assert decide(facts(first, a_verdict(TWO, "ben"), rounds=(TWO,))).outcome == "approved"

    def test_one_reviewer_twice_is_one(self) -> None:
        again = a_round(2, quorum=2)
        both = facts(a_verdict(TWO, "anna"), a_verdict(again, "anna"), rounds=(TWO, again))
        assert decide(both).outcome == "pending"

    def test_the_rounds_quorum_counts_whatever_came_later(self) -> None:
        later = a_round(2, quorum=2)
        found = facts(a_verdict(ONE, "anna"), rounds=(ONE, later))
        assert decide(found).outcome == "approved"

    def test_an_approval_under_a_high_quorum_needs_its_company(self) -> None:
        later = a_round(2, quorum=3)
        found = facts(a_verdict(TWO, "anna"), a_verdict(later, "ben"), rounds=(TWO, later))
        assert decide(found).outcome == "pending"

    def test_disagreement_is_a_conflict(self) -> None:
        decision = decide(facts(a_verdict(TWO, "anna"), a_verdict(TWO, "ben", "reject"), rounds=(TWO,)))
        assert (decision.outcome, decision.reason) == ("conflict", "anna approved, ben did not")

    def test_a_lone_rejection_waits_for_those_who_may_still_answer(self) -> None:
        found = facts(a_verdict(TWO, "anna", "reject"), rounds=(TWO,), asked=("ben",))
        assert decide(found).outcome == "pending"
        open_record = next(a.record_id for a in found.assignments.values() if a.reviewer == "ben")
        assert decide(replace(found, skipped=frozenset({open_record}))).outcome == "rejected"
        assert decide(replace(found, lost=frozenset({open_record}))).outcome == "rejected"
        assert decide(replace(found, retired=frozenset({"ben"}))).outcome == "rejected"

    def test_the_newest_word_of_a_reviewer_is_the_one_that_counts(self) -> None:
        later = a_round(2)
        old = a_verdict(ONE, "anna", "reject")
        new = a_verdict(later, "anna", submitted_at="2026-01-03T00:00:00+00:00")
        assert decide(facts(old, new, rounds=(ONE, later))).outcome == "approved"
        assert decide(facts(new, old, rounds=(ONE, later))).outcome == "approved"
        unclear = new.model_copy(update={"problem": "malformed"})
        assert decide(facts(a_verdict(ONE, "anna"), unclear, rounds=(ONE, later))).outcome == "pending"

    def test_a_rejection_under_earlier_guidelines_still_asks_for_a_second_look(self) -> None:
        earlier = a_round(2, guideline=EARLIER)
        found = facts(a_verdict(ONE, "anna"), a_verdict(earlier, "ben", "reject"), rounds=(ONE, earlier))
        assert decide(found).outcome == "conflict"


class TestAdjudication:
    CONFLICT = (a_verdict(TWO, "anna"), a_verdict(TWO, "ben", "reject"))

    def settled(self, *ruling: Settled, **changes: Any) -> str:
        return decide(facts(*self.CONFLICT, rounds=(TWO,), adjudications=ruling, **changes)).outcome

    def test_somebody_else_settles_it_either_way(self) -> None:
        assert self.settled(*ruled("approve")) == "approved"
        assert self.settled(*ruled("reject")) == "rejected"

    def test_a_reviewer_may_not(self) -> None:
        assert self.settled(*ruled("approve", by="ben")) == "conflict"

    def test_a_verdict_that_came_later_reopens_it(self) -> None:
        assert self.settled(*ruled("approve", settles=10)) == "conflict"

    def test_it_is_bound_to_the_guidelines(self) -> None:
        assert self.settled(*ruled("approve", guideline=EARLIER)) == "conflict"

    def test_it_lets_nothing_in_that_leaks_or_does_not_fit(self) -> None:
        assert self.settled(*ruled("approve"), leak="equals row 3") == "void"
        assert self.settled(*ruled("approve"), unfit="unknown label") == "pending"

    def test_nobody_can_adjudicate_what_nobody_approved(self) -> None:
        assert decide(facts(adjudications=ruled("approve"))).outcome == "pending"
        lone = facts(a_verdict(ONE, "anna", "reject"), adjudications=ruled("approve"))
        assert decide(lone).outcome == "rejected"

    def test_its_rejection_outlives_the_rivals(self) -> None:
        assert decide(facts(a_verdict(ONE, "anna"), adjudications=ruled("reject"))).outcome == "rejected"


def counts(found: Facts, verdict: Verdict) -> bool:
    """The invariants G1 to G5 and G9 for one approval, written down a second time and plainly."""
    assignment = found.assignments.get(verdict.record_id)
    pushed = found.rounds.get(verdict.round)
    if assignment is None or pushed is None or verdict.problem is not None:
        return False
    made = verdict.candidate_id == CANDIDATE and verdict.decision == "approve"
    made_it = verdict.candidate_id == ORIGINAL and verdict.decision == "edit"
    same_place = (assignment.round, assignment.reviewer, assignment.candidate_id) == (
        verdict.round,
        verdict.reviewer,
        verdict.candidate_id,
    )
    return (
        (made or made_it)
        and verdict.corrected_hash == CANDIDATE
        and verdict.seen_hash == verdict.candidate_id
        and same_place
        and (verdict.record_id, verdict.dataset_id) in found.delivered
        and verdict.reviewer in pushed.round.reviewers
        and verdict.user_id == pushed.users[verdict.reviewer] != pushed.pusher
        and verdict.guideline_hash == pushed.round.guideline_hash
        and (found.released or verdict.guideline_hash in {NOW, *found.compatible})
        and (found.released or verdict.response_id not in found.held)
        and assignment.why != "control"
        and verdict.simulated == (verdict.reviewer in pushed.round.simulated)
        and (not verdict.simulated or verdict.reviewer == found.simulated_reviewer)
    )


@settings(max_examples=2000, deadline=None)
@given(any_facts())
def test_approved_means_that_every_condition_holds(found: Facts) -> None:
    decision = decide(found)
    assert decision.reason
    assert decision.invariant
    if decision.outcome != "approved":
        return
    sound = [heard.verdict for heard in found.verdicts if counts(found, heard.verdict)]
    names = {v.reviewer for v in sound}
    assert names >= set(decision.approvers) != set()
    assert found.recalled is None
    assert found.leak is None
    assert found.unfit is None
    ruled_by = [s.adjudication for s in found.adjudications if s.adjudication.decision == "approve"]
    if not ruled_by:
        assert found.clash is None
        assert found.rivals == ()
        quorums = {found.rounds[v.round].round.quorum for v in sound}
        assert any(
            len({v.reviewer for v in sound if found.rounds[v.round].round.quorum <= q}) >= q for q in quorums
        )
    assert decision.simulated == any(v.simulated for v in sound if v.response_id in decision.verdicts)


@settings(max_examples=500, deadline=None)
@given(any_facts())
def test_the_order_of_verdicts_does_not_matter(found: Facts) -> None:
    turned = decide(replace(found, verdicts=tuple(reversed(found.verdicts))))
    assert turned.outcome == decide(found).outcome


@settings(max_examples=500, deadline=None)
@given(any_facts())
def test_a_sound_rejection_more_never_approves(found: Facts) -> None:
    pushed = a_round(9)
    against = a_verdict(pushed, "dora", "reject", submitted_at="2026-12-31T00:00:00+00:00")
    pushed = replace(
        pushed,
        round=pushed.round.model_copy(update={"reviewers": ("dora",)}),
        users={"dora": user("dora")},
    )
    extra = facts(against, rounds=(pushed,))
    more = replace(
        found,
        verdicts=(*found.verdicts, Heard(500, against)),
        assignments={**found.assignments, **extra.assignments},
        delivered=found.delivered | extra.delivered,
        rounds={**found.rounds, **extra.rounds},
        opened={**found.opened, **extra.opened},
        adjudications=(),
    )
    assert decide(more).outcome != "approved"


@settings(max_examples=500, deadline=None)
@given(any_facts())
def test_verdicts_of_strangers_change_nothing(found: Facts) -> None:
    strange = a_verdict(a_round(1), "nobody", submitted_at="2026-12-31T00:00:00+00:00")
    more = replace(found, verdicts=(*found.verdicts, Heard(500, strange)))
    assert (decide(more).outcome == "approved") == (decide(found).outcome == "approved")

"""Which adjudications count: each binding broken in turn, and what a ruling may and may not settle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seedgate.records import Adjudication, Case, CaseAnswer, Docket
from seedgate.review.evidence import Facts, PushedDocket, Settled
from seedgate.review.gate import decide
from seedgate.review.rulings import ruling_fault
from tests.review.evidence_making import (
    CANDIDATE,
    EARLIER,
    NOW,
    ORIGINAL,
    OTHER,
    PUSHER,
    a_round,
    a_verdict,
    facts,
    user,
)

CASE = Case(
    docket="docket-1",
    candidate_id=CANDIDATE,
    record_id="case",
    shown_hash="shown",
    settles=99,
    corrections={"b": OTHER},
)
ANSWER: dict[str, Any] = {
    "docket": "docket-1",
    "dataset_id": "dataset-of-zoe",
    "record_id": "case",
    "response_id": "response-of-zoe",
    "user_id": user("zoe"),
    "shown_hash": "shown",
    "submitted_at": "2026-01-03T00:00:00+00:00",
}
RULING: dict[str, Any] = {
    "candidate_id": CANDIDATE,
    "by": "zoe",
    "decision": "approve",
    "guideline_hash": NOW,
    "settles": 99,
}


def docket(kind: str = "adjudication", by: str = "zoe") -> PushedDocket:
    made = Docket(
        id="docket-1",
        kind=kind,  # type: ignore[arg-type]
        by=by,
        guideline_hash=NOW,
        guidelines="body",
        schema_hash="schema",
        place=("workspace", "dataset"),
        at="2026-01-01T00:00:00+00:00",
    )
    return PushedDocket(made, "dataset-of-zoe", user(by), PUSHER)


def settled(*, pushed: PushedDocket | None = None, **changes: Any) -> dict[str, Any]:
    """What facts need to hold one adjudication that was given in Argilla."""
    answer = {name: changes.pop(name) for name in list(changes) if name in ANSWER or name == "problem"}
    given = Adjudication.model_validate(RULING | changes | {"answer": CaseAnswer(**ANSWER | answer)})
    return {
        "adjudications": (Settled(100, given),),
        "cases": {"case": CASE},
        "dockets": {"docket-1": pushed or docket()},
    }


def conflict(**given: Any) -> Facts:
    pushed = a_round(quorum=2)
    return facts(a_verdict(pushed, "anna"), a_verdict(pushed, "ben", "reject"), rounds=(pushed,), **given)


def test_a_sound_answer_settles() -> None:
    assert decide(conflict()).outcome == "conflict"
    assert decide(conflict(**settled())).outcome == "approved"
    assert decide(conflict(**settled(decision="reject"))).outcome == "rejected"


@pytest.mark.parametrize(
    ("broken", "invariant"),
    [
        ({"problem": "malformed"}, "G9"),
        ({"decision": None}, "G9"),
        ({"record_id": "strange"}, "G3"),
        ({"docket": "strange"}, "G3"),
        ({"by": "mallory"}, "G3"),
        ({"settles": 100}, "G3"),
        ({"candidate_id": ORIGINAL}, "G3"),
        ({"dataset_id": "strange"}, "G2"),
        ({"user_id": PUSHER}, "G3"),
        ({"user_id": user("anna")}, "G3"),
        ({"shown_hash": "strange"}, "G2"),
        ({"guideline_hash": EARLIER}, "G2"),
        ({"decision": "correct", "corrected_hash": ORIGINAL}, "G5"),
    ],
)
def test_an_answer_with_one_thing_wrong_settles_nothing(broken: dict[str, Any], invariant: str) -> None:
    known = conflict(**settled(**broken))
    assert decide(known).outcome == "conflict"
    found = ruling_fault(known, known.adjudications[0].adjudication)
    assert found is not None
    assert found.invariant == invariant


def test_an_answer_that_has_not_seen_the_newest_verdict_settles_nothing() -> None:
    known = conflict(**settled(settles=10))
    known = replace(known, cases={"case": CASE.model_copy(update={"settles": 10})})
    assert decide(known).outcome == "conflict"


def test_a_reviewers_account_under_the_adjudicators_name_settles_nothing() -> None:
    pushed = docket()
    renamed = PushedDocket(pushed.docket, pushed.dataset_id, user("anna"), PUSHER)
    assert decide(conflict(**settled(pushed=renamed, user_id=user("anna")))).outcome == "conflict"


def test_earlier_guidelines_settle_nothing_until_compatible_and_stay_good_once_released() -> None:
    pushed = docket()
    earlier = replace(pushed, docket=pushed.docket.model_copy(update={"guideline_hash": EARLIER}))
    known = conflict(**settled(pushed=earlier, guideline_hash=EARLIER))
    assert decide(known).outcome == "conflict"
    assert decide(replace(known, compatible=frozenset({EARLIER}))).outcome == "approved"
    assert decide(replace(known, released=True)).outcome == "approved"


def test_a_second_look_settles_a_clash_and_nothing_else() -> None:
    look = settled(pushed=docket("second_look", "anna"), by="anna", user_id=user("anna"))
    one = facts(a_verdict(a_round(), "anna"), clash="seed")
    assert decide(one).invariant == "G8"
    assert decide(replace(one, **look)).outcome == "approved"
    assert decide(replace(one, rivals=(OTHER,), **look)).invariant == "G5"
    assert decide(conflict(clash="seed", **look)).outcome == "conflict"
    refused = settled(
        pushed=docket("second_look", "anna"), by="anna", user_id=user("anna"), decision="reject"
    )
    assert decide(replace(one, **refused)).outcome == "rejected"


def test_a_second_look_is_only_for_the_only_reviewer() -> None:
    look = settled(pushed=docket("second_look", "anna"), by="anna", user_id=user("anna"))
    two = facts(a_verdict(a_round(), "anna"), a_verdict(a_round(), "ben"), clash="seed")
    assert decide(replace(two, **look)).invariant == "G8"


class TestChoosingACorrection:
    """`correct` on an original lets the correction in, and speaks of nothing else."""

    @staticmethod
    def corrected(**changes: Any) -> Facts:
        """Facts of a correction that anna made of an original which ben approved, with a quorum of two."""
        pushed = a_round(quorum=2)
        edit = a_verdict(pushed, "anna", "edit", candidate=ORIGINAL, corrected_hash=CANDIDATE)
        case = CASE.model_copy(update={"candidate_id": ORIGINAL, "corrections": {"a": CANDIDATE}})
        chosen = {"candidate_id": ORIGINAL, "decision": "correct", "corrected_hash": CANDIDATE}
        given = settled(**chosen) | {"cases": {"case": case}} | changes
        return facts(edit, rounds=(pushed,), **given)

    def test_it_is_approved_without_a_second_reviewer(self) -> None:
        assert decide(self.corrected(adjudications=())).outcome == "pending"
        assert decide(self.corrected()).outcome == "approved"

    def test_what_was_not_shown_with_it_is_asked_again(self) -> None:
        assert decide(self.corrected(clash="seed")).invariant == "G8"
        assert decide(self.corrected(rivals=(OTHER,))).invariant == "G5"
        assert decide(self.corrected(leak="row 3")).invariant == "G7"

    def test_it_needs_the_edit_to_stand(self) -> None:
        assert decide(replace(self.corrected(), verdicts=())).outcome == "pending"

    def test_the_original_is_out(self) -> None:
        known = conflict(**settled(decision="correct", corrected_hash=OTHER))
        assert (decide(known).outcome, decide(known).invariant) == ("rejected", "G5")

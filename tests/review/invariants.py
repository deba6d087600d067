"""The invariants G1 to G10 of docs/design.md, each as a function that a world breaks or keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property

from seedgate.errors import RefusedError
from seedgate.finetune import audit, verify_release
from seedgate.finetune.rows import Selection, select_rows
from seedgate.records import Decision
from seedgate.review import decisions
from tests.review.history_model import CLASHING, LEAKING, Answer
from tests.review.history_world import World

__all__ = ["INVARIANTS", "Look", "assert_all"]

SEEDS = 12
STAMPS = 10


class Look:
    """A world at one moment: what the gate says, and what would be released."""

    def __init__(self, world: World) -> None:
        world.measure()
        self.world = world
        self.decided: dict[str, Decision] = decisions(world.ws)
        self.approved = {id_: d for id_, d in self.decided.items() if d.outcome == "approved"}

    @cached_property
    def selection(self) -> Selection:
        return select_rows(self.world.ws)

    @property
    def rows(self) -> list[str]:
        return [row.id for row in self.selection.rows if row.origin == "approved"]

    def given(self, decision: Decision) -> list[Answer]:
        """The answers that a decision rests on; one that stands no more has no place among them."""
        standing = {response: self.world.answers.get(response) for response in decision.verdicts}
        gone = [response for response, answer in standing.items() if answer is None]
        assert not gone, f"rests on what was taken back or never submitted: {gone}"
        return [answer for answer in standing.values() if answer is not None]

    def approvals(self, id_: str) -> list[Answer]:
        return [a for a in self.given(self.approved[id_]) if self.world.says_yes(a, id_)]


def g1_only_verified_seeds_and_approved_candidates_enter(look: Look) -> None:
    """Both ways: nothing enters that people did not approve, and what they approved does."""
    world = look.world
    assert [id_ for id_ in look.approved if not world.may_be_approved(id_)] == []
    assert [id_ for id_ in world.alone() if world.may_be_approved(id_) and id_ not in look.approved] == []
    assert set(look.rows) == set(look.approved)
    assert look.selection.counts.seeds == SEEDS


def g2_an_approval_is_of_what_was_shown_under_guidelines_in_force(look: Look) -> None:
    world = look.world
    for id_ in look.approved:
        approvals = look.approvals(id_)
        assert approvals, f"{id_} rests on no approval"
        assert [a for a in approvals if a.flaw] == []
        stale = [a for a in approvals if not world.in_force(a.round.guideline)]
        assert stale == [] or world.released(id_), (id_, stale)


def g3_only_the_account_that_was_asked_counts_and_only_what_it_submitted(look: Look) -> None:
    for found in look.approved.values():
        sound = [a for a in look.given(found) if a.flaw is None and a.round.pushed]
        assert set(found.approvers) <= {a.reviewer for a in sound if a.account == f"user-{a.reviewer}"}
        assert not found.simulated


def g4_a_quorum_of_distinct_people_and_disagreement_is_settled_by_another(look: Look) -> None:
    world = look.world
    for id_, found in look.approved.items():
        refusals, ruling = world.refusals(id_), world.ruling(id_)
        assert {a.place.why for a in look.approvals(id_)} <= {"ranked"}
        if ruling is None:
            assert refusals == []
            assert world.enough(world.approvals(id_))
        if refusals:
            assert ruling == "approve"
            assert found.reason.removeprefix("settled by ") not in world.asked(id_)


def g5_of_an_original_and_its_corrections_one_enters_at_most(look: Look) -> None:
    for ids in (look.approved, look.rows):
        families = Counter(look.world.root(id_) for id_ in ids)
        assert all(count == 1 for count in families.values())


def g6_what_is_in_quarantine_or_was_stamped_does_not_count(look: Look) -> None:
    world = look.world
    for id_ in look.approved:
        if not world.released(id_):
            assert [a for a in look.approvals(id_) if world.in_quarantine(a)] == []
            assert [a for a in look.approvals(id_) if world.stamped(a)] == []
    for name in {a.reviewer for a in world.answers.values()} - set(world.now_resting()):
        since = world.window(name)
        own = [a for a in world.answers.values() if a.reviewer == name and a.seq > since]
        assert sum(world.stamped(a) for a in own) < STAMPS


def g7_nothing_of_the_evaluation_set_enters(look: Look) -> None:
    assert LEAKING not in {look.world.texts[id_] for id_ in (*look.approved, *look.rows)}


def g8_what_says_otherwise_than_a_seed_needs_an_adjudicator(look: Look) -> None:
    clashing = [id_ for id_ in look.approved if look.world.texts[id_] == CLASHING]
    assert all(look.world.ruling(id_) == "approve" for id_ in clashing)


def g9_whatever_is_unknown_or_recalled_is_not_approved_and_says_why(look: Look) -> None:
    world = look.world
    assert set(look.decided) == set(world.texts)
    assert all(decision.reason and decision.invariant for decision in look.decided.values())
    assert {look.decided[id_].outcome for id_ in world.recalled} <= {"void"}
    unheard = [id_ for id_ in world.texts if not world.approvals(id_)]
    assert [id_ for id_ in unheard if id_ in look.approved] == []


def g10_a_release_verifies_for_as_long_as_its_rows_are_approved(look: Look) -> None:
    ws = look.world.ws
    assert audit(ws) == []
    last = ws.ledger.last("release.created")
    if last is None:
        return
    rows = set(ws.ledger.body(last.payload["ids"]))
    sound, refused, verified = rows <= set(look.approved), "", None
    try:
        verified = verify_release(ws, last.subject).counts.approved
    except RefusedError as error:
        refused = error.message
    if sound:
        assert verified == len(rows), f"a sound release is refused: {refused}"
    else:
        assert "is approved no more" in refused, "rows that are approved no more are verified"


INVARIANTS: dict[str, Callable[[Look], None]] = {
    "G1": g1_only_verified_seeds_and_approved_candidates_enter,
    "G2": g2_an_approval_is_of_what_was_shown_under_guidelines_in_force,
    "G3": g3_only_the_account_that_was_asked_counts_and_only_what_it_submitted,
    "G4": g4_a_quorum_of_distinct_people_and_disagreement_is_settled_by_another,
    "G5": g5_of_an_original_and_its_corrections_one_enters_at_most,
    "G6": g6_what_is_in_quarantine_or_was_stamped_does_not_count,
    "G7": g7_nothing_of_the_evaluation_set_enters,
    "G8": g8_what_says_otherwise_than_a_seed_needs_an_adjudicator,
    "G9": g9_whatever_is_unknown_or_recalled_is_not_approved_and_says_why,
    "G10": g10_a_release_verifies_for_as_long_as_its_rows_are_approved,
}


def assert_all(world: World) -> None:
    """Every invariant, the one that is broken named first."""
    look = Look(world)
    for name, holds in INVARIANTS.items():
        try:
            holds(look)
        except AssertionError as broken:
            raise AssertionError(f"{name} ({holds.__name__}) is broken: {broken}") from broken

"""The invariants G1 to G10, by name, over random histories of a workspace on a real ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from seedgate.errors import RefusedError
from seedgate.finetune import audit, release, verify_release
from seedgate.records import Decision
from seedgate.review import decisions
from seedgate.review.facts import facts_of
from seedgate.review.gate import decide
from seedgate.review.state import Quarantine, read_state
from seedgate.workspace import Workspace
from tests.review.histories import ADJUDICATOR, CLASHING, LEAKING, PEOPLE, History, World

Holds = Callable[[Callable[[World], None]], None]
FEW = settings(
    max_examples=4,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def holds(tiny_workspace: Workspace) -> Holds:
    """Asserts something about the end of many random histories."""
    tiny_workspace.ledger.head()
    tiny_workspace.close()

    def run(check: Callable[[World], None]) -> None:
        run_state_machine_as_test(partial(History, tiny_workspace.root, check), settings=FEW)

    return run


def approved(world: World) -> dict[str, Decision]:
    return {id_: found for id_, found in decisions(world.ws).items() if found.outcome == "approved"}


def root(world: World, candidate: str) -> str:
    while world.families[candidate] != candidate:
        candidate = world.families[candidate]
    return candidate


def test_G1_only_verified_seeds_and_approved_candidates_enter(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        found = approved(world)
        assert all(world.may_be_approved(id_) for id_ in found)
        sizes = Counter(root(world, id_) for id_ in world.texts)
        alone = [id_ for id_ in world.texts if sizes[root(world, id_)] == 1]
        assert [id_ for id_ in alone if world.may_be_approved(id_) and id_ not in found] == []
        made = release(world.ws)
        manifest = verify_release(world.ws, made.name)
        assert {row.id for row in manifest.rows if row.origin == "approved"} == set(found)
        assert made.counts.seeds == 12

    holds(check)


def test_G2_an_approval_is_of_what_was_shown_under_guidelines_in_force(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        for id_, found in approved(world).items():
            given = [world.answers[response] for response in found.verdicts]
            sound = [a for a in given if a.approves(id_)]
            assert sound
            assert all(a.flaw is None for a in sound)
            assert id_ in world.released or all(world.in_force(a.round.guideline) for a in sound)

    holds(check)


def test_G3_only_the_account_that_was_asked_counts(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        for id_, found in approved(world).items():
            asked = {a.reviewer for a in world.newest(id_) if a.flaw is None and a.round.pushed}
            assert set(found.approvers) <= asked & set(PEOPLE)
            assert not found.simulated

    holds(check)


def test_G4_a_quorum_of_distinct_people_and_disagreement_is_settled_by_another(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        for id_, found in decisions(world.ws).items():
            refusals, ruling = world.refusals(id_), world.ruling(id_)
            if found.outcome == "approved" and ruling is None:
                assert refusals == []
                assert world.enough(world.approvals(id_))
            if found.outcome == "approved" and refusals:
                assert ruling == "approve"
                assert f"settled by {ADJUDICATOR}" in found.reason

    holds(check)


def test_G5_of_an_original_and_its_corrections_one_enters_at_most(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        families = Counter(root(world, id_) for id_ in approved(world))
        assert all(count == 1 for count in families.values())
        manifest = verify_release(world.ws, release(world.ws).name)
        rows = Counter(root(world, row.id) for row in manifest.rows if row.origin == "approved")
        assert all(count == 1 for count in rows.values())

    holds(check)


def test_G6_quarantined_approvals_do_not_count(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        now = world.ws.guidelines()[1]
        for stamper in PEOPLE:
            state = read_state(world.ws.ledger)
            state.quarantines[stamper].append(Quarantine(stamper, 0, state.head + 1, "missed controls"))
            for facts in facts_of(world.ws, state, now):
                found = decide(facts)
                if found.outcome == "approved" and not facts.released:
                    assert stamper not in found.approvers

    holds(check)


def test_G7_nothing_of_the_evaluation_set_enters(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        assert LEAKING not in {world.texts[id_] for id_ in approved(world)}

    holds(check)


def test_G8_what_says_otherwise_than_a_seed_needs_an_adjudicator(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        clashing = [id_ for id_ in approved(world) if world.texts[id_] == CLASHING]
        assert all(world.ruling(id_) == "approve" for id_ in clashing)

    holds(check)


def test_G9_whatever_is_unknown_or_recalled_is_not_approved_and_says_why(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        found = decisions(world.ws)
        assert set(found) == set(world.texts)
        assert all(decision.reason and decision.invariant for decision in found.values())
        assert {found[id_].outcome for id_ in world.recalled} <= {"void"}
        unheard = [id_ for id_ in world.texts if not world.approvals(id_)]
        assert all(found[id_].outcome != "approved" for id_ in unheard)

    holds(check)


def test_G10_a_release_verifies_for_as_long_as_its_rows_are_approved(holds: Holds) -> None:  # noqa: N802
    def check(world: World) -> None:
        assert audit(world.ws) == []
        last = world.ws.ledger.last("release.created")
        if last is None:
            return
        rows = set(world.ws.ledger.body(last.payload["ids"]))
        if rows <= set(approved(world)):
            assert verify_release(world.ws, last.subject).counts.approved == len(rows)
        else:
            with pytest.raises(RefusedError, match="is approved no more"):
                verify_release(world.ws, last.subject)

    holds(check)


def test_the_template_is_left_as_it_was(tiny_workspace: Workspace, tmp_path: Path) -> None:
    head = tiny_workspace.ledger.head()
    run_state_machine_as_test(
        partial(History, tiny_workspace.root, lambda world: None), settings=settings(FEW, max_examples=2)
    )
    assert tiny_workspace.ledger.head() == head

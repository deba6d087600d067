"""Each invariant can fail: a gate with one thing broken, a history that shows it, and the property that says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seedgate.finetune import rows, verifying
from seedgate.records import Decision, Verdict
from seedgate.review import evidence, facts, gate, held, state
from seedgate.review.checks import ContentChecks, Findings
from seedgate.review.evidence import Facts, Fault
from seedgate.workspace import Workspace
from tests.review.histories import CORRECTED, GUIDELINES, TEXTS
from tests.review.history_model import Asked, Place
from tests.review.history_world import World
from tests.review.invariants import INVARIANTS, Look, assert_all

Break = Callable[[pytest.MonkeyPatch], None]
Script = Callable[[World], None]
ORDER, LEAK, CLASH = TEXTS[0], TEXTS[3], TEXTS[4]


@pytest.fixture
def world(history_template: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copytree(history_template, tmp_path / "workspace")
    with Workspace(tmp_path / "workspace") as ws:
        yield World(ws)


# -- what happens ----------------------------------------------------------------------------------------


def asked_about(world: World, *texts: tuple[str, str], quorum: int = 1) -> Asked:
    for text in texts or (ORDER,):
        world.generate(*text)
    return world.push(quorum=quorum)


def by(asked: Asked, name: str) -> list[Place]:
    return [p for p in asked.places if p.reviewer == name]


def only_asked(world: World) -> None:
    asked_about(world)


def approved(world: World) -> None:
    asked = asked_about(world)
    world.answer(asked, by(asked, "anna"))


def approved_as_a_control(world: World) -> None:
    row = world.generate(*ORDER)
    asked = world.push(tests={"anna": row})
    world.answer(asked, by(asked, "anna"))


def guidelines_changed(world: World) -> None:
    approved(world)
    world.change_guidelines(GUIDELINES[1])


def flawed(flaw: str) -> Script:
    def script(world: World) -> None:
        asked = asked_about(world)
        world.answer(asked, by(asked, "anna"), flaw=flaw)

    return script


def drafted_over(world: World) -> None:
    approved(world)
    world.keep_back(by(world.rounds[0], "anna")[0], "draft")


def one_of_two(world: World) -> None:
    asked = asked_about(world, quorum=2)
    world.answer(asked, by(asked, "anna"))


def disputed(world: World) -> None:
    approved(world)
    world.answer(world.rounds[0], by(world.rounds[0], "ben"), "reject")


def settled_by_a_reviewer(world: World) -> None:
    disputed(world)
    world.adjudicate(next(iter(world.texts)), "cleo", "approve")


def approved_on_second_look_alone(world: World) -> None:
    world.generate(*ORDER)
    first = world.push(people=["anna"])
    world.answer(first, first.places)
    second = world.push(people=["ben"], again=1)
    world.answer(second, [p for p in second.places if p.why == "rereview"])
    world.keep_back(first.places[0], "draft")


def edited(world: World) -> None:
    asked = asked_about(world)
    world.answer(asked, by(asked, "anna"), "edit", text=CORRECTED[0])
    world.answer(asked, by(asked, "ben"), "edit", text=CORRECTED[1])


def caught(world: World) -> None:
    approved(world)
    world.answer(test := world.test("anna"), test.places)
    assert world.now_resting() == ["anna"]


def caught_and_forgiven(world: World) -> None:
    caught(world)
    world.end_quarantine("anna", stand=False)


def in_bulk(world: World) -> None:
    asked = asked_about(world, *TEXTS[:3])
    world.answer(asked, by(asked, "anna"), quick=True)


def leaking(world: World) -> None:
    asked = asked_about(world, LEAK)
    world.answer(asked, by(asked, "anna"))


def clashing(world: World) -> None:
    asked = asked_about(world, CLASH)
    world.answer(asked, by(asked, "anna"))


def recalled(world: World) -> None:
    approved(world)
    world.release()
    world.answer(world.rounds[0], by(world.rounds[0], "anna"), "reject")
    world.answer(world.rounds[0], by(world.rounds[0], "anna"), "approve")


def reopened(world: World) -> None:
    recalled(world)
    world.reopen(next(iter(world.recalled)))


# -- what is broken --------------------------------------------------------------------------------------


def approving(also: str) -> Break:
    """A gate that takes one outcome for approval."""

    def lenient(known: Facts) -> Decision:
        found = gate.decide(known)
        return found.model_copy(update={"outcome": "approved"}) if found.outcome == also else found

    return lambda patch: patch.setattr(facts, "decide", lenient)


def overlooking(invariant: str) -> Break:
    """A gate that overlooks the faults of verdicts which one invariant names."""

    def lenient(known: Facts, verdict: Verdict) -> Fault | None:
        found = evidence.fault(known, verdict)
        return None if found is not None and found.invariant == invariant else found

    return lambda patch: patch.setattr(gate, "fault", lenient)


def putting(owner: object, name: str, value: object) -> Break:
    return lambda patch: patch.setattr(owner, name, value)


def deaf_to(kind: str) -> Break:
    """A ledger of which one kind of event is not read."""
    return lambda patch: patch.setitem(state._FOLDS, kind, lambda *_: None)


def no_findings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ContentChecks, "of", lambda self, fields: Findings())


def only_while_it_lasts(self: state.Quarantine, seq: int) -> bool:
    return self.ended is None and self.since < seq


def reopened_with_nothing_void(known: state.ReviewState, event: object, _: object) -> None:
    known.recalled.pop(event.subject, None)  # type: ignore[attr-defined]
    known.reopened[event.subject] = frozenset()  # type: ignore[attr-defined]


def lenient_selection(ws: Workspace, **given: object) -> dict[str, Decision]:
    found = facts.decisions(ws, **given)  # type: ignore[arg-type]
    return {id_: d.model_copy(update={"outcome": "approved"}) for id_, d in found.items()}


BROKEN: list[tuple[str, str, Script, Break]] = [
    ("G1", "what is pending is approved", only_asked, approving("pending")),
    ("G1", "a release takes what is not approved", one_of_two, putting(rows, "decisions", lenient_selection)),
    (
        "G1",
        "a control speaks of a candidate",
        approved_as_a_control,
        lambda patch: (
            patch.setattr(state.ReviewState, "is_control", lambda *_: False),
            patch.setattr(
                state.ReviewState,
                "of_candidate",
                lambda self: {
                    a.candidate_id: [x for x in self.assignments.values() if x.candidate_id == a.candidate_id]
                    for a in self.assignments.values()
                },
            ),
            overlooking("G1")(patch),
        ),
    ),
    (
        "G2",
        "other guidelines are in force",
        guidelines_changed,
        putting(evidence, "in_force", lambda *_: True),
    ),
    ("G2", "other content was shown", flawed("other content shown"), overlooking("G2")),
    ("G2", "another dataset was shown", flawed("another dataset"), overlooking("G2")),
    ("G3", "a stranger's answer counts", flawed("by a stranger"), overlooking("G3")),
    ("G3", "the pusher's answer counts", flawed("by the pusher"), overlooking("G3")),
    (
        "G3",
        "a draft takes nothing back",
        drafted_over,
        deaf_to("verdict.changed"),
    ),
    ("G4", "one is enough", one_of_two, putting(gate, "_quorum", lambda known, approvals: bool(approvals))),
    ("G4", "a conflict is approved", disputed, approving("conflict")),
    (
        "G4",
        "anybody may settle",
        settled_by_a_reviewer,
        putting(
            gate, "ruling_on", lambda known, heard: next((s.adjudication for s in known.adjudications), None)
        ),
    ),
    (
        "G4",
        "a second look approves",
        approved_on_second_look_alone,
        putting(gate, "_second_look", lambda *_: False),
    ),
    ("G5", "all descendants stay", edited, putting(facts, "allow_one_descendant", lambda *_: None)),
    ("G6", "quarantine is overlooked", caught, overlooking("G6")),
    (
        "G6",
        "a quarantine that ended holds nothing",
        caught_and_forgiven,
        putting(state.Quarantine, "holds", only_while_it_lasts),
    ),
    ("G6", "stamping is overlooked", in_bulk, putting(held, "stamped", lambda _: {})),
    ("G7", "nothing leaks", leaking, no_findings),
    ("G8", "nothing clashes", clashing, no_findings),
    ("G9", "malformed is good enough", flawed("malformed"), overlooking("G9")),
    ("G9", "recalls are not heard", recalled, deaf_to("row.recalled")),
    (
        "G9",
        "reopening lets the old answers count",
        reopened,
        lambda patch: patch.setitem(state._FOLDS, "row.reopened", reopened_with_nothing_void),
    ),
    ("G10", "recalled rows are verified", recalled, putting(verifying, "_recalls", lambda *_: iter(()))),
]


@pytest.mark.parametrize(
    ("name", "what", "script", "broken"), BROKEN, ids=[f"{b[0]}: {b[1]}" for b in BROKEN]
)
def test_a_broken_gate_breaks_the_invariant(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, what: str, script: Script, broken: Break
) -> None:
    script(world)
    assert_all(world)
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        INVARIANTS[name](Look(world))


def test_every_invariant_is_seen_to_fail() -> None:
    assert {name for name, *_ in BROKEN} == set(INVARIANTS)


def test_the_message_names_the_invariant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leaking(world)
    no_findings(monkeypatch)
    with pytest.raises(AssertionError, match=r"^G1 \(g1_only_verified_seeds"):
        assert_all(world)


def test_a_changed_file_breaks_g10(world: World) -> None:
    approved(world)
    made = world.release()
    (made.path / "train.parquet").write_bytes(b"")
    with pytest.raises(AssertionError):
        INVARIANTS["G10"](Look(world))

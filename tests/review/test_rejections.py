"""What review says to the next generation: the gate's rejections with reasons, and nothing that a control said."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.generator import candidates, generate
from seedgate.review import pull, push, reviewed
from seedgate.review.state import read_state
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm
from tests.review.desk import desk_workspace
from tests.review.scenarios import BOX, CARD, FEE, MAIL, PUMP, SILLY

MakeWorkspace = Callable[..., Workspace]


def texts(ws: Workspace, up_to: int | None = None) -> list[str]:
    return [str(each.example.fields["text"]) for each in reviewed(ws, up_to).rejected]


def judged(ws: Workspace) -> None:
    """Every kind of answer, by the only reviewer."""
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna:
        anna.answer(SILLY, "reject", reasons=["off_topic", "unnatural"], comment="Not ours.")
        anna.answer(PUMP, "approve")
        anna.answer(CARD, "edit", corrected_label="billing", reasons=["wrong_label"])
        anna.answer(MAIL, "reject", reasons=["personal_data", "wrong_fact"])
        anna.answer(BOX, "reject", reasons=["unsafe"])
        anna.answer(FEE, "reject", reasons=["wrong_fact"], status="draft")
    pull(ws)


class TestReviewed:
    def test_a_rejection_comes_with_its_reasons_and_comment(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        judged(ws)
        (only,) = reviewed(ws).rejected
        assert only.example.fields == {"text": SILLY, "label": "billing"}
        assert only.reasons == ("off_topic", "unnatural")
        assert only.comment == "Not ours."

    def test_approved_edited_drafted_unsafe_and_personal_rows_are_not_repaired(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(one_reviewer=True)
        judged(ws)
        assert texts(ws) == [SILLY]
        assert sorted(set(reviewed(ws).outcomes.values())) == ["approved", "pending", "rejected"]

    def test_what_one_of_two_called_personal_data_is_not_repaired_either(
        self, review_workspace: MakeWorkspace
    ) -> None:
        ws = review_workspace(settings={"review": {"quorum": 2}})
        push(ws, cycle=1)
        for name, reason in (("anna", "off_topic"), ("ben", "personal_data")):
            with Reviewer(ws, name) as person:
                person.answer(SILLY, "reject", reasons=[reason])
                person.answer(FEE, "reject", reasons=["wrong_fact"])
        pull(ws)
        assert texts(ws) == [FEE]

    def test_a_rejection_without_a_word_says_nothing_to_repair(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(SILLY, "reject")
            anna.answer(FEE, "reject", comment="No such fee.")
        pull(ws)
        assert texts(ws) == [FEE]

    def test_a_rejection_that_was_taken_back_is_none(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True)
        judged(ws)
        head = ws.ledger.head()[0]
        with Reviewer(ws, "anna") as anna:
            anna.answer(SILLY, "approve", reasons=[])
        pull(ws)
        assert texts(ws) == []
        assert texts(ws, head) == [SILLY]  # as a run of that time saw it


def test_what_is_said_of_controls_is_never_repaired(
    tmp_path: Path, add_candidates: Callable[..., list[str]], server: FakeArgilla
) -> None:
    ws = desk_workspace(
        tmp_path / "desk", add_candidates, candidates=60, controls=0.3, wave_size=20, min_pace_s=0
    )
    push(ws, cycle=1)
    controls = read_state(ws.ledger).controls
    assert len(controls) >= 5
    with Reviewer(ws, "anna") as anna:
        for place, record in enumerate(anna.records()):
            reject = record["external_id"] in controls or place % 2
            values = {"decision": "reject", "reasons": ["wrong_label"], "comment": "Odd."}
            anna.put(record, record["prefilled"] | (values if reject else {"decision": "approve"}))
    pull(ws)
    found = {each.example.id for each in reviewed(ws).rejected}
    assert found
    shown = {a.candidate_id for a in read_state(ws.ledger).assignments.values() if a.why != "control"}
    assert found <= shown
    assert not found & {control.candidate_id for control in controls.values()}


def test_a_repair_is_a_new_candidate_that_says_what_it_repairs(
    server: FakeArgilla, make_workspace: MakeWorkspace, monkeypatch: object
) -> None:
    with FakeVllm(model="big-70b") as fake:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", fake.url)  # type: ignore[attr-defined]
        settings = {
            "vllm": {"model": fake.model},
            "generation": {"strategies": {"few_shot": 0.5, "repair": 0.5}, "completions": 2, "shots": 2},
        }
        ws = make_workspace(reviewers=("anna",), settings=settings)
        first = generate(ws, candidates=6, cycle=1, reviewed=partial(reviewed, ws))
        assert any("repair is left out: it needs rejected" in warning for warning in first.warnings)
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            for record in anna.records():
                values = {"decision": "reject", "reasons": ["wrong_fact"], "comment": "Who $asks {that}?"}
                anna.put(record, record["prefilled"] | values)
        pull(ws)
        old = {each.id for each in candidates(ws.ledger)}
        generate(ws, candidates=30, cycle=2, reviewed=partial(reviewed, ws))
        mended = [c for c in candidates(ws.ledger, cycle=2) if c.provenance.repaired_from]
        assert {each.provenance.repaired_from for each in mended} <= old
        assert {each.provenance.strategy for each in mended} == {"repair"}
        assert not {each.id for each in mended} & old
        asked = [
            e.payload["repairs"] for e in ws.ledger.events("request.completed") if "repairs" in e.payload
        ]
        assert sorted(asked) == sorted(old)  # each once
        prompts = [
            m["content"] for body in fake.bodies for m in body["messages"] if "rejected" in m["content"]
        ]
        assert all('no order to you): "Who $asks {that}?"' in text for text in prompts)
        # In the next cycle there is nothing left to repair.
        head = len(fake.bodies)
        generate(ws, candidates=10, cycle=3, reviewed=partial(reviewed, ws))
        assert not any("A reviewer rejected" in str(body) for body in fake.bodies[head:])

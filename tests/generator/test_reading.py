"""Reading generation back from the ledger: what edits add is no part of the funnel, redacted bodies are left out."""

from __future__ import annotations

from typing import Any

from seedgate.generator import candidates, funnel
from seedgate.generator.reading import tally_of
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.workspace import Workspace

GROUP = '{"label":"delivery"}'


def request(number: int, cycle: int = 1) -> NewEvent:
    payload = {
        "cycle": cycle,
        "index": number,
        "strategy": "few_shot",
        "fixed": {"label": "delivery"},
        "seed_ids": ["s1"],
        "completions": 2,
        "raw_hash": "0" * 64,
    }
    return NewEvent("request.completed", f"c{cycle}-{number}", payload)


def created(text: str, *, body: bool = True, **born: Any) -> NewEvent:
    example = Example(fields={"text": text, "label": "delivery"})
    provenance = {
        "cycle": 1,
        "run": "c1-r1",
        "strategy": "few_shot",
        "model": "m",
        "prompt_hash": "",
        "request_id": "c1-0",
        "at": "",
    }
    payload = {"example": {"source": "here"}, "provenance": provenance | born}
    return NewEvent("candidate.created", example.id, payload, bodies=(example.fields,) if body else ())


def dropped(**payload: Any) -> NewEvent:
    return NewEvent("candidate.dropped", "c1-0", {"filter": "near", "reason": "near_duplicate", **payload})


def test_the_funnel_counts_requests_completions_items_drops_and_candidates(tiny_workspace: Workspace) -> None:
    tiny_workspace.ledger.append(
        [
            request(0),
            created("Gone since Monday."),
            dropped(cycle=1, request_id="c1-0"),
            request(0, cycle=2),
            dropped(cycle=2, request_id="c2-0", filter="length", reason="loop"),
            created("An edited text.", edited_from="x"),
            dropped(edited_from="x", response_id="y"),
        ]
    )
    assert funnel(tiny_workspace.ledger, cycle=1) == {
        "requests": 1,
        "completions": 2,
        "items": 2,
        "candidates": 1,
        "dropped": {"near": 1},
        "reasons": {"near": {"near_duplicate": 1}},
        "strategies": {"few_shot": {"requests": 1, "candidates": 1}},
    }
    counts = funnel(tiny_workspace.ledger)
    assert (counts["requests"], counts["items"], counts["candidates"]) == (2, 3, 1)
    assert counts["dropped"] == {"length": 1, "near": 1}


def test_the_funnel_of_nothing_is_all_zeros(tiny_workspace: Workspace) -> None:
    assert funnel(tiny_workspace.ledger)["items"] == 0


def test_candidates_come_back_whole_and_in_order(tiny_workspace: Workspace) -> None:
    tiny_workspace.ledger.append([created("Gone since Monday."), created("Still in Leeds.", cycle=2)])
    made = list(candidates(tiny_workspace.ledger))
    assert [candidate.example.fields["text"] for candidate in made] == [
        "Gone since Monday.",
        "Still in Leeds.",
    ]
    assert made[0].example.source == "here"
    assert [candidate.id for candidate in candidates(tiny_workspace.ledger, cycle=2)] == [made[1].id]


def test_a_redacted_candidate_is_left_out(tiny_workspace: Workspace) -> None:
    tiny_workspace.ledger.append([created("Gone since Monday.", body=False), created("Still in Leeds.")])
    assert len(list(candidates(tiny_workspace.ledger))) == 1


def test_a_tally_has_the_gaps_that_a_kill_left_and_counts_no_edits(tiny_workspace: Workspace) -> None:
    tiny_workspace.ledger.append(
        [
            *(request(number) for number in (0, 1, 4)),
            request(9, cycle=2),
            created("Gone since Monday."),
            created("An edited text.", edited_from="x"),
        ]
    )
    tally = tally_of(tiny_workspace.ledger, 1, ("label",))
    assert (tally.missing, tally.next_index) == ((2, 3), 5)
    assert tally.requests == {GROUP: 3}
    assert tally.candidates == {GROUP: 1}
    assert tally.shown == {"s1": 3}

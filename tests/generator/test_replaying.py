"""Replaying stored completions: what passes now is found, nothing comes twice, and no model is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seedgate.errors import InputError
from seedgate.generator import candidates, funnel, generate, replay
from seedgate.ledger import Ledger, NewEvent
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm

Make = Callable[..., Workspace]


@pytest.fixture
def strict(ready: Make) -> Workspace:
    """A workspace after a generation whose filter wanted long texts."""
    with FakeVllm() as fake:
        ws = ready(fake, min_words=11)
        generate(ws, candidates=12, cycle=1)
    return ws


def lenient(ws: Workspace) -> Workspace:
    """The same with the default filter."""
    path = ws.root / "seedgate.toml"
    text = path.read_text(encoding="utf-8")
    assert "min_words = 11" in text
    path.write_text(text.replace("min_words = 11", "min_words = 2"), encoding="utf-8")
    return Workspace(ws.root)


def ids(ws: Workspace) -> list[str]:
    return [candidate.id for candidate in candidates(ws.ledger)]


def test_what_was_dropped_and_passes_now_becomes_a_candidate(strict: Workspace) -> None:
    before, counts = ids(strict), funnel(strict.ledger)
    dropped = counts["reasons"]["length"]["short"]
    assert dropped > 5
    with lenient(strict) as ws:
        report = replay(ws)
        after, again = ids(ws), funnel(ws.ledger)
        found = [each for each in candidates(ws.ledger) if each.id not in before]
        assert list(ws.ledger.verify()) == []
    assert after[: len(before)] == before
    assert len(found) == report.found == report.before["length: short"] > 0
    assert all(2 <= len(str(each.example.fields["text"]).split()) < 11 for each in found)
    assert again["items"] == counts["items"]
    assert again["candidates"] == counts["candidates"] + report.found
    assert again["reasons"].get("length", {}).get("short", 0) == dropped - report.found


def test_it_keeps_where_they_came_from(strict: Workspace) -> None:
    before = set(ids(strict))
    with lenient(strict) as ws:
        replay(ws)
        requests = {event.subject: event.payload for event in ws.ledger.events("request.completed")}
        for each in (candidate for candidate in candidates(ws.ledger) if candidate.id not in before):
            born, asked = each.provenance, requests[each.provenance.request_id]
            assert (born.run, born.cycle, born.strategy) == (asked["run"], asked["cycle"], asked["strategy"])
            assert born.prompt_hash == asked["prompt_hash"]
            assert born.sampling == asked["sampling"]
            assert list(each.example.tags) == asked["tags"]
            assert born.model_revision == "org/fake"
            assert each.example.fields["text"] in ws.ledger.body(asked["raw_hash"])[born.choice]["text"]


def test_without_a_change_nothing_is_found_and_nothing_written(strict: Workspace) -> None:
    head = strict.ledger.head()
    report = replay(strict)
    assert (report.found, report.before, report.lost) == (0, {}, 0)
    assert strict.ledger.head() == head


def test_a_second_replay_finds_nothing(strict: Workspace) -> None:
    with lenient(strict) as ws:
        assert replay(ws).found > 0
        head = ws.ledger.head()
        assert replay(ws).found == 0
        assert ws.ledger.head() == head


def test_a_dry_run_counts_the_same_and_writes_nothing(strict: Workspace) -> None:
    with lenient(strict) as ws:
        head = ws.ledger.head()
        planned = replay(ws, dry_run=True)
        assert ws.ledger.head() == head
        done = replay(ws)
    assert planned.found == done.found > 0
    assert "dry run" in str(planned)


def test_killed_at_any_request_and_run_again_it_is_one_replay(
    strict: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, calls = Ledger.append, 0

    def failing(self: Ledger, events: list[NewEvent], **given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise KeyboardInterrupt
        return append(self, events, **given)

    before = len(ids(strict))
    with lenient(strict) as ws:
        wanted = replay(ws, dry_run=True).found
        monkeypatch.setattr(Ledger, "append", failing)
        for _ in range(100):
            try:
                replay(ws)
                break
            except KeyboardInterrupt:
                continue
        monkeypatch.undo()
        assert calls > 4
        assert len(ids(ws)) == len(set(ids(ws))) == before + wanted
        assert replay(ws).found == 0


def test_before_anything_was_generated_there_is_nothing_to_replay(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="no stored completions"):
        replay(workspace)

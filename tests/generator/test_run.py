"""generate, end to end against a fake server: what it writes, when it stops, what it refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from seedgate.canonical import content_hash
from seedgate.errors import BusyError, InputError, RefusedError, SeedgateError, ServiceError
from seedgate.generator import candidates, funnel, generate
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm


def kinds(ws: Workspace) -> Counter[str]:
    return Counter(event.kind for event in ws.ledger.events())


class TestWhatIsWritten:
    def test_as_many_candidates_as_wanted_each_once(self, workspace: Workspace) -> None:
        report = generate(workspace, candidates=40, cycle=1)
        made = list(candidates(workspace.ledger, cycle=1))
        assert 40 <= len(made) == report.candidates == report.new < 70
        assert len({candidate.id for candidate in made}) == len(made)
        assert list(workspace.ledger.verify()) == []

    def test_every_candidate_says_where_it_came_from(self, workspace: Workspace, fake: FakeVllm) -> None:
        generate(workspace, candidates=10, cycle=1)
        requests = {event.subject: event for event in workspace.ledger.events("request.completed")}
        seeds = {event.subject for event in workspace.ledger.events("seed.verified")}
        for candidate in candidates(workspace.ledger):
            born = candidate.provenance
            request = requests[born.request_id]
            raw = workspace.ledger.body(request.payload["raw_hash"])
            assert candidate.example.fields["text"] in raw[born.choice]["text"]
            assert content_hash(workspace.ledger.body(born.prompt_hash)) == born.prompt_hash
            assert (born.cycle, born.run, born.strategy) == (1, "c1-r1", "few_shot")
            assert (born.model, born.model_revision) == (fake.model, "org/fake")
            assert born.sampling.items() >= {"n": 2, "temperature": 0.7}.items()
            assert set(born.seed_ids) <= seeds
            assert (born.finish_reason, born.completion_tokens) == ("stop", 40)
            assert candidate.example.tags == ("core",)

    def test_every_label_gets_candidates(self, workspace: Workspace) -> None:
        generate(workspace, candidates=60, cycle=1)
        labels = Counter(c.example.fields["label"] for c in candidates(workspace.ledger))
        assert set(labels) == {"delivery", "billing", "account"}
        assert min(labels.values()) >= 12

    def test_dropped_items_keep_their_reason_and_the_funnel_adds_up(
        self, make_workspace: Any, ready: Callable[..., Workspace]
    ) -> None:
        with FakeVllm(item_faults=0.3) as fake:
            ws = ready(fake)
            report = generate(ws, candidates=40, cycle=1)
        counts = funnel(ws.ledger, cycle=1)
        assert counts["reasons"]["length"]["short"] > 5
        assert counts["items"] == counts["candidates"] + sum(counts["dropped"].values()) == report.items
        assert counts["requests"] == report.requests
        assert counts["completions"] == 2 * report.requests
        assert counts["dropped"] == report.dropped
        dropped = next(ws.ledger.events("candidate.dropped")).payload
        assert dropped.keys() == {"cycle", "filter", "reason", "detail", "request_id", "choice", "item"}

    def test_a_request_whose_every_item_was_dropped_is_kept_too(
        self, ready: Callable[..., Workspace]
    ) -> None:
        with FakeVllm(item_faults=1.0) as fake:
            ws = ready(fake)
            with pytest.raises(SeedgateError, match=r"no candidate at all: .* length \(short\)"):
                generate(ws, candidates=10, cycle=1)
        assert kinds(ws)["request.completed"] == len(fake.bodies) >= 60
        assert kinds(ws)["run.finished"] == 0

    def test_a_run_that_finds_nothing_new_any_more_ends_short_and_says_why(
        self, ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with FakeVllm() as fake:
            monkeypatch.setattr(
                "tests.fakes.vllm_server.sentence", lambda _: "The van drove past our house twice."
            )
            ws = ready(fake)
            report = generate(ws, candidates=10, cycle=1)
        assert report.candidates < 10
        assert any("stopped short of 10" in warning for warning in report.warnings)
        assert kinds(ws)["run.finished"] == 1

    def test_chat_form_asks_for_json_and_a_server_that_ignores_the_schema_is_reported(
        self, ready: Callable[..., Workspace]
    ) -> None:
        with FakeVllm(model="big-70b") as fake:
            ws = ready(fake)
            fake.fail_next(*["wrong_schema"] * 4)
            report = generate(ws, candidates=20, cycle=1)
            assert all("response_format" in body for body in fake.bodies)
        assert report.dropped["schema"] == 8
        assert any("did not fit the schema" in warning for warning in report.warnings)

    def test_other_cycles_are_counted_apart(self, workspace: Workspace) -> None:
        generate(workspace, candidates=10, cycle=1)
        report = generate(workspace, candidates=10, cycle=2)
        assert report.run == "c2-r1"
        assert funnel(workspace.ledger, cycle=2)["candidates"] == report.new
        assert funnel(workspace.ledger)["candidates"] == len(list(candidates(workspace.ledger)))

    def test_a_label_added_later_that_has_no_seed_is_named(self, workspace: Workspace) -> None:
        path = workspace.root / "seedgate.toml"
        added = path.read_text().replace("[task.labels]", '[task.labels]\npraise = "thanks"')
        path.write_text(added)
        with Workspace(workspace.root) as changed:
            report = generate(changed, candidates=5, cycle=1)
        assert report.warnings == ("no candidates for praise: no verified seed has that label",)


class TestAgain:
    def test_the_same_target_again_does_nothing(self, workspace: Workspace, fake: FakeVllm) -> None:
        generate(workspace, candidates=20, cycle=1)
        head, sent = workspace.ledger.head(), len(fake.bodies)
        report = generate(workspace, candidates=20, cycle=1)
        assert (report.run, report.new) == (None, 0)
        assert (workspace.ledger.head(), len(fake.bodies)) == (head, sent)
        assert "nothing to do" in str(report)

    def test_a_higher_target_goes_on(self, workspace: Workspace) -> None:
        first = generate(workspace, candidates=20, cycle=1)
        second = generate(workspace, candidates=80, cycle=1)
        assert second.run == "c1-r2"
        assert second.candidates == first.new + second.new >= 80
        assert kinds(workspace)["request.completed"] == first.requests + second.requests

    def test_after_an_outage_beyond_the_deadline_everything_is_kept_and_the_rerun_goes_on(
        self, fake: FakeVllm, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake.delay_s = 0.02
        short_of_patience(monkeypatch)

        def stop_after_some(done: int, total: int, note: str) -> None:
            if done > 20:
                fake.stop()

        with pytest.raises(ServiceError, match="is kept"):
            generate(workspace, candidates=100, cycle=1, on_progress=stop_after_some)
        kept = funnel(workspace.ledger)
        assert 20 < kept["candidates"] < 100
        assert kinds(workspace)["run.finished"] == 0
        fake.start()
        report = generate(workspace, candidates=100, cycle=1)
        assert report.candidates == kept["candidates"] + report.new >= 100
        assert len({event.subject for event in workspace.ledger.events("request.completed")}) == (
            kept["requests"] + report.requests
        )

    def test_a_run_killed_before_its_last_word_is_closed(self, workspace: Workspace, fake: FakeVllm) -> None:
        generate(workspace, candidates=20, cycle=1)
        with workspace.ledger._engine.begin() as connection:  # as if killed just before `run.finished`
            connection.exec_driver_sql("DELETE FROM events WHERE kind = 'run.finished'")
        generate(workspace, candidates=20, cycle=1)
        assert kinds(workspace)["run.finished"] == 1


class TestOutage:
    def test_an_endpoint_down_in_the_middle_is_survived(self, fake: FakeVllm, workspace: Workspace) -> None:
        fake.delay_s = 0.02
        down = iter([True])

        def die_once(done: int, total: int, note: str) -> None:
            if done > 20 and next(down, False):
                fake.down_for(1.5)

        report = generate(workspace, candidates=60, cycle=1, on_progress=die_once)
        assert report.candidates >= 60
        assert report.requests == len({e.subject for e in workspace.ledger.events("request.completed")})


class TestRefusals:
    def test_unverified_seeds(self, make_workspace: Callable[..., Workspace]) -> None:
        with pytest.raises(RefusedError, match="seeds are verified"):
            generate(make_workspace(verified=False, locked=False), candidates=5, cycle=1)

    def test_no_locked_evaluation_set(self, make_workspace: Callable[..., Workspace]) -> None:
        with pytest.raises(RefusedError, match="not locked") as caught:
            generate(make_workspace(locked=False), candidates=5, cycle=1)
        assert caught.value.exit_code == 3

    def test_a_second_run_at_the_same_time(self, workspace: Workspace) -> None:
        with workspace.ledger.lease("generate"), pytest.raises(BusyError, match="another `generate`"):
            generate(workspace, candidates=5, cycle=1)

    def test_no_candidates_at_all_asked_for(self, workspace: Workspace) -> None:
        with pytest.raises(InputError, match="at least 1"):
            generate(workspace, candidates=0, cycle=1)

    def test_a_server_that_is_not_there_writes_nothing(self, workspace: Workspace, fake: FakeVllm) -> None:
        fake.stop()
        head = workspace.ledger.head()
        with pytest.raises(ServiceError, match="seedgate up"):
            generate(workspace, candidates=5, cycle=1)
        assert workspace.ledger.head() == head


class TestTelling:
    def test_progress_has_rate_and_time_left(self, workspace: Workspace) -> None:
        told: list[tuple[int, int, str]] = []
        generate(workspace, candidates=40, cycle=1, on_progress=lambda *told_: told.append(told_))
        done = [each[0] for each in told]
        assert done == sorted(done)
        assert told[-1][:2] == (40, 40)
        assert "candidates/s" in told[0][2]
        assert "left" in told[0][2]

    def test_a_dry_run_shows_the_first_prompt_and_sends_nothing(
        self, workspace: Workspace, fake: FakeVllm
    ) -> None:
        head = workspace.ledger.head()
        report = generate(workspace, candidates=10, cycle=1, dry_run=True)
        assert report.preview.startswith("Messages that customers sent to a shop.")
        assert "list form" in str(report)
        assert workspace.ledger.head() == head
        assert fake.bodies == []

    def test_the_report_counts_the_drops(self, ready: Callable[..., Workspace]) -> None:
        with FakeVllm(item_faults=0.3) as fake:
            text = str(generate(ready(fake), candidates=20, cycle=1))
        assert "dropped: length: short" in text

    async def test_it_runs_inside_an_event_loop_as_in_a_notebook(self, workspace: Workspace) -> None:
        assert asyncio.get_running_loop()
        assert generate(workspace, candidates=5, cycle=1).candidates >= 5


def short_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives up on an outage after a moment."""
    from seedgate.generator.clients import chosen
    from seedgate.generator.clients.server import ServerClient

    def hasty(*args: Any, **settings: Any) -> ServerClient:
        return ServerClient(*args, **settings, deadline_s=0.3, wait_s=0.01)

    monkeypatch.setattr(chosen, "ServerClient", hasty)

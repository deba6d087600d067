"""`review status`: who has how much left, at what pace, and what is set aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.cli.reviewing import review_text
from seedgate.finetune import another_batch
from seedgate.review import push
from seedgate.review.status import DatasetStatus, ReviewerStatus, ReviewStatus
from seedgate.workspace import Workspace
from tests.fakes.argilla_server import OWNER_KEY, FakeArgilla
from tests.fakes.reviewing import Reviewer


def reviewer(name: str, waiting: int, pace_s: float | None) -> ReviewerStatus:
    places = (DatasetStatus("r1", f"ws-{name}", "wave1", 50, waiting),) if waiting else ()
    return ReviewerStatus(name, False, 50, 50 - waiting, 0, 0, waiting, places, pace_s)


def standing(
    *people: ReviewerStatus, conflicts: tuple[str, ...] = (), url: str | None = "http://a"
) -> ReviewStatus:
    return ReviewStatus(url, sum(p.open for p in people), 7, people, {}, conflicts, {}, None)


class TestTheEstimate:
    def test_is_that_of_whoever_takes_longest(self) -> None:
        found = standing(reviewer("anna", 10, 6.0), reviewer("ben", 40, 9.0))
        assert found.done_in_s == 360.0
        assert review_text(found).startswith("50 to decide, about 6 min of work; 7 more candidates")

    def test_is_not_made_up_where_a_pace_is_unknown(self) -> None:
        found = standing(reviewer("anna", 10, 6.0), reviewer("ben", 40, None))
        assert found.done_in_s is None
        assert review_text(found).startswith("50 to decide; 7 more candidates wait for a later wave")

    def test_is_nothing_when_nothing_is_left(self) -> None:
        assert standing(reviewer("anna", 0, None)).done_in_s == 0.0


class TestPull:
    @pytest.fixture
    def answered(
        self,
        make_workspace: Callable[..., Workspace],
        add_candidates: Callable[..., list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Workspace]:
        """A workspace with one answer that was not fetched."""
        with FakeArgilla().serve() as server:
            monkeypatch.setenv("SEEDGATE_ARGILLA_URL", server.url)
            monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
            ws = make_workspace(reviewers=("anna",))
            add_candidates(ws, {"Where is my bicycle pump now?": "delivery"})
            push(ws, cycle=1)
            with Reviewer(ws, "anna") as anna:
                anna.answer("Where is my bicycle pump now?", "approve")
            yield ws

    def told(self, ws: Workspace, *arguments: str) -> str:
        command = ["pull", *arguments, "-w", str(ws.root)]
        return CliRunner().invoke(app, command, catch_exceptions=False).stdout

    def test_a_dry_run_says_what_is_new_and_writes_nothing(self, answered: Workspace) -> None:
        head = answered.ledger.head()
        assert self.told(answered, "--dry-run").startswith("would record 1 new verdicts (1 approve)")
        assert answered.ledger.head() == head
        assert self.told(answered).startswith("1 new verdicts (1 approve)")
        assert self.told(answered, "--dry-run").startswith("would record 0 new verdicts")

    def test_ends_with_whether_another_batch_is_worth_it_once_that_can_be_said(
        self, answered: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert len(self.told(answered).splitlines()) == 1
        found = json.loads(self.told(answered, "--json"))
        assert (found["recorded"], found["another_batch"]["answer"]) == (0, "unknown")
        over = replace(another_batch(answered), answer="no longer worth it", why="too little is new")
        monkeypatch.setattr("seedgate.finetune.another_batch", lambda ws: over)
        assert self.told(answered).splitlines()[1:] == [
            "another batch is no longer worth it: too little is new"
        ]


def test_conflicts_are_named_and_many_are_cut_short() -> None:
    text = review_text(standing(reviewer("anna", 0, 5.0), conflicts=tuple(f"{n:064x}" for n in range(12))))
    assert text.startswith("nothing waits for a reviewer")
    assert f"  {0:064x}\n" in text
    assert text.endswith("  and 2 more: --json has all")


def test_without_argilla_it_says_how_to_start_it() -> None:
    assert "Argilla is not up: run `seedgate up`" in review_text(
        standing(reviewer("anna", 3, None), url=None)
    )


def test_it_tells_what_people_have_done(
    make_workspace: Callable[..., Workspace],
    add_candidates: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeArgilla().serve() as server:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", server.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        ws = make_workspace(reviewers=("anna",))
        texts = ["Where is my bicycle pump now?", "Nobody rang at my door", "My kettle came broken today"]
        add_candidates(ws, dict.fromkeys(texts, "delivery"))
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            for text in texts[:2]:
                anna.answer(text, "approve")
        run = CliRunner()
        shown = run.invoke(app, ["review", "status", "--pull", "-w", str(ws.root)], catch_exceptions=False)
        assert shown.stdout.startswith("1 to decide, about ")
        assert f"sign in at {server.url}" in shown.stdout
        told = run.invoke(app, ["review", "status", "--json", "-w", str(ws.root)], catch_exceptions=False)
        (who,) = json.loads(told.stdout)["review"]["reviewers"]
        assert (who["name"], who["open"], who["decided"]) == ("anna", 1, 2)
        assert who["pace_s"] is not None
        short = run.invoke(app, ["status", "-w", str(ws.root)], catch_exceptions=False)
        assert "1 to decide: anna 1 in tiny-cycle1-wave1 (seedgate review status)" in short.stdout

"""The scenarios of seeds verified in Argilla at the fake one; there also kills, and what a release makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.errors import RefusedError
from seedgate.finetune import audit, release, verify_release
from seedgate.ledger import NewEvent
from seedgate.review import pull, push_seeds
from seedgate.seeds import lock, verified_seeds
from seedgate.workspace import Workspace
from tests.review.killing import killed
from tests.review.scenarios import reviewers
from tests.review.seed_scenarios import NEW, SeedScenarios, answer_all, example, unverified, write_seed


class TestAtTheFake(SeedScenarios):
    """See `SeedScenarios`."""


PROGRAM = """
import sys
from seedgate.review import pull, push_seeds
from seedgate.workspace import Workspace

with Workspace(sys.argv[1]) as ws:
    push_seeds(ws) if sys.argv[2] == "push" else pull(ws)
"""


def test_after_kills_there_is_what_one_run_makes(
    review_workspace: Callable[..., Workspace], server: FakeArgilla
) -> None:
    ws = unverified(review_workspace, one_reviewer=True)
    for requests in (4, 12):
        assert killed(ws, server, PROGRAM, "push", at=requests, done=requests % 2 == 0)
    push_seeds(ws)
    assert ws.ledger.count("round.opened") == ws.ledger.count("round.pushed") == 1
    assert len(server.records) == 12
    answer_all(ws, "anna")
    for requests in (3, 6):
        assert killed(ws, server, PROGRAM, "pull", at=requests, done=requests % 2 == 0)
    pull(ws)
    assert ws.ledger.count("verdict.recorded") == ws.ledger.count("seed.verified") == 12
    assert list(ws.ledger.verify()) == []


class TestInARelease:
    """A baseline of both kinds: vouched for by a sign-off, and reviewed in Argilla."""

    @staticmethod
    def mixed(make: Callable[..., Workspace]) -> Workspace:
        ws = make(one_reviewer=True, rows={})
        write_seed(ws, NEW, "delivery")
        push_seeds(ws)
        answer_all(ws, reviewers(ws)[0])
        pull(ws)
        return ws

    def test_both_are_counted_as_what_they_are(self, review_workspace: Callable[..., Workspace]) -> None:
        ws = self.mixed(review_workspace)
        report = release(ws)
        manifest = verify_release(ws, report.name)
        assert (manifest.counts.seeds, manifest.counts.vouched) == (13, 12)
        assert next(row for row in manifest.rows if row.id == example(NEW, "delivery")).vouched_by is None
        assert audit(ws) == []

    def test_a_change_after_the_release_closes_the_door_before_training(
        self, review_workspace: Callable[..., Workspace]
    ) -> None:
        ws = self.mixed(review_workspace)
        report = release(ws)
        ws.guidelines_path.write_text("Approve what is short.\n")
        verify_release(ws, report.name)
        with Reviewer(ws, "anna") as anna:
            anna.answer(NEW, "reject")
        assert pull(ws).seeds_withdrawn == 1
        with pytest.raises(RefusedError, match="its seed is verified no more"):
            verify_release(ws, report.name)
        assert release(ws).counts.seeds == 12

    def test_a_baseline_of_argilla_alone_is_whole(self, review_workspace: Callable[..., Workspace]) -> None:
        ws = unverified(review_workspace, one_reviewer=True)
        push_seeds(ws)
        answer_all(ws, reviewers(ws)[0])
        pull(ws)
        lock(ws)
        assert release(ws).counts.vouched == 0
        assert audit(ws) == []

    def test_a_verification_that_nobody_gave_enters_no_release_and_shows_in_the_audit(
        self, review_workspace: Callable[..., Workspace]
    ) -> None:
        ws = review_workspace(one_reviewer=True, rows={})
        fields = {"text": NEW, "label": "delivery"}
        payload = {"method": "argilla", "by": "anna", "statement": "yes", "at": "2026-01-01T00:00:00+00:00"}
        id_ = example(NEW, "delivery")
        ws.ledger.append(
            [
                NewEvent("seed.added", id_, {"tags": [], "source": "x"}, bodies=(fields,)),
                NewEvent("seed.verified", id_, payload),
            ]
        )
        assert id_ in verified_seeds(ws)[0]
        report = release(ws)
        assert [(row.id, row.reason) for row in report.omitted] == [
            (id_, "no verdict in Argilla approves it, whatever its seed.verified event says")
        ]
        assert report.counts.seeds == 12
        verify_release(ws, report.name)
        assert [fault.where for fault in audit(ws)] == [f"seed {id_[:12]}"]

"""Versions of the guidelines: which rounds showed them, what counts, and what a release says of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from fakes.reviewing import Reviewer
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.finetune import release, verify_release
from seedgate.review import guideline_versions, pull, push, push_seeds
from seedgate.workspace import Workspace
from tests.review.scenarios import BOX, PUMP, outcomes, settings


def test_a_version_counts_as_present_compatible_or_earlier_and_the_release_tells(
    review_workspace: Callable[..., Workspace],
) -> None:
    ws = review_workspace(
        one_reviewer=True, rows={PUMP: "delivery", BOX: "delivery"}, **settings(adjudicator="zoe")
    )
    first = ws.guidelines()[1]
    assert [(v.hash, v.present, v.rounds) for v in guideline_versions(ws)] == [(first, True, [])]
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna:
        anna.answer(PUMP, "approve")
        pull(ws)
        ws.guidelines_path.write_text("Approve what is short.\n")
        second = ws.guidelines()[1]
        push(ws, cycle=1)
        anna.answer(BOX, "approve")
    pull(ws)
    assert [(v.hash, v.present, v.compatible, len(v.rounds), v.verdicts) for v in guideline_versions(ws)] == [
        (first, False, False, 1, 1),
        (second, True, False, 1, 1),
    ]
    command = ["guidelines", "compatible", first[:8], "--by", "zoe", "--statement", "wording"]
    assert CliRunner().invoke(app, [*command, "-w", str(ws.root)]).exit_code == 0
    listed = CliRunner().invoke(app, ["guidelines", "list", "-w", str(ws.root), "--json"])
    assert [version["compatible"] for version in json.loads(listed.output)] == [True, False]
    assert outcomes(ws, PUMP, BOX) == ["approved", "approved"]
    report = release(ws)
    rows = [row for row in verify_release(ws, report.name).rows if row.origin == "approved"]
    assert {row.guideline_hash for row in rows} == {first, second}
    card = (ws.releases_dir / report.name / "README.md").read_text()
    assert first in card
    assert second in card


def test_seed_rounds_are_listed_too(review_workspace: Callable[..., Workspace]) -> None:
    ws = review_workspace(one_reviewer=True, verified=False, locked=False, rows={})
    report = push_seeds(ws)
    assert [version.rounds for version in guideline_versions(ws)] == [[report.round]]

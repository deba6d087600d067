"""`trace`: one row from its releases back to gate, reviewers, seeds and prompt."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.finetune import redact
from seedgate.report import report_facts
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing, example
from tests.report.conftest import reviewing, told

__all__ = ["reviewing", "told"]  # fixtures


def run(ws: Workspace, *args: str) -> str:
    return CliRunner().invoke(app, ["trace", *args, "-w", str(ws.root)], catch_exceptions=False).stdout


def test_an_approved_row_leads_back_to_its_reviewer_and_its_request(told: Workspace) -> None:
    row = report_facts(told)["samples"]["approved"][0]
    lines = run(told, row["id"][:12]).splitlines()
    assert lines[0] == row["id"]
    assert set(lines[1:3]) == {f"{name}: {value}" for name, value in row["fields"].items()}
    assert lines[3:5] == ["releases: r001", "gate: approved: approved by reviewer"]
    assert lines[5].startswith("approve by reviewer on 20")
    assert lines[6].startswith("generated: cycle 1, strategy few_shot, model fake-135m, ")
    assert lines[7:9] == ["prompt:", "  | prompt"]
    assert any("candidate.created" in line for line in lines[lines.index("events:") :])
    data = json.loads(run(told, row["id"], "--json"))
    assert (data["id"], data["in"], data["provenance"]) == (row["id"], ["r001"], row)


def test_a_corrected_row_says_what_it_was_and_why_it_was_refused(told: Workspace) -> None:
    row = report_facts(told)["samples"]["edited"][0]
    shown = run(told, row["id"])
    assert f"corrected from {row['edited_from'][:12]}, text: {row['original']['text']}" in shown
    assert "edit by reviewer on 20" in shown
    assert ": unnatural" in shown
    refused = report_facts(told)["samples"]["rejected"][0]
    assert "off_topic; Nobody writes like that." in run(told, refused["id"])


def test_a_seed_has_its_releases_and_events_and_no_prompt(told: Workspace) -> None:
    seed = next(iter(told.ledger.events("seed.added"))).subject
    shown = run(told, seed)
    assert "releases: r000, r001" in shown
    assert "seed.verified" in shown
    assert "prompt" not in shown


def test_what_a_terminal_would_act_on_is_a_mark_and_a_redacted_text_is_said_to_be_so(
    reviewing: Reviewing,
) -> None:
    id_ = reviewing.candidate(example("Log me in \u202ereversed\x1b[2J\nnow", "account"))
    assert "text: Log me in ⟦U+202E⟧reversed⟦U+001B⟧[2J now\n" in run(reviewing.ws, id_)
    redact(reviewing.ws, id_, by="ana", reason="asked to be forgotten")
    assert "content: redacted\n" in run(reviewing.ws, id_)


@pytest.mark.parametrize("row", ["abc", "0" * 64])
def test_an_id_that_names_no_row_is_one_line(told: Workspace, row: str) -> None:
    result = CliRunner().invoke(app, ["trace", row, "-w", str(told.root)])
    assert result.exit_code != 0
    assert "Traceback" not in result.output

"""`seeds check` at the shell: text, JSON, the picture, and exit codes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.cli.checking import MOST_SHOWN, check_text
from seedgate.errors import InputError
from seedgate.seeds import CheckReport, Finding, example_workspace
from seedgate.workspace import Workspace


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped example, with one row relabelled, one that says the same, and one with personal data."""
    root = tmp_path_factory.mktemp("desk") / "ws"
    with example_workspace(root) as ws:
        rows = [json.loads(line) for line in ws.seeds_path.read_text(encoding="utf-8").splitlines()]
        wrong = next(row for row in rows if row["label"] == "account_access")
        wrong["label"] = "damaged_item"
        rows.append({"text": "Ring me on +49 30 26403278 about my refund.", "label": "refund_request"})
        ws.seeds_path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["seeds", "check", *args])


def test_the_text_has_the_map_and_the_findings(desk: Path) -> None:
    done = run("-w", str(desk))
    assert done.exit_code == 0
    assert "seeds by cluster" in done.stdout
    assert "typical words" in done.stdout
    assert "  edge  " in done.stdout
    assert "label is 'damaged_item'; the other rows suggest 'account_access'" in done.stdout
    assert "seeds.jsonl:201: personal data: phone +4... in field 'text'" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("201 seeds, 160 evaluation examples, 0 errors, ")


def test_json_has_all_of_it(desk: Path) -> None:
    done = run("-w", str(desk), "--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    codes = {finding["code"] for finding in report["findings"]}
    assert {"label_error", "personal_data", "formatting", "thin"} <= codes
    assert all(finding["severity"] in ("warning", "info") for finding in report["findings"])
    coverage = report["coverage"]
    assert sum(cell["seeds"] for cell in coverage["cells"] if not cell["tag"]) == 201
    assert len(coverage["clusters"]) == 10
    assert coverage["tags"] == ["core", "edge"]


def test_the_picture_is_written_where_it_was_asked_for(desk: Path, tmp_path: Path) -> None:
    done = run("-w", str(desk), "--picture", str(tmp_path / "map.svg"))
    assert done.exit_code == 0
    assert f"the map of coverage is in {tmp_path / 'map.svg'}" in done.stderr
    assert ET.parse(tmp_path / "map.svg").getroot().get("role") == "img"


def test_few_seeds_have_no_picture_and_that_is_one_line(
    make_workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    ws = make_workspace(verified=False, locked=False)
    assert run("-w", str(ws.root)).exit_code == 0
    done = run("-w", str(ws.root), "--picture", str(tmp_path / "map.svg"))
    assert isinstance(done.exception, InputError)
    assert "no picture of 12 seeds" in str(done.exception)
    assert not (tmp_path / "map.svg").exists()


def test_many_warnings_of_a_kind_are_cut_short_and_errors_never() -> None:
    warnings = [
        Finding(
            code="near_duplicate", severity="warning", rows=(f"seeds.jsonl:{n}",), what="alike", advice="look"
        )
        for n in range(MOST_SHOWN + 5)
    ]
    errors = [
        Finding(code="duplicate", severity="error", rows=(f"seeds.jsonl:{n}",), what="same", advice="mend")
        for n in range(MOST_SHOWN + 5)
    ]
    text = check_text(CheckReport(seeds=99, evaluation=0, labels={}, findings=(*warnings, *errors)))
    assert text.count("warning: ") == MOST_SHOWN
    assert text.count("error: ") == MOST_SHOWN + 5
    assert "and 5 more of near_duplicate: --json has all" in text
    assert text.endswith("99 seeds, 0 evaluation examples, 25 errors, 25 warnings, 0 infos")

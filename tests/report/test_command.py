"""`seedgate report`: text with the page named last, JSON without a page, a page where it was asked for."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.cli.cycle import _page
from seedgate.workspace import Workspace


def run(*args: str | Path) -> str:
    return CliRunner().invoke(app, ["report", *map(str, args)], catch_exceptions=False).stdout


def test_the_text_names_the_page_last(told: Workspace) -> None:
    shown = run("-w", told.root)
    assert shown.splitlines()[-1] == f"page: {told.root / 'report.html'}"
    assert "Curation took 27% of the time" in shown
    assert (told.root / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_makes_a_page_only_when_asked(told: Workspace, tmp_path: Path) -> None:
    facts = json.loads(run("-w", told.root, "--json"))
    assert facts["headline"]["approved"] == 4
    assert not (told.root / "report.html").exists()
    page = tmp_path / "shown.html"
    assert json.loads(run("-w", told.root, "--json", "--html", page))["headline"] == facts["headline"]
    assert page.is_file()
    assert not (told.root / "report.html").exists()


def test_a_finished_cycle_leaves_a_page_and_never_fails_because_of_it(tiny_workspace: Workspace) -> None:
    page = tiny_workspace.root / "report.html"
    assert _page(tiny_workspace) == page
    page.unlink()
    page.mkdir()
    assert _page(tiny_workspace) is None

"""`prompts` and `generate --dry-run`: how candidates are asked for, seen from the shell; `report` by strategy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import ConfigError, InputError
from seedgate.generator import TEMPLATES, generate
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm

MIXED: dict[str, Any] = {"strategies": {"few_shot": 1, "evolve": 1}, "shots": 3, "completions": 2}


def run(*arguments: str | Path) -> str:
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False).stdout


@pytest.fixture
def ws(make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", "http://127.0.0.1:9/v1")
    return make_workspace(settings={"generation": MIXED})


class TestPrompts:
    def test_lists_every_template_and_where_it_comes_from(self, ws: Workspace) -> None:
        run("prompts", "--copy", "few_shot.list", "-w", ws.root)
        found = json.loads(run("prompts", "--json", "-w", ws.root))["templates"]
        assert [each["name"] for each in found] == list(TEMPLATES)
        own = {each["name"]: each["from"] for each in found if each["from"] != "shipped"}
        assert own == {"few_shot.list": "prompts/few_shot.list.txt"}
        assert "few_shot.list" in run("prompts", "-w", ws.root)

    def test_a_copy_that_is_edited_is_what_a_dry_run_shows(self, ws: Workspace) -> None:
        before = run("generate", "--dry-run", "-w", ws.root)
        assert f"wrote {ws.root}/prompts/few_shot.list.txt" in run(
            "prompts", "--copy", "few_shot.list", "-w", ws.root
        )
        assert run("generate", "--dry-run", "-w", ws.root) == before
        path = ws.root / "prompts/few_shot.list.txt"
        path.write_text(path.read_text().replace("$audience", "From a shop's inbox."))
        shown = run("generate", "--dry-run", "-w", ws.root)
        assert "the first prompt of few_shot:\nFrom a shop's inbox.\n" in shown
        assert "the first prompt of evolve:\nMessages that customers sent" in shown

    def test_a_dry_run_of_a_copy_writes_nothing(self, ws: Workspace) -> None:
        assert "would write" in run("prompts", "--copy", "own.chat", "--dry-run", "-w", ws.root)
        assert not (ws.root / "prompts").exists()

    def test_an_unknown_name_and_a_broken_template_are_one_line(self, ws: Workspace) -> None:
        with pytest.raises(InputError, match=r"'few_shot': did you mean few_shot\.\w+\?"):
            run("prompts", "--copy", "few_shot", "-w", ws.root)
        (ws.root / "prompts").mkdir()
        (ws.root / "prompts/evolve_deeper.list.txt").write_text("$seeds\n$nxt. $open:")
        with pytest.raises(
            ConfigError, match=r"evolve_deeper\.list\.txt:2: \$nxt is unknown: did you mean \$next"
        ):
            run("generate", "--dry-run", "-w", ws.root)


def test_the_report_counts_by_strategy(
    make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeVllm() as fake:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", fake.url)
        ws = make_workspace(settings={"generation": MIXED, "vllm": {"model": fake.model}})
        made = generate(ws, candidates=30, cycle=1)
    data = json.loads(run("report", "--json", "-w", ws.root))
    for name in ("few_shot", "evolve"):
        counts = data["strategies"][name]
        assert counts == {
            **made.strategies[name],
            "approved": 0,
            "rejected": 0,
            "pending": counts["candidates"],
        }
    shown = run("report", "-w", ws.root)
    assert "strategy  requests  candidates  approved  rejected  pending" in shown

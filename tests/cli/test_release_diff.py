"""`release diff` at the shell: what it prints, what it hides nothing of, its exit codes; `release` stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from seedgate.finetune import release
from seedgate.workspace import Workspace
from tests.finetune.reviewing import TEXTS, Reviewing, example

TERMINAL = "My account \x1b[2J\u202eis\x9b31m gone\nsince Monday."


def seedgate(*args: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SEEDGATE_")}
    command = [sys.executable, "-m", "seedgate", *args]
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120)


@pytest.fixture
def ws(make_workspace: Callable[..., Workspace]) -> Workspace:
    """The baseline, and r001 with five approved rows, one of them with what a terminal would act on."""
    reviewing = Reviewing(make_workspace())
    release(reviewing.ws)
    reviewing.approve(*reviewing.candidates(4), reviewing.candidate(example(TERMINAL, "account")))
    release(reviewing.ws)
    return reviewing.ws


def test_it_says_what_changed_and_shows_no_more_rows_than_asked_for(ws: Workspace) -> None:
    done = seedgate("release", "diff", "-w", str(ws.root), "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert "kept 12, added 5, edited 0, removed 0" in done.stdout
    assert "r000: no generated rows" in done.stdout
    assert f"approved: {TEXTS[1][0]} | billing" in done.stdout
    assert TEXTS[2][0] not in done.stdout
    assert "... and 3 more: --limit shows them" in done.stdout


def test_what_a_terminal_would_act_on_is_shown_as_marks(ws: Workspace) -> None:
    done = seedgate("release", "diff", "r000", "r001", "-w", str(ws.root))
    shown = "My account ⟦U+001B⟧[2J⟦U+202E⟧is⟦U+009B⟧31m gone since Monday. | account"
    assert shown in done.stdout
    assert not {"\x1b", "\u202e", "\x9b"} & set(done.stdout)


def test_json_has_every_row_whatever_the_limit(ws: Workspace) -> None:
    done = seedgate("release", "diff", "-w", str(ws.root), "--limit", "1", "--json")
    found = json.loads(done.stdout)
    assert len(found["added"]) == 5
    assert found["added"][-1]["fields"]["text"] == TERMINAL
    assert found["after"]["counts"]["approved"] == 5
    assert found["novelty"]["new"] == 5
    assert {each["name"] for each in found["shifts"]["label"]} == {"delivery", "billing", "account"}


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["r009"], 3, "release r009: the ledger has no release.created event"),
        (["latest"], 2, "'latest' is no name of a release"),
        (["r001", "r001"], 2, "r001 is compared with itself"),
        (["--limit", "-1"], 2, "--limit"),
    ],
)
def test_what_cannot_be_told_is_one_line(ws: Workspace, args: list[str], code: int, said: str) -> None:
    done = seedgate("release", "diff", "-w", str(ws.root), *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_release_is_refused_as_json_too(ws: Workspace) -> None:
    table = ws.releases_dir / "r000" / "train.parquet"
    table.chmod(0o644)
    table.write_bytes(b"PAR1")
    done = seedgate("release", "diff", "-w", str(ws.root), "--json")
    assert done.returncode == 3
    assert "release r000: train.parquet: has 4 bytes" in json.loads(done.stdout)["error"]


def test_release_alone_makes_one_and_drops_no_option(ws: Workspace) -> None:
    root = str(ws.root)
    alone = seedgate("release", "-w", root, "--dry-run", "--json")
    assert (alone.returncode, json.loads(alone.stdout)["name"]) == (0, "r001")
    assert "has this content already" in seedgate("release", "--workspace", root).stdout
    before = seedgate("release", "--json", "diff", "-w", root)
    assert before.returncode == 2
    assert "options of `release diff` stand behind it" in before.stderr

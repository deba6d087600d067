"""`redact`, `reopen`, `backup`, `restore` at the shell: what they print, what they ask, their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedgate.canonical import content_hash
from seedgate.finetune import release
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace
from tests.finetune.reviewing import TEXTS, Reviewing

TEXT, LABEL = TEXTS[0]
ROW = content_hash({"text": TEXT, "label": LABEL})
NAMED = ("--by", "ana", "--reason", "asked to be forgotten")


@pytest.fixture
def ws(make_workspace: Callable[..., Workspace]) -> Workspace:
    """A released workspace that was never in Argilla, a candidate, and a model trained on the seeds."""
    ws = make_workspace(settings={"policy": {"verified_seeds": 11, "min_eval": 6}})
    Reviewing(ws).candidates(1)
    release(ws)
    ws.ledger.append([NewEvent("model.trained", "m1", {"release": "r000"})])
    return ws


def seedgate(*args: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SEEDGATE_")}
    command = [sys.executable, "-m", "seedgate", *args]
    return subprocess.run(command, env=clean, input=typed, capture_output=True, text=True, timeout=120)


def object_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_redact_asks_first_and_takes_no_for_an_answer(ws: Workspace) -> None:
    done = seedgate("redact", ROW[:8], *NAMED, "-w", str(ws.root), typed="n\n")
    assert done.returncode == 1
    assert "would go: 1 rows" in done.stderr
    assert "nothing was removed" in done.stderr
    assert ws.ledger.bodies([ROW])


def test_redact_that_nobody_answers_removes_nothing(ws: Workspace) -> None:
    done = seedgate("redact", ROW[:8], *NAMED, "-w", str(ws.root), typed="")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "seedgate: stopped at a question: run it where it can be answered"
    assert ws.ledger.bodies([ROW])


def test_redact_tells_all_of_it_as_json(ws: Workspace) -> None:
    seed = next(event.subject for event in ws.ledger.events("seed.added"))
    planned = object_of(seedgate("redact", seed, "--dry-run", "--json", "-w", str(ws.root)))
    assert (planned["dry_run"], planned["releases"]) == (True, ["r000"])
    done = object_of(seedgate("redact", seed, *NAMED, "--yes", "--json", "-w", str(ws.root)))
    assert (done["rows"], done["seeds"], done["remaining"]) == ([seed], 1, [])
    assert any("backups" in what for what in done["beyond"])
    audited = object_of(seedgate("audit", "--json", "-w", str(ws.root)))
    assert audited["faults"] == []
    redaction, model = audited["notes"]
    assert redaction.startswith("1 bodies of 1 rows were redacted on ")
    assert redaction.endswith(" by ana (asked to be forgotten)")
    assert (
        model
        == "model m1 was trained on release r000, of which 1 row was recalled since, and the release was withdrawn"
    )
    refused = seedgate("train", "r000", "-w", str(ws.root))
    assert refused.returncode == 3
    (line,) = (line for line in refused.stderr.splitlines() if line.startswith("seedgate: "))
    assert line.startswith("seedgate: release r000: was withdrawn on ")
    assert seed[:12] in line


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("redact", ROW), 2, "a name and a reason"),
        (("redact", ROW, *NAMED, "--json"), 2, "--json cannot ask"),
        (("redact", "ffffffff", *NAMED, "--yes"), 2, "names 0 rows"),
        (("reopen", ROW, *NAMED), 3, "is not recalled"),
    ],
)
def test_what_cannot_be_done_is_one_line(ws: Workspace, args: tuple[str, ...], code: int, said: str) -> None:
    done = seedgate(*args, "-w", str(ws.root))
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_backup_comes_back_with_its_head_and_a_clean_audit(ws: Workspace, tmp_path: Path) -> None:
    kept, again = tmp_path / "kept.tar.gz", tmp_path / "again"
    written = object_of(seedgate("backup", str(kept), "--json", "-w", str(ws.root)))
    restored = object_of(seedgate("restore", str(kept), str(again), "--json"))
    assert restored["head"] == written["head"] == ws.ledger.head()[1]
    assert restored["faults"] == []
    assert seedgate("restore", str(kept), str(again)).returncode == 3
    lines = seedgate("restore", str(kept), str(tmp_path / "more")).stdout.splitlines()
    assert lines[1:] == [f"head {written['head']}", "audit: clean"]


def test_a_restored_workspace_with_a_fault_says_so(ws: Workspace, tmp_path: Path) -> None:
    table = ws.releases_dir / "r000" / "train.parquet"
    table.chmod(0o644)
    table.write_text("changed")
    kept = tmp_path / "kept.tar.gz"
    seedgate("backup", str(kept), "-w", str(ws.root))
    done = seedgate("restore", str(kept), str(tmp_path / "again"))
    assert done.returncode == 1
    assert "release r000: train.parquet" in done.stdout


def test_status_lists_recalled_rows(ws: Workspace) -> None:
    recalled = {"release": "r000", "reason": "anna changed a verdict after the release"}
    ws.ledger.append([NewEvent("row.recalled", ROW, recalled)])
    status = seedgate("status", "-w", str(ws.root))
    assert f"recalled: row {ROW[:12]} of release r000: anna changed a verdict" in status.stdout
    found = object_of(seedgate("status", "--json", "-w", str(ws.root)))
    assert [row["id"] for row in found["recalled"]] == [ROW]
    assert found["affected_models"] == []

"""Whatever the shell does to a command's streams, the command says one line at most and ends with the right code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seedgate.cli.output import emit
from seedgate.workspace import Workspace


def shell(line: str, *, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of sh in which `seedgate` is this installation's."""
    command = f'seedgate() {{ "{sys.executable}" -m seedgate "$@"; }}; {line}'
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SEEDGATE_")}
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=clean | env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", ["report", "report --json", "audit"])
def test_a_closed_standard_output_is_no_fault(tiny_workspace: Workspace, command: str) -> None:
    done = shell(f"seedgate {command} >&-", cwd=tiny_workspace.root)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_with_standard_error_closed_the_exit_code_still_tells(tiny_workspace: Workspace) -> None:
    done = shell("seedgate trace zz 2>&-", cwd=tiny_workspace.root)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    assert shell("seedgate audit 2>&- >&- <&-", cwd=tiny_workspace.root).returncode == 0
    assert list(tiny_workspace.ledger.verify()) == []


def test_whoever_asks_for_json_gets_a_failure_as_json_as_well(tiny_workspace: Workspace) -> None:
    done = shell("seedgate trace zz --json", cwd=tiny_workspace.root)
    told = json.loads(done.stdout)
    assert told.keys() == {"error", "hint", "exit_code"}
    assert (done.returncode, told["exit_code"]) == (2, 2)
    assert done.stderr == f"seedgate: {told['error']}: {told['hint']}\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("generate -n 0", "'--candidates'"),
        ("nosuch", "No such command 'nosuch'"),
        ("init", "Missing argument"),
        ("seeds verify --by a --limit few", "'--limit'"),
        ("status --nosuch", "No such option: --nosuch"),
    ],
)
def test_wrong_usage_is_one_line_and_json_for_whoever_asks(tmp_path: Path, line: str, words: str) -> None:
    done = shell(f"seedgate {line} --json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"]) == (2, 2)
    assert words in told["error"]
    assert told["hint"].endswith("--help`")
    assert done.stderr == f"seedgate: {told['error']}: {told['hint']}\n"
    plain = shell(f"seedgate {line}", cwd=tmp_path)
    assert (plain.returncode, plain.stdout, plain.stderr) == (2, "", done.stderr)


def test_without_a_command_the_help_is_shown_and_help_is_no_failure(tmp_path: Path) -> None:
    for line in ("seedgate", "seedgate seeds"):
        assert "Commands:" in shell(f"{line} 2>&1", cwd=tmp_path).stdout
    assert shell("seedgate seeds --help", cwd=tmp_path).returncode == 0


def test_a_failure_after_the_result_adds_nothing_to_it(tiny_workspace: Workspace) -> None:
    done = shell("seedgate audit --json --expect-head 00", cwd=tiny_workspace.root)
    assert done.returncode == 1
    assert json.loads(done.stdout)["faults"]
    assert done.stderr.startswith("seedgate: audit found")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_under_standard_output_is_one_line(tiny_workspace: Workspace) -> None:
    done = shell("seedgate report >/dev/full", cwd=tiny_workspace.root)
    assert done.returncode == 1
    assert done.stderr == "seedgate: No space left on device: mend this, then run again\n"


def test_a_pipe_whose_reader_left_is_silent(tiny_workspace: Workspace) -> None:
    done = shell("seedgate report | true; exit ${PIPESTATUS[0]}", cwd=tiny_workspace.root)
    assert done.returncode in (0, 1)
    assert done.stderr == ""


def test_a_path_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    done = shell(f"seedgate status -w {'x' * 300}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("seedgate: ")
    assert "File name too long" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_error_is_one_line_whatever_the_name_in_it(tmp_path: Path) -> None:
    done = shell("seedgate init ws --seeds $'a\\nb\\e[31m.jsonl'", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(r"seedgate: a\nb\x1b[31m.jsonl: no such file")
    assert done.stderr.count("\n") == 1


def test_an_encoding_without_a_character_shows_its_number(tmp_path: Path) -> None:
    done = shell("seedgate init ws --seeds café.jsonl", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert r"caf\xe9.jsonl: no such file" in done.stderr


def test_what_would_turn_a_terminals_text_around_is_escaped_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {"text": "a\x9b2Jb\u202ec\u2066d\x7f"}
    emit(given, "", json_output=True)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == given

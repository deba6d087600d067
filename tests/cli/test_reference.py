"""The CLI reference is what the commands say, and every command says enough."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from seedgate.cli.app import app

ROOT = Path(__file__).resolve().parents[2]


def commands() -> dict[str, object]:
    group = typer.main.get_command(app)
    found: dict[str, object] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        subs = getattr(command, "commands", None)
        if not subs or command.invoke_without_command:
            found[name] = command
        found |= {f"{name} {sub}": c for sub, c in (subs or {}).items()}
    return found


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "docs/cli_reference.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_with_an_example(name: str) -> None:
    text = commands()[name].help  # type: ignore[attr-defined]
    assert "Example" in text
    assert f"seedgate {name}" in text


@pytest.mark.parametrize("name", sorted(set(commands()) - {"init", "demo", "restore"}))
def test_every_command_takes_a_workspace_and_json(name: str) -> None:
    options = {flag for parameter in commands()[name].params for flag in parameter.opts}  # type: ignore[attr-defined]
    assert {"--workspace", "-w", "--json"} <= options


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['seedgate', '--help']\n"
        "from seedgate.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'pydantic', 'sqlalchemy', 'httpx', 'pyarrow', 'scipy', 'rich'}\n"
        "found = heavy & set(sys.modules); assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

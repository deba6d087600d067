"""Writes docs/cli.md from the commands' own --help; with --check, says whether it is up to date."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["COLUMNS"] = "100"
os.environ["TERMINAL_WIDTH"] = "100"

TARGET = Path(__file__).with_name("cli.md")
INTRO = """# Command line

Written by `make docs` from `--help`; a test keeps it true. Exit codes: 0 done; 1 failed; 2 wrong usage or bad
input; 3 refused by a gate; 75 waiting for people.
"""


def reference() -> str:
    """The whole page."""
    import typer
    from typer.testing import CliRunner

    from seedgate.cli.app import app

    runner = CliRunner()
    group = typer.main.get_command(app)
    parts = [INTRO]

    def section(path: list[str]) -> None:
        shown = runner.invoke(app, [*path, "--help"], prog_name="seedgate", terminal_width=100)
        if shown.exit_code:
            raise SystemExit(f"seedgate {' '.join(path)} --help failed: {shown.output}")
        title = " ".join(["seedgate", *path])
        text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
        parts.append(f"## {title}\n\n```text\n{text}\n```\n")

    section([])
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        section([name])
        for sub in getattr(command, "commands", {}):
            section([name, sub])
    return "\n".join(parts)


def main() -> None:
    """Writes the page, or checks it."""
    text = reference()
    if "--check" in sys.argv:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
            sys.exit("docs/cli.md is out of date: run `make docs`")
        return
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

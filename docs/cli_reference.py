"""Writes docs/cli.md from the commands' own --help, so that the reference can't differ from the program.

`python docs/cli_reference.py` writes it; with `--check` it only tells whether the file is current (exit code 1: no).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from seedgate.cli.app import app

TARGET = Path(__file__).with_name("cli.md")
WIDTH = 100

HEAD = """# Command line

Written by `make docs` from `--help`; change the help texts, not this file. Exit codes: 0 done; 1 failed;
2 wrong usage or bad input; 3 refused by a gate; 75 waiting for people.
"""


def helps(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    """The full name and help text of a command and of all below it, in the order of registration."""
    yield context.command_path, command.get_help(context)
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from helps(child, _context(child, name, parent=context))


def _context(command: Any, name: str, parent: Any = None) -> Any:
    settings = {**command.context_settings, "terminal_width": WIDTH}
    return command.context_class(command, info_name=name, parent=parent, **settings)


def reference() -> str:
    """The whole file."""
    command = typer.main.get_command(app)
    sections = (
        f"## {name}\n\n```text\n{text.rstrip()}\n```\n"
        for name, text in helps(command, _context(command, "seedgate"))
    )
    return "\n".join([HEAD, *sections])


def main(arguments: list[str]) -> int:
    """Writes the file, or checks it."""
    text = reference()
    if "--check" in arguments:
        return int(not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

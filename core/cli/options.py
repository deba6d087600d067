"""Options that every command shares, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DryRun", "Json", "WorkspaceDir"]

WorkspaceDir = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        help="The workspace's folder [default: here or the nearest above].",
        show_default=False,
    ),
]

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, also of a failure.")
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]

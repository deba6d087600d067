"""The documentation matches the program, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "docker/*.md", "seeds/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)


def test_the_cli_reference_is_what_help_prints() -> None:
    command = [sys.executable, ROOT / "docs/cli_reference.py", "--check"]
    assert subprocess.run(command, timeout=120).returncode == 0, "docs/cli.md is not current: run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_to_files_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)\s#]+)", (ROOT / page).read_text(encoding="utf-8"))
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    assert missing == []

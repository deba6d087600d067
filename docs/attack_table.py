"""Writes the table of attacks in threat-model.md from the tests that carry them out."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests.attacks.marking import Attack, attacks  # noqa: E402 - the tests are no installed package

TARGET = ROOT / "docs" / "threat-model.md"
BEGIN, END = "<!-- attacks: begin -->\n", "<!-- attacks: end -->\n"
OUTCOMES = ("refused", "detected", "documented")


def table(found: list[Attack]) -> str:
    """Counts by outcome, then one line per attack."""
    counts = Counter(each.outcome for each in found)
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
    lines = [f"{len(found)} attacks: {said}.", "", "| attack | outcome | by, or shown by |", "|---|---|---|"]
    lines += [f"| {each.name} | {each.outcome} | {each.by} |" for each in found]
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """The document with its table written anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(attacks())}\n{END}{after}"


if __name__ == "__main__":
    TARGET.write_text(with_table(TARGET.read_text()))

"""What a check of seeds finds, as records that print and serialise."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from seedgate.seeds.coverage import Coverage

__all__ = ["MOST_ROWS", "CheckReport", "Code", "Finding"]

MOST_ROWS = 20
"""Rows that one finding names; how many there are is in its text."""

Code = Literal[
    "schema",
    "too_few",
    "lock",
    "duplicate",
    "near_duplicate",
    "conflict",
    "missing_label",
    "rare_label",
    "overlap",
    "oddity",
    "formatting",
    "semantic_duplicate",
    "semantic_conflict",
    "label_error",
    "not_judged",
    "personal_data",
    "thin",
    "missing",
]
"""`conflict`: same or near input with another output. `overlap`: a seed that is, or nearly is, a row of the
evaluation set. `oddity`: characters that nobody sees. `formatting`: rows against the habit of the others.
`label_error`: another label is much likelier; `not_judged`: labels with too few rows to say so. `thin`, `missing`:
places in the map of coverage with one seed or none."""


class Finding(BaseModel):
    """One thing found.

    Attributes:
        severity: An `error` stops `seeds verify` and `seeds lock`; a `warning` asks for a look; `info` may be as meant.
        rows: Sources of the rows concerned, e.g. `seeds.jsonl:17`; the first `MOST_ROWS` of them.
        what: What was found.
        advice: What to do about it.
    """

    model_config = ConfigDict(frozen=True)

    code: Code
    severity: Literal["error", "warning", "info"]
    rows: tuple[str, ...] = ()
    what: str
    advice: str

    def __str__(self) -> str:
        where = f"{', '.join(self.rows)}: " if self.rows else ""
        return f"{where}{self.what}: {self.advice}"


class CheckReport(BaseModel):
    """Everything found, the counts by label of the seeds, and what they cover; no map of few seeds."""

    model_config = ConfigDict(frozen=True)

    seeds: int
    evaluation: int
    labels: dict[str, int]
    findings: tuple[Finding, ...]
    coverage: Coverage | None = None

    def __str__(self) -> str:
        lines = [f"{finding.severity}: {finding}" for finding in self.findings]
        warnings = sum(finding.severity == "warning" for finding in self.findings)
        counted = f"{self.seeds} seeds, {self.evaluation} evaluation rows"
        return "\n".join([*lines, f"{counted}: {len(self.errors)} errors, {warnings} warnings"])

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a sign-off."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def ok(self) -> bool:
        """Whether nothing stops a sign-off."""
        return not self.errors

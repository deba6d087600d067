"""What a check of seeds finds, as records that print and serialise."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["CheckReport", "Code", "Finding"]

Code = Literal[
    "schema",
    "too_few",
    "duplicate",
    "near_duplicate",
    "conflict",
    "missing_label",
    "rare_label",
    "overlap",
    "oddity",
]
"""`conflict`: same or near input with another output. `overlap`: a seed that is, or nearly is, a row of the
evaluation set. `oddity`: characters that nobody sees."""


class Finding(BaseModel):
    """One thing found.

    Attributes:
        severity: An `error` stops `seeds verify` and `seeds lock`; a `warning` asks for a look.
        rows: Sources of the rows concerned, e.g. `seeds.jsonl:17`.
        what: What was found.
        advice: What to do about it.
    """

    model_config = ConfigDict(frozen=True)

    code: Code
    severity: Literal["error", "warning"]
    rows: tuple[str, ...] = ()
    what: str
    advice: str

    def __str__(self) -> str:
        where = f"{', '.join(self.rows)}: " if self.rows else ""
        return f"{where}{self.what}: {self.advice}"


class CheckReport(BaseModel):
    """Everything found, and the counts by label of the seeds."""

    model_config = ConfigDict(frozen=True)

    seeds: int
    evaluation: int
    labels: dict[str, int]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        lines = [f"{finding.severity}: {finding}" for finding in self.findings]
        warnings = len(self.findings) - len(self.errors)
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

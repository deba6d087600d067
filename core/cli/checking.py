"""`seeds check`: what is wrong with the baseline, what it covers, and a picture of that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedgate.cli.options import Json, WorkspaceDir
from seedgate.cli.output import emit, progress, say, table
from seedgate.errors import InputError

if TYPE_CHECKING:
    from seedgate.seeds import CheckReport
    from seedgate.seeds.coverage import Coverage

__all__ = ["check", "check_text", "coverage_text"]

MOST_SHOWN = 20
"""Warnings and infos of one kind; errors are all shown, since each must be mended."""


def check(
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Draw the map of coverage into this file (SVG).", dir_okay=False, show_default=False
        ),
    ] = None,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Look for what is wrong with the baseline, and for what it lacks.

    Schema; invisible characters and formatting against the others' habit; duplicates and conflicts, in letters and in
    meaning; probable label errors; personal data; overlap with the evaluation set; balance; and coverage: labels, tags
    and clusters of meaning, with what is thin or missing. Each finding names the rows and says what to do.

    Examples:

    seedgate seeds check

    seedgate seeds check --picture coverage.svg
    """
    from seedgate.seeds import check_workspace
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("checking", quiet=json) as on_progress:
        report = check_workspace(ws, on_progress=on_progress)
    emit(report, check_text(report), json_output=json)
    if picture is not None:
        _draw(report, picture)
    if not report.ok:
        raise InputError("the baseline has errors", hint="mend the rows named above, then run it again")


def _draw(report: CheckReport, path: Path) -> None:
    from seedgate.seeds.coverage import LEAST_SEEDS
    from seedgate.seeds.coverage_picture import write_picture

    if report.coverage is None:
        raise InputError(
            f"{path}: no picture of {report.seeds} seeds", hint=f"coverage is mapped from {LEAST_SEEDS} on"
        )
    write_picture(report.coverage, path)
    say(f"the map of coverage is in {path}")


def check_text(report: CheckReport) -> str:
    """The report for people: labels, coverage, findings, and how many of each."""
    counts = [[label, n] for label, n in report.labels.items()]
    counted = Counter(finding.severity for finding in report.findings)
    parts = [
        table(["label", "seeds"], counts) if counts else "",
        coverage_text(report.coverage) if report.coverage else "",
        "\n".join(_findings(report)),
        f"{report.seeds} seeds, {report.evaluation} evaluation examples, {counted['error']} errors, "
        f"{counted['warning']} warnings, {counted['info']} infos",
    ]
    return "\n\n".join(part for part in parts if part)


def _findings(report: CheckReport) -> list[str]:
    shown: Counter[str] = Counter()
    lines, left = [], Counter[str]()
    for finding in report.findings:
        if finding.severity == "error" or shown[finding.code] < MOST_SHOWN:
            lines.append(f"{finding.severity}: {finding}")
            shown[finding.code] += finding.severity != "error"
        else:
            left[finding.code] += 1
    return [*lines, *(f"and {count} more of {code}: --json has all" for code, count in left.items())]


def coverage_text(coverage: Coverage) -> str:
    """The map as a table, clusters by number, and what each number stands for."""
    counts, numbers = coverage.counts(), range(len(coverage.clusters))
    width = len(str(max(*counts.values(), len(numbers))))
    rows = []
    for label in coverage.labels:
        for tag in ("", *coverage.tags):
            cells = [str(counts.get((label, tag, number), ".")).rjust(width) for number in numbers]
            rows.append([f"  {tag}" if tag else label or "all seeds", *cells])
    heads = [str(number + 1).rjust(width) for number in numbers]
    clusters = [
        [number, cluster.seeds, cluster.name, f"{cluster.text!r} ({Path(cluster.medoid).name})"]
        for number, cluster in enumerate(coverage.clusters, 1)
    ]
    legend = table(["cluster", "seeds", "typical words", "most typical seed"], clusters)
    return f"{table(['seeds by cluster', *heads], rows)}\n\n{legend}"

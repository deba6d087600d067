"""`ablate` and `curve`: did the gate pay, and what would further rows bring?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seedgate.cli.options import Json, WorkspaceDir
from seedgate.cli.output import emit, progress, table
from seedgate.errors import InputError

if TYPE_CHECKING:
    from seedgate.finetune import Ablation, Curve

__all__ = ["ablate", "curve"]

Release = Annotated[str | None, typer.Argument(help="A release [default: the newest].")]
Student = Annotated[
    str | None,
    typer.Option(
        help="`embeddings`: logistic regression, in seconds; `model`: the base model, fine-tuned and asked through"
        " vLLM [default: embeddings where the answer is one label].",
        show_default=False,
    ),
]
Repetitions = Annotated[int, typer.Option(help="Training seeds (and draws) of each arm or size.")]


def ablate(
    release: Release = None,
    student: Student = None,
    repetitions: Repetitions = 3,
    written: Annotated[
        Path | None, typer.Option(help="Rows that experts wrote instead of reviewing.", show_default=False)
    ] = None,
    written_minutes: Annotated[
        float, typer.Option(help="What writing all of them took: as many count as reviewers' time allows.")
    ] = 0.0,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Measure whether the gate paid: approved rows beside unreviewed ones, at equal training.

    The same student is trained on the seeds, on seeds and approved rows, and on what there would have been without
    review; each is measured on the locked set and thrown away. Run it again after a stop: it goes on where it was.

    Example: seedgate ablate
    Example: seedgate ablate r002 --student model --repetitions 2
    """
    from seedgate.finetune import ablate as run
    from seedgate.workspace import Workspace

    if written is not None and written_minutes <= 0:
        raise InputError("--written needs --written-minutes: how long writing those rows took")
    other = (str(written), written_minutes) if written is not None else None
    with Workspace(workspace) as ws, progress("ablating", quiet=json) as on_progress:
        found = run(
            ws,
            release,
            student=student,  # type: ignore[arg-type]  # checked there
            repetitions=repetitions,
            written=other,
            on_progress=on_progress,
        )
    emit(found, ablation_text(found), json_output=json)


def curve(
    release: Release = None,
    student: Student = None,
    repetitions: Repetitions = 3,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Measure the learning curve over approved rows, and what the next hundred would bring.

    Example: seedgate curve
    Example: seedgate curve r002 --student model
    """
    from seedgate.finetune import curve as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("measuring the curve", quiet=json) as on_progress:
        found = run(
            ws,
            release,
            student=student,  # type: ignore[arg-type]  # checked there
            repetitions=repetitions,
            on_progress=on_progress,
        )
    emit({**vars(found), "conclusion": found.conclusion}, curve_text(found), json_output=json)


def ablation_text(found: Ablation) -> str:
    """For people: the arms, what was left out, and the conclusion."""
    level = f"{found.confidence:.0%} interval"
    rows: list[list[Any]] = []
    for arm in found.arms:
        if arm.score is None:
            continue
        each = [f"{arm.score.value:.3f}", f"{arm.score.low:.3f} to {arm.score.high:.3f}"]
        rows.append([arm.arm, arm.rows, arm.steps or "-", *each, arm.gain or "", _balance(arm.labels)])
    headers = ["arm", "rows", "steps", found.metric, level, "approved rows gain over it", "rows per label"]
    lines = [f"release {found.release}: {found.student}, {found.seeds} training seeds, {found.n} locked rows"]
    lines += [table(headers, rows)]
    lines += [f"{arm.arm}: {arm.title}" for arm in found.arms if arm.score is not None]
    lines += [f"left out: {arm.arm}: {arm.left_out}" for arm in found.arms if arm.left_out]
    if found.per_hour is not None:
        lines.append(
            f"over the seeds alone, per reviewer hour: {found.per_hour} ({found.minutes:.0f} minutes)"
        )
    if found.simulated:
        lines.append(f"of the {found.approved} approved rows, {found.simulated} by the SIMULATED reviewer")
    lines.append(f"each interval holds for itself; {found.looks} looks at the locked set, all on record")
    return "\n".join([*lines, found.conclusion])


def curve_text(found: Curve) -> str:
    """For people: the points, the law, and what comes next."""
    rows = [
        [each.rows, f"{each.score.value:.3f}", f"{each.score.low:.3f} to {each.score.high:.3f}"]
        for each in found.points
    ]
    law = found.law
    lines = [
        f"release {found.release}: {found.student}, {found.seeds} seeds and so many approved rows",
        table(["approved rows", found.metric, f"{found.confidence:.0%} interval"], rows),
        f"fitted: error = {law.floor:.3f} + {law.factor:.3g} n^-{law.exponent:g}, n counting the seeds too",
    ]
    if found.simulated:
        lines.append(f"of the approved rows, {found.simulated} by the SIMULATED reviewer")
    lines.append(f"{found.looks} looks at the locked set, all on record")
    return "\n".join([*lines, found.conclusion])


def _balance(labels: Any) -> str:
    return f"{min(labels.values())} to {max(labels.values())}" if labels else "-"

"""`seeds check` of a workspace: its rows, and what its policy and its lock want of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedgate.records import Example
from seedgate.seeds.checking import check, check_meanings, evaluation_rows
from seedgate.seeds.findings import CheckReport, Finding
from seedgate.seeds.leakage import LeakCheck
from seedgate.seeds.locking import set_hash, standing_lock
from seedgate.seeds.meaning import Meanings
from seedgate.seeds.reading import Progress, read_examples
from seedgate.workspace import Workspace

__all__ = ["check_workspace"]


def check_workspace(ws: Workspace, *, on_progress: Progress | None = None) -> CheckReport:
    """Checks the files of a workspace, if the seeds are as many as its policy wants, and the lock if there is one.

    Raises:
        InputError: A file cannot be read.
    """
    seeds = read_examples(str(ws.seeds_path), ws.task, on_progress=on_progress)
    policy, evaluation = ws.config.policy, evaluation_rows(ws)
    leaks = LeakCheck.for_workspace(ws, evaluation)
    report = check(
        seeds,
        evaluation,
        ws.task,
        near_duplicate=policy.near_duplicate,
        leaks=leaks,
        on_progress=on_progress,
    )
    if on_progress:
        on_progress(len(seeds), len(seeds), "looking for label errors and gaps")
    report = check_meanings(
        report,
        seeds,
        ws.task,
        leaks.meanings or Meanings.for_workspace(ws),
        near_duplicate=policy.near_duplicate,
        **({"semantic_duplicate": given} if (given := ws.config.generation.semantic_duplicate) else {}),
    )
    return report.model_copy(
        update={
            "findings": (
                *_lock(ws, evaluation),
                *_enough(len(seeds), policy.verified_seeds),
                *report.findings,
            )
        }
    )


def _lock(ws: Workspace, evaluation: Sequence[Example]) -> Iterator[Finding]:
    locked = standing_lock(ws.ledger)
    if locked is not None and set_hash(example.id for example in evaluation) != locked.subject:
        yield Finding(
            code="lock",
            severity="error",
            what=f"{ws.eval_path.name} is not what was locked on {locked.at[:10]}",
            advice="restore the locked file, or make a new workspace",
        )


def _enough(count: int, wanted: int) -> Iterator[Finding]:
    if count < wanted:
        yield Finding(
            code="too_few",
            severity="warning",
            what=f"{count} seeds; the policy wants {wanted} verified",
            advice="add examples before you generate",
        )

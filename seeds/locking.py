"""`seeds lock`: the evaluation set is fixed before anything is generated, so that nothing can be fitted to it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from seedgate.canonical import content_hash, sha256
from seedgate.errors import RefusedError
from seedgate.files import os_errors
from seedgate.ledger import Event, Ledger, NewEvent
from seedgate.records import Example
from seedgate.seeds.checking import check, evaluation_rows
from seedgate.seeds.leakage import LeakCheck, SemanticBound, locked_bound
from seedgate.seeds.power import smallest_difference
from seedgate.seeds.reading import Progress, read_examples
from seedgate.workspace import Workspace

__all__ = ["LockReport", "evaluation_set", "lock", "set_hash", "standing_lock"]

_KEY = "eval-lock"


class LockReport(BaseModel):
    """What was locked.

    Attributes:
        eval_hash: Hash of the sorted ids: the content of the set, whatever the order of its rows.
        file_hash: SHA-256 of `eval.jsonl`.
        smallest_difference: Smallest difference in accuracy that a paired test on the set can show with
            power .8 at alpha .05, as a share; None if it can show none.
        semantic: From where a text means the same as a row of the set; fixed with the lock.
        already: Whether the same set was locked before.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    eval_hash: str
    file_hash: str
    smallest_difference: float | None
    semantic: SemanticBound | None
    already: bool

    def __str__(self) -> str:
        if self.smallest_difference is None:
            shows = "too few to show any difference"
        else:
            shows = f"shows differences in accuracy from about {self.smallest_difference * 100:.0f} points"
        was = "was locked before" if self.already else "locked"
        line = f"evaluation set {was}: {self.count} rows, hash {self.eval_hash[:12]}; {shows}"
        return f"{line}\n{self.semantic}" if self.semantic else line


def set_hash(ids: Iterable[str]) -> str:
    """The hash of a set of examples, from their ids."""
    return content_hash(sorted(ids))


def lock(ws: Workspace, *, dry_run: bool = False, on_progress: Progress | None = None) -> LockReport:
    """Locks `eval.jsonl`; locking the same content again changes nothing.

    Raises:
        InputError: A file cannot be read.
        RefusedError: The set is too small, overlaps with the seeds, or another set is locked already.
        ServiceError: The model that compares meanings cannot be had.
    """
    evaluation = read_examples(str(ws.eval_path), ws.task, on_progress=on_progress)
    ids = sorted(example.id for example in evaluation)
    with os_errors(ws.eval_path, "reading"):
        file_hash = sha256(ws.eval_path.read_bytes())
    already = _already(standing_lock(ws.ledger), set_hash(ids))
    leaks = LeakCheck.for_workspace(ws, evaluation)
    report = LockReport(
        count=len(ids),
        eval_hash=set_hash(ids),
        file_hash=file_hash,
        smallest_difference=smallest_difference(len(ids)),
        semantic=locked_bound(ws.ledger) if already else leaks.bound,
        already=already,
    )
    if report.already:
        return report
    if len(ids) < ws.config.policy.min_eval:
        raise RefusedError(
            f"{ws.eval_path.name} has {len(ids)} rows; the policy wants {ws.config.policy.min_eval}",
            hint="add examples, or lower policy.min_eval in seedgate.toml",
        )
    _refuse_overlap(ws, evaluation, leaks, on_progress)
    if dry_run:
        return report
    semantic = report.semantic.model_dump(mode="json") if report.semantic else None
    payload = {"ids": ids, "file_hash": file_hash, "count": len(ids), "semantic": semantic}
    if not ws.ledger.append([NewEvent("eval.locked", report.eval_hash, payload, key=_KEY)]):
        # Another process was faster: its lock is the one that stands.
        already = _already(standing_lock(ws.ledger), report.eval_hash)
        return report.model_copy(update={"already": already, "semantic": locked_bound(ws.ledger)})
    return report


def standing_lock(ledger: Ledger) -> Event | None:
    """The lock that counts: the first, or a later one that only leaves out rows which were redacted."""
    standing: Event | None = None
    for event in ledger.events("eval.locked"):
        if standing is None:
            standing = event
            continue
        ids, known = set(event.payload["ids"]), set(standing.payload["ids"])
        if ids < known and known - ids <= ledger.redacted():
            standing = event
    return standing


def evaluation_set(ws: Workspace) -> list[Example]:
    """The rows of `eval.jsonl`, which are the locked ones if a lock exists.

    Raises:
        RefusedError: The file is not what was locked.
    """
    locked = standing_lock(ws.ledger)
    if locked is None:
        return evaluation_rows(ws)
    rows = read_examples(str(ws.eval_path), ws.task)
    if set_hash(example.id for example in rows) != locked.subject:
        raise RefusedError(
            f"{ws.eval_path.name} is not what was locked on {locked.at[:10]}",
            hint="restore the locked file, or make a new workspace",
        )
    return rows


def _already(event: Event | None, eval_hash: str) -> bool:
    if event is None:
        return False
    if event.subject != eval_hash:
        raise RefusedError(
            f"another evaluation set of {event.payload['count']} rows was locked on {event.at[:10]}",
            hint="restore that eval.jsonl, or make a new workspace",
        )
    return True


def _refuse_overlap(
    ws: Workspace, evaluation: list[Example], leaks: LeakCheck, on_progress: Progress | None
) -> None:
    """Against the rows of `seeds.jsonl` and the seeds in the ledger, which may be gone from the file."""
    seeds = {seed.id: seed for seed in read_examples(str(ws.seeds_path), ws.task)}
    events = {event.subject: event for event in ws.ledger.events("seed.added") if event.subject not in seeds}
    for id_, fields in ws.ledger.bodies(events).items():
        seeds[id_] = Example(fields=fields, source=events[id_].payload["source"])
    report = check(
        list(seeds.values()),
        evaluation,
        ws.task,
        near_duplicate=ws.config.policy.near_duplicate,
        leaks=leaks,
        on_progress=on_progress,
    )
    overlaps = [finding for finding in report.errors if finding.code == "overlap"]
    if overlaps:
        more = f" (and {len(overlaps) - 1} more)" if len(overlaps) > 1 else ""
        raise RefusedError(f"{overlaps[0]}{more}")

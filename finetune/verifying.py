"""`verify_release`: the door before training and evaluation (G10). It opens only if everything agrees.

The ledger's chain, the manifest's hash, every file, every row, what allowed each row in when the release was
made, and whether the gate would still let it in: a row that was recalled since closes the door (G9).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seedgate.errors import InputError, RefusedError
from seedgate.finetune.integrity import evidence_faults, file_faults, read_manifest, read_rows, row_faults
from seedgate.finetune.records import Manifest
from seedgate.finetune.table import fields_of
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.ledger import Event, Fault
from seedgate.records import Example
from seedgate.review import decisions
from seedgate.seeds import baseline
from seedgate.workspace import Workspace

__all__ = ["VerifiedRelease", "newest_release", "release_event", "verified_release", "verify_release"]

MEND = "run `seedgate audit` to see all that differs; `seedgate release` makes one that is whole"


@dataclass(frozen=True)
class VerifiedRelease:
    """A release that agrees with the ledger, and the fields of its rows as they were checked."""

    manifest: Manifest
    manifest_hash: str
    fields: tuple[dict[str, Any], ...]


def verify_release(ws: Workspace, name: str) -> Manifest:
    """The manifest of a release that may be trained on.

    Raises:
        InputError: No release can have this name.
        RefusedError: Something differs; the message names the file or the row.
    """
    return verified_release(ws, name).manifest


def verified_release(ws: Workspace, name: str, *, now: bool = True) -> VerifiedRelease:
    """See `verify_release`; also the rows that were checked.

    Args:
        now: Whether the rows must be allowed today too. Measuring a model asks only whether its release
            is what it was.
    """
    event = release_event(ws, name)
    _refuse_withdrawn(ws, name)
    _refuse(ws.ledger.verify(), "the ledger is damaged: ", "restore it from a backup")
    _refuse(file_faults(ws, event))
    manifest = read_manifest(ws, event)
    if isinstance(manifest, Fault):
        raise _refusal(manifest)
    rows = read_rows(ws, manifest)
    _refuse(row_faults(ws, manifest, rows))
    _refuse(evidence_faults(ws, event, manifest))
    if now:
        _refuse(_recalls(ws, manifest, rows), hint="`seedgate release` makes one without it")
    fields = tuple(fields_of(ws.task, row) for row in rows)
    return VerifiedRelease(manifest, event.payload["manifest_hash"], fields)


def newest_release(ws: Workspace) -> str:
    """Name of the newest release.

    Raises:
        RefusedError: There is none.
    """
    event = ws.ledger.last("release.created")
    if event is None:
        raise RefusedError("there is no release yet", hint="run `seedgate release`")
    return event.subject


def release_event(ws: Workspace, name: str) -> Event:
    """The event that makes a release count.

    Raises:
        InputError: No release can have this name.
        RefusedError: The ledger knows no release of this name.
    """
    if not re.fullmatch(r"r\d{3,9}", name):
        raise InputError(f"{name!r} is no name of a release", hint="they are called r000, r001, ...")
    event = ws.ledger.last("release.created", subject=name)
    if event is None:
        raise RefusedError(
            f"release {name}: the ledger has no release.created event for it",
            hint="make releases with `seedgate release`; a folder alone proves nothing",
        )
    return event


def _refuse_withdrawn(ws: Workspace, name: str) -> None:
    event = ws.ledger.last("release.withdrawn", subject=name)
    if event is not None:
        rows = ", ".join(id_[:12] for id_ in event.payload["rows"][:3])
        raise RefusedError(
            f"release {name}: was withdrawn on {event.at[:10]} since rows of it were redacted ({rows})",
            hint="`seedgate release` makes one without them; train on that",
        )


def _recalls(ws: Workspace, manifest: Manifest, rows: list[dict[str, Any]]) -> Iterator[Fault]:
    """Rows that may not be trained on today, whatever was true when the release was made."""
    where = f"release {manifest.name}"
    base = baseline(ws)
    if manifest.task_hash != ws.task.hash:
        yield Fault(where, "it was made for another declaration of the task")
    if manifest.eval_hash != base.eval_hash:
        yield Fault(where, "it was made beside another evaluation set")
    verdicts = decisions(ws)
    examples = [Example(fields=fields_of(ws.task, row)) for row in rows]
    leaks = EvaluationFilter.for_workspace(ws, base.evaluation)
    leaks.prepare(examples, stored=True)
    for listed, example in zip(manifest.rows, examples, strict=True):
        name = f"row {listed.id[:12]}"
        if listed.origin == "seed" and listed.id not in base.seeds:
            yield Fault(where, f"{name}: its seed is verified no more")
        elif listed.origin == "approved":
            decision = verdicts.get(listed.id)
            if decision is None or decision.outcome != "approved":
                why = f"{decision.outcome}: {decision.reason}" if decision else "unknown to the ledger"
                yield Fault(where, f"{name}: is approved no more ({why})")
        leak = leaks.check(example)
        if leak is not None:
            yield Fault(where, f"{name}: {leak.detail}")


def _refuse(faults: Iterator[Fault], before: str = "", hint: str = MEND) -> None:
    for fault in faults:
        raise RefusedError(f"{before}{fault.where}: {fault.what}", hint=hint)


def _refusal(fault: Fault) -> RefusedError:
    return RefusedError(f"{fault.where}: {fault.what}", hint=MEND)

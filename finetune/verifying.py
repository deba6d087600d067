"""`verify_release`: the door before training and evaluation (G10). It opens only if everything agrees.

The ledger's chain, the manifest's hash, every file, every row, what allowed each row in when the release was
made, and whether the gate would still let it in: a row that was recalled since closes the door (G9).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seedgate.errors import InputError, RefusedError
from seedgate.finetune.integrity import evidence_faults, file_faults, read_manifest, read_rows, row_faults
from seedgate.finetune.records import Manifest
from seedgate.finetune.table import fields_of
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.ledger import Event, Fault
from seedgate.records import Decision, Example
from seedgate.review import decisions
from seedgate.seeds import baseline
from seedgate.workspace import Workspace

__all__ = [
    "ReleaseAsMade",
    "VerifiedRelease",
    "newest_release",
    "release_event",
    "releases_as_made",
    "verified_release",
    "verify_release",
]

MEND = "run `seedgate audit` to see all that differs; `seedgate release` makes one that is whole"


@dataclass(frozen=True)
class VerifiedRelease:
    """A release that agrees with the ledger, and the fields of its rows as they were checked."""

    manifest: Manifest
    manifest_hash: str
    fields: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class ReleaseAsMade:
    """A release that agrees with the ledger, when it was made, and why training refuses it today, if it does."""

    manifest: Manifest
    manifest_hash: str
    at: str
    refused: tuple[str, ...] = ()


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
    withdrawn = _withdrawal(ws, name)
    if withdrawn is not None:
        hint = "`seedgate release` makes one without them; train on that"
        raise RefusedError(f"release {name}: {withdrawn}", hint=hint)
    _refuse_ledger(ws)
    manifest, rows = _as_made(ws, event)
    if now:
        _refuse(_recalls(ws, manifest, rows), hint="`seedgate release` makes one without it")
    fields = tuple(fields_of(ws.task, row) for row in rows)
    return VerifiedRelease(manifest, event.payload["manifest_hash"], fields)


def releases_as_made(ws: Workspace, names: Iterable[str]) -> list[ReleaseAsMade]:
    """Releases that are what they were made as, whether or not they may be trained on today.

    Of one that a redaction withdrew, all is checked but the table, which is gone.

    Raises:
        InputError: No release can have such a name.
        RefusedError: Something differs; the message names the file or the row.
    """
    events = [release_event(ws, name) for name in names]
    _refuse_ledger(ws)
    verdicts = decisions(ws)
    found = []
    for event in events:
        withdrawn = _withdrawal(ws, event.subject)
        manifest, rows = _as_made(ws, event, table=withdrawn is None)
        refused = (withdrawn,) if withdrawn else tuple(_told(ws, manifest, rows, verdicts))
        found.append(ReleaseAsMade(manifest, event.payload["manifest_hash"], event.at, refused))
    return found


def _as_made(ws: Workspace, event: Event, *, table: bool = True) -> tuple[Manifest, list[dict[str, Any]]]:
    """The manifest and the rows, if they agree with the ledger; no rows if the table is not asked for."""
    _refuse(file_faults(ws, event))
    manifest = read_manifest(ws, event)
    if isinstance(manifest, Fault):
        raise _refusal(manifest)
    rows = read_rows(ws, manifest) if table else []
    if table:
        _refuse(row_faults(ws, manifest, rows))
    _refuse(evidence_faults(ws, event, manifest))
    return manifest, rows


def _told(
    ws: Workspace, manifest: Manifest, rows: list[dict[str, Any]], verdicts: Mapping[str, Decision]
) -> Iterator[str]:
    """Why training refuses it today."""
    try:
        yield from (fault.what for fault in _recalls(ws, manifest, rows, verdicts))
    except RefusedError as error:  # the baseline itself is not in order
        yield error.message


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


def _withdrawal(ws: Workspace, name: str) -> str | None:
    event = ws.ledger.last("release.withdrawn", subject=name)
    if event is None:
        return None
    rows = ", ".join(id_[:12] for id_ in event.payload["rows"][:3])
    return f"was withdrawn on {event.at[:10]} since rows of it were redacted ({rows})"


def _recalls(
    ws: Workspace,
    manifest: Manifest,
    rows: list[dict[str, Any]],
    verdicts: Mapping[str, Decision] | None = None,
) -> Iterator[Fault]:
    """Rows that may not be trained on today, whatever was true when the release was made."""
    where = f"release {manifest.name}"
    base = baseline(ws)
    if manifest.task_hash != ws.task.hash:
        yield Fault(where, "it was made for another declaration of the task")
    if manifest.eval_hash != base.eval_hash:
        yield Fault(where, "it was made beside another evaluation set")
    if verdicts is None:
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


def _refuse_ledger(ws: Workspace) -> None:
    _refuse(ws.ledger.verify(), "the ledger is damaged: ", "restore it from a backup")


def _refuse(faults: Iterator[Fault], before: str = "", hint: str = MEND) -> None:
    for fault in faults:
        raise RefusedError(f"{before}{fault.where}: {fault.what}", hint=hint)


def _refusal(fault: Fault) -> RefusedError:
    return RefusedError(f"{fault.where}: {fault.what}", hint=MEND)

"""What can be wrong with a release, found out from its files and from the ledger.

`verify_release` refuses at the first fault, `audit` lists them all. Two questions are kept apart: whether
the folder is what was recorded (`file_faults`, `row_faults`), and whether the rows were allowed in when it
was made (`evidence_faults`). Whether they still are is `verify_release`'s own question.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from seedgate.canonical import content_hash, sha256, strict_loads
from seedgate.errors import LedgerError
from seedgate.finetune.folders import folder_faults
from seedgate.finetune.records import FileEntry, Manifest, ManifestRow
from seedgate.finetune.rows import bound_of, reviewed_seeds, sign_offs
from seedgate.finetune.table import fields_of, read_table
from seedgate.ledger import Event, Fault
from seedgate.records import Decision
from seedgate.review.facts import allow_one_descendant, facts_of
from seedgate.review.gate import decide
from seedgate.review.release_bound import ErrorBound
from seedgate.review.state import read_state
from seedgate.workspace import Workspace

__all__ = [
    "MANIFEST",
    "TABLE",
    "evidence_faults",
    "file_faults",
    "read_manifest",
    "read_rows",
    "row_faults",
    "stated_bound",
    "withdrawn_files",
]

MANIFEST = "manifest.json"
TABLE = "train.parquet"


def read_manifest(ws: Workspace, event: Event) -> Manifest | Fault:
    """The manifest that the event names, or what is wrong with it."""
    where, path = f"release {event.subject}", ws.releases_dir / event.subject / MANIFEST
    try:
        # Without following a link: what is checked must be what lies in the folder.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            data = file.read()
    except OSError as error:
        return Fault(where, f"{MANIFEST}: cannot be read: {error.strerror}")
    if sha256(data) != event.payload["manifest_hash"]:
        return Fault(where, f"{MANIFEST}: was changed, its hash is not the one in the ledger")
    try:
        return Manifest.model_validate(strict_loads(data.decode()))
    except (ValueError, ValidationError):
        return Fault(where, f"{MANIFEST}: is of another version of seedgate")


def stated_bound(ws: Workspace, event: Event) -> ErrorBound | str | None:
    """What a release's manifest says about its wrong rows; why it says nothing if it is not as it was made.

    None without generated rows.
    """
    manifest = read_manifest(ws, event)
    return f"no error bound: {manifest.what}" if isinstance(manifest, Fault) else manifest.error_bound


def file_faults(ws: Workspace, event: Event) -> Iterator[Fault]:
    """What differs between the folder and what the ledger and the manifest say it holds."""
    where, folder = f"release {event.subject}", ws.releases_dir / event.subject
    manifest = read_manifest(ws, event)
    if isinstance(manifest, Fault):
        yield manifest
        return
    if manifest.name != event.subject:
        yield Fault(where, f"{MANIFEST}: is the one of release {manifest.name}")
    size = (folder / MANIFEST).stat().st_size
    own = {MANIFEST: FileEntry(sha256=event.payload["manifest_hash"], size=size)}
    gone = withdrawn_files(ws, event.subject)
    for name in gone:
        if os.path.lexists(folder / name):
            yield Fault(where, f"{name}: was withdrawn and is still there; run `seedgate redact` again")
    left = {name: entry for name, entry in manifest.files.items() if name not in gone}
    # What is named above already is expected here, so that each fault is told once.
    again = {name: manifest.files[name] for name in gone if os.path.lexists(folder / name)}
    yield from folder_faults(folder, {**left, **again, **own}, where=where)


def withdrawn_files(ws: Workspace, name: str) -> frozenset[str]:
    """Those files of a release that a redaction took away; empty for a release that stands."""
    events = ws.ledger.events("release.withdrawn", subject=name)
    return frozenset(file_name for event in events for file_name in event.payload["files"])


def read_rows(ws: Workspace, manifest: Manifest) -> list[dict[str, Any]]:
    """The rows of a release whose files are in order.

    Raises:
        RefusedError: The file is no Parquet.
    """
    path = ws.releases_dir / manifest.name / TABLE
    return read_table(path.read_bytes(), where=f"release {manifest.name}: {TABLE}")


def row_faults(ws: Workspace, manifest: Manifest, rows: list[dict[str, Any]]) -> Iterator[Fault]:
    """What differs between the rows of the table and those of the manifest."""
    where = f"release {manifest.name}"
    bodies = _bodies(ws, manifest)
    if len(rows) != len(manifest.rows):
        yield Fault(where, f"{TABLE}: has {len(rows)} rows, the manifest {len(manifest.rows)}")
    for number, (row, listed) in enumerate(zip(rows, manifest.rows, strict=False), 1):
        if content_hash(row) != listed.row_hash:
            yield Fault(where, f"{TABLE}: row {number} ({listed.id[:12]}) is not the manifest's")
        elif _content_id(ws, manifest, row, bodies.get(listed.id)) not in (None, listed.id):
            yield Fault(where, f"{TABLE}: row {number}: its content is not that of id {listed.id[:12]}")


def _bodies(ws: Workspace, manifest: Manifest) -> dict[str, Any]:
    try:
        return ws.ledger.bodies(row.id for row in manifest.rows)
    except LedgerError:
        # The check of the ledger has named the body that was changed.
        return {}


def _content_id(ws: Workspace, manifest: Manifest, row: dict[str, Any], body: Any) -> str | None:
    """The id of a row's content. The ledger says which columns are content, whatever task is declared today."""
    if body is not None:
        return content_hash({name: row.get(name) for name in body})
    # Gone since, as `audit` says: the task can tell if it is still the same, else nobody can.
    return content_hash(fields_of(ws.task, row)) if manifest.task_hash == ws.task.hash else None


def evidence_faults(ws: Workspace, event: Event, manifest: Manifest) -> Iterator[Fault]:
    """Rows that the ledger, read up to the release's head, did not allow in; and figures that do not fit."""
    where = f"release {manifest.name}"
    yield from _head_faults(ws, event, manifest)
    seeds = sign_offs(ws.ledger, up_to=manifest.ledger_seq)
    approved = _approved(ws, manifest)
    asked = {row.id for row in manifest.rows if row.origin == "seed" and not row.vouched_by}
    reviewed = reviewed_seeds(ws, asked, up_to=manifest.ledger_seq, guideline_hash=manifest.guideline_hash)
    for row in manifest.rows:
        name = f"row {row.id[:12]}"
        if row.origin == "seed":
            if row.id not in seeds:
                yield Fault(where, f"{name}: was no verified seed when the release was made")
            elif seeds[row.id] != row.vouched_by:
                yield Fault(where, f"{name}: the ledger says otherwise about who vouched for it")
            elif row.vouched_by is None and row.id not in reviewed:
                yield Fault(where, f"{name}: its seed was not approved in Argilla when the release was made")
        elif (decision := approved.get(row.id)) is None:
            yield Fault(where, f"{name}: was not approved when the release was made")
        elif not _same_evidence(row, decision):
            yield Fault(where, f"{name}: the ledger says otherwise about what its approval rests on")
    seen: set[str] = set()
    for row in manifest.rows:
        if row.id in seen:
            yield Fault(where, f"row {row.id[:12]}: is in it twice")
        seen.add(row.id)
    yield from _bound_faults(ws, manifest)  # last: a row that should not be there moves the bound, too


def _head_faults(ws: Workspace, event: Event, manifest: Manifest) -> Iterator[Fault]:
    where = f"release {manifest.name}"
    at_head = next(ws.ledger.events(after=manifest.ledger_seq - 1), None)
    if at_head is None or (at_head.seq, at_head.hash) != (manifest.ledger_seq, manifest.ledger_head):
        yield Fault(where, f"the ledger's event {manifest.ledger_seq} is not the one it was made at")
    if manifest.ledger_seq >= event.seq:
        yield Fault(where, "claims to know events that came after it")
    candidates = [row.id for row in manifest.rows if row.origin == "approved"]
    said = (event.payload["rows"], event.payload["counts"], event.payload["ids"])
    if said != (len(manifest.rows), manifest.counts.model_dump(), content_hash(candidates)):
        yield Fault(where, "its event and its manifest count differently")


def _bound_faults(ws: Workspace, manifest: Manifest) -> Iterator[Fault]:
    approved = [row.id for row in manifest.rows if row.origin == "approved"]
    found = bound_of(ws, approved, up_to=manifest.ledger_seq, guideline_hash=manifest.guideline_hash)
    said = manifest.error_bound
    if (said is None) != (found is None) or (said and found and not said.agrees_with(found)):
        yield Fault(f"release {manifest.name}", "the ledger says otherwise about its error bound")


def _approved(ws: Workspace, manifest: Manifest) -> dict[str, Decision]:
    """What the verdicts of that time approved.

    The content checks are left out: they would ask today's task, seeds and settings.
    """
    state = read_state(ws.ledger, up_to=manifest.ledger_seq)
    facts = {each.candidate_id: each for each in facts_of(ws, state, manifest.guideline_hash)}
    found = {id_: decide(each) for id_, each in facts.items()}
    allow_one_descendant(state, facts, found)
    return {id_: decision for id_, decision in found.items() if decision.outcome == "approved"}


def _same_evidence(row: ManifestRow, decision: Decision) -> bool:
    return (row.responses, row.rounds, row.approvers, row.simulated, row.guideline_hash) == (
        decision.verdicts,
        decision.rounds,
        decision.approvers,
        decision.simulated,
        decision.guideline_hash,
    )

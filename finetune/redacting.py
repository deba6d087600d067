"""`redact`: a row's text taken out for good, wherever this workspace has it; its hashes stay.

One transaction writes what is going (`body.redacted`, recalls, withdrawn releases, a shorter lock of the
evaluation set) and empties the bodies. What lies outside the ledger is removed after it, from ids and hashes
alone, so that a process killed anywhere in between is completed by running the command again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from seedgate.canonical import sha256
from seedgate.errors import InputError, SeedgateError
from seedgate.files import atomic_write, os_errors
from seedgate.finetune.integrity import TABLE, read_manifest
from seedgate.finetune.recalled import affected_models
from seedgate.finetune.traces import Links, Marks, examples_in, files_with, text_field
from seedgate.ledger import Fault, Ledger, NewEvent
from seedgate.ledger.schema import sqlite_path
from seedgate.review.board import Board
from seedgate.review.clearing import clear_records
from seedgate.seeds import verified_seeds
from seedgate.seeds.locking import set_hash, standing_lock
from seedgate.seeds.meaning import VECTORS_NAME
from seedgate.seeds.meaning_index import INDEX_NAMES
from seedgate.seeds.vectors import VectorStore
from seedgate.workspace import Workspace

__all__ = ["Redaction", "redact"]

STAGES = ("generate", "push", "pull", "release", "train")
"""Whoever could write the text anew, from memory, waits."""

BEYOND = (
    "backups and copies made earlier, by seedgate or anybody else; a restored one must be redacted again",
    "what others loaded: caches of datasets, copies of a release, models trained on it",
    "free blocks of the disk, snapshots, and the logs and backups of a database server or of Argilla",
)
"""What no command here can reach."""


@dataclass(frozen=True)
class Redaction:
    """What goes, or went.

    Attributes:
        id: The row that was asked for.
        rows: All rows whose content goes: it, what edits made of it, and rows that contain its text.
        hashes: Hashes of the bodies that go in this run.
        releases: Releases withdrawn: their table goes, manifest and card stay.
        models: What was trained on a release with such rows, one line each.
        report: Whether there is a page of `report`, which goes: it shows rows.
        seeds, evaluation: Lines taken out of `seeds.jsonl` and `eval.jsonl`.
        records: Records deleted in Argilla.
        argilla: Why records may be left there, if they may.
        quoted: Numbers of events that quote the text; the chain holds them, they cannot be changed.
        remaining: Files of the workspace that still hold the text.
        compacted: Whether the database file was rewritten; False if another process was reading it.
        dry_run: Nothing was changed.
    """

    id: str
    rows: tuple[str, ...]
    hashes: tuple[str, ...]
    releases: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    seeds: int = 0
    evaluation: int = 0
    records: int = 0
    argilla: str | None = None
    quoted: tuple[int, ...] = ()
    remaining: tuple[str, ...] = ()
    report: bool = False
    compacted: bool = True
    beyond: tuple[str, ...] = BEYOND
    dry_run: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing that a further run could reach is left."""
        return self.dry_run or (self.argilla is None and self.compacted)


def redact(
    ws: Workspace,
    row: str,
    *,
    by: str,
    reason: str,
    comments: bool = False,
    dry_run: bool = False,
    board: Board | None = None,
) -> Redaction:
    """Removes a row's content for good; running it again completes what was cut short.

    Args:
        ws: The workspace.
        row: Id of a seed, candidate or evaluation row, at least its first 8 characters.
        by: Who decided it; stays in the ledger.
        reason: Why; stays in the ledger, so it should quote nothing.
        comments: Also remove what reviewers and adjudicators commented on it.
        board: Where its records are; the workspace's Argilla if not given.

    Raises:
        InputError: No row, or more than one, has this id; or no name or reason is given.
        BusyError: Another stage is at work.
    """
    if not dry_run and not (by.strip() and reason.strip()):
        raise InputError("a redaction needs a name and a reason", hint="give --by and --reason")
    if dry_run:
        plan, _ = _plan(ws, row, comments)
        return replace(plan, dry_run=True)
    with ExitStack() as held:
        lease, *_ = [held.enter_context(ws.ledger.lease(stage)) for stage in STAGES]
        plan, marks = _plan(ws, row, comments)
        if plan.hashes:
            events = list(_events(ws, plan, by.strip(), reason.strip()))
            ws.ledger.append(events, lease=lease, erasing=plan.hashes)
        return _finish(ws, plan, marks, board)


def _plan(ws: Workspace, row: str, comments: bool) -> tuple[Redaction, Marks]:
    links, gone = Links.read(ws.ledger), ws.ledger.redacted()
    id_ = _full_id(links.rows, row)
    files = examples_in(ws.seeds_path, ws.task) | examples_in(ws.eval_path, ws.task)
    rows, marks, containing = _spread(ws, links, {key: fields for key, (_, fields) in files.items()}, id_)
    hashes = rows | containing
    hashes |= {digest for each in rows for digest in links.bodies.get(each, ())}
    if comments:
        hashes |= {digest for each in rows for digest in links.comments.get(each, ())}
    held = _releases_with(ws, rows)
    trained = [event for event in ws.ledger.events("model.trained") if event.payload["release"] in held]
    return Redaction(
        id=id_,
        rows=tuple(sorted(rows)),
        hashes=tuple(sorted(hashes - gone)),
        releases=tuple(held),
        models=tuple(f"{event.subject} (trained on {event.payload['release']})" for event in trained),
        seeds=len(rows & examples_in(ws.seeds_path, ws.task).keys()),
        evaluation=len(rows & examples_in(ws.eval_path, ws.task).keys()),
        report=ws.report_path.is_file(),
        quoted=tuple(event.seq for event in ws.ledger.events() if marks.within(event.payload)),
    ), marks


def _full_id(known: set[str], given: str) -> str:
    found = [id_ for id_ in known if id_.startswith(given)] if len(given) >= 8 else []
    if len(found) != 1:
        raise InputError(
            f"{given!r} names {len(found)} rows", hint="give the whole id, or at least 8 characters"
        )
    return found[0]


def _spread(
    ws: Workspace, links: Links, in_files: dict[str, dict[str, object]], id_: str
) -> tuple[set[str], Marks, set[str]]:
    """Rows that go with this one, the texts to look for, and the bodies that hold them, until nothing is new."""
    rows, containing = links.family([id_]), set[str]()
    while True:
        known = {each: in_files[each] for each in rows & in_files.keys()} | ws.ledger.bodies(rows)
        texts = (text_field(ws.task, fields) for fields in known.values() if isinstance(fields, dict))
        marks = Marks(text for text in texts if text)
        if not marks.texts:
            return rows, marks, containing
        containing = {digest for digest, body in ws.ledger.every_body() if marks.within(body)}
        others = {each for each, fields in in_files.items() if marks.within(fields)}
        grown = links.family(rows | (containing & links.rows) | others)
        if grown == rows:
            return rows, marks, containing
        rows = grown


def _releases_with(ws: Workspace, rows: set[str]) -> dict[str, set[str]]:
    """Release to those of the rows it holds. One whose manifest was changed counts as holding them."""
    found = {}
    for event in ws.ledger.events("release.created"):
        manifest = read_manifest(ws, event)
        ids = rows if isinstance(manifest, Fault) else {each.id for each in manifest.rows}
        if ids & rows:
            found[event.subject] = ids & rows
    return found


def _events(ws: Workspace, plan: Redaction, by: str, reason: str) -> Iterator[NewEvent]:
    rows = set(plan.rows)
    payload = {"rows": list(plan.rows), "hashes": list(plan.hashes), "by": by, "reason": reason}
    held = _releases_with(ws, rows)
    newest = {id_: name for name, ids in held.items() for id_ in ids}
    for id_, name in sorted(newest.items()):
        told = {"release": name, "reason": f"redacted by {by}", "why": "redacted"}
        yield NewEvent("row.recalled", id_, told, f"recalled:{id_}:{name}")
    yield NewEvent("body.redacted", plan.id, payload)
    for name, ids in held.items():
        gone = {"rows": sorted(ids), "files": [TABLE], "reason": "rows were redacted"}
        yield NewEvent("release.withdrawn", name, gone, f"withdrawn:{name}:{sha256(' '.join(sorted(ids)))}")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    for id_ in sorted(rows & verified_seeds(ws)[0].keys()):
        yield NewEvent("seed.withdrawn", id_, {"by": by, "at": at})
    yield from _shorter_lock(ws, rows)


def _shorter_lock(ws: Workspace, rows: set[str]) -> Iterator[NewEvent]:
    """The lock of the evaluation set without rows that go; what was measured on the longer one stays with it."""
    locked = standing_lock(ws.ledger)
    without = sorted(rows & set(locked.payload["ids"])) if locked else []
    if locked is None or not without:
        return
    ids = sorted(set(locked.payload["ids"]) - rows)
    data = _without(ws.eval_path, ws, rows)[0]
    payload = {"ids": ids, "file_hash": sha256(data), "count": len(ids), "without": without}
    yield NewEvent("eval.locked", set_hash(ids), payload, f"eval-lock:{set_hash(ids)}")


def _without(path: Path, ws: Workspace, rows: set[str]) -> tuple[bytes, int]:
    """The file's bytes without the lines of these rows, and how many those are."""
    with os_errors(path, "reading"):
        lines = path.read_bytes().splitlines(keepends=True)
    drop = {number for id_, (number, _) in examples_in(path, ws.task).items() if id_ in rows}
    return b"".join(line for number, line in enumerate(lines, 1) if number not in drop), len(drop)


def _finish(ws: Workspace, plan: Redaction, marks: Marks, board: Board | None) -> Redaction:
    """Removes from files and Argilla what all redactions on record name, whichever run wrote them."""
    redacted = {id_ for event in ws.ledger.events("body.redacted") for id_ in event.payload["rows"]}
    for path in (ws.seeds_path, ws.eval_path):
        data, count = _without(path, ws, redacted)
        if count:
            with atomic_write(path, mode=path.stat().st_mode & 0o777) as file:
                file.write(data)
    for event in ws.ledger.events("release.withdrawn"):
        for name in event.payload["files"]:
            with os_errors(ws.releases_dir / event.subject, "withdrawing"):
                (ws.releases_dir / event.subject / name).unlink(missing_ok=True)
    with os_errors(ws.report_path, "removing"):
        ws.report_path.unlink(missing_ok=True)
    _purge_vectors(ws, redacted)
    compacted = ws.ledger.compact()
    records, argilla = 0, None
    try:
        records = clear_records(ws, board=board)
    except SeedgateError as error:
        argilla = error.message
    return replace(
        plan,
        models=tuple(map(str, affected_models(ws))) if plan.releases else (),
        records=records,
        argilla=argilla,
        compacted=compacted,
        remaining=tuple(
            _name(ws, path) for path in files_with(marks.patterns(), ws.root, *_database(ws.ledger))
        ),
    )


def _purge_vectors(ws: Workspace, redacted: set[str]) -> None:
    """What a text means says much of the text: only rows that stay keep their vectors, the index is made anew."""
    links = Links.read(ws.ledger)
    VectorStore.keep_only(ws.state_dir / VECTORS_NAME, links.rows - redacted)
    for path in ws.state_dir.glob(INDEX_NAMES):
        with os_errors(path, "removing"):
            path.unlink(missing_ok=True)


def _database(ledger: Ledger) -> list[Path]:
    path = sqlite_path(ledger.url)
    return [Path(f"{path}{end}") for end in ("", "-wal")] if path else []


def _name(ws: Workspace, path: Path) -> str:
    return path.relative_to(ws.root).as_posix() if path.is_relative_to(ws.root) else str(path)

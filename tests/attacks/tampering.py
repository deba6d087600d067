"""What a hostile insider has: the source, the ledger's file, the folders, and a text editor."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from fakes.reviewing import Reviewer

from seedgate.canonical import canonical_json, sha256
from seedgate.finetune import audit
from seedgate.ledger import NewEvent
from seedgate.ledger.chain import GENESIS, event_hash
from seedgate.review import pull, push
from seedgate.workspace import Workspace

__all__ = [
    "answer_all",
    "copy_of",
    "edit_config",
    "faults",
    "forge_release",
    "ledger_file",
    "overwrite",
    "rechain",
    "released_texts",
    "sql",
]


def ledger_file(ws: Workspace) -> Path:
    """The SQLite file of a workspace."""
    return ws.state_dir / "ledger.db"


def sql(ws: Workspace, *statements: str, effect: bool = True) -> None:
    """Runs statements straight on the ledger's file, as a database administrator can."""
    ws.close()
    with sqlite3.connect(ledger_file(ws)) as database:
        for statement in statements:
            done = database.execute(statement)
            assert done.rowcount != 0 or not effect, f"hit nothing: {statement}"
    database.close()


def rechain(ws: Workspace) -> None:
    """Numbers all events anew and recomputes every hash, so that the chain is whole again."""
    ws.close()
    with sqlite3.connect(ledger_file(ws)) as database:
        columns = "at, kind, subject, key, payload"
        rows = database.execute(f"SELECT {columns} FROM events ORDER BY seq").fetchall()
        database.execute("DELETE FROM events")
        prev = GENESIS
        for seq, (at, kind, subject, key, payload) in enumerate(rows, 1):
            digest = event_hash(prev, seq, at, kind, subject, key, payload)
            row = (seq, at, kind, subject, key, payload, prev, digest)
            database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            prev = digest
    database.close()


def faults(ws: Workspace, **options: Any) -> list[str]:
    """What an audit says, one line each."""
    return [f"{fault.where}: {fault.what}" for fault in audit(ws, **options)]


def overwrite(path: Path, data: bytes | str) -> None:
    """Writes a read-only file anyway."""
    path.chmod(0o644)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def edit_config(ws: Workspace, *changes: tuple[str, str]) -> Workspace:
    """Edits `seedgate.toml` and opens the workspace again."""
    path = ws.root / "seedgate.toml"
    text = path.read_text()
    for old, new in changes:
        assert old in text, f"{old!r} is not in {text}"
        text = text.replace(old, new)
    path.write_text(text)
    ws.close()
    return Workspace(ws.root)


def copy_of(ws: Workspace, folder: Path) -> Workspace:
    """The same workspace, whole, in another folder."""
    ws.close()
    shutil.copytree(ws.root, folder)
    return Workspace(folder)


def answer_all(ws: Workspace, *names: str, decision: str = "approve") -> None:
    """Pushes a wave, lets these reviewers answer every record alike, and pulls."""
    push(ws, cycle=1)
    for name in names:
        with Reviewer(ws, name) as reviewer:
            for record in reviewer.records():
                reviewer.put(record, record["prefilled"] | {"decision": decision})
    pull(ws)


def released_texts(path: Path) -> list[str]:
    """The texts of the rows of a release that were approved."""
    rows = pq.read_table(path / "train.parquet").to_pylist()
    return [row["text"] for row in rows if row["origin"] == "approved"]


def forge_release(
    ws: Workspace, name: str, change: Callable[[dict[str, Any], list[dict[str, Any]]], None]
) -> None:
    """Rewrites a release with every hash right, and appends an event that says so.

    Args:
        change: Changes the manifest and the table's rows in place.
    """
    import io
    import json

    import pyarrow as pa

    from seedgate.canonical import content_hash

    folder = ws.releases_dir / name
    manifest = json.loads((folder / "manifest.json").read_bytes())
    table = pq.read_table(folder / "train.parquet")
    rows = table.to_pylist()
    change(manifest, rows)
    for listed, row in zip(manifest["rows"], rows, strict=True):
        listed["row_hash"] = content_hash(row)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), buffer)
    overwrite(folder / "train.parquet", buffer.getvalue())
    data = buffer.getvalue()
    manifest["files"]["train.parquet"] = {"sha256": sha256(data), "size": len(data)}
    text = canonical_json(manifest)
    overwrite(folder / "manifest.json", text)
    event = ws.ledger.last("release.created", subject=name)
    assert event is not None
    candidates = [row["id"] for row in manifest["rows"] if row["origin"] == "approved"]
    payload = event.payload | {
        "manifest_hash": sha256(text),
        "rows": len(manifest["rows"]),
        "ids": content_hash(candidates),
        "counts": manifest["counts"],
    }
    ws.ledger.append([NewEvent("release.created", name, payload, bodies=(candidates,))])

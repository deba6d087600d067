"""Taking bodies out of the ledger for good, while the chain that names their hashes stays whole.

An erased body leaves a tombstone, its hash with an empty text: no later event can bring the content back,
and `audit` can tell an erasure on record from a loss. The event `body.redacted` is what puts it on record.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.engine import Connection, Engine

from seedgate.canonical import sha256
from seedgate.errors import LedgerError
from seedgate.ledger import schema
from seedgate.ledger.chain import Fault

__all__ = ["TOMBSTONE", "body_faults", "compact", "erase", "erased"]

TOMBSTONE = ""
"""No body is an empty text: canonical JSON never is."""

_CHUNK = 500


def erase(connection: Connection, digests: Iterable[str]) -> None:
    """Replaces these bodies by tombstones, within the caller's transaction; those unknown get one too."""
    column = schema.bodies.c
    wanted = sorted(set(digests))
    if connection.dialect.name == "sqlite":
        # Freed bytes are overwritten with zeros (https://www.sqlite.org/pragma.html#pragma_secure_delete).
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        known = {row[0] for row in connection.execute(select(column.hash).where(column.hash.in_(part)))}
        connection.execute(update(schema.bodies).where(column.hash.in_(known)).values(body=TOMBSTONE))
        fresh = [{"hash": digest, "body": TOMBSTONE} for digest in part if digest not in known]
        if fresh:
            connection.execute(insert(schema.bodies), fresh)


def erased(connection: Connection) -> set[str]:
    """The hashes that events of the ledger declare redacted; an event that cannot be read declares none."""
    found: set[str] = set()
    column = schema.events.c
    for (payload,) in connection.execute(select(column.payload).where(column.kind == "body.redacted")):
        try:
            found.update(json.loads(payload)["hashes"])
        except (TypeError, ValueError, KeyError):  # damaged: the chain's check names it
            continue
    return found


def body_faults(rows: Iterable[Any], legitimate: set[str]) -> Iterator[Fault]:
    """Bodies that are not what their hash says, gone without an erasure on record, or back after one.

    Args:
        rows: Pairs of hash and text.
        legitimate: See `erased`.
    """
    for digest, body in rows:
        where = f"body {digest[:12]}"
        if body == TOMBSTONE and digest not in legitimate:
            yield Fault(where, "was emptied, and no event says that it was redacted")
        elif body != TOMBSTONE and digest in legitimate:
            yield Fault(where, "was redacted, and is in the ledger again")
        elif body != TOMBSTONE and sha256(body) != digest:
            yield Fault(where, "was changed: its content does not have its hash")


def compact(engine: Engine) -> bool:
    """Rewrites the database file, so that no free page or log keeps what was erased; False if others read it.

    On PostgreSQL the table of bodies is rewritten; its write-ahead log and archives are beyond reach.
    """
    if engine.dialect.name == "postgresql":
        with schema.guard(engine, "compacting"), engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM (FULL) bodies"))
        return True
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("VACUUM")
        (busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.close()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise LedgerError(
                f"compacting the ledger failed: {error}", hint="free space, run again"
            ) from error
        return False
    finally:
        raw.close()
    return not busy

"""The ledger: an append-only log of events in one SQL database, and nothing else that is true.

Every state is a query over it. Appends are batches: one transaction, one short lock, one hash per event
over the event before it. Bodies (fields of examples, raw completions) live in a content-addressed table,
so that a body can be taken out for good while the chain that names its hash stays whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.engine import Connection, Engine

from seedgate.canonical import canonical_json, encoded, normalise, sha256
from seedgate.errors import LedgerError
from seedgate.files import os_errors
from seedgate.ledger import schema
from seedgate.ledger.chain import GENESIS, Event, Fault, NewEvent, event_hash, verify_chain
from seedgate.ledger.erasure import TOMBSTONE, body_faults, compact, erase, erased
from seedgate.ledger.foreign import foreign_objects, index_faults
from seedgate.ledger.kinds import KINDS
from seedgate.ledger.lease import Lease
from seedgate.ledger.shapes import shape_fault

__all__ = ["Ledger"]

_CHUNK = 500
"""Values per IN (...): below every supported database's limit on parameters."""


class Ledger:
    """An open ledger. Make one with `Ledger.create` or `Ledger.open`; close it when done."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self._engine = engine

    def __repr__(self) -> str:
        return f"Ledger({schema.where(self._engine)!r})"

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def create(cls, url: str) -> Ledger:
        """Makes the tables where they are missing, and opens the ledger."""
        path = schema.sqlite_path(url)
        if path is not None:
            with os_errors(path.parent, "making the folder"):
                path.parent.mkdir(parents=True, exist_ok=True)
        with _closed_on_failure(cls(url, schema.make_engine(url))) as ledger:
            with schema.guard(ledger._engine, "creating"), ledger._engine.begin() as connection:
                schema.metadata.create_all(connection)
                if connection.execute(select(schema.meta.c.value)).first() is None:
                    connection.execute(
                        insert(schema.meta).values(name="schema_version", value=str(schema.SCHEMA_VERSION))
                    )
            return ledger

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Opens an existing ledger.

        Raises:
            LedgerError: It is missing, damaged, tampered with, or was written by another version.
        """
        path = schema.sqlite_path(url)
        if path is not None and not path.is_file():
            raise LedgerError(
                f"{path}: the ledger is missing", hint="restore it from a backup, or run `seedgate init`"
            )
        with _closed_on_failure(cls(url, schema.make_engine(url))) as ledger:
            with schema.guard(ledger._engine, "opening"), ledger._engine.connect() as connection:
                version = connection.execute(
                    select(schema.meta.c.value).where(schema.meta.c.name == "schema_version")
                ).scalar()
                planted = next(foreign_objects(connection), None)
            if planted is not None:
                raise LedgerError(
                    f"{schema.where(ledger._engine)}: {planted.where} {planted.what}",
                    hint="find out who made it, restore a backup, then run `seedgate audit`",
                )
            if version != str(schema.SCHEMA_VERSION):
                raise LedgerError(
                    f"the ledger has schema version {version}, this seedgate reads {schema.SCHEMA_VERSION}",
                    hint="use the seedgate version that wrote it",
                )
            return ledger

    def close(self) -> None:
        """Gives the database connections back."""
        self._engine.dispose()

    # -- writing -------------------------------------------------------------------------------------

    def append(
        self, new: Iterable[NewEvent], *, lease: Lease | None = None, erasing: Iterable[str] = ()
    ) -> list[Event]:
        """Appends events as one transaction: all of them or, after a failure, none.

        Events whose key exists already (in the ledger or earlier in the batch) are left out.

        Args:
            new: The events, in order.
            lease: If given, checked in the same transaction; see `Lease.check`.
            erasing: Hashes of bodies that go for good in the same transaction; an event must declare them.

        Returns:
            The events that were written, in order.

        Raises:
            LedgerError: The database is damaged, full or read-only.
            BusyError: The lease was lost.
        """
        batch = list(new)
        for event in batch:
            if event.kind not in KINDS:
                raise ValueError(f"unknown event kind {event.kind!r}")
        contents = [normalise(event.payload) for event in batch]
        payloads = [encoded(content) for content in contents]
        bodies = [[canonical_json(body) for body in event.bodies] for event in batch]
        if not batch:
            return []
        with schema.guard(self._engine, "writing"), schema.writing(self._engine) as connection:
            if lease is not None:
                lease.check(connection)
            known = _existing(connection, schema.events.c.key, [e.key for e in batch if e.key is not None])
            seq, prev = _head(connection)
            # Never earlier than the event before, whatever the clock was set to.
            at = max(datetime.now(UTC).isoformat(timespec="microseconds"), _last_at(connection, seq))
            written: list[Event] = []
            rows: list[dict[str, Any]] = []
            texts: dict[str, str] = {}
            for event, content, payload, own in zip(batch, contents, payloads, bodies, strict=True):
                if event.key is not None:
                    if event.key in known:
                        continue
                    known.add(event.key)
                seq += 1
                digest = event_hash(prev, seq, at, event.kind, event.subject, event.key, payload)
                row = Event(seq, at, event.kind, event.subject, event.key, content, prev, digest)
                rows.append(row._asdict() | {"payload": payload})
                written.append(row)
                texts |= {sha256(body): body for body in own}
                prev = digest
            missing = texts.keys() - _existing(connection, schema.bodies.c.hash, list(texts))
            if missing:
                connection.execute(
                    insert(schema.bodies), [{"hash": h, "body": texts[h]} for h in sorted(missing)]
                )
            if rows:
                connection.execute(insert(schema.events), rows)
                _arrived(connection, rows)
            erase(connection, erasing)
        return written

    def compact(self) -> bool:
        """See `seedgate.ledger.erasure.compact`; to be called after an append that erased bodies."""
        return compact(self._engine)

    def lease(self, stage: str) -> Lease:
        """The lease of `stage`, to be held with `with`."""
        return Lease(self._engine, stage)

    # -- reading -------------------------------------------------------------------------------------

    def events(
        self, *kinds: str, subject: str | None = None, after: int = 0, newest_first: bool = False
    ) -> Iterator[Event]:
        """Events in order of `seq`, streamed; all kinds if none is named."""
        c = schema.events.c
        query = select(schema.events).order_by(c.seq.desc() if newest_first else c.seq)
        if kinds:
            query = query.where(c.kind.in_(kinds))
        if subject is not None:
            query = query.where(c.subject == subject)
        if after:
            query = query.where(c.seq > after)
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            for row in _streamed(connection, query):
                yield _parsed(row)

    def last(self, *kinds: str, subject: str | None = None) -> Event | None:
        """The newest event of these kinds, or None."""
        stream = self.events(*kinds, subject=subject, newest_first=True)
        try:
            return next(stream, None)
        finally:
            stream.close()  # type: ignore[attr-defined]

    def count(self, kind: str) -> int:
        """How many events of `kind` there are."""
        query = select(func.count()).select_from(schema.events).where(schema.events.c.kind == kind)
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def existing_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that an event already has."""
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            return _existing(connection, schema.events.c.key, list(keys))

    def body(self, digest: str) -> Any:
        """The body with this content hash.

        Raises:
            LedgerError: It is not there (redacted or damaged), or does not have that hash.
        """
        found = self.bodies([digest])
        if digest not in found:
            raise LedgerError(f"body {digest[:12]} is not in the ledger", hint="run `seedgate audit`")
        return found[digest]

    def bodies(self, digests: Iterable[str]) -> dict[str, Any]:
        """Bodies by content hash; those that are gone are left out, altered ones raise LedgerError."""
        wanted = list(dict.fromkeys(digests))
        out: dict[str, Any] = {}
        c = schema.bodies.c
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start : start + _CHUNK]
                for digest, body in connection.execute(select(c.hash, c.body).where(c.hash.in_(part))):
                    if body == TOMBSTONE:
                        continue
                    if sha256(body) != digest:
                        raise LedgerError(
                            f"body {digest[:12]} was changed in the database", hint="run `seedgate audit`"
                        )
                    out[digest] = json.loads(body)
        return out

    def every_body(self) -> Iterator[tuple[str, Any]]:
        """Hash and content of all bodies that are there, streamed; of a damaged one the text as it is."""
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            for digest, body in _streamed(connection, select(schema.bodies)):
                if body == TOMBSTONE:
                    continue
                try:
                    yield digest, json.loads(body)
                except ValueError:
                    yield digest, body

    def redacted(self) -> set[str]:
        """Hashes of the bodies that were taken out for good."""
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            return erased(connection)

    def head(self) -> tuple[int, str]:
        """Number and hash of the newest event; (0, 64 zeros) for an empty ledger."""
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            return _head(connection)

    def verify(self, *, expect_head: str | None = None) -> Iterator[Fault]:
        """Recomputes the whole chain and every body, yielding what is wrong; also what was planted beside them.

        Args:
            expect_head: A hash noted earlier; it must be some event's hash, or history was rewritten
                with the chain recomputed.
        """
        order = schema.events.c.seq
        seen_head = False

        def rows(connection: Connection) -> Iterator[Any]:
            nonlocal seen_head
            query = select(schema.events).order_by(order)
            for row in _streamed(connection, query):
                seen_head = seen_head or row.hash == expect_head
                yield row

        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            yield from foreign_objects(connection)
            yield from index_faults(connection)
            yield from verify_chain(rows(connection))
        with schema.guard(self._engine, "reading"), self._engine.connect() as connection:
            yield from body_faults(_streamed(connection, select(schema.bodies)), erased(connection))
        if expect_head is not None and not seen_head:
            yield Fault("ledger", f"no event has the expected head {expect_head[:12]}: history was rewritten")


@contextmanager
def _closed_on_failure(ledger: Ledger) -> Iterator[Ledger]:
    try:
        yield ledger
    except BaseException:
        ledger.close()
        raise


def _streamed(connection: Connection, query: Any) -> Iterator[Any]:
    """The rows, a thousand at a time; the server's cursor is closed even if the reader stops early."""
    with connection.execution_options(yield_per=1000).execute(query) as rows:
        yield from rows


def _existing(connection: Connection, column: Any, values: list[Any]) -> set[Any]:
    found: set[Any] = set()
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        found.update(row[0] for row in connection.execute(select(column).where(column.in_(part))))
    return found


def _head(connection: Connection) -> tuple[int, str]:
    c = schema.events.c
    row = connection.execute(select(c.seq, c.hash).order_by(c.seq.desc()).limit(1)).first()
    return (int(row[0]), str(row[1])) if row else (0, GENESIS)


def _arrived(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Within the transaction: what was written must be there, whatever the database was taught to swallow."""
    c = schema.events.c
    query = select(func.count()).where(c.seq >= rows[0]["seq"], c.seq <= rows[-1]["seq"])
    if connection.execute(query).scalar_one() != len(rows) or _head(connection)[1] != rows[-1]["hash"]:
        raise LedgerError(
            f"of {len(rows)} events not all arrived in the ledger: something in the database swallows or changes them",
            hint="run `seedgate audit`, find out who made it, then run again",
        )


def _last_at(connection: Connection, seq: int) -> str:
    return str(
        connection.execute(select(schema.events.c.at).where(schema.events.c.seq == seq)).scalar() or ""
    )


def _parsed(row: Any) -> Event:
    try:
        payload = json.loads(row.payload)
        fault = shape_fault(row.kind, payload)
    except (TypeError, ValueError):
        fault = "its payload is no JSON"
    if fault is not None:
        raise LedgerError(
            f"event {row.seq} ({row.kind}) was not written by seedgate: {fault}",
            hint="run `seedgate audit`; restore a backup from before it",
        )
    return Event(row.seq, row.at, row.kind, row.subject, row.key, payload, row.prev_hash, row.hash)

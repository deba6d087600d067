"""How one event is bound to all events before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from seedgate.canonical import sha256
from seedgate.ledger.shapes import shape_fault

__all__ = ["GENESIS", "Event", "Fault", "NewEvent", "event_hash", "verify_chain"]

GENESIS = "0" * 64
"""The `prev_hash` of the first event."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append.

    Attributes:
        kind: One of `seedgate.ledger.KINDS`.
        subject: What it is about: an example id, a round, a release.
        payload: Plain JSON.
        key: Unique over the whole ledger if given; appending an event whose key exists does nothing, which
            is what makes a repeated command harmless.
        bodies: JSON values to keep in the content-addressed table, reached by their content hash.
    """

    kind: str
    subject: str
    payload: Any
    key: str | None = None
    bodies: tuple[Any, ...] = ()


class Event(NamedTuple):
    """An event as stored; `payload` is parsed JSON."""

    seq: int
    at: str
    kind: str
    subject: str
    key: str | None
    payload: Any
    prev_hash: str
    hash: str


class Fault(NamedTuple):
    """One thing that an audit found wrong. `where` names the event, row or file."""

    where: str
    what: str


def event_hash(
    prev_hash: str, seq: int, at: str, kind: str, subject: str, key: str | None, payload: str
) -> str:
    """Hex SHA-256 over the previous hash and every column, letter for letter; `payload` is its stored text."""
    columns = [prev_hash, seq, at, kind, subject, key, payload]
    return sha256(json.dumps(columns, ensure_ascii=False, separators=(",", ":")))


def verify_chain(rows: Iterable[Any]) -> Iterator[Fault]:
    """Recomputes the chain over raw rows in order of `seq`, yielding what does not fit.

    After a broken link the check goes on from the stored hash, so that each fault is told once.
    """
    prev, expected = GENESIS, 1
    for row in rows:
        where = f"event {row.seq} ({row.kind} {str(row.subject)[:12]})"
        if row.seq > expected:
            yield Fault(where, f"events {expected} to {row.seq - 1} are missing")
        elif row.seq < expected:
            yield Fault(where, "has a number that another event has, or none that an event can have")
        if row.prev_hash != prev:
            yield Fault(
                where, "does not follow the event before it: something was removed, added or reordered"
            )
        try:
            given = event_hash(row.prev_hash, row.seq, row.at, row.kind, row.subject, row.key, row.payload)
        except (TypeError, ValueError):  # a column that holds no text any more
            given = ""
        if given != row.hash:
            yield Fault(where, "was changed after it was written: its hash does not match its content")
        elif malformed := _malformed(row):
            yield Fault(where, f"was not written by seedgate: {malformed}")
        prev, expected = row.hash, row.seq + 1


def _malformed(row: Any) -> str | None:
    try:
        return shape_fault(row.kind, json.loads(row.payload))
    except (TypeError, ValueError):
        return "its payload is no JSON"

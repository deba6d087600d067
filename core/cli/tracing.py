"""`trace`: one row from its releases back to gate, reviewers, seeds and prompt, then every event of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedgate.errors import InputError

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Trace", "trace_row"]

LEAST = 8
"""Characters of an id that can be told apart."""
LONGEST = 400
"""Characters of an event that are shown; --json has all."""


@dataclass(frozen=True)
class Trace:
    """The same as JSON values and as text."""

    data: dict[str, Any]
    text: str


def trace_row(ws: Workspace, prefix: str) -> Trace:
    """Everything the ledger knows about one example.

    Raises:
        InputError: No example, or more than one, begins with `prefix`.
    """
    from seedgate.report import sample_of

    id_ = _the_one(ws, prefix)
    events = list(ws.ledger.events(subject=id_))
    asked = [e.payload["provenance"]["request_id"] for e in events if e.kind == "candidate.created"]
    requests = [e for each in asked for e in ws.ledger.events("request.completed", subject=each)]
    sample = sample_of(ws, id_)
    data = {
        "id": id_,
        "fields": ws.ledger.bodies([id_]).get(id_),
        "in": [e.subject for e in ws.ledger.events("release.created") if _in_release(ws, e.subject, id_)],
        "provenance": sample,
        "events": [event._asdict() for event in [*requests, *events]],
    }
    return Trace(data, "\n".join(_lines(data)))


def _the_one(ws: Workspace, prefix: str) -> str:
    kinds = ("seed.added", "candidate.created")
    found = {event.subject for event in ws.ledger.events(*kinds) if event.subject.startswith(prefix)}
    if len(prefix) < LEAST or len(found) != 1:
        raise InputError(
            f"{prefix!r} names {len(found)} examples",
            hint=f"give the whole id, or at least {LEAST} characters",
        )
    return found.pop()


def _in_release(ws: Workspace, name: str, id_: str) -> bool:
    # A 64-digit hash can only stand in the manifest as this row's id.
    manifest = ws.releases_dir / name / "manifest.json"
    return manifest.is_file() and f'"{id_}"' in manifest.read_text(encoding="utf-8")


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    yield data["id"]
    yield from _fields("", data["fields"])
    yield f"releases: {', '.join(data['in']) or 'none'}"
    if data["provenance"] is not None:
        yield from _provenance(data["provenance"])
    yield "events:"
    for event in data["events"]:
        payload = _seen(event["payload"])
        cut = payload if len(payload) <= LONGEST else f"{payload[:LONGEST]}..."
        yield f"  {event['at'][:19]}  #{event['seq']} {event['kind']}  {cut}"


def _provenance(sample: Mapping[str, Any]) -> Iterator[str]:
    yield f"gate: {sample['outcome']}: {_seen(sample['reason'])}"
    for each in sample["verdicts"]:
        who = f"{each['reviewer']}{' (SIMULATED)' if each['simulated'] else ''}"
        why = "; ".join(filter(None, (", ".join(each["reasons"]), each["comment"])))
        yield f"{each['decision']} by {who} on {str(each['at'])[:10]}{f': {_seen(why)}' if why else ''}"
    if sample["edited_from"]:
        yield from _fields(f"corrected from {sample['edited_from'][:12]}, ", sample["original"])
    origin = sample["origin"]
    yield (
        f"generated: cycle {origin['cycle']}, strategy {origin['strategy']}, model {origin['model']},"
        f" {origin['at']}, request {origin['request_id']}"
    )
    for seed in origin["seeds"]:
        yield from _fields(f"shown seed {seed['id'][:12]}, ", seed["fields"])
    yield "prompt:" if origin["prompt"] else "prompt: redacted"
    for line in (origin["prompt"] or "").splitlines():
        yield f"  | {_seen(line)}"


def _fields(what: str, fields: Mapping[str, Any] | None) -> Iterator[str]:
    if fields is None:
        yield f"{what}content: redacted"
    for name, value in (fields or {}).items():
        yield f"{what}{name}: {_seen(value)}"


def _seen(value: Any) -> str:
    """A text on one line; what a terminal would act on, or nobody would see, is a mark."""
    from seedgate.review.visible import reveal

    return " ".join(reveal(str(value)).split())

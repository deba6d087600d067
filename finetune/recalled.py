"""What recalls mean for what was made before: releases with recalled rows, and models trained on them.

None of it is a fault: it happened, it is on record, and whoever uses such a model should know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from seedgate.ledger import Ledger
from seedgate.review import decisions
from seedgate.workspace import Workspace

__all__ = [
    "AffectedModel",
    "RecalledRow",
    "affected_models",
    "recalled_rows",
    "recalled_since",
    "redactions",
]


@dataclass(frozen=True)
class RecalledRow:
    """A row that may not be trained on any more, the last release that had it, and why."""

    id: str
    release: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.id[:12]} of release {self.release}: {self.reason}"


@dataclass(frozen=True)
class AffectedModel:
    """A model that learnt from rows recalled since: `rows` of them in its release."""

    model: str
    release: str
    rows: int
    withdrawn: bool

    def __str__(self) -> str:
        also = ", and the release was withdrawn" if self.withdrawn else ""
        rows = "1 row was" if self.rows == 1 else f"{self.rows} rows were"
        return (
            f"model {self.model} was trained on release {self.release}, of which {rows} recalled since{also}"
        )


def recalled_rows(ws: Workspace) -> list[RecalledRow]:
    """The rows that are recalled now, oldest first; one that was reopened is until it is approved anew."""
    found: dict[str, RecalledRow] = {}
    for event in ws.ledger.events("row.recalled"):
        reason = str(event.payload.get("reason", "recalled"))
        found[event.subject] = RecalledRow(event.subject, str(event.payload["release"]), reason)
    if ws.ledger.last("row.reopened") is not None:
        approved = {id_ for id_, decision in decisions(ws).items() if decision.outcome == "approved"}
        return [row for id_, row in found.items() if id_ not in approved]
    return list(found.values())


def affected_models(ws: Workspace) -> list[AffectedModel]:
    """Models trained on a release that has rows recalled since, in the order they were trained."""
    ledger, recalled = ws.ledger, {row.id for row in recalled_rows(ws)}
    withdrawn: dict[str, set[str]] = defaultdict(set)
    for event in ledger.events("release.withdrawn"):
        withdrawn[event.subject] |= set(event.payload["rows"])
    if not recalled and not withdrawn:
        return []
    trained = {event.subject: str(event.payload["release"]) for event in ledger.events("model.trained")}
    held = {
        event.subject: (recalled & set(ledger.body(event.payload["ids"])))
        | withdrawn.get(event.subject, set())
        for event in ledger.events("release.created")
        if event.subject in trained.values()
    }
    return [
        AffectedModel(model, release, len(held.get(release, ())), release in withdrawn)
        for model, release in trained.items()
        if held.get(release) or release in withdrawn
    ]


def redactions(ledger: Ledger) -> list[str]:
    """One line for each redaction on record: an audit accepts what they took, so it should say that they are."""
    return [
        f"{len(event.payload['hashes'])} bodies of {len(event.payload['rows'])} rows were redacted"
        f" on {event.at[:10]} by {event.payload['by']} ({event.payload['reason']})"
        for event in ledger.events("body.redacted")
    ]


def recalled_since(ledger: Ledger, after: int, up_to: int) -> dict[str, int]:
    """What recalled released rows, or redacted rows, in these events of the ledger, and how many rows."""
    rows: dict[str, str] = {}
    for event in ledger.events("row.recalled", "body.redacted", after=after):
        if event.seq > up_to:
            break
        if event.kind == "body.redacted":
            rows |= dict.fromkeys(event.payload["rows"], "redacted")
        elif rows.get(event.subject) != "redacted":
            rows[event.subject] = str(event.payload.get("why", "verdict changed"))
    return dict(sorted(Counter(rows.values()).items()))

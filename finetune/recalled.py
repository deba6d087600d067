"""What recalls mean for what was made before: releases with recalled rows, and models trained on them.

None of it is a fault: it happened, it is on record, and whoever uses such a model should know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from seedgate.ledger import Ledger

__all__ = ["AffectedModel", "RecalledRow", "affected_models", "recalled_rows", "recalled_since"]


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


def recalled_rows(ledger: Ledger) -> list[RecalledRow]:
    """The rows that are recalled now, oldest first; one that was reopened is none any more."""
    found: dict[str, RecalledRow] = {}
    redacted: set[str] = set()
    for event in ledger.events("row.recalled", "row.reopened", "body.redacted"):
        if event.kind == "body.redacted":
            redacted.update(event.payload["rows"])
        elif event.kind == "row.recalled":
            reason = str(event.payload.get("reason", "recalled"))
            found[event.subject] = RecalledRow(event.subject, str(event.payload["release"]), reason)
        elif event.subject not in redacted:
            found.pop(event.subject, None)
    return list(found.values())


def affected_models(ledger: Ledger) -> list[AffectedModel]:
    """Models trained on a release that has rows recalled since, in the order they were trained."""
    recalled = {row.id for row in recalled_rows(ledger)}
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

"""Counts of what became of the candidates: by strategy, label and cycle; what was wrong; what the rows cover.

The ledger is streamed: candidates are read a few hundred at a time, and only counts are kept of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.ledger import Event

if TYPE_CHECKING:
    from seedgate.records import Decision
    from seedgate.workspace import Workspace

__all__ = ["counts"]

BATCH = 500
GROUPS = ("approved", "edited", "rejected", "open")
"""What became of a generated candidate. `edited`: approved after a correction; `open`: not settled, or void."""


class _Row(NamedTuple):
    id: str
    strategy: str
    cycle: int
    edited_from: str | None
    tags: tuple[str, ...]
    labels: tuple[str, ...]


def counts(ws: Workspace, found: Mapping[str, Decision]) -> dict[str, Any]:
    """`approvals` by strategy, label and cycle, `rejections` by reason, and `coverage` before and after.

    Args:
        ws: The workspace.
        found: The gate's word on every candidate.
    """
    corrected = _corrected(ws, found)
    became: dict[str, dict[str, Counter[str]]] = {"strategy": {}, "label": {}, "cycle": {}}
    labels: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    for row in _rows(ws):
        decision = found.get(row.id)
        if decision is not None and decision.outcome == "approved":
            labels.update(row.labels)
            tags.update(row.tags)
        if row.edited_from is not None:
            continue
        group = _group(decision, row.id in corrected)
        for name in row.labels:
            became["label"].setdefault(name, Counter())[group] += 1
        became["strategy"].setdefault(row.strategy, Counter())[group] += 1
        became["cycle"].setdefault(str(row.cycle), Counter())[group] += 1
    return {
        "approvals": {
            by: {name: {group: each[group] for group in GROUPS} for name, each in _ordered(by, groups)}
            for by, groups in became.items()
        },
        "rejections": dict(_reasons(ws).most_common()),
        "coverage": _coverage(ws, labels, tags),
    }


def _ordered(by: str, groups: dict[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    if by == "cycle":
        return sorted(groups.items(), key=lambda each: int(each[0]))
    return sorted(groups.items(), key=lambda each: (-each[1].total(), each[0]))


def _group(decision: Decision | None, corrected: bool) -> str:
    if corrected:
        return "edited"
    outcome = decision.outcome if decision is not None else "pending"
    return outcome if outcome in ("approved", "rejected") else "open"


def _corrected(ws: Workspace, found: Mapping[str, Decision]) -> set[str]:
    """The generated candidates of which a correction is approved."""
    made_of = {
        event.subject: original
        for event in ws.ledger.events("candidate.created")
        if (original := event.payload["provenance"].get("edited_from"))
    }
    roots = set()
    for id_ in made_of:
        if id_ in found and found[id_].outcome == "approved":
            while id_ in made_of:
                id_ = made_of[id_]
            roots.add(id_)
    return roots


def _rows(ws: Workspace) -> Iterator[_Row]:
    label = ws.task.label_field
    events = ws.ledger.events("candidate.created")
    while batch := list(islice(events, BATCH)):
        bodies = ws.ledger.bodies(event.subject for event in batch) if label is not None else {}
        for event in batch:
            value = bodies.get(event.subject, {}).get(label.name) if label is not None else None
            yield _row(event, () if value is None else (str(value),))


def _row(event: Event, labels: tuple[str, ...]) -> _Row:
    origin = event.payload["provenance"]
    return _Row(
        id=event.subject,
        strategy=str(origin.get("strategy", "")),
        cycle=int(origin.get("cycle", 0)),
        edited_from=origin.get("edited_from"),
        tags=tuple(event.payload.get("example", {}).get("tags", ())),
        labels=labels,
    )


def _reasons(ws: Workspace) -> Counter[str]:
    """What reviewers found wrong, one count per verdict that gives the reason; controls are not among them."""
    controls = {event.subject for event in ws.ledger.events("control.made")}
    given: dict[str, tuple[str, ...]] = {}
    for event in ws.ledger.events("verdict.recorded", "verdict.changed"):
        payload = event.payload
        given.pop(payload["response_id"], None)  # what a changed response says now follows as a verdict
        if payload.get("reasons") and payload.get("record_id") not in controls:
            given[payload["response_id"]] = tuple(payload["reasons"])
    return Counter(reason for reasons in given.values() for reason in reasons)


def _coverage(ws: Workspace, labels: Counter[str], tags: Counter[str]) -> dict[str, Any]:
    """Rows by label and by tag: of the seeds alone, and with what is approved now."""
    from seedgate.seeds import verified_seeds

    seeds = list(verified_seeds(ws)[0].values())
    field = ws.task.label_field
    before = (
        Counter(str(seed.fields.get(field.name, "")) for seed in seeds) if field is not None else Counter()
    )
    known = field.labels if field is not None else ()
    tagged = Counter(tag for seed in seeds for tag in seed.tags)
    names = dict.fromkeys([*known, *before, *labels])
    rows = [{"name": name, "seeds": before[name], "approved": labels[name]} for name in names]
    return {
        "labels": sorted(rows, key=lambda row: (row["seeds"] + row["approved"], row["name"])),
        "tags": [
            {"name": name, "seeds": tagged[name], "approved": tags[name]} for name in sorted(tagged | tags)
        ],
    }

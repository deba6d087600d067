"""What the ledger knows about generation: the candidates, the funnel, where a cycle stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from seedgate.generator.strategies.base import Tally, group_of
from seedgate.ledger import Event, Ledger
from seedgate.records import Candidate

__all__ = ["candidates", "funnel", "strategy_of", "tally_of"]

_BATCH = 500


def candidates(ledger: Ledger, *, cycle: int | None = None) -> Iterator[Candidate]:
    """The candidates, oldest first; those whose body was redacted are left out.

    Rows that a reviewer corrected into new candidates are among them, with `provenance.edited_from` set.

    Args:
        cycle: Only this cycle's.
    """
    events = (event for event in ledger.events("candidate.created") if _of_cycle(event, cycle))
    while batch := list(islice(events, _BATCH)):
        bodies = ledger.bodies(event.subject for event in batch)
        for event in batch:
            if event.subject in bodies:
                example = {**event.payload.get("example", {}), "fields": bodies[event.subject]}
                yield Candidate.model_validate({**event.payload, "example": example})


def funnel(ledger: Ledger, cycle: int | None = None) -> dict[str, Any]:
    """Counts of what generation did, from requests to candidates; what reviewers made is not counted.

    Returns:
        `requests`, `completions`, `items` (`candidates` and all dropped), `candidates`, `dropped` by filter,
        `reasons` by filter and reason, and `strategies`: by name their `requests` and `candidates`.
    """
    counts: Counter[str] = Counter()
    strategies: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    kinds = ("request.completed", "candidate.created", "candidate.dropped", "candidate.replayed")
    for event in ledger.events(*kinds):
        if not _of_cycle(event, cycle):
            continue
        if event.kind == "request.completed":
            counts["requests"] += 1
            counts["completions"] += int(event.payload["completions"])
            strategies.setdefault(_strategy(event), Counter())["requests"] += 1
        elif event.kind == "candidate.created":
            if _generated(event):
                counts["candidates"] += 1
                strategies.setdefault(_strategy(event), Counter())["candidates"] += 1
        elif event.kind == "candidate.replayed":  # counted as dropped when it was
            reasons.setdefault(event.payload["filter"], Counter())[event.payload["reason"]] -= 1
        elif "request_id" in event.payload:
            reasons.setdefault(event.payload["filter"], Counter())[event.payload["reason"]] += 1
    dropped = {name: count.total() for name, count in sorted(reasons.items()) if count.total()}
    return {
        "requests": counts["requests"],
        "completions": counts["completions"],
        "items": counts["candidates"] + sum(dropped.values()),
        "candidates": counts["candidates"],
        "dropped": dropped,
        "reasons": {name: dict((+count).most_common()) for name, count in sorted(reasons.items()) if +count},
        "strategies": {
            name: {key: count[key] for key in ("requests", "candidates")}
            for name, count in sorted(strategies.items())
        },
    }


def strategy_of(ledger: Ledger) -> dict[str, str]:
    """Candidate id to the strategy it came from; of a corrected one, from which it was corrected."""
    found: dict[str, str] = {}
    for event in ledger.events("candidate.created"):
        original = event.payload["provenance"].get("edited_from")
        found[event.subject] = found.get(original) or _strategy(event)
    return found


def tally_of(ledger: Ledger, cycle: int, fixed: tuple[str, ...]) -> Tally:
    """What a cycle has so far, for its strategy to go on from.

    Args:
        fixed: Names of the fields by which candidates are counted.
    """
    tally = Tally()
    seen: set[int] = set()
    for event in ledger.events("request.completed"):
        payload = event.payload
        if payload.get("repairs"):
            tally.repaired.add(str(payload["repairs"]))
        if _of_cycle(event, cycle):
            seen.add(int(payload["index"]))
            tally.recorded.setdefault(_strategy(event), []).append(int(payload["index"]))
            tally.requests[group_of({name: payload["fixed"].get(name) for name in fixed})] += 1
            tally.shown.update(payload["seed_ids"])
    for indexes in tally.recorded.values():
        indexes.sort()
    tally.next_index = max(seen, default=-1) + 1
    tally.missing = tuple(index for index in range(tally.next_index) if index not in seen)
    for candidate in candidates(ledger, cycle=cycle):
        if candidate.provenance.edited_from is None:
            tally.candidates[group_of({name: candidate.example.fields.get(name) for name in fixed})] += 1
    return tally


def _of_cycle(event: Event, cycle: int | None) -> bool:
    if cycle is None:
        return True
    source = event.payload.get("provenance", event.payload)
    return bool(source.get("cycle") == cycle)


def _strategy(event: Event) -> str:
    return str(event.payload.get("provenance", event.payload).get("strategy", ""))


def _generated(event: Event) -> bool:
    return event.payload["provenance"].get("edited_from") is None

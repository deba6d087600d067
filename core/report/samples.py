"""A few rows of each outcome, each with where it comes from: prompt, seeds, reviewers and releases.

Ids are hashes, so those with the smallest are a random draw that is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedgate.ledger import Event
    from seedgate.records import Decision
    from seedgate.workspace import Workspace

__all__ = ["EACH", "sample_of", "samples"]

EACH = 5
"""Rows of each outcome."""
LONGEST = 4000
"""Characters of a text that are kept."""


def samples(
    ws: Workspace, found: Mapping[str, Decision], each: int = EACH
) -> dict[str, list[dict[str, Any]]]:
    """Rows that were `approved` as they were, `edited` first, or `rejected`."""
    made_of = {
        event.subject: str(original)
        for event in ws.ledger.events("candidate.created")
        if (original := event.payload["provenance"].get("edited_from"))
    }
    approved = (id_ for id_, decision in found.items() if decision.outcome == "approved")
    edited = [id_ for id_ in made_of if id_ in found and found[id_].outcome == "approved"]
    originals = {made_of[id_] for id_ in edited}
    rejected = (id_ for id_, d in found.items() if d.outcome == "rejected" and id_ not in originals)
    drawn = {
        "approved": nsmallest(each, (id_ for id_ in approved if id_ not in made_of)),
        "edited": nsmallest(each, edited),
        "rejected": nsmallest(each, rejected),
    }
    releases = _releases_of(ws, {id_ for ids in drawn.values() for id_ in ids})
    return {
        outcome: [_sample(ws, id_, found[id_], made_of.get(id_), releases.get(id_, [])) for id_ in ids]
        for outcome, ids in drawn.items()
    }


def sample_of(ws: Workspace, id_: str) -> dict[str, Any] | None:
    """One generated or corrected row with where it comes from, as `samples` has it; None for another."""
    from seedgate.review import decisions

    born = next(iter(ws.ledger.events("candidate.created", subject=id_)), None)
    decided = decisions(ws).get(id_) if born is not None else None
    if born is None or decided is None:
        return None
    original = born.payload["provenance"].get("edited_from")
    return _sample(ws, id_, decided, original, _releases_of(ws, {id_}).get(id_, []))


def _sample(
    ws: Workspace, id_: str, decision: Decision, original: str | None, releases: list[str]
) -> dict[str, Any]:
    bodies = ws.ledger.bodies([id_, original] if original else [id_])
    (born,) = list(ws.ledger.events("candidate.created", subject=original or id_))[:1]
    return {
        "id": id_,
        "fields": _cut(bodies.get(id_)),
        "edited_from": original,
        "original": _cut(bodies.get(original)) if original else None,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "simulated": decision.simulated,
        "verdicts": _verdicts(ws, decision, (id_, original) if original else (id_,)),
        "origin": _origin(ws, born),
        "releases": releases,
    }


def _verdicts(ws: Workspace, decision: Decision, ids: Iterable[str]) -> list[dict[str, Any]]:
    """Those that the decision rests on, so no control's is among them."""
    events = [event for id_ in ids for event in ws.ledger.events("verdict.recorded", subject=id_)]
    standing = {
        event.payload["response_id"]: event.payload
        for event in events
        if event.payload["response_id"] in decision.verdicts
    }
    hashes = [v["comment_hash"] for v in standing.values() if v.get("comment_hash")]
    comments = ws.ledger.bodies(hashes)
    return [
        {
            "reviewer": verdict["reviewer"],
            "simulated": bool(verdict.get("simulated")),
            "decision": verdict.get("decision"),
            "reasons": list(verdict.get("reasons", ())),
            "comment": _cut(comments.get(verdict.get("comment_hash", ""))),
            "at": verdict.get("submitted_at"),
        }
        for verdict in standing.values()
    ]


def _origin(ws: Workspace, born: Event) -> dict[str, Any]:
    """How a candidate was generated. The prompt and the seeds may have been redacted since."""
    origin = born.payload["provenance"]
    seeds = list(origin.get("seed_ids", ()))
    bodies = ws.ledger.bodies([*seeds, origin["prompt_hash"]])
    return {
        "cycle": origin.get("cycle"),
        "strategy": origin.get("strategy"),
        "model": origin.get("model"),
        "request_id": origin.get("request_id"),
        "at": origin.get("at"),
        "prompt": _cut(_prompt_text(bodies.get(origin["prompt_hash"]))),
        "seeds": [{"id": id_, "fields": _cut(bodies.get(id_))} for id_ in seeds],
    }


def _prompt_text(prompt: Any) -> str | None:
    """A prompt is one text, or messages."""
    if isinstance(prompt, list):
        return "\n\n".join(f"[{each.get('role')}]\n{each.get('content')}" for each in prompt)
    return None if prompt is None else str(prompt)


def _releases_of(ws: Workspace, ids: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in ws.ledger.events("release.created") if ids else ():
        held = ws.ledger.bodies([event.payload["ids"]]).get(event.payload["ids"], ())
        for id_ in ids.intersection(held):
            found.setdefault(id_, []).append(event.subject)
    return found


def _cut(value: Any) -> Any:
    """The value with its texts no longer than is shown."""
    if isinstance(value, str):
        return (
            value
            if len(value) <= LONGEST
            else f"{value[:LONGEST]} ... ({len(value) - LONGEST} characters more)"
        )
    if isinstance(value, Mapping):
        return {str(key): _cut(item) for key, item in value.items()}
    return [_cut(item) for item in value] if isinstance(value, list) else value

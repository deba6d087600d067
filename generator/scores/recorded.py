"""What the ledger knows of scores that a model was asked for: who has which, and who waits without.

An event holds numbers and hashes and nothing of a text, so a redaction has nothing to take out of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from seedgate.ledger import Ledger, NewEvent

__all__ = [
    "MOST_ATTEMPTS",
    "SCORED",
    "UNSCORED",
    "Mark",
    "failed_event",
    "recorded",
    "scored_event",
    "unscored",
]

SCORED, UNSCORED = "candidate.scored", "candidate.unscored"
MOST_ATTEMPTS = 3
"""Runs in which the model fails to answer about a candidate, after which it goes without the score."""

DIGITS = 4
"""Kept, as of every score."""


class Mark(NamedTuple):
    """What makes two scores comparable: another model or another template gives others.

    Attributes:
        template: Hash of the scorer's template; empty if it has none.
    """

    scorer: str
    version: int
    model: str
    template: str


def scored_event(id_: str, mark: Mark, score: float | None) -> NewEvent:
    """The event of one score; its key is that of the candidate and the mark, so it is recorded once."""
    told = {} if score is None else {"score": round(score, DIGITS)}
    return NewEvent(SCORED, id_, {**mark._asdict(), **told}, key=_key("candidate-scored", id_, mark))


def failed_event(id_: str, mark: Mark, attempt: int) -> NewEvent:
    """The event of a score that could not be had, for the `attempt`th time; why is not kept, since errors quote."""
    key = _key("candidate-unscored", id_, mark) + f":{attempt}"
    return NewEvent(UNSCORED, id_, {**mark._asdict(), "attempt": attempt}, key=key)


def unscored(ledger: Ledger, marks: Collection[Mark]) -> dict[Mark, dict[str, int]]:
    """The candidates that nobody was ever shown and that lack a score, oldest first, to how often it failed before.

    Redacted ones are left out, and those for which it failed `MOST_ATTEMPTS` times.
    Those of earlier cycles are among them, and corrections; who was shown to somebody is ordered no more.
    """
    if not marks:
        return {}
    has: dict[Mark, set[str]] = {mark: set() for mark in marks}
    failed: dict[Mark, dict[str, int]] = {mark: {} for mark in marks}
    gone = ledger.redacted()  # or shown to somebody
    made: list[str] = []
    for event in ledger.events("candidate.created", "round.opened", SCORED, UNSCORED):
        if event.kind == "candidate.created":
            made.append(event.subject)
        elif event.kind == "round.opened":
            gone.update(str(each["candidate_id"]) for each in event.payload["assignments"])
        elif (mark := _mark(event.payload)) in has and event.kind == SCORED:
            has[mark].add(event.subject)
        elif mark in failed:
            failed[mark][event.subject] = event.payload["attempt"]
            if event.payload["attempt"] >= MOST_ATTEMPTS:
                has[mark].add(event.subject)
    found = {
        mark: {id_: failed[mark].get(id_, 0) for id_ in made if id_ not in gone and id_ not in has[mark]}
        for mark in marks
    }
    return {mark: ids for mark, ids in found.items() if ids}


def recorded(ledger: Ledger, versions: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Candidate id to its newest scores, by name of the scorer.

    Args:
        versions: Scorers to today's version; scores of others are left out.
    """
    found: dict[str, dict[str, float]] = {}
    for event in ledger.events(SCORED):
        name = event.payload["scorer"]
        if versions.get(name) == event.payload["version"]:
            own = found.setdefault(event.subject, {})
            own.pop(name, None)
            if isinstance(score := event.payload.get("score"), int | float):
                own[name] = float(score)
    return found


def _key(what: str, id_: str, mark: Mark) -> str:
    return ":".join([what, id_, mark.scorer, str(mark.version), mark.model, mark.template])


def _mark(payload: Mapping[str, object]) -> Mark:
    return Mark(*(payload[name] for name in Mark._fields))  # type: ignore[arg-type]  # shapes are checked

"""What the scores of candidates were when they were placed, and what became of those that the gate has decided.

Scores are recorded with the round (`round.scored`), for the random slice as for the rest, so that what a score is
worth is measured on what it was then: novelty, say, falls as others are shown. A candidate counts once, as it was
when it was first placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from seedgate.generator import strategy_of
from seedgate.generator.scores import SCORERS, VERSIONS, Scores
from seedgate.ledger import Ledger, NewEvent
from seedgate.records import Decision
from seedgate.review.state import ReviewState

__all__ = ["Judged", "judged", "scored_event"]


class Judged(NamedTuple):
    """A candidate that was scored before anybody saw it, and that the gate has decided by reviewers' verdicts.

    Attributes:
        scores: Name of a scorer to what it said; those of another version than today's are left out.
        value: What the order rested on; None where it rested on none.
        strategy: That it came from.
        cycle: Of its round.
        random: Whether it was in the random slice.
        simulated: Whether its reviewer was a program.
    """

    candidate_id: str
    approved: bool
    scores: Scores
    value: float | None
    strategy: str
    cycle: int
    random: bool
    simulated: bool


def scored_event(
    round_id: str, order: str, how: str, scores: Mapping[str, Scores], values: Mapping[str, float]
) -> NewEvent:
    """The event that tells what a wave's order rested on; the ledger keeps it, Argilla never hears of it.

    Args:
        round_id: The round, in whose transaction it is appended.
        order: `[review] order`.
        how: How the values were made.
        scores: Of the placed candidates, controls not among them.
        values: Of the same, as far as there are such.
    """
    told = {each.name for each in SCORERS}.union(*scores.values())
    payload = {
        "order": order,
        "value": how,
        "scorers": {name: version for name, version in VERSIONS.items() if name in told},
        "scores": {id_: dict(scores[id_]) for id_ in sorted(scores)},
        "values": {id_: values[id_] for id_ in sorted(scores) if id_ in values},
    }
    return NewEvent("round.scored", round_id, payload, key=f"scored:{round_id}")


def judged(ledger: Ledger, state: ReviewState, decided: Mapping[str, Decision]) -> list[Judged]:
    """Decided candidates in the order in which they were first placed; verdicts on controls are none of them.

    Args:
        ledger: Says what was scored.
        state: Says why each was placed.
        decided: The gate's word on every candidate.
    """
    why = {(a.round, a.candidate_id): a.why for a in state.assignments.values()}
    born = strategy_of(ledger)
    out: dict[str, Judged] = {}
    for event in ledger.events("round.scored"):
        opened = state.opened.get(event.subject)
        if opened is None:
            continue
        current = {
            name for name, version in event.payload["scorers"].items() if VERSIONS.get(name) == version
        }
        for id_, scores in event.payload["scores"].items():
            outcome = decided[id_].outcome if id_ in decided else "pending"
            placed = why.get((event.subject, id_))
            if id_ in out or outcome not in ("approved", "rejected") or placed not in ("ranked", "random"):
                continue
            out[id_] = Judged(
                candidate_id=id_,
                approved=outcome == "approved",
                scores=_known(scores, current),
                value=_known(event.payload["values"], {id_}).get(id_),
                strategy=born.get(id_, ""),
                cycle=opened.cycle,
                random=placed == "random",
                simulated=bool(opened.simulated),
            )
    return list(out.values())


def _known(numbers: Mapping[str, Any], wanted: set[str]) -> Scores:
    return {name: float(numbers[name]) for name in wanted & numbers.keys()}

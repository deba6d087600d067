"""Where the time went: curation by people, generation, training and measuring; and what is not known of it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["RULE", "effort", "rule_said"]

RULE = (0.6, 0.7)
"""Share of the time that teams are told to plan for curation."""


def effort(ws: Workspace) -> dict[str, Any]:
    """`time`: seconds of `curation`, `generation`, `training` and `evaluation`, and curation's `share` of them.

    Curation is the time between one person's consecutive submissions, breaks left out. A submission whose time is not
    known, such as the first of a sitting, counts as the median. What a program answered is no one's time. Reading
    guidelines, settling conflicts and writing seeds leave no times behind and are missing.
    """
    curation = _curation(ws)
    generation = _generation(ws)
    training = [_seconds(e.payload.get("metrics", {})) for e in ws.ledger.events("model.trained")]
    evaluation = [_seconds(e.payload) for e in ws.ledger.events("model.evaluated")]
    machine = generation["seconds"] + sum(training) + sum(evaluation)
    total = curation["seconds"] + machine
    share = curation["seconds"] / total if curation["seconds"] and machine else None
    return {
        "time": {
            "curation": curation,
            "generation": generation,
            "training": {"seconds": round(sum(training), 1), "models": len(training)},
            "evaluation": {"seconds": round(sum(evaluation), 1), "looks": len(evaluation)},
            "share": share,
            "rule": list(RULE),
            "said": rule_said(share),
        }
    }


def rule_said(share: float | None) -> str:
    """What the share of curation means, in a sentence.

    >>> rule_said(0.65)
    'Curation took 65% of the time, within the 60-70% that teams are told to plan for.'
    """
    low, high = RULE
    rule = f"the {low:.0%}-{high:.0%} that teams are told to plan for".replace("%-", "-")
    if share is None:
        return "The share of curation cannot be told before people have reviewed and a run has ended."
    if share > high:
        return f"Curation took {share:.0%} of the time, more than {rule}: people's time is what limits this workspace."
    if share < low:
        return f"Curation took {share:.0%} of the time, less than {rule}: machines took the larger part."
    return f"Curation took {share:.0%} of the time, within {rule}."


def _curation(ws: Workspace) -> dict[str, Any]:
    paces: list[float] = []
    unknown = simulated = 0
    for event in ws.ledger.events("verdict.recorded"):
        if event.payload.get("simulated"):
            simulated += 1
        elif (pace := event.payload.get("pace_s")) is None:
            unknown += 1
        else:
            paces.append(float(pace))
    middle = median(paces) if paces else None
    return {
        "seconds": round(sum(paces) + unknown * (middle or 0.0), 1),
        "measured": len(paces),
        "unknown": unknown,
        "median": middle,
        "simulated": simulated,
    }


def _generation(ws: Workspace) -> dict[str, Any]:
    """Runs that were killed have left no time."""
    ended = [_seconds(event.payload) for event in ws.ledger.events("run.finished")]
    return {
        "seconds": round(sum(ended), 1),
        "runs": len(ended),
        "without": max(0, ws.ledger.count("run.started") - len(ended)),
    }


def _seconds(payload: Any) -> float:
    value = payload.get("seconds") if isinstance(payload, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0

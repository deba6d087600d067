"""Where the time went: curation by people, generation, training and measuring; and what is not known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["PARTS", "RULE", "effort", "machines", "rule_said"]

RULE = (0.6, 0.7)
"""Share of the time that teams are told to plan for curation."""

PARTS = ("curation", "generation", "training", "evaluation", "students")
"""`students`: what `ablate` and `curve` train, measure and throw away."""


def effort(ws: Workspace) -> dict[str, Any]:
    """`time`: seconds of each of `PARTS`, curation's `share` of them, and what is `missing`, in sentences.

    Curation is the time between one person's consecutive submissions, breaks left out: of reviewers, on candidates and
    seeds, and of adjudicators. A submission whose time is not known, such as the first of a sitting, counts as the
    median. What a program answered is no one's time.
    """
    time: dict[str, Any] = {"curation": _curation(ws)} | machines(ws)
    total = sum(time[part]["seconds"] for part in PARTS)
    people = time["curation"]["seconds"]
    share = people / total if people and total > people else None
    rest = {"share": share, "rule": list(RULE), "said": rule_said(share), "missing": _missing(ws, time)}
    return {"time": time | rest}


def machines(ws: Workspace) -> dict[str, Any]:
    """Seconds of each of `PARTS` that needs no person, and of how many things they are."""
    training = [_seconds(e.payload.get("metrics", {})) for e in ws.ledger.events("model.trained")]
    evaluation = [_seconds(e.payload) for e in ws.ledger.events("model.evaluated")]
    return {
        "generation": _generation(ws),
        "training": {"seconds": round(sum(training), 3), "models": len(training)},
        "evaluation": {"seconds": round(sum(evaluation), 3), "looks": len(evaluation)},
        "students": _students(ws),
    }


def rule_said(share: float | None) -> str:
    """What the share of curation means, in a sentence.

    >>> rule_said(0.65)
    'Curation took 65% of the time on record, within the 60-70% that teams are told to plan for.'
    """
    low, high = RULE
    rule = f"the {low:.0%}-{high:.0%} that teams are told to plan for".replace("%-", "-")
    if share is None:
        return "The share of curation cannot be told before people have reviewed and a run has ended."
    if share > high:
        limit = "people's time is what limits this workspace"
        return f"Curation took {share:.0%} of the time on record, more than {rule}: {limit}."
    if share < low:
        return f"Curation took {share:.0%} of the time on record, less than {rule}: machines took the larger part."
    return f"Curation took {share:.0%} of the time on record, within {rule}."


def _curation(ws: Workspace) -> dict[str, Any]:
    """Of all submissions; `seeds` and `adjudication` say what of it went into these, by the same reckoning."""
    seeds = {
        e.subject for e in ws.ledger.events("round.opened") if e.payload["round"].get("purpose") == "seeds"
    }
    paces: dict[bool, list[float | None]] = {True: [], False: []}
    simulated = 0
    for event in ws.ledger.events("verdict.recorded"):
        if event.payload.get("simulated"):
            simulated += 1
        else:
            paces[event.payload.get("round") in seeds].append(event.payload.get("pace_s"))
    middle = _median([*paces[True], *paces[False]])
    settled, shell = _adjudications(ws)
    settling = _median(settled) or middle
    spent = _spent(paces[True], middle), _spent(paces[False], middle), _spent(settled, settling)
    every = [*paces[True], *paces[False], *settled]
    return {
        "seconds": round(sum(spent), 1),
        "measured": sum(pace is not None for pace in every),
        "unknown": sum(pace is None for pace in every),
        "median": middle,
        "simulated": simulated,
        "seeds": {"seconds": round(spent[0], 1), "submissions": len(paces[True])},
        "adjudication": {"seconds": round(spent[2], 1), "submissions": len(settled), "shell": shell},
    }


def _adjudications(ws: Workspace) -> tuple[list[float | None], int]:
    """Paces of the adjudicators' answers in Argilla, and how many cases were settled on the shell, without a time."""
    from seedgate.review.verdicts import pace

    times: dict[str, set[str]] = defaultdict(set)
    shell = 0
    for event in ws.ledger.events("adjudication.recorded"):
        answer = event.payload.get("answer")
        if answer is None:
            shell += 1
        elif event.payload["by"] != ws.simulated_reviewer:
            times[event.payload["by"]].add(answer["submitted_at"])
    paces: list[float | None] = []
    for own in map(sorted, times.values()):
        paces += [None, *(pace(after, before) for before, after in pairwise(own))]
    return paces, shell


def _median(paces: Sequence[float | None]) -> float | None:
    known = [float(pace) for pace in paces if pace is not None]
    return median(known) if known else None


def _spent(paces: Sequence[float | None], middle: float | None) -> float:
    return sum((middle or 0.0) if pace is None else float(pace) for pace in paces)


def _students(ws: Workspace) -> dict[str, Any]:
    """Earlier versions recorded no time with a student's scores."""
    scored = [event.payload for event in ws.ledger.events("ablation.scored")]
    timed = [_seconds(payload) for payload in scored if "seconds" in payload]
    return {"seconds": round(sum(timed), 3), "measured": len(timed), "without": len(scored) - len(timed)}


def _missing(ws: Workspace, time: dict[str, Any]) -> list[str]:
    """What took time and left none behind; the first three are people's, so the true share of curation is higher."""
    signed = sum(e.payload.get("method") == "sign-off" for e in ws.ledger.events("seed.verified"))
    shell, runs, students = (
        time["curation"]["adjudication"]["shell"],
        time["generation"]["without"],
        time["students"]["without"],
    )
    said = ["People: writing seeds and guidelines, and reading them, leave no time behind."]
    said += [f"People: {signed:,} seeds were signed off without being timed."] if signed else []
    said += [f"People: {shell:,} cases were settled on the shell, without a time."] if shell else []
    said += [f"Machines: {runs:,} runs did not end by themselves and left no time."] if runs else []
    said += (
        [f"Machines: {students:,} students of `ablate` and `curve` have no time on record."]
        if students
        else []
    )
    return said


def _generation(ws: Workspace) -> dict[str, Any]:
    """Runs that were killed have left no time."""
    ended = [_seconds(event.payload) for event in ws.ledger.events("run.finished")]
    return {
        "seconds": round(sum(ended), 3),
        "runs": len(ended),
        "without": max(0, ws.ledger.count("run.started") - len(ended)),
    }


def _seconds(payload: Any) -> float:
    value = payload.get("seconds") if isinstance(payload, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0

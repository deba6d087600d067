"""What shares of generation are learnt from: the candidates that the gate has decided, one fact each.

Which of a cycle's candidates were decided is no accident while some still wait. Where labels take turns, those of a
label are drawn at random, and the label is known to whoever learns, so each counts as one. Where the queue goes by
value, the ranked ones were chosen because they looked good: they stand for themselves alone, and those of the random
slice stand for all that were not chosen as well (a stratum that was taken whole and one that was sampled; Cochran 1977,
Sampling Techniques, ch. 5). A random one that would have been ranked anyway, going by its value, belongs to the first
stratum. Once all are decided, all count as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.generator import Decided, strategy_of
from seedgate.generator.scores import SCORERS
from seedgate.records import Assignment, Decision, Verdict
from seedgate.review.state import ReviewState

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["MOST_WEIGHT", "decided_facts", "novel_from"]

MOST_WEIGHT = 5.0
"""However few of the random slice are decided, none of them speaks for more: one odd row must not decide a cycle."""
CLOSEST = 0.1
"""Share of the seeds that are nearer to another seed than what counts as new may be to anything."""


class _Placed(NamedTuple):
    """Where a candidate was placed first.

    Attributes:
        label: That was asked for.
        ranked: Whether it was, or would have been, chosen for its value or in its label's turn.
        value: That the order rested on; None if it rested on none.
    """

    cycle: int
    label: str
    ranked: bool
    value: float | None
    novelty: float | None


def decided_facts(ws: Workspace, state: ReviewState, decided: Mapping[str, Decision]) -> tuple[Decided, ...]:
    """Decided candidates in the order of their placing; an edit counts with its original, controls do not.

    Args:
        ws: The workspace.
        state: What the ledger says.
        decided: The gate's word on every candidate.
    """
    if not state.verdicts:
        return ()
    placed = _placed(ws, state)
    corrected = {
        born.edited_from
        for id_, born in state.candidates.items()
        if born.edited_from and id_ in decided and decided[id_].outcome == "approved"
    }
    known = {
        id_: place
        for id_, place in placed.items()
        if id_ in decided
        and decided[id_].outcome in ("approved", "rejected")
        and state.candidates[id_].edited_from is None
    }
    strategies, weights, least = strategy_of(ws.ledger), _weights(state, known), novel_from(ws)
    return tuple(
        Decided(
            strategy=strategies.get(id_, ""),
            label=place.label,
            cycle=place.cycle,
            outcome="edited"
            if id_ in corrected
            else "approved"
            if decided[id_].outcome == "approved"
            else "rejected",
            reasons=_reasons(heard := _heard(state, decided[id_])),
            novel=None if place.novelty is None or least is None else place.novelty >= least,
            seconds=_seconds(heard),
            weight=weights.get(id_, 1.0),
            simulated=any(verdict.simulated for verdict in heard),
        )
        for id_, place in known.items()
    )


def novel_from(ws: Workspace) -> float | None:
    """Novelty from which a row says something new; None if there are too few seeds to tell.

    The distance in meaning that nine seeds of ten keep from every other seed: what the experts themselves wrote
    as separate examples.
    """
    import numpy as np

    from seedgate.seeds import Meanings, verified_seeds
    from seedgate.seeds.meaning_index import nearest_other

    seeds = list(verified_seeds(ws)[0].values())
    if len(seeds) < 2:
        return None
    vectors = Meanings.for_workspace(ws).vectors(seeds)
    return round(float(np.quantile(np.clip(1 - nearest_other(vectors), 0, 1), CLOSEST)), 4)


def _placed(ws: Workspace, state: ReviewState) -> dict[str, _Placed]:
    """Where each candidate was placed first; a second look is no placing."""
    scored = {e.subject: e.payload for e in ws.ledger.events("round.scored") if e.subject in state.opened}
    version = next(each.version for each in SCORERS if each.name == "novelty")
    first: dict[str, Assignment] = {}
    for assignment in state.assignments.values():
        if assignment.why in ("ranked", "random") and assignment.candidate_id in state.candidates:
            first.setdefault(assignment.candidate_id, assignment)
    labels = _labels(ws, first)
    out = {}
    for id_, assignment in first.items():
        payload: Mapping[str, Any] = scored.get(assignment.round, {})
        novelty = payload.get("scores", {}).get(id_, {}).get("novelty")
        value = payload.get("values", {}).get(id_)
        out[id_] = _Placed(
            cycle=state.candidates[id_].cycle,
            label=labels.get(id_, ""),
            ranked=assignment.why == "ranked" or value is None,
            value=None if value is None else float(value),
            novelty=float(novelty)
            if novelty is not None and payload["scorers"].get("novelty") == version
            else None,
        )
    return _all_ranked(out)


def _all_ranked(placed: Mapping[str, _Placed]) -> dict[str, _Placed]:
    """With those of the random slice marked that are worth as much as a ranked one of their cycle and label."""
    least: dict[tuple[int, str], float] = {}
    for each in placed.values():
        if each.ranked and each.value is not None:
            cell = (each.cycle, each.label)
            least[cell] = min(each.value, least.get(cell, each.value))
    return {
        id_: each._replace(ranked=True)
        if each.value is not None and each.value >= least.get((each.cycle, each.label), inf)
        else each
        for id_, each in placed.items()
    }


def _labels(ws: Workspace, ids: Iterable[str]) -> dict[str, str]:
    field = ws.task.label_field
    if field is None:
        return {}
    return {id_: str(fields.get(field.name, "")) for id_, fields in ws.ledger.bodies(ids).items()}


def _weights(state: ReviewState, known: Mapping[str, _Placed]) -> dict[str, float]:
    """Of the random slice's candidates that were not ranked: how many like them there are for each."""
    born = Counter(each.cycle for each in state.candidates.values() if each.edited_from is None)
    ranked = Counter(place.cycle for place in known.values() if place.ranked)
    drawn = Counter(place.cycle for place in known.values() if not place.ranked)
    weight = {cycle: (born[cycle] - ranked[cycle]) / number for cycle, number in drawn.items()}
    return {
        id_: min(MOST_WEIGHT, max(1.0, weight[place.cycle]))
        for id_, place in known.items()
        if not place.ranked
    }


def _heard(state: ReviewState, decision: Decision) -> list[Verdict]:
    """The verdicts that a decision rests on; none of them is a control's."""
    return [state.verdicts[id_].verdict for id_ in decision.verdicts if id_ in state.verdicts]


def _reasons(heard: Iterable[Verdict]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(code) for verdict in heard for code in verdict.reasons))


def _seconds(heard: Iterable[Verdict]) -> float | None:
    """All reviewers' time on it."""
    paces = [verdict.pace_s for verdict in heard if verdict.pace_s is not None]
    return sum(paces) if paces else None

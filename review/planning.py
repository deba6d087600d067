"""What the next wave would be: which candidates wait for reviewers, and the round made of some of them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from seedgate.canonical import content_hash
from seedgate.errors import InputError
from seedgate.ledger import NewEvent
from seedgate.records import Assignment, Decision, Round
from seedgate.review.controls import ControlPlanner, Masks, PlannedControl, control_event
from seedgate.review.evidence import Facts
from seedgate.review.facts import decide_all, facts_of
from seedgate.review.nearest import NearestSeed
from seedgate.review.queue import Place, Waiting, choose, open_of, reviewers_left, spread
from seedgate.review.record_view import dataset_spec, record_fields, spec_hash
from seedgate.review.rereview import Rereviews, plan_rereviews
from seedgate.review.state import ReviewState
from seedgate.review.wave_scores import WaveScores
from seedgate.review.why_here import WhyHere

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Plan", "Queue", "plan_wave", "queue_of"]

Why = Literal["ranked", "random", "control", "rereview"]


@dataclass(frozen=True)
class Queue:
    """The candidates that wait for reviewers, and those that the page cannot show (id to why)."""

    waiting: tuple[Waiting, ...]
    bodies: Mapping[str, Mapping[str, Any]]
    not_shown: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """A wave that could be opened; `round` is None if there is nothing to push, or something to wait for.

    Attributes:
        told: What else the ledger is told: the rows that were drawn for re-review, and the scores of the others.
        bodies: What the round's event refers to by hash: the guidelines, and the texts of each record.
        controls: What the ledger is told about those assignments that are controls.
        open: Records that wait for an answer from these reviewers.
    """

    round: Round | None = None
    assignments: tuple[Assignment, ...] = ()
    bodies: tuple[Any, ...] = ()
    controls: tuple[NewEvent, ...] = ()
    open: int = 0
    not_shown: dict[str, str] = field(default_factory=dict)
    told: tuple[NewEvent, ...] = ()


def queue_of(
    ws: Workspace,
    state: ReviewState,
    facts: Mapping[str, Facts],
    decided: Mapping[str, Decision],
    reviewers: Sequence[str],
) -> Queue:
    """Who waits: pending candidates that lack reviewers, where there are reviewers left to ask."""
    quorum = ws.config.review.quorum
    masks = Masks(ws, state)
    needing = {
        id_: reviewers_left(facts[id_], reviewers=reviewers, quorum=quorum)
        for id_, decision in decided.items()
        if decision.outcome == "pending" and decision.invariant != "G8"
    }
    bodies = ws.ledger.bodies([id_ for id_, (needs, _) in needing.items() if needs])
    label = ws.task.label_field
    waiting, not_shown = [], {}
    for id_, fields in bodies.items():
        try:
            record_fields(ws.task, fields, None)
        except InputError as error:
            not_shown[id_] = error.message
            continue
        needs, asked = needing[id_]
        may = tuple(name for name in asked if not masks.hide(id_, fields, name))
        if needs > len(may):
            continue
        may = masks.strangers(id_, may, needs)
        begun = bool(decided[id_].approvers)
        waiting.append(Waiting(id_, str(fields[label.name]) if label else "", needs, may, begun))
    return Queue(tuple(waiting), bodies, not_shown)


def plan_wave(
    ws: Workspace,
    state: ReviewState,
    reviewers: Sequence[str],
    *,
    cycle: int,
    size: int,
    simulated: bool,
    ahead: bool,
    rereview: int | None = None,
) -> Plan:
    """The next wave for these reviewers; without `ahead` none while one waits for them."""
    text, guideline_hash = ws.guidelines()
    facts = {each.candidate_id: each for each in facts_of(ws, state, guideline_hash)}
    still_open = sum(a.reviewer in reviewers for each in facts.values() for a in open_of(each))
    if still_open and not ahead:
        return Plan(open=still_open)
    decided = decide_all(ws, state, guideline_hash)
    queue = queue_of(ws, state, facts, decided, reviewers)
    rng = random.Random(ws.ledger.head()[1])  # noqa: S311 - no secret; a repeated dry run shows the same
    scores = WaveScores(
        ws, state, decided, {w.candidate_id: queue.bodies[w.candidate_id] for w in queue.waiting}
    )
    places = choose(queue.waiting, size, ws.config.review.random_share, rng, scores.values)
    given = {name: list(own) for name, own in spread(places).items()}
    again = Rereviews()
    if not simulated:
        # A wave for some of the reviewers draws nothing by itself: who looks again may be one of the others.
        share = ws.config.review.rereview if {*ws.config.review.reviewers} <= {*reviewers} else 0
        amount = math.ceil(share * len(places)) if rereview is None else rereview
        again = plan_rereviews(ws, state, facts, decided, given, amount, rng)
    if not given:
        return Plan(open=still_open, not_shown=queue.not_shown)
    spec = dataset_spec(ws.task, text)
    bodies = {**queue.bodies, **ws.ledger.bodies(again.rows)}
    why = WhyHere(ws, decided)
    controls = ControlPlanner(ws, state, decided, queue.waiting, bodies, why, rng, scores.values).add_to(
        given
    )
    shown = _shown(ws, given, bodies, why)
    wave = len(state.opened) + 1
    round_id = f"{state.short}-{wave}"
    assignments, made = _assignments(round_id, given, shown, controls, rng)
    names = tuple(dict.fromkeys(assignment.reviewer for assignment in assignments))
    prefix = ws.config.name
    opened = Round(
        id=round_id,
        cycle=cycle,
        wave=wave,
        guideline_hash=guideline_hash,
        guidelines=content_hash(text),
        task_hash=ws.task.hash,
        schema_hash=spec_hash(spec),
        quorum=ws.config.review.quorum,
        reviewers=names,
        simulated=names if simulated else (),
        datasets={
            name: (f"{prefix}-{state.short}-{name}", f"{prefix}-cycle{cycle}-wave{wave}") for name in names
        },
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        min_pace_s=ws.config.review.min_pace_s,
        max_miss_rate=ws.config.review.max_miss_rate,
    )
    shows = (text, *shown.values())
    placed = dict.fromkeys(a.candidate_id for a in assignments if a.why in ("ranked", "random"))
    told = (*again.events(round_id), scores.event(round_id, placed))
    return Plan(opened, assignments, shows, made, still_open, queue.not_shown, told)


def _shown(
    ws: Workspace,
    given: Mapping[str, Sequence[Place]],
    bodies: Mapping[str, Mapping[str, Any]],
    why: WhyHere,
) -> dict[str, dict[str, str]]:
    nearest = NearestSeed(ws)
    ids = dict.fromkeys(place.waiting.candidate_id for own in given.values() for place in own)
    return {
        id_: record_fields(ws.task, bodies[id_], nearest.to(bodies[id_]), why.of(bodies[id_])) for id_ in ids
    }


def _assignments(
    round_id: str,
    given: Mapping[str, Sequence[Place]],
    shown: Mapping[str, dict[str, str]],
    controls: Mapping[str, Sequence[PlannedControl]],
    rng: random.Random,
) -> tuple[tuple[Assignment, ...], tuple[NewEvent, ...]]:
    """Everybody's records in their order, controls at random places among them, and what tells of these."""
    assignments: list[Assignment] = []
    events = []
    for reviewer, places in given.items():

        def to(example_id: str, texts: dict[str, str], why: Why, reviewer: str = reviewer) -> Assignment:
            return Assignment(
                round=round_id,
                candidate_id=example_id,
                reviewer=reviewer,
                # A hash, so that nothing about the record can be read from it.
                record_id=content_hash([round_id, example_id, reviewer])[:32],
                shown_hash=content_hash(texts),
                why=why,
            )

        own = [to(p.waiting.candidate_id, shown[p.waiting.candidate_id], p.why) for p in places]
        for control in controls.get(reviewer, ()):
            placed = to(control.example_id, control.shown, "control")
            own.insert(rng.randint(0, len(own)), placed)
            events.append(control_event(placed, control))
        assignments += own
    return tuple(assignments), tuple(events)

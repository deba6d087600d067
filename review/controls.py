"""Controls: records whose right answer is known, placed among a reviewer's candidates so that nobody can tell.

A control is a placement, not content: it shows like a candidate, its verdict is recorded like any other and
changes no state. A bad one is a candidate that adjudication rejected or model text with one known fault; a good
one is a candidate that two other people approved or, until there are enough, a verified seed. What a control
was made of, and what is near to it, is kept from its reviewer while the control waits for an answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from seedgate.errors import InputError, SeedgateError
from seedgate.generator.filters.chain import FilterChain
from seedgate.ledger import NewEvent
from seedgate.records import Assignment, Decision, Example
from seedgate.review.corruptions import Corrupted, Source, corrupt
from seedgate.review.knowledge import LabelKnowledge
from seedgate.review.mislabelling import labelled_alike
from seedgate.review.nearest import NearestSeed
from seedgate.review.queue import Place, Waiting, as_in_waves
from seedgate.review.record_view import record_fields
from seedgate.review.state import ReviewState
from seedgate.review.why_here import WhyHere
from seedgate.seeds import NearIndex, text_of, verified_seeds

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["MOST_RECORDS", "ControlPlanner", "Masks", "PlannedControl", "control_event"]

MOST_RECORDS = 1000
"""Records before one reviewer in one wave: what Argilla lists in one page."""

MASKED = 0.5
"""Likeness from which a text would remind a reviewer of a control."""

TRIES = 32
"""Attempts at a control, at most: where every text resembles another, each costs a comparison and none stands."""

CHUNK = 32
"""Sources that are looked at in one go: whether a label is surely wrong is asked of a classifier."""


@dataclass(frozen=True, slots=True)
class PlannedControl:
    """A control for one reviewer: its content, the texts of its record, and what is known about it."""

    example_id: str
    fields: Mapping[str, Any]
    shown: dict[str, str]
    truth: str
    corruption: str
    sources: tuple[str, ...]


def control_event(assignment: Assignment, control: PlannedControl) -> NewEvent:
    """The event that tells the truth about a control; the ledger keeps it, Argilla never hears of it."""
    payload = {
        "candidate_id": control.example_id,
        "truth": control.truth,
        "corruption": control.corruption,
        "sources": list(control.sources),
        "reviewer": assignment.reviewer,
        "round": assignment.round,
    }
    bodies = (dict(control.fields), control.shown)
    key = f"control:{assignment.record_id}"
    return NewEvent("control.made", assignment.record_id, payload, key, bodies)


class Masks:
    """What must not be shown to whom while a control waits for an answer: its sources and texts near to it."""

    def __init__(self, ws: Workspace, state: ReviewState) -> None:
        listed = {*ws.config.review.reviewers, ws.simulated_reviewer}
        own: dict[str, set[str]] = {}
        for control in state.open_controls():
            if control.reviewer in listed:
                own.setdefault(control.reviewer, set()).update((*control.sources, control.candidate_id))
        bodies = ws.ledger.bodies(id_ for ids in own.values() for id_ in ids)
        self._task = ws.task
        self._ids = own
        self._met: dict[str, set[str]] = {}
        for control in state.controls.values():
            for id_ in control.sources:
                self._met.setdefault(id_, set()).add(control.reviewer)
        self._near: dict[str, NearIndex] = {}
        for name, ids in own.items():
            self._near[name] = NearIndex(MASKED)
            for id_ in sorted(ids & bodies.keys()):
                self._near[name].add(id_, text_of(ws.task, bodies[id_]))

    def hide(self, candidate_id: str, fields: Mapping[str, Any], reviewer: str) -> bool:
        """Whether this candidate must wait until the reviewer has answered a control."""
        if reviewer not in self._ids:
            return False
        if candidate_id in self._ids[reviewer]:
            return True
        return bool(self._near[reviewer].all_near(text_of(self._task, fields)))

    def strangers(self, candidate_id: str, reviewers: Sequence[str], needs: int) -> tuple[str, ...]:
        """Those who never had a control made of it: the same text twice would tell which one was a control.

        All of them where too few are left.
        """
        met = self._met.get(candidate_id, set())
        left = tuple(name for name in reviewers if name not in met)
        return left if len(left) >= needs else tuple(reviewers)


class ControlPlanner:
    """Chooses the controls of one wave; all choices come from `rng`, so that a dry run shows the same.

    Args:
        ws: The workspace.
        state: What the ledger says.
        decided: The gate's word on every candidate.
        waiting: The candidates that wait, and `bodies`, their fields.
        why: What is said of every row of the wave.
        rng: Of all choices.
        values: Candidate id to the value that the wave was ordered by, if it was: what controls are made of is then
            chosen as the wave is, or they would be what review is less worth while of.
    """

    def __init__(
        self,
        ws: Workspace,
        state: ReviewState,
        decided: Mapping[str, Decision],
        waiting: Sequence[Waiting],
        bodies: Mapping[str, Mapping[str, Any]],
        why: WhyHere,
        rng: random.Random,
        values: Mapping[str, float],
    ) -> None:
        self._values = values
        self._ws = ws
        self._state = state
        self._decided = decided
        self._waiting = waiting
        self._bodies = bodies
        self._why = why
        self._rng = rng
        self._placed: set[str] = set()
        self._made_of = {id_ for control in state.controls.values() for id_ in control.sources}

    def add_to(self, wave: dict[str, list[Place]]) -> dict[str, list[PlannedControl]]:
        """Reviewer to controls; a place whose candidate a control is made of is taken out of the wave.

        Args:
            wave: Reviewer to places; changed where a candidate has to wait.
        """
        share = self._ws.config.review.controls
        if not share:
            return {}
        self._placed = {place.waiting.candidate_id for places in wave.values() for place in places}
        counts = {
            name: min(self._rounded(len(places) * share / (1 - share)), MOST_RECORDS - len(places))
            for name, places in wave.items()
        }
        return {name: list(self._for(name, count, wave[name])) for name, count in counts.items() if count > 0}

    def _for(self, reviewer: str, count: int, places: list[Place]) -> Iterator[PlannedControl]:
        good = sum(self._rng.random() < self._ws.config.review.good_controls for _ in range(count))
        used = _Used.by(self._state, reviewer)
        for makers, wanted in (
            (self._good(reviewer, used, places), good),
            (self._bad(reviewer, used, places), count - good),
        ):
            for made in islice(makers, TRIES * wanted):
                if made is not None and self._lets_stand(made, used, places):
                    used.take(made)
                    self._made_of.update(made.sources)
                    yield made
                    wanted -= 1
                if not wanted:
                    break

    # -- good ones -----------------------------------------------------------------------------------

    def _good(self, reviewer: str, used: _Used, places: list[Place]) -> Iterator[PlannedControl | None]:
        approved = [
            id_
            for id_, decision in self._decided.items()
            if decision.outcome == "approved"
            and not decision.simulated
            and len(set(decision.approvers) - {reviewer}) > 1
            and not used.knows(id_)
        ]
        for id_, fields in self._labelled_alike(self._ws.ledger.bodies(approved), places):
            yield self._planned(fields, "good", "approved", (id_,))
        seeds = {id_: dict(seed.fields) for id_, seed in self._seeds.items() if not used.knows(id_)}
        for id_, fields in self._labelled_alike(seeds, places):
            yield self._planned(fields, "good", "seed", (id_,), not_beside={id_})

    def _labelled_alike(
        self, bodies: Mapping[str, Mapping[str, Any]], places: list[Place]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """In random order, but with labels and lengths as in the wave for as long as there are such."""
        task, label, left = self._ws.task, self._ws.task.label_field, self._shuffled(bodies)
        size = {id_: len(text_of(task, fields)) for id_, fields in left}
        while left:
            wanted = self._bodies[self._rng.choice(places).waiting.candidate_id]
            alike = [
                n for n, (_, fields) in enumerate(left) if label and fields[label.name] == wanted[label.name]
            ]
            length = len(text_of(task, wanted))
            yield left.pop(min(alike or range(len(left)), key=lambda n: abs(size[left[n][0]] - length)))

    # -- bad ones ------------------------------------------------------------------------------------

    def _bad(self, reviewer: str, used: _Used, places: list[Place]) -> Iterator[PlannedControl | None]:
        rejected = [
            id_
            for id_, settled in self._state.adjudications.items()
            if settled[-1].adjudication.decision == "reject"
            and id_ in self._decided
            and self._decided[id_].outcome == "rejected"
            and not used.knows(id_)
        ]
        for id_, fields in self._shuffled(self._ws.ledger.bodies(rejected)):
            yield self._planned(fields, "bad", "adjudicated", (id_,))
        for made in self._corrupted(reviewer, used, places):
            yield self._planned(made.fields, "bad", made.corruption, made.sources)

    def _corrupted(self, reviewer: str, used: _Used, places: list[Place]) -> Iterator[Corrupted]:
        """From what this reviewer has not been shown, of the own wave last.

        Where there is a choice, a source serves once, and nobody is shown it in this wave: a text that comes
        again tells which of the two was the control.
        """
        task, label = self._ws.task, self._ws.task.label_field
        taken = {place.waiting.candidate_id for place in places}
        own = [p.waiting.candidate_id for p in places if not p.waiting.begun and p.why != "rereview"]
        spare = self._spare([w for w in self._waiting if reviewer in w.may and w.candidate_id not in taken])
        wave = self._sources(sorted(taken), odds=False) if label else []
        self._rng.shuffle(own)
        for group in (spare, own):
            pool = [id_ for id_ in group if not used.knows(id_)]
            pool.sort(key=lambda id_: (id_ in self._made_of, id_ in self._placed))
            chunks = (self._sources(pool[at : at + CHUNK]) for at in range(0, len(pool), CHUNK))
            if label is not None:
                pairs = [(str(each.fields[label.name]), each.nearest_label) for each in wave]
                yield from labelled_alike(task, chunks, pairs, self._rng)
                continue
            for sources in chunks:
                found = (corrupt(task, source, sources, self._rng) for source in sources)
                yield from (made for made in found if made is not None)

    def _spare(self, waiting: list[Waiting]) -> list[str]:
        """In the order in which they should be used."""
        share = self._ws.config.review.random_share if self._values else 1.0
        return [each.candidate_id for each in as_in_waves(waiting, share, self._rng, self._values)]

    def _sources(self, ids: Sequence[str], *, odds: bool = True) -> list[Source]:
        """What is known about these candidates, for corrupting them."""
        task, label = self._ws.task, self._ws.task.label_field
        texts = [text_of(task, self._bodies[id_]) for id_ in ids]
        known = self._labels.odds(texts) if odds and texts and self._labels else [{} for _ in ids]
        sources = []
        for id_, chances in zip(ids, known, strict=True):
            beside = self._nearest.to(self._bodies[id_]) if label else None
            shown = str(beside[label.name]) if beside and label else None
            sources.append(Source(id_, self._bodies[id_], chances, shown))
        return sources

    # -- what all of them must be --------------------------------------------------------------------

    def _planned(
        self,
        fields: Mapping[str, Any],
        truth: str,
        corruption: str,
        sources: tuple[str, ...],
        *,
        not_beside: set[str] | None = None,
    ) -> PlannedControl | None:
        """The control; none if a filter would have dropped its like or the page cannot show it."""
        try:
            example = Example(fields=self._ws.task.validate_fields(fields))
            if self._chain.check(example, ignore=set(sources)) is not None:
                return None
            nearest = self._nearest.to(example.fields, ignore=not_beside or ())
            shown = record_fields(self._ws.task, example.fields, nearest, self._why.of(example.fields))
        except InputError:
            return None
        return PlannedControl(example.id, example.fields, shown, truth, corruption, sources)

    def _lets_stand(self, made: PlannedControl, used: _Used, places: list[Place]) -> bool:
        """Whether the wave shows nothing that resembles it, once its own sources are out of it."""
        if used.has(made):
            return False
        likeness = NearIndex(MASKED)
        likeness.add(made.example_id, text_of(self._ws.task, made.fields))
        for id_ in made.sources:
            if id_ in self._bodies:
                likeness.add(id_, text_of(self._ws.task, self._bodies[id_]))
        left = [
            place
            for place in places
            if place.waiting.candidate_id not in made.sources
            and not likeness.all_near(text_of(self._ws.task, self._bodies[place.waiting.candidate_id]))
        ]
        if not left or len(left) < len(places) - len(made.sources):
            return False
        # What was drawn for a second look stays: leaving rows out by their likeness would bend the sample.
        if sum(p.why == "rereview" for p in left) < sum(p.why == "rereview" for p in places):
            return False
        places[:] = left
        return True

    def _shuffled(self, bodies: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
        items = sorted(bodies.items())
        self._rng.shuffle(items)
        return items

    def _rounded(self, amount: float) -> int:
        """Up or down at random, right on average: a wave too small for one control has one now and then."""
        whole = int(amount)
        return whole + (self._rng.random() < amount - whole)

    @cached_property
    def _chain(self) -> FilterChain:
        return FilterChain.for_workspace(self._ws)

    @cached_property
    def _nearest(self) -> NearestSeed:
        return NearestSeed(self._ws)

    @cached_property
    def _seeds(self) -> dict[str, Example]:
        return verified_seeds(self._ws)[0]

    @cached_property
    def _labels(self) -> LabelKnowledge | None:
        """None if the task has no label to know, or nothing is installed that could."""
        try:
            return LabelKnowledge(self._ws.task, self._seeds.values())
        except SeedgateError:
            return None


@dataclass
class _Used:
    """What one reviewer has been shown or been tested with, and what a control was made of."""

    ids: set[str]

    @classmethod
    def by(cls, state: ReviewState, reviewer: str) -> _Used:
        shown = {a.candidate_id for a in state.assignments.values() if a.reviewer == reviewer}
        own = [control for control in state.controls.values() if control.reviewer == reviewer]
        return cls(shown | {id_ for control in own for id_ in control.sources})

    def knows(self, id_: str) -> bool:
        return id_ in self.ids

    def has(self, made: PlannedControl) -> bool:
        return made.example_id in self.ids or any(id_ in self.ids for id_ in made.sources)

    def take(self, made: PlannedControl) -> None:
        self.ids.update((made.example_id, *made.sources))

"""Who is shown what next: the candidates of one wave, their order, and their reviewers.

The order is: what was begun (carried over), then labels in turn, and within a label by expected value, or at random
where no value is given. A share of every wave is drawn at random from all that wait, whatever order the rest gets, so
that estimates made from it stay honest.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from seedgate.records import Assignment
from seedgate.review.evidence import Facts, fault, in_force

__all__ = ["Place", "Waiting", "as_in_waves", "choose", "open_of", "reviewers_left", "spread"]

_NO_VALUES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A candidate that needs reviewers.

    Attributes:
        label: What generation spreads over; empty if the task has no label.
        needs: How many more reviewers.
        may: Reviewers who may be asked, in the workspace's order.
        begun: Whether somebody's verdict counts already.
    """

    candidate_id: str
    label: str
    needs: int
    may: tuple[str, ...]
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate in a wave, and why it is there."""

    waiting: Waiting
    why: Literal["ranked", "random", "rereview"]


def reviewers_left(facts: Facts, *, reviewers: Sequence[str], quorum: int) -> tuple[int, tuple[str, ...]]:
    """How many more reviewers a pending candidate needs and who may be asked; (0, ()) if no use in asking.

    Somebody counts as asked while the answer is open, and once an answer counts. Who skipped the candidate
    is not asked again; whose answer cannot count (inconsistent, or under earlier guidelines) is asked again
    in a new round.
    """
    asked = {h.verdict.reviewer for h in facts.verdicts if fault(facts, h.verdict) is None}
    asked |= {assignment.reviewer for assignment in open_of(facts)}
    own = [a for a in facts.assignments.values() if a.candidate_id == facts.candidate_id]
    skipped = {a.reviewer for a in own if a.record_id in facts.skipped}
    may = tuple(name for name in reviewers if name not in asked | skipped | facts.retired)
    needs = quorum - len(asked)
    return (needs, may) if 0 < needs <= len(may) else (0, ())


def open_of(facts: Facts) -> list[Assignment]:
    """The candidate's assignments that may still be answered so that the answer counts; re-reviews apart."""
    answered = {heard.verdict.record_id for heard in facts.verdicts}
    closed = answered | facts.skipped | facts.lost
    return [
        assignment
        for assignment in facts.assignments.values()
        if assignment.candidate_id == facts.candidate_id
        and assignment.why != "rereview"
        and assignment.record_id not in closed
        and assignment.reviewer not in facts.retired
        and in_force(facts, facts.opened[assignment.round].guideline_hash)
    ]


def choose(
    waiting: Sequence[Waiting],
    size: int,
    random_share: float,
    rng: random.Random,
    values: Mapping[str, float] = _NO_VALUES,
) -> tuple[Place, ...]:
    """The wave: a random slice of all that wait, the rest by rank; shuffled, so that the place tells nothing.

    Args:
        waiting: All that wait.
        size: Candidates at most.
        random_share: Of the random slice.
        rng: Of all choices.
        values: Candidate id to expected value.
    """
    size = min(size, len(waiting))
    drawn = rng.sample(range(len(waiting)), round(size * random_share))
    places = [Place(waiting[i], "random") for i in drawn]
    rest = [each for i, each in enumerate(waiting) if i not in set(drawn)]
    ranked = _rank(rest, rng, values)[: size - len(places)]
    wave = [*places, *(Place(each, "ranked") for each in ranked)]
    rng.shuffle(wave)
    return tuple(wave)


def as_in_waves(
    waiting: Sequence[Waiting], random_share: float, rng: random.Random, values: Mapping[str, float]
) -> list[Waiting]:
    """All that wait, in an order whose beginning is like a wave: the next by rank, now and then one at random."""
    ranked, drawn = _rank(waiting, rng, values), list(waiting)
    rng.shuffle(drawn)
    ways = {True: iter(drawn), False: iter(ranked)}
    taken: dict[str, Waiting] = {}
    while len(taken) < len(waiting):
        way = ways[rng.random() < random_share]
        each = next(one for one in way if one.candidate_id not in taken)
        taken[each.candidate_id] = each
    return list(taken.values())


def _rank(waiting: Sequence[Waiting], rng: random.Random, values: Mapping[str, float]) -> list[Waiting]:
    begun = [each for each in waiting if each.begun]
    by_label: dict[str, list[Waiting]] = defaultdict(list)
    for each in waiting:
        if not each.begun:
            by_label[each.label].append(each)
    groups = [by_label[label] for label in sorted(by_label)]
    rng.shuffle(groups)
    for group in groups:
        rng.shuffle(group)  # the order of those of equal value
        group.sort(key=lambda each: -values.get(each.candidate_id, 0.0))
    longest = max(map(len, groups), default=0)
    return begun + [group[i] for i in range(longest) for group in groups if i < len(group)]


def spread(places: Sequence[Place]) -> Mapping[str, list[Place]]:
    """Reviewer to places: everybody who is needed, the least burdened first."""
    load: dict[str, list[Place]] = {}
    for place in places:
        order = {name: i for i, name in enumerate(place.waiting.may)}
        freest = sorted(order, key=lambda name: (len(load.get(name, ())), order[name]))
        for name in freest[: place.waiting.needs]:
            load.setdefault(name, []).append(place)
    return load

"""Strategies that are functions: from what the cycle knows to one thing to ask after the other.

A function gets a `Context` and yields an `Ask` for each prompt. It is called anew in each run and must then
yield the same again: after a kill, what was asked already is passed over by its number. `context.rng` gives the
same choices in every run of a cycle.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from seedgate.canonical import canonical_json
from seedgate.errors import SeedgateError
from seedgate.generator.allocation import Decided
from seedgate.generator.clients.base import Request, Sampling
from seedgate.generator.rendering import Form, Wording
from seedgate.generator.strategies.base import Plan, Tally, Turn, group_of
from seedgate.records import Example
from seedgate.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OWN", "Ask", "AskFn", "Asking", "Context", "Group", "Rejected", "Reviewed", "UnsuitedError"]


class UnsuitedError(SeedgateError):
    """A strategy cannot work on this task, form or workspace; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that reviewers rejected, with what they said about it.

    Attributes:
        reasons: Their codes, none twice.
        comment: In their own words; empty if there are none.
    """

    example: Example
    reasons: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What review has said so far.

    Attributes:
        outcomes: Candidate id to the gate's word.
        rejected: In the order of their verdicts; only those that a repair may be asked for.
        decided: What shares are learnt from.
    """

    outcomes: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    decided: tuple[Decided, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Seeds that share the fields which the model does not write: those of one label."""

    fixed: Mapping[str, Any]
    seeds: tuple[Example, ...]


OWN = Wording("own")


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt: what it shows and what it wants.

    Attributes:
        seeds: Verified seeds to show, in order.
        fixed: Fields that every item in the answer gets; if not given, those that the form wants fixed, as the
            last seed has them.
        instruction: What else to tell the model, in a sentence.
        tags: Of every item in the answer.
        wording: How to put it; the template `own`, if not given.
        drawn: More seeds that the prompt draws on, other than by showing them.
        repairs: The rejected candidate that is to be made right.
    """

    seeds: tuple[Example, ...]
    fixed: Mapping[str, Any] | None = None
    instruction: str = ""
    tags: tuple[str, ...] = ("core",)
    wording: Wording = OWN
    drawn: tuple[Example, ...] = ()
    repairs: Example | None = None


@dataclass(frozen=True)
class Context:
    """What a strategy may go by.

    Attributes:
        seeds: The verified seeds, in the order in which they were added.
        form: `list` (a numbered list is continued) or `chat` (one JSON object is asked for).
        fixed: Names of the fields that the form does not let the model write.
        shots: Seeds per prompt, as configured.
        rng: For choices: the same in every run of this cycle.
        weights: Label to how often it is to be asked for, 1 being an even share.
        writer: Name of the model that was trained to write; empty if there is none.
    """

    task: Task
    seeds: tuple[Example, ...]
    cycle: int
    form: Literal["list", "chat"]
    fixed: tuple[str, ...]
    shots: int
    rng: Random
    completions: int = 1
    vectors_of: Callable[[Sequence[Example]], NDArray[np.float32]] | None = field(default=None, repr=False)
    earlier: Callable[[], Sequence[Example]] = field(default=tuple, repr=False)
    reviewed: Callable[[], Reviewed] = field(default=Reviewed, repr=False)
    repaired: frozenset[str] = field(default=frozenset(), repr=False)
    weights: Mapping[str, float] = field(default_factory=dict, repr=False)
    writer: str = ""

    @cached_property
    def groups(self) -> list[Group]:
        """The seeds by what is fixed, in random order."""
        groups = self.grouped(self.fixed)
        self.rng.shuffle(groups)
        return groups

    def grouped(self, names: Sequence[str]) -> list[Group]:
        """The seeds by these fields, in the order of the first of each."""
        found: dict[str, tuple[dict[str, Any], list[Example]]] = {}
        for seed in self.seeds:
            fixed = {name: seed.fields.get(name, "") for name in names}
            found.setdefault(group_of(fixed), (fixed, []))[1].append(seed)
        return [Group(fixed, tuple(seeds)) for fixed, seeds in found.values()]

    def in_turn(self, fixed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
        """Places in a list of what is fixed, endlessly, each as often as the weight of its label wants.

        Yields:
            The place, and how often it was given before; with even weights, round after round.
        """
        label = self.task.label_field
        weights = [self.weights.get(str(each.get(label.name)), 1.0) if label else 1.0 for each in fixed]
        # Whoever is furthest below its share, as in `Mix`.
        waiting = [(0.5 / weight, place, 0) for place, weight in enumerate(weights)]
        heapq.heapify(waiting)
        while True:
            _, place, before = waiting[0]
            heapq.heapreplace(waiting, ((before + 1.5) / weights[place], place, before + 1))
            yield place, before

    def vectors(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Meaning of the input texts: vectors of length one, shape [examples, width]."""
        if self.vectors_of is None:
            raise UnsuitedError("needs the workspace's embeddings")
        return self.vectors_of(examples)


AskFn = Callable[[Context], Iterable[Ask]]
"""A strategy: yields what to ask, endlessly or until there is nothing more."""


class Asking:
    """The strategy that asks what a function says.

    Args:
        name: Recorded with every candidate.
        function: Called once for each sequence of plans.
        context: Makes what the function is told; each time the same, given the same tally.
        form, request_prefix, sampling, context_tokens: See `FewShot`.
        model: See `Request`.
        numbered: Whether the function yields the same in each run, from the start; else it leaves out by itself
            what was asked already.
    """

    def __init__(
        self,
        name: str,
        function: AskFn,
        context: Callable[[Tally], Context],
        form: Form,
        *,
        request_prefix: str,
        sampling: Sampling,
        context_tokens: int | None = None,
        model: str = "",
        numbered: bool = True,
    ) -> None:
        self.name = name
        self._function = function
        self._context = context
        self._form = form
        self._request_prefix = request_prefix
        self._sampling = sampling
        self._context_tokens = context_tokens
        self._model = model
        self._numbered = numbered

    def try_out(self, tally: Tally) -> None:
        """Makes the first ask, if there is one.

        Raises:
            UnsuitedError: The strategy cannot work here.
        """
        next(iter(self._function(self._context(tally))), None)

    def plans(self, tally: Tally, turns: Iterable[Turn] | None = None) -> Iterator[Plan]:
        """See `Strategy.plans`."""
        asks = iter(self._function(self._context(tally)))
        taken = 0
        for index, number in tally.turns(self.name) if turns is None else turns:
            ask = next(asks, None)
            while ask is not None and self._numbered and taken < number:
                ask, taken = next(asks, None), taken + 1
            if ask is None:
                return
            taken += 1
            yield self._plan(index, ask)

    def _plan(self, index: int, ask: Ask) -> Plan:
        form, shown = self._form, list(ask.seeds)
        fixed = ask.fixed
        if fixed is None:
            fixed = {name: shown[-1].fields[name] for name in form.fixed}
        told = f" {ask.instruction.strip()}" if ask.instruction.strip() else ""
        wording = replace(ask.wording, values={"instruction": told, **ask.wording.values})
        rendered = form.render(shown, fixed, wording)
        # What matters most stands last.
        while len(shown) > 1 and not rendered.fits(self._context_tokens, self._sampling.max_tokens):
            del shown[0]
            rendered = form.render(shown, fixed, wording)
        sampling = replace(self._sampling, stop=rendered.stop)
        id_ = f"{self._request_prefix}{index:06d}"
        return Plan(
            index=index,
            strategy=self.name,
            request=Request(id_, rendered.prompt, sampling, rendered.json_schema, model=self._model),
            fixed=_plain(fixed),
            seed_ids=tuple(seed.id for seed in (*shown, *ask.drawn)),
            tags=tuple(_plain(list(ask.tags))),
            counted=form.fixed,
            repairs=ask.repairs.id if ask.repairs else None,
            drawn=len(ask.drawn),
        )


def _plain(value: Any) -> Any:
    """As JSON has it: a user's strategy may give members of an enum, which no other process knows."""
    return json.loads(canonical_json(value))

"""Few-shot prompts spread over the labels: every label has its turn, those with fewer candidates more of them.

Plans come in runs: a run has one label and one common half of its seeds, so that its prompts begin alike and
the server's prefix cache serves what they share. Two runs of three go to the label that was asked least; the
third to the label that has least, so that one that yields little gets more but never takes all. Least is meant
by the label's weight, where labels are wanted unevenly.

Diverse sampling shows all seeds of a label in turn, in whatever company; focused sampling shows seeds that are
near each other in meaning, each of them in turn with some of its neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from seedgate.errors import InputError
from seedgate.generator.clients.base import Request, Sampling
from seedgate.generator.prompts import Form
from seedgate.generator.strategies.base import EDGE, Plan, Tally, Turn, group_of
from seedgate.generator.strategies.decks import Deck, FocusedDeck, NearestFn
from seedgate.records import Example

__all__ = ["FewShot"]


@dataclass
class _Group:
    """The seeds with one label, dealt apart by whether they are edge cases."""

    fixed: Mapping[str, Any]
    core: Deck
    edge: Deck

    @property
    def edge_share(self) -> float:
        return len(self.edge.seeds) / (len(self.core.seeds) + len(self.edge.seeds))

    def deal(self, number: int, rng: Random, *, edge: bool, dealt: Collection[Example] = ()) -> list[Example]:
        """Seeds of one sort; the other sort fills up what is missing."""
        first, second = (self.edge, self.core) if edge else (self.core, self.edge)
        hand = first.deal(number, rng, dealt)
        return hand + second.deal(number - len(hand), rng, [*dealt, *hand])


@dataclass
class _Run:
    group: _Group
    edge: bool
    common: list[Example]
    left: int


class FewShot:
    """Shows seeds of one label and asks for more.

    Args:
        seeds: The verified seeds.
        key: What the random choices depend on besides the plan's number: workspace and cycle.
        request_prefix: What request ids begin with; the plan's number follows.
        sampling: How to draw; the form adds its stop strings.
        shots: Seeds per prompt.
        run: Consecutive plans that share a label and half of their seeds.
        context_tokens: Longest prompt and completion that the model takes, if known.
        nearest: Gives seeds in order of nearness to one; with it, sampling is focused.
        weights: Name of a group (`group_of`) to how much of it is wanted, 1 being an even share.

    Raises:
        InputError: There are no seeds.
    """

    name = "few_shot"

    def __init__(
        self,
        form: Form,
        seeds: Collection[Example],
        *,
        key: str,
        request_prefix: str,
        sampling: Sampling,
        shots: int,
        run: int = 1,
        context_tokens: int | None = None,
        nearest: NearestFn | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if not seeds:
            raise InputError("there are no seeds to show")
        self._form = form
        self._seeds = list(seeds)
        self._key = key
        self._request_prefix = request_prefix
        self._sampling = sampling
        self._shots = shots
        self._run = run
        self._context_tokens = context_tokens
        self._nearest = nearest
        self._weights = weights or {}

    def plans(self, tally: Tally, turns: Iterable[Turn] | None = None) -> Iterator[Plan]:
        """Endless; see `Strategy.plans`."""
        groups: dict[str, _Group] | None = None
        current: _Run | None = None
        runs = 0
        for index, _ in tally.turns(self.name) if turns is None else turns:
            rng = Random(f"{self._key}:{index}")  # noqa: S311 - choices to be repeated, not secrets
            groups = groups or self._groups(tally, rng)
            if current is None or current.left == 0:
                current = self._next_run(groups, tally, rng, by_need=runs % 3 == 2)
                runs += 1
            current.left -= 1
            yield self._plan(index, current, rng)

    def _groups(self, tally: Tally, rng: Random) -> dict[str, _Group]:
        found: dict[str, tuple[dict[str, Any], list[Example]]] = {}
        for seed in self._seeds:
            fixed = {name: seed.fields[name] for name in self._form.fixed}
            found.setdefault(group_of(fixed), (fixed, []))[1].append(seed)
        return {
            name: _Group(
                fixed,
                core=self._deck([seed for seed in seeds if EDGE not in seed.tags], tally, rng),
                edge=self._deck([seed for seed in seeds if EDGE in seed.tags], tally, rng),
            )
            for name, (fixed, seeds) in found.items()
        }

    def _deck(self, seeds: list[Example], tally: Tally, rng: Random) -> Deck:
        if self._nearest is None:
            return Deck(seeds, rng, tally.shown)
        return FocusedDeck(seeds, rng, tally.shown, nearest=self._nearest)

    def _next_run(self, groups: dict[str, _Group], tally: Tally, rng: Random, *, by_need: bool) -> _Run:
        def asked(name: str) -> float:
            return tally.requests[name] / self._weights.get(name, 1.0)

        def has(name: str) -> tuple[float, float]:
            return tally.expected(name) / self._weights.get(name, 1.0), asked(name)

        group = groups[min(groups, key=has if by_need else asked)]
        edge = rng.random() < group.edge_share
        return _Run(group, edge, group.deal(self._shots // 2, rng, edge=edge), self._run)

    def _plan(self, index: int, run: _Run, rng: Random) -> Plan:
        own = run.group.deal(self._shots - len(run.common), rng, edge=run.edge, dealt=run.common)
        shown = _longest_first(run.common) + _longest_first(own)
        rendered = self._form.render(shown, run.group.fixed)
        while len(shown) > 1 and not rendered.fits(self._context_tokens, self._sampling.max_tokens):
            shown.remove(_longest_first(shown)[0])
            rendered = self._form.render(shown, run.group.fixed)
        sampling = replace(self._sampling, stop=rendered.stop)
        id_ = f"{self._request_prefix}{index:06d}"
        return Plan(
            index=index,
            strategy=self.name,
            request=Request(id_, rendered.prompt, sampling, rendered.json_schema),
            fixed=run.group.fixed,
            seed_ids=tuple(seed.id for seed in shown),
            tags=(EDGE,) if run.edge else ("core",),
        )


def _longest_first(seeds: Sequence[Example]) -> list[Example]:
    return sorted(seeds, key=lambda seed: -len(str(seed.fields)))

"""All filters in order, with the memory that comparing ones need, loaded from the ledger.

Cheap checks come first. The chain is the one definition of what may become a candidate: generation asks it
about every item, and review asks it again about every row that a reviewer has edited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, takewhile

from seedgate.generator.filters.base import Drop, Filter
from seedgate.generator.filters.boilerplate import BoilerplateFilter
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.generator.filters.exact import ExactFilter
from seedgate.generator.filters.format import FormatFilter
from seedgate.generator.filters.language import LanguageFilter
from seedgate.generator.filters.length import LengthFilter
from seedgate.generator.filters.near import NearFilter
from seedgate.generator.filters.personal import PersonalFilter
from seedgate.generator.filters.schema import SchemaFilter
from seedgate.generator.filters.semantic import SemanticFilter, repetition_cosine
from seedgate.ledger import Event, Ledger
from seedgate.records import Example
from seedgate.seeds import Baseline, LeakCheck, Meanings, baseline
from seedgate.workspace import Workspace

__all__ = ["FilterChain"]

_BATCH = 500
_ALONE = (SchemaFilter, FormatFilter, LengthFilter, BoilerplateFilter, PersonalFilter, LanguageFilter)
"""Filters that look at an example alone, so that what they said once holds."""


class FilterChain:
    """Filters asked in order; the first drop counts.

    Example:
        >>> chain = FilterChain.for_workspace(ws)  # doctest: +SKIP
        >>> if chain.check(example, ignore={original.id}) is None:  # doctest: +SKIP
        ...     chain.accept(example)
    """

    def __init__(self, filters: Collection[Filter]) -> None:
        self.filters = tuple(filters)
        self._alone = tuple(takewhile(lambda each: isinstance(each, _ALONE), self.filters))
        self._prepared: dict[str, Drop | None] = {}

    @classmethod
    def for_workspace(cls, ws: Workspace, base: Baseline | None = None) -> FilterChain:
        """The chain of a workspace, knowing its seeds, evaluation set, candidates and rejections.

        Args:
            base: The baseline, if the caller has read it already.

        Raises:
            RefusedError: There is no verified baseline.
        """
        base = base or baseline(ws)
        threshold = ws.config.policy.near_duplicate
        exact, near = ExactFilter(), NearFilter(ws.task, threshold)
        leaks = LeakCheck.for_workspace(ws, base.evaluation)
        meanings = leaks.meanings or Meanings.for_workspace(ws)
        semantic = SemanticFilter(meanings, repetition_cosine(ws, base.seeds.values(), meanings))
        semantic.load(ws, _remember(ws.ledger, exact, near))
        seeds = base.seeds.values()
        filters: list[Filter] = [
            SchemaFilter(ws.task),
            FormatFilter(ws.task),
            LengthFilter(ws.task, ws.config.generation.min_words),
            BoilerplateFilter(ws.task, seeds),
            *(() if ws.config.generation.personal_data == "keep" else (PersonalFilter(ws.task, seeds),)),
            *((LanguageFilter(ws.task, seeds),) if ws.config.generation.language == "seeds" else ()),
            exact,
            EvaluationFilter(leaks),
            near,
            semantic,
        ]
        return cls(filters)

    def prepare(self, examples: Sequence[Example], *, validated: bool = False) -> None:
        """Computes at once what `check` needs of several examples: faster than one by one, with the same result.

        Args:
            validated: Their fields are as the task spells them, and the filter that asks this need not.
        """
        alone = [each for each in self._alone if not (validated and isinstance(each, SchemaFilter))]
        self._prepared = {each.id: _first_drop(alone, each, ()) for each in examples}
        exact = [each for each in self.filters if isinstance(each, ExactFilter)]
        left = {e.id: e for e in examples if self._prepared[e.id] is None and not _first_drop(exact, e, ())}
        for each in self.filters:
            if isinstance(each, EvaluationFilter | NearFilter | SemanticFilter):
                each.prepare(list(left.values()))

    def check(self, example: Example, *, ignore: Collection[str] = ()) -> Drop | None:
        """Why the example is dropped, None if it passes.

        Args:
            ignore: Ids of examples that it may equal or resemble, e.g. the candidate it was edited from.
        """
        if example.id not in self._prepared:
            return _first_drop(self.filters, example, ignore)
        drop = self._prepared[example.id]
        return drop or _first_drop(self.filters[len(self._alone) :], example, ignore)

    def accept(self, example: Example) -> None:
        """Takes note of an example that passed, so that its like is dropped from now on."""
        for each in self.filters:
            each.accept(example)


def _first_drop(filters: Iterable[Filter], example: Example, ignore: Collection[str]) -> Drop | None:
    return next((drop for each in filters if (drop := each.check(example, ignore=ignore))), None)


def _remember(ledger: Ledger, exact: ExactFilter, near: NearFilter) -> list[str]:
    """Ids of the rows whose text is there, in order."""
    known: list[str] = []
    for batch in _batches(ledger.events("seed.added", "candidate.created")):
        bodies = ledger.bodies(event.subject for event in batch)
        for event in batch:
            exact.add(event.subject, "seed" if event.kind == "seed.added" else "candidate")
            if event.subject in bodies:  # a redacted one leaves its hash only
                near.add(event.subject, bodies[event.subject])
                known.append(event.subject)
    controls = {event.subject for event in ledger.events("control.made")}
    for event in ledger.events("verdict.recorded"):
        rejected = event.payload.get("decision") in ("reject", "edit")
        if rejected and event.payload.get("record_id") not in controls:
            exact.add(event.subject, "rejected")
    return known


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    while batch := list(islice(events, _BATCH)):
        yield batch

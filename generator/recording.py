"""From a completion to the events that record it: the raw text, each candidate, each drop with its reason.

All events of a request belong together: they are appended in one transaction, and their keys come from the
plan's number, so that a plan entry is recorded once however often a run is killed and repeated.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seedgate.canonical import content_hash
from seedgate.errors import SeedgateError
from seedgate.generator.clients.base import Choice, Completion, ModelInfo
from seedgate.generator.filters.base import Drop
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.filters.schema import validated
from seedgate.generator.parsing import Item
from seedgate.generator.prompts import Form
from seedgate.generator.strategies.base import Plan
from seedgate.ledger import NewEvent
from seedgate.records import Example, Provenance, dump
from seedgate.task import Task

__all__ = ["Outcome", "Recorder", "request_key"]

DETAIL_CHARS = 160
_Parsed = list[tuple[Choice, Item, Example | Drop]]


def request_key(request_id: str) -> str:
    """The ledger key of a request."""
    return f"request:{request_id}"


@dataclass
class Outcome:
    """What came of one request.

    Attributes:
        events: What to append, in order.
        accepted: How many candidates are among them.
        drops: Filter and reason to how many items.
        strategy: Whose plan it was.
    """

    events: list[NewEvent] = field(default_factory=list)
    completions: int = 0
    accepted: int = 0
    drops: Counter[tuple[str, str]] = field(default_factory=Counter)
    strategy: str = ""


class Recorder:
    """Parses and filters completions. Remembers what it accepted, so order of calls matters.

    Args:
        run: The run's id.
    """

    def __init__(
        self, task: Task, form: Form, chain: FilterChain, model: ModelInfo, *, cycle: int, run: str
    ) -> None:
        self._task = task
        self._form = form
        self._chain = chain
        self._model = model
        self._cycle = cycle
        self._run = run

    def outcome(self, plan: Plan, completion: Completion, known: Collection[tuple[int, int]] = ()) -> Outcome:
        """The events of one request.

        Args:
            known: Choices and items that are candidates already, and left out.
        """
        parsed = self._parsed(plan, completion, known)
        self._prepare([parsed])
        return self._outcome(plan, completion, parsed)

    def outcomes(self, answered: Sequence[tuple[Plan, Completion]]) -> list[Outcome]:
        """As `outcome` of each in turn, but what texts mean is asked for all at once, which takes a fraction of it."""
        parsed = [self._parsed(plan, completion) for plan, completion in answered]
        self._prepare(parsed)
        return [self._outcome(*pair, each) for pair, each in zip(answered, parsed, strict=True)]

    def _prepare(self, parsed: Sequence[_Parsed]) -> None:
        examples = [made for items in parsed for _, _, made in items if isinstance(made, Example)]
        try:
            self._chain.prepare(examples, validated=True)
        except SeedgateError:  # a service that is away, which is not about these texts
            raise
        except Exception:
            self._chain.prepare([])  # each by itself, so that only the one at fault is dropped

    def _parsed(self, plan: Plan, completion: Completion, known: Collection[tuple[int, int]] = ()) -> _Parsed:
        return [
            (choice, item, self._example(plan, choice, item))
            for choice in completion.choices
            for item in self._items(plan, choice)
            if (choice.index, item.number) not in known
        ]

    def _items(self, plan: Plan, choice: Choice) -> list[Item]:
        shown = len(plan.seed_ids) - plan.drawn
        try:
            return self._form.parse(choice, plan.fixed, shown)
        except Exception as error:
            return [Item(0, drop=_failed(plan, error))]

    def _outcome(self, plan: Plan, completion: Completion, parsed: _Parsed) -> Outcome:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        prompt: Any = plan.request.prompt
        prompt = prompt if isinstance(prompt, str) else [dict(message) for message in prompt]
        prompt_hash = content_hash(prompt)
        result = Outcome([self._completed(plan, completion, prompt, prompt_hash)], len(completion.choices))
        result.strategy = plan.strategy
        provenance = dump(self._provenance(plan, completion, prompt_hash, at)) if parsed else {}
        for choice, item, parsed_as in parsed:
            made = parsed_as if isinstance(parsed_as, Drop) else self._filtered(plan, parsed_as)
            if isinstance(made, Drop):
                result.drops[made.filter, made.reason] += 1
                result.events.append(self._dropped(plan, choice, item, made))
                continue
            result.accepted += 1
            result.events.append(_created(made, provenance, choice, item))
        return result

    def _example(self, plan: Plan, choice: Choice, item: Item) -> Example | Drop:
        if item.drop is not None:
            return item.drop
        try:
            fields = validated(self._task, item.fields or {})
        except Exception as error:
            fields = _failed(plan, error)
        if isinstance(fields, Drop):
            return fields
        place = f"{plan.request.id}:{choice.index}:{item.number}"
        return Example(fields=fields, tags=plan.tags, source=place)

    def _filtered(self, plan: Plan, example: Example) -> Example | Drop:
        """A repair may resemble what it repairs, but must not be it."""
        if example.id == plan.repairs:
            return Drop("exact", "rejected", f"equals rejected {example.id[:12]}")
        try:
            drop = self._chain.check(example, ignore=(plan.repairs,) if plan.repairs else ())
        except SeedgateError:
            raise
        except Exception as error:
            drop = _failed(plan, error)
        if drop is None:
            self._chain.accept(example)
        return drop or example

    def _provenance(self, plan: Plan, completion: Completion, prompt_hash: str, at: str) -> Provenance:
        """What all candidates of a request have in common."""
        return Provenance(
            cycle=self._cycle,
            run=self._run,
            strategy=plan.strategy,
            seed_ids=plan.seed_ids,
            model=plan.request.model or self._model.name,
            model_revision="" if plan.request.model else self._model.revision,
            sampling=plan.request.sampling.as_dict(),
            prompt_hash=prompt_hash,
            request_id=plan.request.id,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            at=at,
            repaired_from=plan.repairs,
        )

    def _completed(self, plan: Plan, completion: Completion, prompt: Any, prompt_hash: str) -> NewEvent:
        raw = [
            {"index": choice.index, "text": choice.text, "finish_reason": choice.finish_reason}
            for choice in completion.choices
        ]
        payload = {
            "run": self._run,
            "cycle": self._cycle,
            "index": plan.index,
            "strategy": plan.strategy,
            "form": self._form.name,
            "fixed": dict(plan.fixed),
            "seed_ids": list(plan.seed_ids),
            "tags": list(plan.tags),
            "prompt_hash": prompt_hash,
            "sampling": plan.request.sampling.as_dict(),
            "usage": {
                "prompt_tokens": completion.prompt_tokens,
                "completion_tokens": completion.completion_tokens,
            },
            "completions": len(raw),
            "raw_hash": content_hash(raw),
        } | _said(repairs=plan.repairs, model=plan.request.model, drawn=plan.drawn)
        return NewEvent(
            "request.completed",
            plan.request.id,
            payload,
            key=request_key(plan.request.id),
            bodies=(prompt, raw),
        )

    def _dropped(self, plan: Plan, choice: Choice, item: Item, drop: Drop) -> NewEvent:
        place = f"{plan.request.id}:{choice.index}:{item.number}"
        payload = {
            "cycle": self._cycle,
            "filter": drop.filter,
            "reason": drop.reason,
            "detail": drop.detail[:DETAIL_CHARS].encode("utf-8", "replace").decode(),
            "request_id": plan.request.id,
            "choice": choice.index,
            "item": item.number,
        }
        return NewEvent("candidate.dropped", plan.request.id, payload, key=f"dropped:{place}")


def _failed(plan: Plan, error: Exception) -> Drop:
    """One text that a parser or filter fails at must not take others with it: its answer is stored, to be replayed."""
    logging.getLogger(__name__).warning(
        "an item of %s was dropped, since judging it failed (%s); --replay judges it again",
        plan.request.id,
        type(error).__name__,
    )
    return Drop("error", "failed", type(error).__name__)


def _created(example: Example, common: Mapping[str, Any], choice: Choice, item: Item) -> NewEvent:
    """As `dump` of the `Candidate`, which would check a dozen times what is the same for a whole request."""
    own = {"choice": choice.index, "item": item.number, "finish_reason": choice.finish_reason}
    payload = {
        "example": _said(tags=example.tags, source=example.source),
        "provenance": {**common, **_said(**own)},
    }
    return NewEvent(
        "candidate.created",
        example.id,
        payload,
        key=f"candidate:{example.id}",
        bodies=(example.fields,),
    )


def _said(**values: Any) -> dict[str, Any]:
    """Without those that say nothing."""
    return {name: value for name, value in values.items() if value}

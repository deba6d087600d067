"""What the tests of strategies share: a task with labels, seeds, contexts, and plans after a kill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from random import Random
from typing import Any

from seedgate.generator.clients.base import Sampling
from seedgate.generator.prompts import ChatForm, ListForm
from seedgate.generator.rendering import Form
from seedgate.generator.strategies.asking import AskFn, Asking, Context, Reviewed
from seedgate.generator.strategies.base import Plan, Tally
from seedgate.records import Example
from seedgate.task import Task

LABELS = {"late_delivery": "a parcel is overdue", "billing": "a charge is wrong", "account": "signing in"}
DESK = Task.from_config(
    {"preset": "classification", "name": "desk", "audience": "messages to a shop", "labels": LABELS}
)
HELP = Task.from_config({"preset": "instruction", "name": "help"})


def desk_seeds(number: int = 6, edge: int = 2) -> list[Example]:
    """So many seeds of each label, from short to long, the first `edge` of them edge cases."""
    return [
        Example(
            fields={"text": f"Message {n} on {label}" + " and more" * n, "label": label},
            tags=("edge",) if n < edge else ("core",),
        )
        for label in LABELS
        for n in range(number)
    ]


HELP_SEEDS = [
    Example(fields={"instruction": f"Say the number {n}.", "input": "", "output": f"It is {n}."})
    for n in range(8)
]


def asking(
    function: AskFn,
    *,
    form: str = "chat",
    task: Task = DESK,
    seeds: Sequence[Example] | None = None,
    shots: int = 4,
    key: str = "k",
    numbered: bool = True,
    **more: Any,
) -> Asking:
    """The strategy, with what a run would give it."""
    made: Form = ListForm(task, 160) if form == "list" else ChatForm(task)
    given = tuple(desk_seeds() if seeds is None else seeds)

    def context(tally: Tally) -> Context:
        return Context(
            task=task,
            seeds=given,
            cycle=1,
            form=made.name,
            fixed=made.fixed,
            shots=shots,
            rng=Random(key),
            completions=2,
            repaired=frozenset(tally.repaired),
            **more,
        )

    sampling = Sampling(2, 0.7, 0.9, 160)
    return Asking("it", function, context, made, request_prefix="r-", sampling=sampling, numbered=numbered)


def plans(strategy: Asking, number: int, tally: Tally | None = None) -> list[Plan]:
    return list(islice(strategy.plans(tally or Tally()), number))


def prompt(plan: Plan) -> str:
    """All of the prompt's text."""
    given = plan.request.prompt
    return given if isinstance(given, str) else "\n".join(message["content"] for message in given)


def after_kill(done: Sequence[Plan], upto: int, lost: Callable[[Plan], bool]) -> Tally:
    """The tally of a run that was killed after `upto` plans, of which some were never recorded."""
    kept = [plan for plan in done[:upto] if not lost(plan)]
    tally = Tally()
    for plan in kept:
        tally.recorded.setdefault(plan.strategy, []).append(plan.index)
        tally.requests[plan.group] += 1
        tally.shown.update(plan.seed_ids)
        tally.repaired |= {plan.repairs} if plan.repairs else set()
    tally.next_index = max((plan.index for plan in kept), default=-1) + 1
    numbers = {plan.index for plan in kept}
    tally.missing = tuple(n for n in range(tally.next_index) if n not in numbers)
    return tally


def resumed(strategy: Asking, done: Sequence[Plan], upto: int, rng: Random) -> list[Plan]:
    """All plans, those that a kill took planned anew, in order."""
    gone = {plan.index for plan in done[:upto] if rng.random() < 0.4}
    tally = after_kill(done, upto, lambda plan: plan.index in gone)
    kept = [plan for plan in done[:upto] if plan.index not in gone]
    again = plans(strategy, len(done) - len(kept), tally)
    return sorted([*kept, *again], key=lambda plan: plan.index)


def reviewed_as(value: Reviewed) -> dict[str, Any]:
    return {"reviewed": lambda: value}

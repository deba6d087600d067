"""The few-shot strategy: whose turn it is, which seeds are shown, what is the same after a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.errors import InputError
from seedgate.generator.clients.base import Sampling
from seedgate.generator.prompts import ChatForm, ListForm
from seedgate.generator.strategies.base import Plan, Tally
from seedgate.generator.strategies.few_shot import FewShot
from seedgate.records import Example
from seedgate.task import Task

LABELS = ("delivery", "billing", "account")
TASK = Task.from_config({"preset": "classification", "name": "desk", "labels": list(LABELS)})


def seeds(number: int = 12, edge: int = 0) -> list[Example]:
    """So many seeds of each label, the first `edge` of them edge cases."""
    return [
        Example(
            fields={"text": f"Message {n} on {label}" + "!" * n, "label": label},
            tags=("edge",) if n < edge else ("core",),
        )
        for label in LABELS
        for n in range(number)
    ]


def strategy(given: list[Example] | None = None, **settings: Any) -> FewShot:
    return FewShot(
        ListForm(TASK, 160),
        seeds() if given is None else given,
        **{
            "key": "desk:1",
            "request_prefix": "c1-",
            "sampling": Sampling(2, 0.7, 0.9, 160),
            "shots": 4,
            **settings,
        },
    )


def sent(plans: Any, tally: Tally, number: int) -> list[Plan]:
    """The next plans, counted as the stream counts them."""
    out = []
    for plan in islice(plans, number):
        tally.requests[plan.group] += 1
        out.append(plan)
    return out


def labels(plans: list[Plan]) -> list[str]:
    return [plan.fixed["label"] for plan in plans]


def test_every_label_gets_its_share() -> None:
    tally = Tally()
    assert Counter(labels(sent(strategy().plans(tally), tally, 30))) == dict.fromkeys(LABELS, 10)


def test_a_label_that_yields_little_gets_more_but_not_everything() -> None:
    tally, asked = Tally(), Counter[str]()
    for plan in islice(strategy().plans(tally), 90):
        tally.requests[plan.group] += 1
        tally.candidates[plan.group] += 0 if plan.fixed["label"] == "billing" else 5
        asked[plan.fixed["label"]] += 1
    assert asked["billing"] > max(asked["delivery"], asked["account"])
    assert min(asked["delivery"], asked["account"]) >= 20


def test_no_seed_is_shown_twice_before_all_of_its_label_were_shown() -> None:
    tally = Tally()
    plans = sent(strategy(run=1).plans(tally), tally, 9)  # three prompts of four seeds for each label
    shown = Counter(id_ for plan in plans for id_ in plan.seed_ids)
    assert shown == {seed.id: 1 for seed in seeds()}


def test_seeds_shown_have_the_label_that_is_asked_for() -> None:
    by_id = {seed.id: seed for seed in seeds()}
    for plan in islice(strategy().plans(Tally()), 20):
        assert {by_id[id_].fields["label"] for id_ in plan.seed_ids} == {plan.fixed["label"]}
        assert len(set(plan.seed_ids)) == 4


def test_a_run_shares_its_label_and_the_beginning_of_its_prompts() -> None:
    tally = Tally()
    plans = sent(strategy(run=3).plans(tally), tally, 9)
    for run in (plans[0:3], plans[3:6], plans[6:9]):
        assert len({plan.seed_ids[:2] for plan in run}) == 1
        assert len({plan.seed_ids[2:] for plan in run}) == 3
    assert len(set(labels(plans))) == 3


def test_edge_cases_get_their_share_and_mark_what_comes_of_them() -> None:
    tally = Tally()
    by_id = {seed.id: seed for seed in seeds(20, edge=5)}
    plans = sent(strategy(list(by_id.values())).plans(tally), tally, 300)
    edge = [plan for plan in plans if plan.tags == ("edge",)]
    assert 0.15 < len(edge) / len(plans) < 0.35
    assert all("edge" in by_id[id_].tags for plan in edge for id_ in plan.seed_ids)
    assert all("core" in by_id[id_].tags for plan in plans if plan not in edge for id_ in plan.seed_ids)


def test_the_same_start_gives_the_same_plans() -> None:
    first, again = (list(islice(strategy().plans(Tally()), 20)) for _ in range(2))
    assert first == again
    assert first != list(islice(strategy(key="desk:2").plans(Tally()), 20))


def test_numbers_that_were_never_recorded_come_first_after_a_kill() -> None:
    tally = Tally(missing=(3, 5), next_index=8)
    plans = list(islice(strategy().plans(tally), 4))
    assert [plan.index for plan in plans] == [3, 5, 8, 9]
    assert plans[0].request.id == "c1-000003"


def test_a_resumed_cycle_shows_the_seeds_that_were_shown_least() -> None:
    first = seeds(8)[:4]  # of `delivery`, which is asked first
    tally = Tally(shown=Counter({seed.id: 1 for seed in first}))
    plan = next(iter(strategy(seeds(8)).plans(tally)))
    assert set(plan.seed_ids).isdisjoint(seed.id for seed in first)


def test_prompts_too_long_for_the_model_show_fewer_seeds() -> None:
    long = [Example(fields={"text": f"{n} " + "word " * 100, "label": "billing"}) for n in range(8)]
    plan = next(iter(strategy(long, context_tokens=800).plans(Tally())))
    assert len(plan.seed_ids) == 3  # of the four asked for
    assert len(str(plan.request.prompt)) / 2.5 + 160 <= 800


def test_a_task_without_labels_has_one_group() -> None:
    task = Task.from_config({"preset": "instruction", "name": "help"})
    rows = [Example(fields={"instruction": f"Say {n}.", "input": "", "output": f"{n}"}) for n in range(6)]
    sampling = Sampling(1, 0.7, 0.9, 160)
    plans = FewShot(ChatForm(task), rows, key="k", request_prefix="r", sampling=sampling, shots=3)
    assert [plan.fixed for plan in islice(plans.plans(Tally()), 3)] == [{}, {}, {}]


def test_without_seeds_there_is_nothing_to_show() -> None:
    with pytest.raises(InputError, match="no seeds"):
        strategy([])


def test_focused_sampling_gives_every_seed_a_turn_among_its_neighbours() -> None:
    given = [Example(fields={"text": f"Message {n}", "label": "billing"}) for n in range(40)]
    place = {seed.id: n for n, seed in enumerate(given)}

    def nearest(centre: Example, others: Sequence[Example]) -> list[Example]:
        return sorted(others, key=lambda seed: abs(place[seed.id] - place[centre.id]))

    tally = Tally()
    plans = sent(strategy(given, run=1, shots=3, nearest=nearest).plans(tally), tally, 40)
    assert {id_ for plan in plans for id_ in plan.seed_ids} == place.keys()
    spread = [max(places) - min(places) for plan in plans for places in [[place[i] for i in plan.seed_ids]]]
    assert max(spread) <= 12


@given(number=st.integers(1, 9), edge=st.integers(0, 9), shots=st.integers(1, 12), run=st.integers(1, 4))
def test_a_prompt_has_as_many_different_seeds_as_there_are(
    number: int, edge: int, shots: int, run: int
) -> None:
    given = seeds(number, edge)
    focused = strategy(given, shots=shots, run=run, nearest=lambda _, others: list(others))
    for plan in chain(
        *(islice(each.plans(Tally()), 12) for each in (strategy(given, shots=shots, run=run), focused))
    ):
        assert len(plan.seed_ids) == len(set(plan.seed_ids)) == min(shots, number)

"""Several strategies in one sequence: shares hold, a kill changes nothing, who has nothing to ask steps aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from seedgate.generator.clients.base import Request, Sampling
from seedgate.generator.strategies.base import Plan, Tally, Turn
from seedgate.generator.strategies.mix import Mix
from tests.generator.asking import after_kill

SAMPLING = Sampling(1, 0.7, 0.9, 16)


class Counting:
    """Plans that say their place in the strategy; `most` of them."""

    def __init__(self, name: str, most: int | None = None) -> None:
        self.name = name
        self._most = most

    def plans(self, tally: Tally, turns: Iterable[Turn] | None = None) -> Iterator[Plan]:
        for index, number in tally.turns(self.name) if turns is None else turns:
            if self._most is not None and number >= self._most:
                return
            yield Plan(index, self.name, Request(f"r{index}", f"{self.name} {number}", SAMPLING), {}, ())


def mix(shares: dict[str, float], **most: int) -> Mix:
    return Mix([(Counting(name, most.get(name)), share) for name, share in shares.items()])


def made(given: Mix, number: int, tally: Tally | None = None) -> list[Plan]:
    return list(islice(given.plans(tally or Tally()), number))


SHARES = st.dictionaries(st.sampled_from("abcde"), st.floats(0.05, 1.0), min_size=1)


@given(shares=SHARES, number=st.integers(1, 200))
def test_every_beginning_of_the_sequence_keeps_the_shares(shares: dict[str, float], number: int) -> None:
    counts = Counter(plan.strategy for plan in made(mix(shares), number))
    whole = sum(shares.values())
    assert all(abs(counts[name] - number * share / whole) < len(shares) for name, share in shares.items())


def test_seven_of_ten_are_seven_of_ten() -> None:
    plans = made(mix({"few_shot": 0.7, "contrast": 0.3}), 100)
    assert Counter(plan.strategy for plan in plans) == {"few_shot": 70, "contrast": 30}
    assert Counter(plan.strategy for plan in plans[:10]) == {"few_shot": 7, "contrast": 3}
    assert [plan.index for plan in plans] == list(range(100))


def test_a_share_that_was_rounded_to_nothing_waits_for_the_others_to_end() -> None:
    plans = made(mix({"few_shot": 1.0, "evolve": 0.0}, few_shot=20), 25)
    assert [plan.strategy for plan in plans] == ["few_shot"] * 20 + ["evolve"] * 5


@given(shares=SHARES, upto=st.integers(0, 60), most=st.integers(0, 30), seed=st.integers(0, 999))
def test_after_a_kill_the_sequence_is_that_of_one_run(
    shares: dict[str, float], upto: int, most: int, seed: int
) -> None:
    given_ = mix(shares | {"z": 0.5}, a=most)  # one of them ends
    whole, rng = made(given_, 60), Random(seed)
    gone = {plan.index for plan in whole[:upto] if rng.random() < 0.4}
    tally = after_kill(whole, upto, lambda plan: plan.index in gone)
    kept = [plan for plan in whole[:upto] if plan.index not in gone]
    again = made(given_, 60 - len(kept), tally)
    assert sorted([*kept, *again], key=lambda plan: plan.index) == whole


def test_who_has_nothing_more_to_ask_leaves_its_turns_to_the_others() -> None:
    plans = made(mix({"a": 1, "b": 1, "c": 2}, b=3), 43)
    assert Counter(plan.strategy for plan in plans)["b"] == 3
    rest = Counter(plan.strategy for plan in plans[12:])
    assert abs(rest["c"] - 2 * rest["a"]) <= 2


def test_it_ends_when_nobody_has_anything_to_ask() -> None:
    assert len(made(mix({"a": 1, "b": 1}, a=2, b=3), 99)) == 5


def test_a_look_at_the_first_prompts_takes_one_of_each() -> None:
    found = mix({"a": 1, "b": 1, "c": 1}, b=0).firsts(Tally())
    assert {name: plan.request.prompt for name, plan in found.items()} == {"a": "a 0", "c": "c 0"}

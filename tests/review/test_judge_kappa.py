"""How far the judge agrees with people: kappa, its interval, and when there is none."""

from __future__ import annotations

import random

import pytest

from seedgate.review import kappa_of


def drawn(count: int, agree: float, chance: random.Random) -> tuple[list[float], list[bool]]:
    """Decisions, half of them approvals, and grades that are on their side so often."""
    truth = [chance.random() < 0.5 for _ in range(count)]
    grades = [(4.2 if one else 2.1) if chance.random() < agree else (2.1 if one else 4.2) for one in truth]
    return grades, truth


def test_is_that_of_the_textbook() -> None:
    # Alike on 8 of 12, and chance agrees on half: (2/3 - 1/2) / (1 - 1/2).
    grades = [5.0, 4.0, 3.5, 3.6, 2.0, 1.0, 1.0, 2.0, 3.4, 3.0, 5.0, 4.0]
    approved = [True] * 6 + [False] * 6
    value, low, high = kappa_of(grades, approved)
    assert value == pytest.approx(1 / 3)
    assert -1 <= low < value < high <= 1


def test_a_grade_approves_from_where_it_rounds_to_one_that_says_so() -> None:
    approved = [True] * 10 + [False] * 10
    assert kappa_of([3.5] * 10 + [3.49] * 10, approved)[0] == 1


def test_a_judge_that_likes_all_agrees_no_more_than_chance() -> None:
    assert kappa_of([5.0] * 30, [True] * 15 + [False] * 15) == (0, 0, 0)


def test_the_same_decisions_give_the_same_interval() -> None:
    rows = drawn(40, 0.8, random.Random(1))
    assert kappa_of(*rows) == kappa_of(*rows)


def test_the_interval_is_about_the_value_and_narrows_with_more_decisions() -> None:
    # Right on .8 of a balanced two: kappa .6.
    few, many = kappa_of(*drawn(40, 0.8, random.Random(3))), kappa_of(*drawn(400, 0.8, random.Random(3)))
    assert many[1] < 0.6 < many[2]
    assert few[1] < few[0] < few[2]
    assert many[2] - many[1] < 0.5 * (few[2] - few[1])

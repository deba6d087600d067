"""Intervals and tests against published numbers and numbers worked out by hand."""

from __future__ import annotations

import math
import random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.finetune.intervals import difference_interval, paired_p_value, score_interval


def paired(both: int, gained: int, lost: int, neither: int) -> tuple[list[float], list[float]]:
    """Scores before and after, from the four cells of the paired table."""
    before = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    after = [1.0] * both + [1.0] * gained + [0.0] * lost + [0.0] * neither
    return before, after


class TestScores:
    # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
    @pytest.mark.parametrize(
        ("right", "n", "low", "high"),
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_accuracy_has_wilsons_interval(self, right: int, n: int, low: float, high: float) -> None:
        found = score_interval([1.0] * right + [0.0] * (n - right), "accuracy", 0.95)
        assert found == pytest.approx((low, high), abs=5e-5)

    def test_overlap_has_a_bootstrap_that_repeats(self) -> None:
        rng = random.Random(1)
        scores = [rng.random() for _ in range(400)]
        low, high = score_interval(scores, "token_f1", 0.95)
        mean = sum(scores) / 400
        half = 1.96 * math.sqrt(sum((s - mean) ** 2 for s in scores) / 400 / 400)
        assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.006)
        assert score_interval(scores, "token_f1", 0.95) == (low, high)

    def test_a_single_row_is_no_error(self) -> None:
        assert score_interval([1.0], "accuracy", 0.95)[1] == 1.0
        assert score_interval([0.5], "token_f1", 0.95) == (0.5, 0.5)


class TestMcNemar:
    # Twice the binomial tail: 2 * (C(10,0) + C(10,1) + C(10,2)) / 2**10 and so on.
    @pytest.mark.parametrize(
        ("gained", "lost", "p_value"),
        [(8, 2, 112 / 1024), (2, 8, 112 / 1024), (10, 0, 2 / 1024), (5, 5, 1.0), (1, 0, 1.0), (6, 0, 2 / 64)],
    )
    def test_it_is_exact(self, gained: int, lost: int, p_value: float) -> None:
        before, after = paired(30, gained, lost, 10)
        assert paired_p_value(before, after, "accuracy") == pytest.approx(p_value)

    def test_equal_answers_prove_nothing(self) -> None:
        assert paired_p_value(*paired(5, 0, 0, 5), "accuracy") == 1.0

    def test_rows_both_have_right_do_not_matter(self) -> None:
        few, many = paired(3, 9, 2, 4), paired(300, 9, 2, 400)
        assert paired_p_value(*few, "accuracy") == paired_p_value(*many, "accuracy")


class TestDifferences:
    # Newcombe 1998b, method 10, by hand for 12/9/1/2: p1 = 21/24, p2 = 13/24; Wilson .6900 to .9566 and
    # .3507 to .7211; product 12 * 2 - 9 * 1 = 15, corrected by 12 to 3; phi = 3 / sqrt(21 * 3 * 13 * 11).
    def test_accuracy_has_newcombes_interval(self) -> None:
        low1, high1, low2, high2 = 0.690, 0.9566, 0.3507, 0.7211
        p1, p2, phi = 21 / 24, 13 / 24, 3 / math.sqrt(21 * 3 * 13 * 11)

        def reach(x: float, y: float) -> float:
            return math.sqrt(x * x - 2 * phi * x * y + y * y)

        by_hand = (p1 - p2 - reach(p1 - low1, high2 - p2), p1 - p2 + reach(high1 - p1, p2 - low2))
        found = difference_interval(*paired(12, 9, 1, 2), "accuracy", 0.95)
        assert found == pytest.approx(by_hand, abs=2e-4)

    def test_independent_pairs_without_correlation_square_and_add(self) -> None:
        before, after = paired(9, 9, 9, 9)
        low, high = score_interval(before, "accuracy", 0.95)
        reach = math.hypot(0.5 - low, high - 0.5)
        assert difference_interval(before, after, "accuracy", 0.95) == pytest.approx((-reach, reach))

    @given(cells=st.tuples(*[st.integers(0, 40)] * 4).filter(lambda cells: sum(cells) > 0))
    def test_it_holds_the_difference_and_turns_with_the_order(self, cells: tuple[int, int, int, int]) -> None:
        before, after = paired(*cells)
        low, high = difference_interval(before, after, "accuracy", 0.95)
        difference = (cells[1] - cells[2]) / sum(cells)
        assert -1 - 1e-9 <= low <= difference + 1e-9
        assert difference - 1e-9 <= high <= 1 + 1e-9
        turned = difference_interval(after, before, "accuracy", 0.95)
        assert (-turned[1], -turned[0]) == pytest.approx((low, high), abs=1e-9)

    def test_it_covers_the_truth_as_often_as_it_says(self) -> None:
        rng = random.Random(7)
        cells, truth, inside, runs = (0.5, 0.2, 0.1, 0.2), 0.1, 0, 300
        for _ in range(runs):
            drawn = rng.choices(range(4), cells, k=160)
            counts = [drawn.count(cell) for cell in range(4)]
            low, high = difference_interval(*paired(*counts), "accuracy", 0.95)  # type: ignore[arg-type]
            inside += low <= truth <= high
        assert 0.92 <= inside / runs <= 0.99

    def test_overlap_has_a_paired_bootstrap_and_sign_flips(self) -> None:
        rng = random.Random(3)
        before = [rng.random() * 0.5 for _ in range(100)]
        better = [score + 0.2 + 0.05 * rng.random() for score in before]
        metric: Literal["token_f1"] = "token_f1"
        low, high = difference_interval(before, better, metric, 0.95)
        assert 0.21 < low < high < 0.24
        assert paired_p_value(before, better, metric) < 0.001
        noise = [score + rng.choice((-0.1, 0.1)) for score in before]
        assert paired_p_value(before, noise, metric) > 0.05
        assert paired_p_value(before, before, metric) == 1.0

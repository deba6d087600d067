"""The AUC of a score against decisions: its value, its interval, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from seedgate.review import auc_of


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_is_what_the_textbook_says_within_its_interval(rows: list[tuple[int, bool]]) -> None:
    values, truth = [float(value) for value, _ in rows], [one for _, one in rows]
    if len(set(truth)) < 2:
        return
    found = auc_of(values, truth)
    assert found.value == pytest.approx(roc_auc_score(truth, values))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_has_a_width_where_the_outcomes_do_not_overlap() -> None:
    found = auc_of([1.0] * 10 + [0.0] * 10, [True] * 10 + [False] * 10)
    assert found.value == found.high == 1
    assert 0.7 < found.low < 0.95


def test_turning_the_score_round_turns_the_interval_round() -> None:
    values, truth = [3.0, 1.0, 2.0, 5.0, 4.0, 0.0], [True, False, True, True, False, False]
    one, other = auc_of(values, truth), auc_of([-value for value in values], truth)
    assert (other.value, other.low, other.high) == pytest.approx((1 - one.value, 1 - one.high, 1 - one.low))


@pytest.mark.parametrize("true", [0.5, 0.76, 0.92])
@pytest.mark.parametrize("coarse", [False, True])
def test_the_interval_holds_the_true_value_nineteen_times_of_twenty(true: float, coarse: bool) -> None:
    chance = np.random.default_rng(7)
    shift = {0.5: 0.0, 0.76: 1.0, 0.92: 2.0}[true]
    truth = np.arange(60) < 35

    def drawn(rows: int) -> np.ndarray:
        values = chance.normal(size=rows) + shift * np.resize(truth, rows)
        return np.round(values) if coarse else values

    many = drawn(60_000)
    exact = roc_auc_score(np.resize(truth, 60_000), many)
    found = [auc_of(drawn(60), truth) for _ in range(1000)]
    held = np.mean([each.low <= exact <= each.high for each in found])
    assert held > 0.93

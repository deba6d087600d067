"""Intervals over training seeds x rows."""

from __future__ import annotations

import numpy as np
import pytest

from seedgate.finetune.effects import Effect, gain_of, mean_of


def drawn(rng: np.random.Generator, seeds: int, rows: int) -> np.ndarray:
    """Scores whose true mean is .5: seeds and rows each shift the chance of being right."""
    shift = rng.normal(0, 0.1, (seeds, 1)) + rng.normal(0, 0.25, (1, rows))
    return (rng.random((seeds, rows)) < np.clip(0.5 + shift, 0, 1)).astype(float)


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_holds_what_it_says_where_seeds_and_rows_both_scatter(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    held = [
        each.low <= 0.5 <= each.high for each in (mean_of(drawn(rng, seeds, 80), 0.95) for _ in range(100))
    ]
    # Two-way bootstrap with very few seeds: percentiles of three values reach less far than a t distribution.
    assert np.mean(held) > 0.85


def test_rows_alone_would_take_the_spread_of_seeds_for_nothing() -> None:
    scores = drawn(np.random.default_rng(1), 4, 400)
    alone = mean_of(scores.mean(axis=0, keepdims=True), 0.95)
    both = mean_of(scores, 0.95)
    assert both.high - both.low > 1.3 * (alone.high - alone.low)
    assert both.value == pytest.approx(alone.value)


def test_one_seed_is_the_bootstrap_over_rows() -> None:
    scores = np.array([[1.0] * 80 + [0.0] * 20])
    found = mean_of(scores, 0.95)
    assert found.value == pytest.approx(0.8)
    assert 0.70 < found.low < 0.74
    assert 0.86 < found.high < 0.90


def test_a_gain_is_paired_by_row() -> None:
    rng = np.random.default_rng(0)
    before = (rng.random((3, 200)) < 0.5).astype(float)
    after = np.maximum(before, (rng.random((3, 200)) < 0.1).astype(float))
    gain = gain_of(before, after, 0.95)
    assert gain.value == pytest.approx(float((after - before).mean()))
    assert gain.low > 0
    apart = gain_of(before, after[:, ::-1], 0.95)
    assert apart.high - apart.low > 2 * (gain.high - gain.low)


def test_no_difference_has_no_width() -> None:
    scores = np.ones((2, 10))
    assert gain_of(scores, scores, 0.95) == Effect(0.0, 0.0, 0.0)

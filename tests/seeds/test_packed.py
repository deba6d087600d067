"""Rows in a byte for each number: what rounding does to them, and that growth changes nothing."""

import numpy as np
import pytest

from seedgate.seeds.packed import PackedRows

WIDTH = 384


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_cosine_moves_by_less_than_three_thousandths() -> None:
    rows, asked = unit(3000, 1), unit(300, 2)
    asked[:100] = rows[:100]
    found = PackedRows.of(rows).products(np.arange(3000), asked)
    errors = found - rows @ asked.T
    assert np.abs(errors).max() < 0.003
    assert 0.0002 < errors.std() < 0.0006
    assert abs(errors.mean()) < 1e-5


def test_products_are_those_of_the_rows() -> None:
    packed, which = PackedRows.of(unit(50, 1)), np.array([7, 3, 49])
    asked = unit(5, 2)
    assert packed.products(which, asked) == pytest.approx(packed.rows(which) @ asked.T, abs=1e-6)
    assert np.array_equal(packed.rows(slice(3, 5)), packed.rows(np.array([3, 4])))


@pytest.mark.parametrize("step", [1, 7, 400])
def test_rows_that_come_in_portions_are_packed_like_those_that_come_at_once(step: int) -> None:
    rows = unit(400, 1)
    packed = PackedRows.of(rows[:1])
    for start in range(1, 400, step):
        packed.add(rows[start : start + step])
    expected = PackedRows.of(rows)
    assert len(packed) == 400
    assert np.array_equal(packed.values, expected.values)
    assert np.array_equal(packed.scales, expected.scales)
    again = PackedRows(packed.values, packed.scales)
    again.add(rows[:3])
    assert np.array_equal(again.values[:400], expected.values)


def test_a_row_of_zeros_stays_one() -> None:
    assert not PackedRows.of(np.zeros((2, 4), np.float32)).rows(slice(None)).any()


@pytest.mark.parametrize(
    ("values", "scales"),
    [
        (np.zeros((3, 4), np.int8), np.zeros(2, np.float32)),
        (np.zeros(3, np.int8), np.zeros(3, np.float32)),
        (np.zeros((3, 4), np.float16), np.zeros(3, np.float32)),
    ],
)
def test_parts_must_belong_together(values: np.ndarray, scales: np.ndarray) -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        PackedRows(values, scales)

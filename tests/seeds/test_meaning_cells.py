"""Vectors in cells: what is near is found, centres follow the rows, and odd rows do no harm."""

import numpy as np
import pytest

from seedgate.seeds.meaning_cells import ROWS, Cells
from seedgate.seeds.packed import unpacked

WIDTH, LOT = 64, 256
ROUNDED = 0.003
"""Half a step of a byte where the largest number of a row is .7."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def texts(count: int, seed: int) -> np.ndarray:
    """Topics within topics, as texts of one task have them; the nearest other one is at .6 to .99, as there."""
    chance = np.random.default_rng(seed)
    topics = np.random.default_rng(0).standard_normal((20, WIDTH))
    narrow = topics[:, None] + 0.9 * np.random.default_rng(1).standard_normal((20, 30, WIDTH))
    own = narrow.reshape(-1, WIDTH)[chance.integers(600, size=count)]
    spread = chance.uniform(0.1, 1.0, size=(count, 1))
    return unit(own + spread * chance.standard_normal((count, WIDTH)))


def streamed(rows: np.ndarray, first: int) -> Cells:
    cells = Cells(rows[:first])
    for start in range(first, len(rows), LOT):
        cells.add(rows[start : start + LOT])
    return cells


@pytest.mark.parametrize("threshold", [0.85, 0.95])
@pytest.mark.parametrize("by_topic", [False, True])
def test_of_rows_above_a_threshold_99_in_100_are_found(threshold: float, by_topic: bool) -> None:
    rows, asked = texts(16_000, 2), texts(3000, 3)
    if by_topic:  # what comes later lies where no centre was when the first ones were found
        rows = rows[np.argsort((rows @ texts(20, 4).T).argmax(1), kind="stable")]
    cells = streamed(rows, 2048)
    _, cosine = cells.nearest_of(asked)
    above = (asked @ rows.T).max(1) >= threshold
    assert above.sum() > 100
    assert (cosine[above] >= threshold - 1e-3).mean() >= 0.99


def test_numbers_are_those_of_the_order_and_one_by_one_compares_with_the_same() -> None:
    rows = texts(5000, 2)
    cells = streamed(rows, 1000)
    numbers, cosine = cells.nearest_of(rows[::50])
    assert numbers.tolist() == list(range(0, 5000, 50))
    assert cosine.tolist() == pytest.approx([1] * 100, abs=2e-3)
    near = cells.near(rows[77])
    assert 77 in np.concatenate([own for own, _ in near])
    assert all(held == pytest.approx(rows[own], abs=ROUNDED) for own, held in near)
    assert unpacked(*cells.packed()) == pytest.approx(rows, abs=ROUNDED)


def test_centres_are_found_anew_when_the_rows_have_doubled() -> None:
    rows = texts(8 * ROWS, 2)
    cells = streamed(rows, 2 * ROWS)
    assert cells.full == 16 * ROWS
    assert len(cells.centres) == 8
    assert np.bincount(cells.cell_of_each(), minlength=8).min() > 0


def test_many_equal_rows_share_a_cell_and_are_found() -> None:
    rows = np.repeat(texts(2, 5), 2000, axis=0)
    cells = streamed(rows, 300)
    assert len(cells) == 4000
    numbers, cosine = cells.nearest_of(rows[[0, 3999]])
    assert cosine.tolist() == pytest.approx([1, 1], abs=2e-3)
    assert (numbers < 2000).tolist() == [True, False]


def test_one_row_is_a_cell() -> None:
    row = texts(1, 2)
    assert [part.tolist() for part in Cells(row).nearest_of(row)] == [[0], [pytest.approx(1, abs=2e-3)]]


def test_restored_ones_must_belong_together() -> None:
    cells = streamed(texts(2000, 2), 1000)
    parts = *cells.packed(), cells.cell_of_each(), cells.centres
    again = Cells.restored(*parts, cells.full)
    assert np.array_equal(again.cell_of_each(), cells.cell_of_each())
    assert all(np.array_equal(*pair) for pair in zip(again.packed(), cells.packed(), strict=True))
    for place in range(4):
        wrong = [each[:-1] if at == place else each for at, each in enumerate(parts)]
        with pytest.raises(ValueError, match="do not belong together"):
            Cells.restored(*wrong, cells.full)

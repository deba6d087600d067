"""Rows in a byte for each number: what rounding does to them, and that a file gives back what was written."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from seedgate.errors import SeedgateError
from seedgate.seeds.packed import RowFile, packed, unpacked

WIDTH = 384


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_cosine_moves_by_less_than_three_thousandths() -> None:
    rows, asked = unit(3000, 1), unit(300, 2)
    asked[:100] = rows[:100]
    found = unpacked(*packed(rows)) @ asked.T
    errors = found - rows @ asked.T
    assert np.abs(errors).max() < 0.003
    assert found.max() <= 1 + 1e-6
    assert 0.0002 < errors.std() < 0.0006
    assert abs(errors.mean()) < 1e-5


def test_a_row_of_zeros_stays_one() -> None:
    assert not unpacked(*packed(np.zeros((2, 4), np.float32))).any()


def test_a_file_gives_back_what_was_written_wherever_it_is() -> None:
    file, (values, _) = RowFile(WIDTH), packed(unit(50, 1))
    first, second = file.reserve(60), file.reserve(10)
    assert second == 60
    file.write(first + 5, values)
    file.write(second, values[:3])
    assert np.array_equal(file.read(first + 5, 50), values)
    assert np.array_equal(file.read(first + 20, 2), values[15:17])
    assert np.array_equal(file.read(second, 3), values[:3])
    assert not file.read(first, 5).any()
    assert not file.read(second + 3, 7).any()


def test_nobody_finds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = RowFile(4)
    file.write(file.reserve(3), np.ones((3, 4), np.int8))
    assert list(tmp_path.iterdir()) == []
    assert file.read(2, 1).tolist() == [[1, 1, 1, 1]]


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = RowFile(4)
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(SeedgateError, match="writing a temporary file failed: No space left on device"):
        file.write(file.reserve(1), np.ones((1, 4), np.int8))

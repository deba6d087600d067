"""The nearest of many vectors: exact while they are few, in cells that are kept from run to run when they are many."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from seedgate.seeds import MeaningIndex
from seedgate.seeds.meaning_index import CLOSE, LOT

COUNT, WIDTH = 3000, 24


def unit(vectors: np.ndarray) -> np.ndarray:
    rounded = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return rounded.astype(np.float32)


def noisy(count: int, amount: float, chance: np.random.Generator) -> np.ndarray:
    """Texts about a few topics: a row of `TOPICS` moved by noise."""
    topics = TOPICS[chance.integers(len(TOPICS), size=count)]
    return unit(topics + amount * chance.standard_normal((count, WIDTH)) / WIDTH**0.5)


CHANCE = np.random.default_rng(20)
TOPICS = unit(CHANCE.standard_normal((40, WIDTH)))
VECTORS = noisy(COUNT, 0.6, CHANCE)
IDS = [sha256(str(n).encode()).hexdigest() for n in range(COUNT)]
BY_ID = dict(zip(IDS, VECTORS, strict=True))
either_way = pytest.mark.parametrize("most_exact", [3 * COUNT, 1000, 0])


def vectors_of(ids: Sequence[str]) -> np.ndarray:
    return np.array([BY_ID[id_] for id_ in ids], np.float32)


def filled(most_exact: int, step: int = 60) -> MeaningIndex:
    index = MeaningIndex(most_exact)
    for start in range(0, COUNT, step):
        index.add(IDS[start : start + step], VECTORS[start : start + step])
    return index


@either_way
def test_it_finds_what_comparing_with_each_finds(most_exact: int) -> None:
    index = filled(most_exact)
    assert len(index) == COUNT
    chance = np.random.default_rng(1)
    for asked in unit(VECTORS[:40] + 0.02 * chance.standard_normal((40, WIDTH))):
        likeness = VECTORS @ asked
        found = index.nearest(asked)
        assert found is not None
        assert found[0] == IDS[int(likeness.argmax())]
        assert found[1] == pytest.approx(float(likeness.max()), abs=2e-3)


@either_way
@pytest.mark.parametrize("count", [1, 40])
def test_asking_for_several_at_once_says_the_same(most_exact: int, count: int) -> None:
    assert MeaningIndex(most_exact).nearest_of(VECTORS[:count]) is None
    assert MeaningIndex(most_exact).nearest_each(VECTORS[:count]) == []
    index = filled(most_exact)
    asked = noisy(count, 0.6, np.random.default_rng(2))
    found = index.nearest_of(asked)
    assert found is not None
    one_by_one = [index.nearest(each) for each in asked]
    assert found.tolist() == pytest.approx([each[1] for each in one_by_one if each], abs=CLOSE)
    named = index.nearest_each(asked)
    assert [each[0] for each in named] == [each[0] for each in one_by_one if each]
    assert [each[1] for each in named] == pytest.approx(found.tolist(), abs=1e-4)


@either_way
def test_what_is_ignored_is_not_found_and_the_next_is(most_exact: int) -> None:
    index = filled(most_exact)
    order = np.argsort(-(VECTORS @ VECTORS[7]))
    assert index.nearest(VECTORS[7]) == (IDS[7], pytest.approx(1.0, abs=1e-3))
    for ignored in (3, 40):
        found = index.nearest(VECTORS[7], ignore={IDS[place] for place in order[:ignored]})
        assert found is not None
        # Rounded rows may change places with others that are as near.
        assert found[0] not in {IDS[place] for place in order[:ignored]}
        assert float(BY_ID[found[0]] @ VECTORS[7]) == pytest.approx(
            float(VECTORS[order[ignored]] @ VECTORS[7]), abs=0.006
        )


@either_way
def test_of_equal_rows_the_one_added_first_is_found(most_exact: int) -> None:
    index = filled(most_exact)
    again = [sha256(f"again {n}".encode()).hexdigest() for n in range(COUNT)]
    index.add(again, VECTORS)
    for place in range(0, COUNT, 300):
        assert [id_ for id_, _ in index.all_near(VECTORS[place], 0.999)] == [IDS[place], again[place]]
        assert index.nearest(VECTORS[place], ignore=IDS[place]) == (again[place], pytest.approx(1, abs=1e-3))


@either_way
def test_where_all_is_ignored_or_nothing_is_there_nothing_is_found(most_exact: int) -> None:
    index = MeaningIndex(most_exact)
    assert index.nearest(VECTORS[0]) is None
    assert index.all_near(VECTORS[0], -1) == []
    index.add(IDS[:2], VECTORS[:2])
    assert index.nearest(VECTORS[0], ignore=IDS[:2]) is None


def test_a_row_that_comes_twice_is_no_other_row() -> None:
    index = MeaningIndex()
    index.add(IDS[:3], VECTORS[:3])
    index.add(IDS[:1], VECTORS[:1])
    found = index.nearest(VECTORS[0], ignore=IDS[:1])
    assert found is not None
    assert found[0] in IDS[1:3]


@pytest.mark.parametrize("step", [1, LOT, 700, COUNT])
def test_the_answers_do_not_hang_on_the_portions_in_which_rows_came(step: int) -> None:
    expected, index = filled(500), filled(500, step)
    asked = unit(np.random.default_rng(3).standard_normal((100, WIDTH)))
    assert index.nearest_each(asked) == expected.nearest_each(asked)


class TestFile:
    def load(self, path: Path, ids: Sequence[str], most_exact: int = 500) -> tuple[MeaningIndex, list[int]]:
        """The index, and how many vectors it had to ask for at a time."""
        asked: list[int] = []

        def of(wanted: Sequence[str]) -> np.ndarray:
            asked.append(len(wanted))
            return vectors_of(wanted)

        index = MeaningIndex(most_exact)
        index.load(path, ids, of)
        return index, asked

    def test_few_vectors_need_no_file(self, tmp_path: Path) -> None:
        index, asked = self.load(tmp_path / "index", IDS[:499])
        assert (len(index), asked, list(tmp_path.iterdir())) == (499, [499], [])

    def test_what_is_there_is_not_computed_again(self, tmp_path: Path) -> None:
        path = tmp_path / "index"
        assert self.load(path, IDS[:2000])[1] == [2000]
        assert path.stat().st_mode & 0o777 == 0o600
        index, asked = self.load(path, IDS)
        assert asked == [1000]
        assert all(index.nearest(BY_ID[id_]) == (id_, pytest.approx(1, abs=1e-3)) for id_ in IDS)
        assert self.load(path, IDS)[1] == []

    def test_a_loaded_one_answers_and_grows_like_the_one_that_was_saved(self, tmp_path: Path) -> None:
        path, asked = tmp_path / "index", unit(np.random.default_rng(3).standard_normal((100, WIDTH)))
        for known in range(600, COUNT, 400):
            loaded, _ = self.load(path, IDS[:known])
            made = MeaningIndex(500)
            made.add(IDS[:known], VECTORS[:known])
            assert loaded.nearest_each(asked) == made.nearest_each(asked)

    def test_a_small_growth_is_not_written(self, tmp_path: Path) -> None:
        path = tmp_path / "index"
        self.load(path, IDS[:2900])
        before = path.read_bytes()
        assert self.load(path, IDS)[1] == [100]
        assert path.read_bytes() == before

    def test_a_row_that_is_gone_makes_it_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "index"
        self.load(path, IDS)
        index, asked = self.load(path, IDS[1:])
        assert asked == [COUNT - 1]
        found = index.nearest(VECTORS[0])
        assert found is not None
        assert found[0] != IDS[0]

    @pytest.mark.parametrize("content", [b"", b"half of an index", b"PK\x03\x04"])
    def test_a_damaged_file_is_made_anew(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "index").write_bytes(content)
        assert self.load(tmp_path / "index", IDS)[1] == [COUNT]
        assert self.load(tmp_path / "index", IDS)[1] == []

    @pytest.mark.parametrize("change", ["cells", "centres", "ids", "rows"])
    def test_a_file_whose_parts_do_not_fit_is_made_anew(self, tmp_path: Path, change: str) -> None:
        path = tmp_path / "index.npz"
        self.load(path, IDS)
        with np.load(path) as saved:
            parts = dict(saved)
        np.savez(
            path, **parts | {change: parts[change][:-300] if change in ("ids", "rows") else parts[change][:5]}
        )
        assert self.load(path, IDS)[1] == [COUNT]

    def test_half_a_file_is_made_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "index"
        self.load(path, IDS)
        path.write_bytes(path.read_bytes()[:50_000])
        assert self.load(path, IDS)[1] == [COUNT]

    def test_the_same_rows_make_the_same_index(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            self.load(tmp_path / name, IDS)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

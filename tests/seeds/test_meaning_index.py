"""The nearest of many vectors: exact while they are few, kept from run to run when they are many."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from seedgate.seeds import MeaningIndex
from seedgate.seeds.meaning_index import CLOSE

CHANCE = np.random.default_rng(20)
VECTORS = CHANCE.standard_normal((300, 24)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
VECTORS = VECTORS.astype(np.float16).astype(np.float32)
IDS = [sha256(str(n).encode()).hexdigest() for n in range(300)]
BY_ID = dict(zip(IDS, VECTORS, strict=True))


def vectors_of(ids: Sequence[str]) -> np.ndarray:
    return np.array([BY_ID[id_] for id_ in ids], np.float32)


def filled(most_exact: int) -> MeaningIndex:
    index = MeaningIndex(most_exact)
    for start in range(0, 300, 60):
        index.add(IDS[start : start + 60], VECTORS[start : start + 60])
    return index


@pytest.mark.parametrize("most_exact", [1000, 100, 0])
def test_it_finds_what_comparing_with_each_finds(most_exact: int) -> None:
    index = filled(most_exact)
    assert len(index) == 300
    for asked in CHANCE.standard_normal((40, 24)).astype(np.float32):
        asked /= np.linalg.norm(asked)
        likeness = VECTORS @ asked
        found = index.nearest(asked)
        assert found is not None
        assert found[0] == IDS[int(likeness.argmax())]
        assert found[1] == pytest.approx(float(likeness.max()), abs=2e-3)


@pytest.mark.parametrize("most_exact", [1000, 100, 0])
@pytest.mark.parametrize("count", [1, 40])
def test_asking_for_several_at_once_says_the_same(most_exact: int, count: int) -> None:
    assert MeaningIndex(most_exact).nearest_of(VECTORS[:count]) is None
    assert MeaningIndex(most_exact).nearest_each(VECTORS[:count]) == []
    index = filled(most_exact)
    asked = CHANCE.standard_normal((count, 24)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    found = index.nearest_of(asked)
    assert found is not None
    one_by_one = [index.nearest(each) for each in asked]
    assert found.tolist() == pytest.approx([each[1] for each in one_by_one if each], abs=CLOSE)
    named = index.nearest_each(asked)
    assert [each[0] for each in named] == [each[0] for each in one_by_one if each]
    assert [each[1] for each in named] == pytest.approx(found.tolist(), abs=1e-4)


@pytest.mark.parametrize("most_exact", [1000, 0])
def test_what_is_ignored_is_not_found_and_the_next_is(most_exact: int) -> None:
    index = filled(most_exact)
    order = np.argsort(-(VECTORS @ VECTORS[7]))
    assert index.nearest(VECTORS[7]) == (IDS[7], pytest.approx(1.0, abs=1e-3))
    family = {IDS[place] for place in order[:3]}
    found = index.nearest(VECTORS[7], ignore=family)
    assert found is not None
    assert found[0] == IDS[order[3]]


@pytest.mark.parametrize("most_exact", [1000, 0])
def test_where_all_is_ignored_or_nothing_is_there_nothing_is_found(most_exact: int) -> None:
    index = MeaningIndex(most_exact)
    assert index.nearest(VECTORS[0]) is None
    index.add(IDS[:2], VECTORS[:2])
    assert index.nearest(VECTORS[0], ignore=IDS[:2]) is None


def test_a_row_that_comes_twice_is_no_other_row() -> None:
    for most_exact in (1000, 0):
        index = MeaningIndex(most_exact)
        index.add(IDS[:3], VECTORS[:3])
        index.add(IDS[:1], VECTORS[:1])
        found = index.nearest(VECTORS[0], ignore=IDS[:1])
        assert found is not None
        assert found[0] in IDS[1:3]


class TestFile:
    def load(self, path: Path, ids: Sequence[str], most_exact: int = 50) -> tuple[MeaningIndex, list[int]]:
        """The index, and how many vectors it had to ask for at a time."""
        asked: list[int] = []

        def of(wanted: Sequence[str]) -> np.ndarray:
            asked.append(len(wanted))
            return vectors_of(wanted)

        index = MeaningIndex(most_exact)
        index.load(path, ids, of)
        return index, asked

    def test_few_vectors_need_no_file(self, tmp_path: Path) -> None:
        index, asked = self.load(tmp_path / "index", IDS[:50])
        assert (len(index), asked, list(tmp_path.iterdir())) == (50, [50], [])

    def test_what_is_there_is_not_computed_again(self, tmp_path: Path) -> None:
        path = tmp_path / "index"
        assert self.load(path, IDS[:200])[1] == [200]
        index, asked = self.load(path, IDS)
        assert asked == [100]
        assert all(index.nearest(BY_ID[id_]) == (id_, pytest.approx(1, abs=1e-3)) for id_ in IDS)
        assert self.load(path, IDS)[1] == []

    def test_a_row_that_is_gone_makes_it_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "index"
        self.load(path, IDS)
        index, asked = self.load(path, IDS[1:])
        assert asked == [299]
        found = index.nearest(VECTORS[0])
        assert found is not None
        assert found[0] != IDS[0]

    @pytest.mark.parametrize("content", [b"", b"half of an index"])
    def test_a_damaged_file_is_made_anew(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "index").write_bytes(content)
        assert self.load(tmp_path / "index", IDS)[1] == [300]
        assert self.load(tmp_path / "index", IDS)[1] == []

    def test_the_same_rows_make_the_same_index(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            self.load(tmp_path / name, IDS)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

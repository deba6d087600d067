"""Scores of candidates against seeds, on vectors small enough to see what should come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seedgate.generator.scores import Fit, LabelAgreement, Novelty, Pool, pool_of, score
from seedgate.workspace import Workspace
from tests.conftest import add_rows

Array = NDArray[np.float32]


def at(*degrees: float) -> Array:
    """Vectors of length one in the plane."""
    turned = np.radians(np.array(degrees, np.float32))
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).reshape(-1, 2).astype(np.float32)


SEEDS = at(0, 2, 4, 6, 90, 92, 94, 96)
LABELS = ["east"] * 4 + ["north"] * 4
NOBODY = at()


def pool(*degrees: float, labels: tuple[str, ...] = (), earlier: Array = NOBODY) -> Pool:
    return Pool(at(*degrees), SEEDS, earlier, labels, LABELS if labels else ())


class TestLabelAgreement:
    def test_is_the_probability_of_the_own_label(self) -> None:
        found = LabelAgreement().score(pool(3, 3, 93, labels=("east", "north", "north")))
        assert found[0] > 0.9 > 0.1 > found[1]
        assert found[0] + found[1] == pytest.approx(1)
        assert found[2] > 0.9

    def test_says_nothing_of_a_label_that_no_seed_has(self) -> None:
        assert np.isnan(LabelAgreement().score(pool(3, 3, labels=("east", "west")))).tolist() == [False, True]

    def test_says_nothing_where_there_is_no_label_to_tell(self) -> None:
        assert np.isnan(LabelAgreement().score(pool(3, 93))).all()
        alike = Pool(at(3), SEEDS, NOBODY, ["east"], ["east"] * 8)
        assert np.isnan(LabelAgreement().score(alike)).all()


class TestNovelty:
    def test_is_the_distance_to_the_nearest_seed(self) -> None:
        assert Novelty().score(pool(2, 66, 180)) == pytest.approx(
            [0, 1 - np.cos(np.radians(24)), 1 - np.cos(np.radians(84))], abs=1e-6
        )

    def test_counts_what_reviewers_were_shown(self) -> None:
        assert Novelty().score(pool(45, earlier=at(45))) == pytest.approx([0], abs=1e-6)

    def test_does_not_count_what_waits(self) -> None:
        assert Novelty().score(pool(45, 45))[0] == Novelty().score(pool(45))[0] > 0.1


class TestFit:
    def test_is_the_share_of_seeds_that_are_further_out(self) -> None:
        found = Fit().score(pool(3, 180, 93))
        assert found[0] == found[2] == 1  # between seeds: nearer to them than they are to each other
        assert found[1] == 0

    def test_needs_two_seeds(self) -> None:
        assert np.isnan(Fit().score(Pool(at(3), at(3), NOBODY))).all()


@given(
    st.lists(st.tuples(st.floats(0, 360), st.sampled_from(["east", "north", "west"])), min_size=1, max_size=8)
)
def test_a_score_does_not_depend_on_what_else_waits(rows: list[tuple[float, str]]) -> None:
    degrees, labels = zip(*rows, strict=True)
    ids = [str(n) for n in range(len(rows))]
    together = score(pool(*degrees, labels=labels), ids)
    for id_, angle, label in zip(ids, degrees, labels, strict=True):
        alone = score(pool(angle, labels=(label,)), ["x"])["x"]
        assert together[id_].keys() == alone.keys()
        assert together[id_] == pytest.approx(alone, abs=2e-4)


def test_nothing_waits() -> None:
    assert score(pool(), []) == {}


def test_a_workspace_gives_seeds_labels_and_what_was_shown(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    first, second = add_rows(ws, {"Where on earth is my pump?": "delivery", "Refund me": "billing"})
    found = pool_of(ws, ws.ledger.bodies([first]), {second, "0" * 64})
    assert len(found.vectors) == 1
    assert (len(found.seeds), len(found.seed_labels)) == (12, 12)
    assert len(found.earlier) == 1  # what has no body any more is left out
    assert list(found.labels) == ["delivery"]
    assert score(found, [first])[first].keys() == {"label_agreement", "novelty", "fit"}

"""Buckets give the rows that share a whole band, and no others, however many there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedgate.seeds.buckets import Buckets

BANDS = 3


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=BANDS, max_size=BANDS), min_size=1, max_size=200))
def test_a_row_is_given_if_and_only_if_it_shares_a_band(width: int, drawn: list[list[int]]) -> None:
    buckets = Buckets(BANDS, width, most_steps=1000)
    rows = [np.repeat(np.array(each, np.uint8), width) for each in drawn]
    for number, row in enumerate(rows):
        expected = [at for at in range(number) if (np.array(drawn[at]) == drawn[number]).any()]
        assert buckets.sharing(row) == expected
        assert buckets.agreement(row, expected) == [int((rows[at] == row).sum()) for at in expected]
        buckets.add(row)
    assert len(buckets) == len(rows)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=BANDS, max_size=BANDS), min_size=1, max_size=120),
    st.integers(0, 120),
)
def test_asked_at_once_those_are_apart_of_whom_nothing_is_given(
    width: int, drawn: list[list[int]], held: int
) -> None:
    buckets = Buckets(BANDS, width, most_steps=1000)
    rows = [np.repeat(np.array(each, np.uint8), width) for each in drawn]
    for row in rows[:held]:
        buckets.add(row)
    asked = rows[held:] or rows
    assert buckets.apart(np.stack(asked)).tolist() == [not buckets.sharing(row) for row in asked]
    others = [[np.array(b) for at, b in enumerate(asked) if at != n] for n in range(len(asked))]
    shares = [
        any((own.reshape(BANDS, -1) == other.reshape(BANDS, -1)).all(1).any() for other in rest)
        for own, rest in zip(asked, others, strict=True)
    ]
    assert buckets.alike(np.stack(asked)).tolist() == shares


def test_of_very_many_at_one_place_the_newest_are_looked_at() -> None:
    buckets = Buckets(1, 4, most_steps=5)
    row = np.ones(4, np.uint8)
    for _ in range(100):
        buckets.add(row)
    assert buckets.sharing(row) == [95, 96, 97, 98, 99]

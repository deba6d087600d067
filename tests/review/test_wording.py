"""A comparison that an expert can read, and that loses no word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.review.wording import word_diff

words = st.lists(st.sampled_from(["where", "is", "my", "new", "bike", "now", "please"]), max_size=12)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (
            "Charged twice for my order",
            "Charged twice for my last order",
            "Charged twice for my [+ last] order",
        ),
        ("Please send it now", "Please send it", "Please send it [− now]"),
        ("Is it 40 pounds or not", "Is it 30 euros or not", "Is it [40 pounds → 30 euros] or not"),
    ],
)
def test_says_what_changed_where_it_changed(before: str, after: str, shown: str) -> None:
    assert word_diff(before, after) == shown


@pytest.mark.parametrize(
    ("before", "after"),
    [("Same words", "Same  words"), ("", "New"), ("One thing", "Quite another"), ("a " * 401, "a " * 402)],
)
def test_is_silent_where_it_would_help_nobody(before: str, after: str) -> None:
    assert word_diff(before, after) == ""


@given(words, words)
def test_holds_both_texts_in_order(before: list[str], after: list[str]) -> None:
    shown = word_diff(" ".join(before), " ".join(after))
    if shown:
        new = re.sub(
            r"\[\+ (.*?)\]", r"\1", re.sub(r"\[− .*?\] ?", "", re.sub(r"\[[^\]]*? → (.*?)\]", r"\1", shown))
        )
        old = re.sub(
            r"\[− (.*?)\]", r"\1", re.sub(r"\[\+ .*?\] ?", "", re.sub(r"\[([^\]]*?) → .*?\]", r"\1", shown))
        )
        assert (old.split(), new.split()) == (before, after)

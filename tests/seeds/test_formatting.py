"""Formatting against the habit of the other rows: which habits are seen, and when one is clear enough to say so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.records import Example
from seedgate.seeds.findings import MOST_ROWS, Finding
from seedgate.seeds.formatting import HABIT_ROWS, HABIT_SHARE, formatting
from seedgate.task import Task

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b"]})
ALPACA = Task.from_config({"preset": "instruction", "name": "t"})
USUAL = "The kettle number {} came late."


def rows(*texts: str) -> list[Example]:
    return [
        Example(fields={"text": text, "label": "a"}, source=f"seeds.jsonl:{number}")
        for number, text in enumerate(texts, 1)
    ]


def found(usual: str, *odd: str, count: int = 30) -> list[Finding]:
    return list(formatting(rows(*(usual.format(n) for n in range(count)), *odd), TASK))


@pytest.mark.parametrize(
    ("usual", "odd", "what"),
    [
        (USUAL, "the kettle came late.", "a small letter at the start"),
        (USUAL, "THE KETTLE CAME TOO LATE.", "capitals only"),
        (USUAL, "The kettle came late", "no mark at the end"),
        ("I can't see number {}.", "I can’t see it.", "curly quotes"),
        ("I can’t see number {}.", "I can't see it.", "straight quotes"),
        (USUAL, "The kettle  came late.", "double spaces"),
        ("It weighs {} kg.", "It weighs 5kg.", "no space before units"),
        ("It weighs {}kg.", "It weighs 5 kg.", "a space before units"),
        ("It came on 2026-05-01, number {}.", "It came on 01/05/2026.", "dates with slashes"),
        ("It came on 3 May, number {}.", "It came on May 3.", "dates month before day"),
        ("It came on 1.5.2026, number {}.", "It came on 3rd of May 2026.", "dates day before month"),
    ],
)
def test_a_row_against_the_habit_is_named(usual: str, odd: str, what: str) -> None:
    (finding,) = found(usual, odd)
    assert (finding.code, finding.severity, finding.rows) == ("formatting", "info", ("seeds.jsonl:31",))
    assert finding.what.startswith(f"field 'text': {what} in 1 of 31 rows, ")


@pytest.mark.parametrize(
    "text",
    [
        "7 kettles came late.",
        "Ärger mit dem Kessel.",
        "Why, oh why?",
        'He said "late."',
        "It came late 😢",
        "OK.",
        "It took 20 minutes on 3/4 of the day.",
    ],
)
def test_what_is_no_other_habit_is_not(text: str) -> None:
    assert found(USUAL, text) == []


def test_no_habit_is_seen_in_few_rows_or_where_rows_differ() -> None:
    assert found(USUAL, "the kettle came late.", count=HABIT_ROWS - 2) == []
    assert len(found(USUAL, "the kettle came late.", count=HABIT_ROWS - 1)) == 1
    assert found(USUAL, *(f"the kettle {n} came late." for n in range(4)), count=30) == []


def test_many_rows_are_counted_and_the_first_are_named() -> None:
    (finding,) = found(USUAL, *(f"the kettle {n} came late." for n in range(25)), count=400)
    assert len(finding.rows) == MOST_ROWS
    assert "in 25 of 425 rows, a capital at the start in 400" in finding.what


def test_what_the_model_learns_to_write_is_a_warning() -> None:
    answers = [f"Answer number {n}." for n in range(30)] + ["an answer."]
    seeds = [
        Example(fields={"instruction": "Say it.", "input": "", "output": a}, source=str(n))
        for n, a in enumerate(answers)
    ]
    (finding,) = formatting(seeds, ALPACA)
    assert (finding.severity, finding.rows) == ("warning", ("30",))
    assert "field 'output'" in finding.what


@given(
    st.lists(
        st.sampled_from(["Late.", "late.", "Late", "late", "I can't.", "I can’t.", "5 kg.", "5kg."]),
        max_size=80,
    )
)
def test_whoever_is_named_is_in_a_minority_of_a_tenth(texts: list[str]) -> None:
    for finding in formatting(rows(*texts), TASK):
        count, seen = (int(part) for part in _numbers(finding))
        assert seen >= HABIT_ROWS
        assert 0 < count <= (1 - HABIT_SHARE) * seen + 1e-9
        assert len(finding.rows) == min(count, MOST_ROWS)


def _numbers(finding: Finding) -> Any:
    return finding.what.partition(" in ")[2].partition(" rows")[0].split(" of ")

"""From which cosine a candidate repeats a text: measured on the seeds once, unless it is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from seedgate.generator import generate
from seedgate.generator.filters.semantic import MEASURED, cosine_of, repetition_cosine
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.seeds import Meanings
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm


def alike(*cosines: float) -> np.ndarray:
    """Pairs of vectors with these cosines, each pair at a right angle to all others."""
    rows = np.zeros((2 * len(cosines), 2 * len(cosines)), np.float32)
    for place, cosine in enumerate(cosines):
        rows[2 * place, 2 * place] = 1
        rows[2 * place + 1, 2 * place : 2 * place + 2] = cosine, (1 - cosine**2) ** 0.5
    return rows


class Given:
    """Meanings with vectors that a test has made."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.rows = vectors

    def vectors(self, examples: Sequence[Example]) -> np.ndarray:
        return self.rows[: len(examples)]


def asked(ws: Workspace, vectors: np.ndarray) -> float:
    seeds = [Example(fields={"text": str(number)}) for number in range(len(vectors))]
    return repetition_cosine(ws, seeds, cast(Meanings, Given(vectors)))


@pytest.mark.parametrize(
    ("pairs", "cosine"),
    [
        ([0.95, *[0.9] * 99], 0.9),  # of 200, two reach more
        ([0.5] * 100, 0.85),
        ([1.0] * 100, 0.97),
    ],
)
def test_is_what_one_in_a_hundred_reaches_within_bounds(pairs: list[float], cosine: float) -> None:
    assert cosine_of(alike(*pairs)) == pytest.approx(cosine, abs=1e-4)


def test_a_few_seeds_say_nothing(make_workspace: Callable[..., Workspace]) -> None:
    assert asked(make_workspace(), alike(*[0.5] * 49)) == 0.95


def test_what_the_first_run_recorded_stands_whatever_seeds_come(
    make_workspace: Callable[..., Workspace],
) -> None:
    ws = make_workspace()
    assert asked(ws, alike(*[0.9] * 60)) == 0.9
    for number, cosine in enumerate((0.9, 0.85), 1):
        settings: dict[str, Any] = {MEASURED: cosine}
        ws.ledger.append([NewEvent("run.started", f"c1-r{number}", {"cycle": 1, "settings": settings})])
    assert asked(ws, alike(*[0.82] * 60)) == 0.9


def test_a_cosine_that_is_named_wins(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(settings={"generation": {"semantic_duplicate": 0.88}})
    assert asked(ws, alike(*[0.9] * 60)) == 0.88


def test_every_run_records_it(fake: FakeVllm, ready: Callable[..., Workspace]) -> None:
    ws = ready(fake)
    generate(ws, candidates=3, cycle=1)
    generate(ws, candidates=3, cycle=2)
    started = [event.payload["settings"] for event in ws.ledger.events("run.started")]
    assert [settings[MEASURED] for settings in started] == [0.95, 0.95]


def test_no_run_records_it_where_one_is_named(fake: FakeVllm, ready: Callable[..., Workspace]) -> None:
    named = ready(fake, semantic_duplicate=0.9)
    generate(named, candidates=3, cycle=1)
    (event,) = named.ledger.events("run.started")
    assert MEASURED not in event.payload["settings"]

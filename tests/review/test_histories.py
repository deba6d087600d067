"""The invariants G1 to G10, by name, over random histories of a workspace on a real ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.review.histories import History
from tests.review.history_model import CLASHING, LEAKING
from tests.review.history_world import World
from tests.review.invariants import INVARIANTS, assert_all

HISTORIES = 60
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)  # to explain takes longer than to shrink
SOME = settings(
    max_examples=HISTORIES,
    phases=PHASES,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LEAST = 25

TELLING: dict[str, tuple[str, ...]] = {
    "G1": ("released", "control answered", "foreign response"),
    "G2": ("guidelines changed", "flawed"),
    "G3": ("draft", "draft over an answer", "flawed", "reviewer removed"),
    "G4": ("refused", "rereview answered", "adjudicated"),
    "G5": ("edited",),
    "G6": ("quarantined", "stamped", "ended", "ended, approvals stand"),
    "G7": ("leaking answered",),
    "G8": ("clashing answered",),
    "G9": ("recalled", "recalled for a change", "reopened", "response lost"),
    "G10": ("released", "recalled"),
}
"""What a history must have in it to say something about an invariant."""


@dataclass
class Seen:
    """Histories in which every invariant held, and how many of them had each thing in them."""

    histories: int = 0
    told: Counter[str] = field(default_factory=Counter)

    def add(self, world: World) -> None:
        self.histories += 1
        texts = {world.texts.get(a.place.candidate) for a in world.answers.values()}
        also = {
            "released": bool(world.ever_released),
            "refused": any(a.decision == "reject" for a in world.answers.values()),
            "leaking answered": LEAKING in texts,
            "clashing answered": CLASHING in texts,
        }
        self.told.update(name for name, count in (world.told | Counter(also)).items() if count)


@pytest.fixture(scope="module")
def seen(history_template: Path) -> Seen:
    """One run of random histories, every invariant asserted before each release and in the end of each."""
    found = Seen()
    run_state_machine_as_test(partial(History, history_template, assert_all, found.add), settings=SOME)
    return found


@pytest.mark.parametrize("name", INVARIANTS)
def test_holds_over_random_histories(seen: Seen, name: str) -> None:
    assert seen.histories >= LEAST
    # One, since what is drawn at random is now and then in none; tests/review/test_invariants.py has each for sure.
    assert any(seen.told[what] for what in TELLING[name]), f"{name} was not put to the test: {seen.told}"

"""A cycle's shares in a run: recorded once, the same after a kill, and followed by every strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from seedgate.generator import Decided, Reviewed, explain, generate
from seedgate.generator.strategies.backward import backward
from seedgate.generator.strategies.contrast import contrast
from seedgate.generator.strategies.evolve import evolve
from seedgate.records import Example
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm
from tests.generator.asking import LABELS, AskFn, asking, plans, resumed

Make = Callable[..., Workspace]
MIXED = {"few_shot": 0.5, "evolve": 0.5}
GOOD, BAD = "few_shot", "evolve"


def said(number: int = 80, good: str = GOOD) -> Reviewed:
    """What one strategy wrote was approved, but for one label; what the other wrote was not."""
    labels = ("delivery", "billing", "account")
    decided = []
    for n in range(number):
        name, label = (GOOD, BAD)[n % 2], labels[n // 2 % 3]
        fine = name == good and label != "account"
        reasons = () if fine else ("wrong_label" if name == good else "unnatural",)
        decided.append(Decided(name, label, 1, "approved" if fine else "rejected", reasons, True))
    return Reviewed(decided=tuple(decided))


def asked(ws: Workspace) -> Counter[str]:
    return Counter(event.payload["strategy"] for event in ws.ledger.events("request.completed"))


def test_a_run_records_its_shares_and_follows_them(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies=MIXED)
    generate(ws, candidates=60, cycle=2, reviewed=lambda _: said())
    (event,) = ws.ledger.events("generation.allocated")
    assert (event.subject, event.payload["how"]) == ("2", "learnt")
    started = ws.ledger.last("run.started")
    assert started is not None
    assert started.seq == event.seq + 1  # one transaction: never the one without the other
    share = event.payload["shares"][GOOD]
    assert share > 0.7
    counts = asked(ws)
    assert abs(counts[GOOD] - share * counts.total()) < 2
    labels = Counter(
        e.payload["fixed"]["label"]
        for e in ws.ledger.events("request.completed")
        if e.payload["strategy"] == GOOD
    )
    assert labels["account"] < labels["delivery"]


def test_after_a_kill_the_recorded_shares_hold_whatever_review_says_by_then(
    fake: FakeVllm, ready: Make
) -> None:
    ws = ready(fake, strategies=MIXED)
    generate(ws, candidates=20, cycle=2, reviewed=lambda _: said())
    generate(ws, candidates=60, cycle=2, reviewed=lambda _: said(good=BAD))
    assert len(list(ws.ledger.events("generation.allocated"))) == 1
    assert asked(ws)[GOOD] > asked(ws)[BAD]


def test_review_is_asked_as_of_the_cycles_first_run(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies=MIXED)
    heard: list[int | None] = []

    def reviewed(up_to: int | None) -> Reviewed:
        heard.append(up_to)
        return said()

    generate(ws, candidates=20, cycle=2, reviewed=reviewed)
    first = ws.ledger.last("run.started")
    assert first is not None
    # Shares that were edited meanwhile are worked out anew, from the same decisions.
    path = Path(ws.root) / "seedgate.toml"
    path.write_text(path.read_text().replace("few_shot = 0.5", "few_shot = 1.5"))
    with Workspace(ws.root) as edited:
        generate(edited, candidates=40, cycle=2, reviewed=reviewed)
    assert heard == [None, first.seq]
    assert len(list(ws.ledger.events("generation.allocated"))) == 2


def test_fixed_shares_stay_and_are_no_decision(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies=MIXED, allocation="fixed")
    generate(ws, candidates=60, cycle=2, reviewed=lambda _: said())
    assert ws.ledger.last("generation.allocated") is None
    assert abs(asked(ws)[GOOD] - asked(ws)[BAD]) <= 1


def test_in_the_first_cycle_the_configuration_holds_and_the_reason_is_recorded(
    fake: FakeVllm, ready: Make
) -> None:
    ws = ready(fake, strategies=MIXED)
    generate(ws, candidates=20, cycle=1)
    event = ws.ledger.last("generation.allocated")
    assert event is not None
    assert event.payload["shares"] == MIXED
    assert event.payload["why"] == "0 candidates of these strategies are decided, 40 are needed"


def test_explaining_writes_nothing_and_says_what_a_run_then_does(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies=MIXED)
    head = ws.ledger.head()
    before = explain(ws, cycle=2, reviewed=lambda _: said())
    assert ws.ledger.head() == head
    generate(ws, candidates=20, cycle=2, reviewed=lambda _: said())
    assert explain(ws, cycle=2, reviewed=lambda _: Reviewed()) == before


def test_the_mix_takes_the_order_of_the_configuration(fake: FakeVllm, ready: Make) -> None:
    """The ledger gives names back sorted, and ties go by order: a run after a kill must not mix otherwise."""
    firsts = []
    for folder, total in (("once", (60,)), ("twice", (20, 60))):
        ws = ready(
            fake, given={"folder": folder}, strategies={"few_shot": 0.5, "evolve": 0.25, "backward": 0.25}
        )
        for candidates in total:
            generate(ws, candidates=candidates, cycle=1)
        told = {e.payload["index"]: e.payload["strategy"] for e in ws.ledger.events("request.completed")}
        firsts.append([told[index] for index in range(12)])
    assert firsts[0] == firsts[1]


WEIGHTS = {"late_delivery": 2.0, "billing": 0.5, "account": 0.5}
EACH_LABEL = np.eye(len(LABELS), dtype=np.float32)


def vectors(examples: Sequence[Example]) -> NDArray[np.float32]:
    """Seeds of a label mean the same, those of different labels have nothing in common."""
    return EACH_LABEL[[list(LABELS).index(str(each.fields["label"])) for each in examples]]


steered = pytest.mark.parametrize("function", [evolve, backward, contrast])


@steered
def test_labels_are_asked_for_as_often_as_their_weight_says(function: AskFn) -> None:
    made = plans(asking(function, weights=WEIGHTS, vectors_of=vectors), 60)
    counts = Counter(plan.fixed["label"] for plan in made)
    assert counts == {"late_delivery": 40, "billing": 10, "account": 10}


@steered
def test_uneven_labels_are_the_same_after_a_kill(function: AskFn) -> None:
    strategy = asking(function, weights=WEIGHTS, vectors_of=vectors)
    whole = plans(strategy, 20)
    assert resumed(strategy, whole, 11, Random(4)) == whole

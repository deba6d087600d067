"""generate with several strategies: who is left out and why, what is recorded, what the report and a dry run say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from seedgate.config import STRATEGIES
from seedgate.errors import ConfigError
from seedgate.generator import candidates, funnel, generate
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request, Sampling
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.prompts import ChatForm
from seedgate.generator.recording import Recorder
from seedgate.generator.strategies.base import Plan
from seedgate.generator.strategies.choosing import FUNCTIONS
from seedgate.records import Example
from seedgate.workspace import Workspace
from tests.conftest import TINY_SEEDS, tiny_examples
from tests.fakes.vllm_server import FakeVllm

Make = Callable[..., Workspace]
ALL = dict.fromkeys(STRATEGIES, 1.0)


def edgy() -> dict[str, Any]:
    seeds = tiny_examples(TINY_SEEDS, "seeds.jsonl")
    tagged = [
        seed.model_copy(update={"tags": ("edge",)}) if n % 4 == 0 else seed for n, seed in enumerate(seeds)
    ]
    return {"seeds": tagged}


def test_the_configuration_knows_every_strategy_that_comes_along() -> None:
    assert set(STRATEGIES) == {"few_shot", *FUNCTIONS}


@pytest.mark.parametrize("model", ["fake-135m", "big-70b"])
def test_every_strategy_brings_candidates_under_its_name(ready: Make, model: str) -> None:
    with FakeVllm(model=model) as fake:
        ws = ready(fake, given=edgy(), strategies=ALL)
        report = generate(ws, candidates=120, cycle=1)
    made = Counter(each.provenance.strategy for each in candidates(ws.ledger))
    assert set(made) == set(STRATEGIES) - {"repair", "writer"}
    assert {name: each["candidates"] for name, each in report.strategies.items()} == made
    assert funnel(ws.ledger)["strategies"] == report.strategies
    assert f"contrast {made['contrast']} from {report.strategies['contrast']['requests']}" in str(report)
    seeds = {event.subject for event in ws.ledger.events("seed.verified")}
    assert all(set(each.provenance.seed_ids) <= seeds for each in candidates(ws.ledger))
    labels = {each.example.fields["label"] for each in candidates(ws.ledger)}
    assert labels == {"delivery", "billing", "account"}


def test_what_cannot_work_is_left_out_with_the_reason_and_recorded(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies={"few_shot": 0.5, "repair": 0.3, "edge_cases": 0.2})
    report = generate(ws, candidates=20, cycle=1)
    assert set(report.strategies) == {"few_shot"}
    assert report.warnings == (
        "strategy repair is left out: it works in the chat form only; the others take its share",
        "strategy edge_cases is left out: in a list it goes by seeds tagged 'edge', and there are none;"
        " the others take its share",
    )
    started = ws.ledger.last("run.started")
    assert started is not None
    assert set(started.payload["settings"]["left_out"]) == {"repair", "edge_cases"}
    assert "strategy" not in started.payload["settings"]


def test_when_nothing_can_work_it_is_an_error_and_nothing_is_written(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies={"repair": 1})
    head = ws.ledger.head()
    with pytest.raises(
        ConfigError, match=r"no strategy can work here \(repair: it works in the chat form only\)"
    ):
        generate(ws, candidates=20, cycle=1)
    assert (ws.ledger.head(), fake.bodies) == (head, [])


def test_a_dry_run_shows_the_first_prompt_of_each(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies={"few_shot": 1, "evolve": 1, "backward": 1})
    report = generate(ws, candidates=20, cycle=1, dry_run=True)
    assert list(report.previews) == ["few_shot", "evolve", "backward"]
    assert "the first prompt of evolve:\nMessages that customers sent to a shop.\n" in str(report)
    assert "Each one says more than the one before." in report.previews["evolve"]
    assert fake.bodies == []


def test_focused_sampling_shows_seeds_that_are_near_each_other(fake: FakeVllm, ready: Make) -> None:
    alike = ["Where is my parcel?", "Where is the parcel now?", "Has my parcel been sent?"]
    apart = [
        "The courier left nothing but a card.",
        "Customs wants a paper that I lack",
        "Nobody rang at my door, and the shed was open",
        "Your van blocked our drive for an hour",
        "A neighbour opened it by mistake",
        "Rain got into the box of books",
    ]
    rows = [Example(fields={"text": text, "label": "delivery"}) for text in [*alike, *apart]]
    rows += [seed for seed in tiny_examples(TINY_SEEDS, "seeds.jsonl") if seed.fields["label"] != "delivery"]
    near = {Example(fields={"text": text, "label": "delivery"}).id for text in alike}
    met = {}
    for sampling in ("diverse", "focused"):
        ws = ready(fake, given={"folder": sampling, "seeds": rows}, sampling=sampling, shots=2)
        generate(ws, candidates=150, cycle=1)
        shown = [set(e.payload["seed_ids"]) for e in ws.ledger.events("request.completed")]
        with_one = [ids for ids in shown if ids & near]
        met[sampling] = sum(ids <= near for ids in with_one) / len(with_one)
    assert met["focused"] > met["diverse"]


class TestRepairs:
    @pytest.fixture
    def outcome(self, fake: FakeVllm, ready: Make) -> Callable[[str, bool], list[str]]:
        """What becomes of a text that comes back, after another text was made a candidate."""
        ws = ready(fake)
        chain = FilterChain.for_workspace(ws)
        wrong = Example(
            fields={"text": "My parcel is three whole weeks late, where did it go?", "label": "delivery"}
        )
        chain.accept(wrong)
        recorder = Recorder(ws.task, ChatForm(ws.task), chain, ModelInfo("m"), cycle=1, run="r")

        def become(text: str, repairs: bool) -> list[str]:
            plan = Plan(
                0,
                "repair",
                Request("r-0", "prompt", Sampling(1, 0.7, 0.9, 99)),
                {"label": "delivery"},
                (),
                repairs=wrong.id if repairs else None,
            )
            done = Completion("r-0", (Choice(0, f'{{"text": "{text}"}}', "stop"),))
            return [f"{name}: {reason}" for name, reason in recorder.outcome(plan, done).drops]

        return become

    def test_may_resemble_what_they_repair(self, outcome: Callable[[str, bool], list[str]]) -> None:
        text = "My parcel is three whole days late, where did it go?"
        assert outcome(text, False) == ["near: near_duplicate"]
        assert outcome(text, True) == []

    def test_must_not_be_what_they_repair(self, outcome: Callable[[str, bool], list[str]]) -> None:
        assert outcome("My parcel is three whole weeks late, where did it go?", True) == ["exact: rejected"]

    def test_must_resemble_nothing_else(self, outcome: Callable[[str, bool], list[str]]) -> None:
        assert outcome("Where is the parcel that I ordered last week?", True) == ["near: near_duplicate"]

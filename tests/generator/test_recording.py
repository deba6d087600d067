"""What is recorded of a candidate is the record itself, though it is not made for each."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from seedgate.canonical import canonical_json
from seedgate.generator import replay
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request, Sampling
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.prompts import ChatForm, ListForm
from seedgate.generator.recording import Recorder
from seedgate.generator.strategies.base import Plan
from seedgate.ledger import NewEvent
from seedgate.records import Candidate, Example, Provenance, dump
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm


@pytest.mark.parametrize("tags", [(), ("edge",)])
def test_a_candidate_reads_back_as_it_would_be_dumped(
    fake: FakeVllm, ready: Callable[..., Workspace], tags: tuple[str, ...]
) -> None:
    ws = ready(fake)
    recorder = Recorder(
        ws.task,
        ChatForm(ws.task),
        FilterChain.for_workspace(ws),
        ModelInfo("m", "org/m"),
        cycle=2,
        run="c2-r1",
    )
    texts = [
        "Why did my parcel go back to you?",
        "The driver threw it over the fence into the pond",
        "I want the box left at the shop next door",
    ]
    choices = tuple(Choice(place, f'{{"text": "{text}"}}', "stop") for place, text in enumerate(texts))
    request = Request("r-0", "prompt", Sampling(3, 0.7, 0.9, 99))
    plan = Plan(0, "few_shot", request, {"label": "delivery"}, ("s1", "s2"), tags)
    events = recorder.outcome(plan, Completion("r-0", choices, 7, 9)).events[1:]
    assert [event.kind for event in events] == ["candidate.created"] * 3
    for event in events:
        example = Example(fields=event.bodies[0], **event.payload["example"])
        candidate = Candidate(example=example, provenance=Provenance(**event.payload["provenance"]))
        expected = dict(dump(candidate))
        expected["example"] = {name: value for name, value in expected["example"].items() if name != "fields"}
        assert canonical_json(event.payload) == canonical_json(expected)
        assert event.subject == candidate.id
    assert [event.payload["provenance"].get("choice", 0) for event in events] == [0, 1, 2]


SECRET = "Ada Lovelace"
FAULTY = {
    "": [
        f'{{"text": "{SECRET}',
        f'["{SECRET}"]',
        f'{{"text": "a", "text": "{SECRET}"}}',
        f'{{"{SECRET}": "a", "{SECRET}": "b"}}',
        f'{{"text": "Where is my parcel?", "{SECRET}": "x"}}',
        f'{{"text": ["{SECRET}"]}}',
        f'{{"text": "As an AI language model {SECRET} I cannot"}}',
        f'{{"text": "[INST] {SECRET} never came home"}}',
        f'{{"text": "1. {SECRET} never came home"}}',
        f'{{"text": "“{SECRET} never came home"}}',
        f'{{"text": "{f"{SECRET} is late. " * 9}"}}',
    ],
    "list": [f"x\n5. {SECRET}: it is gone\n\nx", f"x\n5. {SECRET} and", f"Billing: {SECRET}"],
}


@pytest.mark.parametrize(("form", "said"), [(form, said) for form, all_ in FAULTY.items() for said in all_])
def test_why_something_was_dropped_quotes_no_word_of_it(
    fake: FakeVllm, ready: Callable[..., Workspace], form: str, said: str
) -> None:
    """The ledger keeps an event for good; a redaction reaches the completion alone."""
    ws = ready(fake)
    made = ListForm(ws.task, 100) if form else ChatForm(ws.task)
    recorder = Recorder(ws.task, made, FilterChain.for_workspace(ws), ModelInfo("m"), cycle=1, run="c1-r1")
    finish = "length" if said.endswith("and") else "stop"
    plan = Plan(
        0, "few_shot", Request("r-0", "prompt", Sampling(1, 0.7, 0.9, 99)), {"label": "delivery"}, ("s",) * 3
    )
    events = recorder.outcome(plan, Completion("r-0", (Choice(0, said, finish),), 7, 9)).events
    dropped = [event for event in events if event.kind == "candidate.dropped"]
    assert dropped
    for event in dropped:
        assert "Ada" not in canonical_json(event.payload)
        assert event.payload["reason"] != "failed"


@pytest.mark.parametrize(
    "place", ["seedgate.generator.filters.length.runs_in_circles", "seedgate.task.normalise"]
)
def test_a_text_that_judging_fails_at_takes_no_other_with_it(
    fake: FakeVllm, ready: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    ws = ready(fake, prompt_form="chat")
    module, _, name = place.rpartition(".")
    whole = getattr(importlib.import_module(module), name)

    def fails(given: Any) -> Any:
        if "fence" in str(given):
            raise ZeroDivisionError
        return whole(given)

    texts = [
        "Why did my parcel go back?",
        "It lies behind the fence of a stranger",
        "Leave the box at the shop",
    ]
    choices = tuple(Choice(at, f'{{"text": "{text}"}}', "stop") for at, text in enumerate(texts))
    plan = Plan(0, "few_shot", Request("r-0", "prompt", Sampling(3, 0.7, 0.9, 99)), {"label": "delivery"}, ())
    given = (ws.task, ChatForm(ws.task), FilterChain.for_workspace(ws), ModelInfo("m"))
    with monkeypatch.context() as patch:
        patch.setattr(place, fails)
        outcome = Recorder(*given, cycle=1, run="c1-r1").outcome(plan, Completion("r-0", choices, 7, 9))
    assert (outcome.accepted, dict(outcome.drops)) == (2, {("error", "failed"): 1})
    begun = {"cycle": 1, "settings": {"model": "m"}, "seed_set_hash": ""}
    ws.ledger.append([NewEvent("run.started", "c1-r1", begun), *outcome.events])
    again = replay(ws)
    assert (again.found, again.before) == (1, {"error: failed": 1})

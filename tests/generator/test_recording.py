"""What is recorded of a candidate is the record itself, though it is not made for each."""

from collections.abc import Callable

import pytest

from seedgate.canonical import canonical_json
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request, Sampling
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.prompts import ChatForm
from seedgate.generator.recording import Recorder
from seedgate.generator.strategies.base import Plan
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

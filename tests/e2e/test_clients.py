"""One suite for every client: a real vLLM server, and the same model loaded by a process of its own.

The engine of the second is ended before anything else runs; two at once need more memory than a small machine has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import replace
from threading import Thread
from typing import Any, TypeVar

import pytest

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Client, Completion, ModelInfo, Request, Sampling
from seedgate.generator.clients.offline import OfflineClient
from seedgate.generator.clients.server import ServerClient
from seedgate.services.embedded_model import EmbeddedModel

from .conftest import Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    # vLLM is loaded into this process, and calls what torch has deprecated.
    pytest.mark.filterwarnings("ignore"),
]

T = TypeVar("T")
LIST = "Messages to a shop.\n\n1. Late: Where is my parcel?\n2. Late: It should be here by now.\n3. Late:"
COLOUR = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 20}},
    "required": ["text"],
    "additionalProperties": False,
}
GREEDY: dict[str, Completion] = {}
"""What each kind of client answered to the same greedy request."""
SUMS: dict[str, list[float]] = {}
"""How likely each kind of client finds the same texts."""
GRADE = {
    "type": "object",
    "properties": {"grade": {"type": "integer", "enum": [1, 2, 3, 4, 5]}},
    "required": ["grade"],
    "additionalProperties": False,
}


class Running:
    """A started client with an event loop that lives as long as it does."""

    def __init__(self, kind: str, client: Client) -> None:
        self.kind = kind
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, daemon=True).start()
        self._client = client
        self.model: ModelInfo = self.do(client.start())

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.begin(work).result(timeout=500)

    def ask(self, *requests: Request) -> list[Completion]:
        async def all_at_once() -> list[Completion]:
            return list(await asyncio.gather(*map(self._client.complete, requests)))

        return self.do(all_at_once())

    def ask_later(self, request: Request) -> Future[Completion]:
        return self.begin(self._client.complete(request))

    def close(self) -> None:
        self.do(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)


def server(stack: Stack) -> Client:
    return ServerClient((stack.vllm_url,), stack.model, api_key=stack.vllm_key or None)


def offline(stack: Stack) -> Client:
    return OfflineClient(str(EmbeddedModel().prepare(print)), name=stack.model)


@pytest.fixture(scope="module", params=[server, offline], ids=["server", "offline"])
def client(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Running]:
    make: Callable[[Stack], Client] = request.param
    running = Running(make.__name__, make(stack))
    yield running
    running.close()


def asked(id_: str, text: str, **sampling: Any) -> Request:
    return Request(
        id_, text, Sampling(**({"n": 1, "temperature": 0.7, "top_p": 0.9, "max_tokens": 40} | sampling))
    )


def said(id_: str, text: str, **given: Any) -> Request:
    return Request(id_, ({"role": "user", "content": text},), Sampling(1, 0.0, 1.0, 24), **given)


def test_says_what_it_serves(client: Running, stack: Stack) -> None:
    assert client.model.name == stack.model
    assert client.model.max_tokens == 2048


def test_a_text_is_continued_as_often_as_asked_and_stops_where_told(client: Running) -> None:
    (found,) = client.ask(asked("list", LIST, n=4, stop=("\n\n", "\n5.")))
    assert found.request_id == "list"
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert all("\n5." not in choice.text and "\n\n" not in choice.text for choice in found.choices)
    assert {choice.finish_reason for choice in found.choices} <= {"stop", "length"}
    assert found.prompt_tokens > 20
    assert 4 <= found.completion_tokens <= 160


def test_greedy_answers_are_the_same_whoever_serves(client: Running) -> None:
    (GREEDY[client.kind],) = client.ask(said("greedy", "Name three colours."))
    first = GREEDY["server"]
    assert GREEDY[client.kind].choices == first.choices
    assert GREEDY[client.kind].prompt_tokens == first.prompt_tokens


def test_answers_fit_the_schema(client: Running) -> None:
    requests = [said(f"schema{n}", f"Colour {n}", json_schema=COLOUR) for n in range(4)]
    for found in client.ask(*requests):
        assert set(json.loads(found.choices[0].text)) == {"text"}


def test_answers_are_among_the_choices(client: Running) -> None:
    (found,) = client.ask(said("choice", "Which colour?", choices=("vermilion", "ultramarine")))
    assert found.choices[0].text in ("vermilion", "ultramarine")


def test_says_how_likely_a_prompt_is_whoever_serves_and_however_often_its_beginning_was_seen(
    client: Running,
) -> None:
    texts = [
        f"{LIST} {text}"
        for text in ("Where is it?", "It has not come, and it is late.", "Blue sings of seven.")
    ]
    requests = [
        asked(f"likely{n}", text, max_tokens=1, temperature=0.0) for n, text in enumerate([*texts, texts[0]])
    ]
    found = client.ask(*(replace(request, prompt_logprobs=True) for request in requests))
    assert all(len(each.prompt_logprobs) == each.prompt_tokens - 1 > 20 for each in found)
    # The list before them is the same, and longer ones cost more; nonsense costs most per token of its own.
    before = len(
        client.ask(replace(asked("before", LIST, max_tokens=1), prompt_logprobs=True))[0].prompt_logprobs
    )
    own = [sum(each.prompt_logprobs[before:]) / len(each.prompt_logprobs[before:]) for each in found]
    assert own[0] == pytest.approx(own[3], abs=0.01)
    assert own[2] < min(own[0], own[1]) < 0
    SUMS[client.kind] = [sum(each.prompt_logprobs) for each in found]
    assert SUMS[client.kind] == pytest.approx(SUMS["server"], abs=0.5)  # of about 150 nats


def test_says_how_likely_the_tokens_of_an_answer_were(client: Running) -> None:
    (found,) = client.ask(said("grades", "Grade this from 1 to 5.", json_schema=GRADE, logprobs=10))
    answer, places = found.choices[0].text, found.choices[0].logprobs
    assert "".join(next(iter(place)) for place in places).startswith(answer)
    digit = next(place for place in places if next(iter(place)).strip() == str(json.loads(answer)["grade"]))
    assert len(digit) >= 10
    assert all(logprob <= 0 for logprob in digit.values())


def test_many_at_once_each_get_their_own_answer(client: Running) -> None:
    requests = [said(f"many{n}", "One word", choices=(f"answer-{n}",)) for n in range(24)]
    found = client.ask(*requests)
    assert [each.request_id for each in found] == [f"many{n}" for n in range(24)]
    assert [each.choices[0].text for each in found] == [f"answer-{n}" for n in range(24)]


def test_a_short_one_does_not_wait_for_a_long_one(client: Running) -> None:
    long = client.ask_later(asked("long", LIST, max_tokens=1500, temperature=1.0))
    client.ask(*(said(f"short{n}", "Hello", choices=("x",)) for n in range(4)))
    assert not long.done()
    long.cancel()


def test_what_was_cancelled_does_no_harm(client: Running) -> None:
    gone = client.ask_later(asked("gone", LIST, max_tokens=1500))
    gone.cancel()
    assert client.ask(said("after", "Hello", choices=("x",)))[0].choices[0].text == "x"


def test_a_prompt_that_is_too_long_is_refused_with_what_to_do(client: Running) -> None:
    with pytest.raises(ServiceError, match="context length") as refused:
        client.ask(asked("too long", "word " * 4000))
    assert "lower shots or max_tokens" in str(refused.value.hint)
    assert client.ask(said("after", "Hello", choices=("x",)))[0].choices[0].text == "x"

"""The client for vLLM servers: routing, what is tried again, what is not, and what the user reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Completion, ModelInfo, Request, Sampling
from seedgate.generator.clients.server import ServerClient
from tests.fakes.vllm_server import FakeVllm

FAST = {"wait_s": 0.01, "deadline_s": 5.0, "timeout_s": 5.0}


def request(number: int = 0, **given: Any) -> Request:
    return Request(
        f"r{number}", f"A list.\n\n1. Late: It is late.\n{number}. Late:", Sampling(2, 0.7, 0.9, 60, **given)
    )


@asynccontextmanager
async def connected(*fakes: FakeVllm, **settings: Any) -> AsyncIterator[ServerClient]:
    client = ServerClient(tuple(f.url for f in fakes), fakes[0].model, **(FAST | settings))
    try:
        await client.start()
        yield client
    finally:
        await client.aclose()


async def many(client: ServerClient, number: int) -> list[Completion]:
    return list(await asyncio.gather(*(client.complete(request(n)) for n in range(number))))


class TestRequests:
    async def test_text_is_continued_with_every_sampling_parameter_and_no_seed(self, fake: FakeVllm) -> None:
        async with connected(fake) as client:
            completion = await client.complete(request(2, stop=("\n\n", "\n5.")))
        (body,) = fake.bodies
        assert body.items() >= {"n": 2, "temperature": 0.7, "top_p": 0.9, "max_tokens": 60}.items()
        assert body["stop"] == ["\n\n", "\n5."]
        assert "seed" not in body
        assert "response_format" not in body
        assert [choice.index for choice in completion.choices] == [0, 1]
        assert completion.choices[0].text.count("\n") == 2
        assert completion.completion_tokens == 40

    async def test_how_likely_prompt_and_answer_are_is_asked_for_only_by_name(self, fake: FakeVllm) -> None:
        async with connected(fake) as client:
            plain = await client.complete(request())
            told = await client.complete(replace(request(), prompt_logprobs=True, logprobs=5))
        before, body = fake.bodies
        assert not {"prompt_logprobs", "logprobs", "top_logprobs"} & before.keys()
        assert (plain.prompt_logprobs, plain.choices[0].logprobs) == ((), ())
        assert (body["prompt_logprobs"], body["logprobs"]) == (0, 5)
        words = str(request().prompt).split()
        assert len(told.prompt_logprobs) == len(words) - 1  # the first has nothing before it
        assert set(told.prompt_logprobs) == {-1.0, -4.0}
        choice = told.choices[0]
        assert "".join(next(iter(place)) for place in choice.logprobs) == choice.text

    async def test_of_messages_the_likeliest_tokens_of_each_place(self, fake: FakeVllm) -> None:
        schema = {"type": "object", "properties": {"grade": {"enum": [3]}}, "required": ["grade"]}
        chat = Request(
            "r", ({"role": "user", "content": "Hi"},), Sampling(1, 0.0, 1.0, 9), schema, logprobs=7
        )
        async with connected(fake) as client:
            (choice,) = (await client.complete(chat)).choices
        assert fake.bodies[0].items() >= {"logprobs": True, "top_logprobs": 7}.items()
        assert choice.text == '{"grade": 3}'
        assert choice.logprobs[1] == {"3": -0.7, "4": -0.7}

    async def test_messages_are_answered_under_the_schema(self, fake: FakeVllm) -> None:
        schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
        chat = Request("r", ({"role": "user", "content": "Hi"},), Sampling(1, 0.7, 0.9, 60), schema)
        async with connected(fake) as client:
            completion = await client.complete(chat)
        given = fake.bodies[0]["response_format"]
        assert given == {
            "type": "json_schema",
            "json_schema": {"name": "example", "schema": schema, "strict": True},
        }
        assert completion.choices[0].text.startswith('{"text"')

    async def test_the_key_goes_along_and_is_never_shown(self) -> None:
        with FakeVllm(api_key="very-secret") as fake:
            async with connected(fake, api_key="very-secret") as client:
                await client.complete(request())
                assert "very-secret" not in repr(client)
        assert fake.answered == 1

    async def test_what_the_server_says_of_the_model_is_told(self, fake: FakeVllm) -> None:
        client = ServerClient((fake.url,), fake.model)
        assert await client.start() == ModelInfo(fake.model, revision="org/fake", max_tokens=2048)
        await client.aclose()

    async def test_a_proxy_in_the_environment_is_not_used_for_the_loopback(
        self, fake: FakeVllm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        async with connected(fake) as client:
            assert (await client.complete(request())).choices


class TestRouting:
    async def test_endpoints_share_the_load(self) -> None:
        with FakeVllm(delay_s=0.05) as one, FakeVllm(delay_s=0.05) as two:
            async with connected(one, two) as client:
                await many(client, 20)
        assert (one.answered, two.answered) == (10, 10)

    async def test_the_least_loaded_endpoint_is_taken(self) -> None:
        with FakeVllm(delay_s=0.3) as slow, FakeVllm(delay_s=0.01) as quick:
            async with connected(slow, quick) as client:
                for _ in range(3):
                    await many(client, 4)
        assert quick.answered >= slow.answered

    async def test_one_dead_endpoint_of_two_costs_no_request(self) -> None:
        with FakeVllm() as well, FakeVllm() as dead:
            async with connected(well, dead) as client:
                dead.stop()
                completions = await many(client, 20)
        assert [completion.request_id for completion in completions] == [f"r{n}" for n in range(20)]
        assert well.answered >= 19

    async def test_an_endpoint_that_is_dead_at_the_start_joins_when_it_comes(self) -> None:
        with FakeVllm() as well, FakeVllm() as late:
            late.stop()
            async with connected(well, late) as client:
                await many(client, 4)
                assert late.answered == 0
                late.start()
                async with asyncio.timeout(60):
                    while not late.answered:
                        await many(client, 10)

    async def test_a_slower_endpoint_gets_less_and_one_that_hangs_nothing_more(self) -> None:
        with FakeVllm(delay_s=0.02) as quick, FakeVllm(delay_s=0.4) as slow, FakeVllm() as hung:
            hung.always("hang")
            async with connected(quick, slow, hung, timeout_s=120.0) as client:
                sent: list[asyncio.Task[Completion]] = []
                async with asyncio.timeout(60):
                    while quick.answered < 150:
                        waiting = sum(not task.done() for task in sent)
                        sent += [
                            asyncio.create_task(client.complete(request(n))) for n in range(12 - waiting)
                        ]
                        await asyncio.sleep(0.005)
                assert len(hung.bodies) <= 8
                assert quick.answered > 3 * slow.answered
                hung.stop()
                assert len(await asyncio.gather(*sent)) == len(sent)


class TestRoom:
    async def test_the_servers_own_figures_move_the_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seedgate.generator.clients.server.WATCH_S", 0.01)
        idle = 'vllm:num_requests_waiting{engine="0"} 0.0\nvllm:kv_cache_usage_perc{engine="0"} 0.1\n'
        with FakeVllm(delay_s=0.05) as one, FakeVllm(delay_s=0.05) as other:
            one.metrics, other.metrics = idle, idle
            async with connected(one, other, adapts=True) as client:
                assert client.room == 32
                await asyncio.sleep(0.1)
                assert client.room == 32  # nothing is in flight, so nothing is known
                async with asyncio.timeout(60):
                    while client.room == 32:
                        await many(client, 64)
                    other.metrics = idle.replace('waiting{engine="0"} 0.0', 'waiting{engine="0"} 900.0')
                    while client.room > 32:
                        await many(client, 64)

    async def test_a_server_without_figures_keeps_what_it_began_with(self, fake: FakeVllm) -> None:
        async with connected(fake, adapts=True) as client:
            await many(client, 64)
            assert client.room == 32

    async def test_a_server_that_has_too_much_gets_less(self, fake: FakeVllm) -> None:
        async with connected(fake, adapts=True) as client:
            fake.fail_next("429", "429", "429")
            await many(client, 12)
            assert client.room is not None
            assert client.room < 32

    async def test_who_names_a_number_gets_it(self, fake: FakeVllm) -> None:
        async with connected(fake) as client:
            assert client.room is None


class TestFaults:
    @pytest.mark.parametrize("fault", ["500", "429", "truncated", "empty", "reset", "half"])
    async def test_what_another_try_may_mend_is_tried_again(self, fake: FakeVllm, fault: str) -> None:
        async with connected(fake) as client:
            fake.fail_next(fault, fault)
            assert (await client.complete(request())).choices
        assert len(fake.bodies) == 3

    async def test_a_server_that_hangs_is_left_after_the_time_limit(self, fake: FakeVllm) -> None:
        async with connected(fake, timeout_s=0.2) as client:
            fake.fail_next("hang")
            assert (await client.complete(request())).choices
        assert len(fake.bodies) == 2

    async def test_tries_end_and_the_error_says_what_was_seen(self, fake: FakeVllm) -> None:
        fake.always("500")
        async with connected(fake, wait_s=0.001) as client:
            with pytest.raises(ServiceError, match=r"in 8 tries: failed \(500\): something .* is kept"):
                await client.complete(request())

    async def test_a_request_the_server_refuses_fails_at_once_with_its_words(self, fake: FakeVllm) -> None:
        fake.always("400")
        async with connected(fake) as client:
            with pytest.raises(ServiceError, match=r"refused \(400\): something about the request"):
                await client.complete(request())
        assert len(fake.bodies) == 1

    async def test_a_model_that_is_unloaded_meanwhile_names_those_served(self, fake: FakeVllm) -> None:
        async with connected(fake) as client:
            fake.model = "another-7b"
            with pytest.raises(ServiceError, match=r"'fake-135m' is not served \(served: another-7b\)"):
                await client.complete(request())


class TestOutages:
    async def test_an_outage_shorter_than_the_deadline_is_waited_out(self, fake: FakeVllm) -> None:
        async with connected(fake) as client:
            fake.down_for(1.0)
            started = time.monotonic()
            completions = await many(client, 10)
        assert all(completion.choices for completion in completions)
        assert time.monotonic() - started >= 0.9

    async def test_after_the_deadline_there_is_one_clear_error(self, fake: FakeVllm) -> None:
        async with connected(fake, deadline_s=0.3) as client:
            fake.stop()
            with pytest.raises(
                ServiceError, match=r"no vLLM endpoint answered for 0 s .*refused.*seedgate status"
            ):
                await client.complete(request())

    async def test_a_dead_engine_is_called_so(self, fake: FakeVllm) -> None:
        async with connected(fake, deadline_s=0.3) as client:
            fake.kill_engine()
            with pytest.raises(ServiceError, match=r"its engine died \(500: EngineCore encountered"):
                await client.complete(request())

    async def test_a_dead_engine_whose_server_then_ends_is_still_called_so(self, fake: FakeVllm) -> None:
        async with connected(fake, deadline_s=0.5) as client:
            fake.kill_engine()
            asyncio.get_running_loop().call_later(0.2, fake.stop)
            with pytest.raises(ServiceError, match=r"its engine died .*, then the connection was refused"):
                await client.complete(request())


class TestStart:
    async def failing(self, *urls: str, **settings: Any) -> ServiceError:
        client = ServerClient(urls, settings.pop("model", "fake-135m"), **(FAST | settings))
        try:
            with pytest.raises(ServiceError) as caught:
                await client.start()
        finally:
            await client.aclose()
        return caught.value

    async def test_nobody_listening(self, fake: FakeVllm) -> None:
        fake.stop()
        error = await self.failing(fake.url)
        assert "no vLLM endpoint can be used" in str(error)
        assert "refused" in str(error)
        assert "seedgate up" in str(error)

    async def test_a_wrong_model_names_those_served(self, fake: FakeVllm) -> None:
        error = await self.failing(fake.url, model="typo")
        assert "'typo' is not served (served: fake-135m)" in str(error)

    async def test_a_wrong_key_names_the_secret_and_not_the_key(self) -> None:
        with FakeVllm(api_key="right") as fake:
            error = await self.failing(fake.url, api_key="wrong-one")
        assert "SEEDGATE_VLLM_API_KEY" in str(error)
        assert "wrong-one" not in str(error)

    async def test_a_dead_engine(self, fake: FakeVllm) -> None:
        fake.kill_engine()
        assert "its engine died (503 from /health)" in str(await self.failing(fake.url))

    async def test_an_address_that_is_none(self) -> None:
        assert "http://" in str(await self.failing("127.0.0.1:8000/v1"))

    async def test_an_address_without_v1(self, fake: FakeVllm) -> None:
        assert "ends in /v1" in str(await self.failing(fake.url.removesuffix("/v1")))


def test_the_fake_answers_the_same_prompt_with_the_same_text(fake: FakeVllm) -> None:
    body: dict[str, Any] = {"model": "m", "prompt": "1. Late: x\n2. Late:", "n": 3, "stop": ["\n5."]}
    texts: Callable[[], list[str]] = lambda: [c["text"] for c in fake.completion(body)["choices"]]  # noqa: E731
    assert texts() == texts()
    assert len(set(texts())) == 3

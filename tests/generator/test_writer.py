"""The strategy `writer`: a trained model is asked for the label alone, and what it writes says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import ConfigError, ServiceError
from seedgate.generator import candidates, generate, replay
from seedgate.generator.clients.base import Choice, Request, Sampling
from seedgate.generator.clients.server import ServerClient
from seedgate.generator.prompts import ChatForm, Form, ListForm
from seedgate.generator.rendering import WRITER
from seedgate.generator.writing import Writer, Writing
from seedgate.records import Example
from seedgate.seeds import baseline
from seedgate.task import Task
from seedgate.workspace import Workspace
from tests.fakes.adapter_server import AdapterServer
from tests.fakes.vllm_server import FakeVllm

Make = Callable[..., Workspace]
BOTH = {"few_shot": 0.5, "writer": 0.5}


class Serving:
    """A writer that a server serves for as long as it is told to; what it was told is noted."""

    def __init__(self, server: FakeVllm) -> None:
        self._server = server
        self.told: list[str] = []

    def __call__(self) -> Writer:
        return Writer("r000-writer-1", Path("nowhere"), 16, self._serve)

    @asynccontextmanager
    async def _serve(self) -> AsyncIterator[str]:
        self.told.append("begins")
        self._server.adapters.add("r000-writer-1-af")
        yield "r000-writer-1-af"
        self._server.adapters.clear()
        self.told.append("ends")


def by_strategy(ws: Workspace) -> dict[str, set[str]]:
    """The models that each strategy's candidates name."""
    found: dict[str, set[str]] = {}
    for each in candidates(ws.ledger):
        found.setdefault(each.provenance.strategy, set()).add(each.provenance.model)
    return found


def test_it_is_asked_beside_the_model_and_its_candidates_name_it(fake: FakeVllm, ready: Make) -> None:
    ws, serving = ready(fake, strategies=BOTH), Serving(fake)
    generate(ws, candidates=30, cycle=1, writer=serving)
    assert by_strategy(ws) == {"few_shot": {fake.model}, "writer": {"r000-writer-1"}}
    assert serving.told == ["begins", "ends"]
    asked = [body for body in fake.bodies if body["model"] == "r000-writer-1-af"]
    shown = {tuple((m["role"], m["content"]) for m in body["messages"]) for body in asked}
    assert shown == {
        (("user", f"Messages that customers sent to a shop.\n\n{name.title()}"),)
        for name in ("delivery", "billing", "account")
    }
    assert {body["model"] for body in fake.bodies} == {fake.model, "r000-writer-1-af"}
    mine = [e.payload for e in ws.ledger.events("request.completed") if e.payload["strategy"] == "writer"]
    assert {(each["model"], tuple(each["seed_ids"])) for each in mine} == {("r000-writer-1", ())}


def test_a_chat_model_is_asked_for_json_without_seeds(ready: Make) -> None:
    with FakeVllm(model="big-70b") as fake:
        ws = ready(fake, strategies={"writer": 1})
        generate(ws, candidates=4, cycle=1, writer=Serving(fake))
    assert by_strategy(ws) == {"writer": {"r000-writer-1"}}
    for body in fake.bodies:
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert body["messages"][1]["content"].startswith("Write one new example with label ")
        assert set(body["response_format"]["json_schema"]["schema"]["properties"]) == {"text"}


def test_without_a_writer_the_others_take_its_share(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies=BOTH)
    report = generate(ws, candidates=10, cycle=1, writer=lambda: None)
    assert set(report.strategies) == {"few_shot"}
    assert report.warnings == (
        "strategy writer is left out: none is trained for its prompts: run `seedgate train --writer`; the others"
        " take its share",
    )
    alone = ready(fake, given={"folder": "alone"}, strategies={"writer": 1})
    with pytest.raises(ConfigError, match="none is trained for its prompts"):
        generate(alone, candidates=10, cycle=1, writer=lambda: None)


def test_a_writer_is_not_looked_for_where_none_is_wanted(fake: FakeVllm, ready: Make) -> None:
    def unwanted() -> Writer:
        raise AssertionError("looked for")

    generate(ready(fake), candidates=5, cycle=1, writer=unwanted)


def test_what_is_replayed_keeps_the_writers_name(fake: FakeVllm, ready: Make) -> None:
    ws = ready(fake, strategies={"writer": 1}, min_words=9)
    generate(ws, candidates=3, cycle=1, writer=Serving(fake))
    before = len(list(candidates(ws.ledger)))
    settings = (ws.root / "seedgate.toml").read_text()
    (ws.root / "seedgate.toml").write_text(settings.replace("min_words = 9", "min_words = 2"))
    with Workspace(ws.root) as eased:
        found = replay(eased).found
        assert found > 0
        assert len(list(candidates(eased.ledger))) == before + found
        assert by_strategy(eased) == {"writer": {"r000-writer-1"}}


PRESETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "classification": ({"labels": ["a", "b"]}, {"text": "Where is my parcel: really?", "label": "b"}),
    "instruction": ({}, {"instruction": "Say it.", "input": "", "output": 'Line "one"\nand two'}),
    "chat": (
        {},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
    ),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_writer_learns_to_write_is_read_as_that_example(preset: str) -> None:
    given, fields = PRESETS[preset]
    task = Task.from_config({"preset": preset, "name": "t"} | given)
    example = Example(fields=task.validate_fields(fields))
    forms: list[Form] = [ChatForm(task)]
    if preset == "classification":
        forms.append(ListForm(task, 160))
    for form in forms:
        fixed = {name: example.fields[name] for name in form.fixed}
        (item,) = form.parse(Choice(0, form.written(example), "stop"), fixed, 0)
        assert task.validate_fields(item.fields or {}) == example.fields
        prompt = form.render((), fixed, WRITER).prompt
        assert not isinstance(prompt, str)
        assert prompt[-1]["role"] == "user"


def test_a_list_writer_learns_one_line() -> None:
    task = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b"]})
    said = ListForm(task, 160).written(Example(fields={"text": "Where  is\nit?", "label": "a"}))
    assert said == "Where is it?"


def test_rows_hold_the_prompt_that_will_be_asked_and_the_text(workspace: Workspace) -> None:
    seeds = list(baseline(workspace).seeds.values())
    rows = Writing(workspace).rows([seed.fields for seed in seeds])
    assert len(rows) == len(seeds)
    for seed, row in zip(seeds, rows, strict=True):
        (asked,), (said,) = row["prompt"], row["completion"]
        assert asked["content"].endswith(f"\n\n{str(seed.fields['label']).title()}")
        assert said == {"role": "assistant", "content": seed.fields["text"]}


def test_another_template_is_another_writer(workspace: Workspace) -> None:
    before = Writing(workspace).told
    workspace.prompts_dir.mkdir()
    (workspace.prompts_dir / "writer.list.txt").write_text("A message about $heading\n")
    after = Writing(workspace)
    assert after.told != before
    (row,) = after.rows([{"text": "Where is it?", "label": "delivery"}])
    assert row["prompt"][0]["content"] == "A message about Delivery"


def request(number: int) -> Request:
    prompt = ({"role": "user", "content": "x"},)
    return Request(f"r-{number}", prompt, Sampling(1, 0.7, 1, 9), model="w")


def test_an_endpoint_without_the_adapter_is_passed_over() -> None:
    async def ask(*urls: str) -> list[str]:
        client = ServerClient(urls, "fake-135m", adapters={"w": "w-1"}, wait_s=0.01)
        await client.start()
        try:
            return [(await client.complete(request(n))).choices[0].text for n in range(6)]
        finally:
            await client.aclose()

    with AdapterServer(lambda *_: "with") as one, AdapterServer(lambda *_: "without") as other:
        one.adapters["w-1"] = "folder"
        assert asyncio.run(ask(other.url, one.url)) == ["with"] * 6
        with pytest.raises(ServiceError, match=r"the adapter of w is not loaded \(404\)"):
            asyncio.run(ask(other.url))


def test_an_endpoint_without_the_adapter_stays_for_other_requests() -> None:
    async def ask(*urls: str) -> list[str | None]:
        client = ServerClient(urls, "fake-135m", adapters={"w": "w-1"}, wait_s=0.01)
        await client.start()
        try:
            await asyncio.gather(*(client.complete(request(n)) for n in range(30)))
            return [each.fault for each in client._pool.endpoints]
        finally:
            await client.aclose()

    with AdapterServer(lambda *_: "with") as one, AdapterServer(lambda *_: "without") as other:
        one.adapters["w-1"] = "folder"
        assert asyncio.run(ask(other.url, one.url)) == [None, None]

"""Which client a workspace gets."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable

import pytest

from seedgate.errors import InputError, ServiceError
from seedgate.generator.clients.chosen import client_for
from seedgate.generator.clients.offline import OfflineClient
from seedgate.generator.clients.server import ServerClient
from seedgate.workspace import Workspace

Make = Callable[..., Workspace]


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDGATE_VLLM_URLS", raising=False)


def test_a_named_model_is_loaded_and_an_address_in_the_environment_goes_before(
    make_workspace: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = make_workspace(settings={"vllm": {"offline": "org/model", "engine": {"max_model_len": 512}}})
    found = client_for(ws, connections=4)
    assert isinstance(found, OfflineClient)
    assert (found.model, found.name) == ("org/model", "model")
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", "http://127.0.0.1:9/v1")
    assert isinstance(client_for(ws, connections=4), ServerClient)


def test_a_folder_in_the_workspace_is_found_from_anywhere(make_workspace: Make) -> None:
    ws = make_workspace(settings={"vllm": {"offline": "models/mine"}})
    (ws.root / "models" / "mine").mkdir(parents=True)
    found = client_for(ws, connections=4)
    assert isinstance(found, OfflineClient)
    assert found.model == str(ws.root / "models" / "mine")


def test_a_folder_that_is_not_there_is_one_clear_line(make_workspace: Make) -> None:
    ws = make_workspace(settings={"vllm": {"offline": "./nowhere"}})
    with pytest.raises(InputError, match=r"model \./nowhere: no such folder") as refused:
        client_for(ws, connections=4)
    assert refused.value.hint == "mend [vllm] offline"


def test_without_vllm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)

    async def start() -> None:
        await OfflineClient("org/model", name="model").start()

    with pytest.raises(ServiceError, match="vLLM is not installed") as refused:
        asyncio.run(start())
    assert "seedgate[vllm]" in str(refused.value.hint)


def test_who_gives_up_while_the_model_loads_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, loaded = threading.Event(), threading.Event()

    def load(self: OfflineClient) -> None:
        begun.set()
        loaded.wait(60)
        raise RuntimeError("too late")

    monkeypatch.setattr(OfflineClient, "_load", load)

    async def give_up() -> None:
        client = OfflineClient("org/model", name="model")
        starting = asyncio.create_task(client.start())
        await asyncio.to_thread(begun.wait, 60)
        starting.cancel()
        await asyncio.wait_for(client.aclose(), 20)

    try:
        asyncio.run(give_up())
        assert not loaded.is_set()
    finally:
        loaded.set()

"""The embedded stack for real: up, use, down, up again. Takes a minute or two on two cores.

The tests of the class run in order on one workspace, since starting vLLM is what takes the time.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from seedgate.secrets import Secrets
from seedgate.services import StackSpec, down, read_state, status, up
from seedgate.services.plan import PUSHER
from seedgate.services.processes import marked

pytestmark = pytest.mark.e2e

LOOPBACK = "0100007F"  # 127.0.0.1 in /proc/net/tcp
LISTEN = "0A"


def progress(line: str) -> None:
    print(line, flush=True)


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port that somebody else uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("a workspace")
    yield folder
    down(folder)


@pytest.fixture
def secrets(root: Path) -> Secrets:
    return Secrets(root)


@pytest.fixture
def argilla(root: Path, secrets: Secrets) -> Iterator[httpx.Client]:
    """Argilla, signed in with user name and password as the page does."""
    state = read_state(root)
    assert state is not None
    assert state.argilla_url is not None
    with httpx.Client(base_url=f"{state.argilla_url}/api/v1/", timeout=30, trust_env=False) as client:
        account = {"username": PUSHER, "password": secrets.get("argilla_password")}
        token = ok(client.post("token", data=account))["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def vllm(root: Path, secrets: Secrets) -> Iterator[httpx.Client]:
    state = read_state(root)
    assert state is not None
    assert state.vllm_url is not None
    headers = {"Authorization": f"Bearer {secrets.get('vllm_api_key')}"}
    with httpx.Client(base_url=state.vllm_url, headers=headers, timeout=120, trust_env=False) as client:
        yield client


def ok(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.url}: {response.status_code} {response.text}"
    return response.json() if response.content else None


def complete(vllm: httpx.Client, model: str) -> str:
    request = {"model": model, "prompt": "1. I lost my card\n2.", "max_tokens": 8, "temperature": 0}
    return str(ok(vllm.post("completions", json=request))["choices"][0]["text"])


def found_by_search(argilla: httpx.Client, dataset: str, word: str) -> list[str]:
    query = {"query": {"text": {"q": word}}}
    found = ok(argilla.post(f"me/datasets/{dataset}/records/search", json=query))
    return [item["record"]["fields"]["text"] for item in found["items"]]


def listening_addresses(root: Path) -> set[str]:
    """The local addresses, in hexadecimal, on which processes of the stack listen."""
    handles = set()
    for process in marked(root):
        folder = Path(f"/proc/{process.identity.pid}/fd")
        handles |= {str(handle.readlink()) for handle in folder.iterdir() if handle.is_symlink()}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == LISTEN and f"socket:[{row[9]}]" in handles}


class TestStack:
    dataset = ""

    def test_up_starts_everything(self, root: Path, taken: int) -> None:
        state = up(root, StackSpec(argilla_port=taken, max_loras=1), progress)
        assert {(one.name, one.state, one.health) for one in status(root)} == {
            (name, "running", "ok") for name in ("vllm", "redis", "search", "argilla", "worker")
        }
        assert state.ports["argilla"] != taken
        assert read_state(root) == state

    def test_everything_listens_on_the_loopback_only(self, root: Path) -> None:
        addresses = listening_addresses(root)
        assert len(addresses) >= 4
        assert {address.split(":")[0] for address in addresses} == {LOOPBACK}

    def test_no_secret_shows_in_the_list_of_processes(self, root: Path, secrets: Secrets) -> None:
        values = json.loads(secrets.path.read_text()).values()
        lines = [Path(f"/proc/{one.identity.pid}/cmdline").read_text() for one in marked(root)]
        assert len(lines) >= 6
        assert not [line for line in lines for value in values if value in line]

    def test_the_pusher_is_an_owner_by_password_and_by_key(
        self, argilla: httpx.Client, secrets: Secrets
    ) -> None:
        assert ok(argilla.get("me"))["role"] == "owner"
        key = {"X-Argilla-Api-Key": str(secrets.get("argilla_api_key"))}
        with httpx.Client(base_url=argilla.base_url, headers=key, trust_env=False) as client:
            assert ok(client.get("me"))["username"] == PUSHER

    def test_a_record_is_pushed_found_and_answered(self, argilla: httpx.Client) -> None:
        workspace = ok(argilla.post("workspaces", json={"name": "kept"}))["id"]
        dataset = ok(argilla.post("datasets", json={"name": "kept", "workspace_id": workspace}))["id"]
        settings = {"type": "text", "use_markdown": False}
        field = {"name": "text", "title": "Text", "required": True, "settings": settings}
        ok(argilla.post(f"datasets/{dataset}/fields", json=field))
        options = [{"value": "approve", "text": "approve"}, {"value": "reject", "text": "reject"}]
        settings = {"type": "label_selection", "options": options}
        question = {"name": "decision", "title": "Decision", "required": True, "settings": settings}
        ok(argilla.post(f"datasets/{dataset}/questions", json=question))
        ok(argilla.put(f"datasets/{dataset}/publish"))
        items = [{"fields": {"text": "the zebra card"}}, {"fields": {"text": "a plain card"}}]
        pushed = ok(argilla.post(f"datasets/{dataset}/records/bulk", json={"items": items}))["items"]
        assert found_by_search(argilla, str(dataset), "zebra") == ["the zebra card"]
        answer = {"values": {"decision": {"value": "approve"}}, "status": "submitted"}
        record = pushed[0]["id"]
        assert ok(argilla.post(f"records/{record}/responses", json=answer))["status"] == "submitted"
        type(self).dataset = str(dataset)

    def test_vllm_completes_for_whoever_has_the_key(self, vllm: httpx.Client) -> None:
        assert complete(vllm, "smollm2-135m")
        for path in ("/v1/models", "/adapters", "/invocations"):
            url = vllm.base_url.copy_with(path=path)
            assert httpx.post(url, json={}, trust_env=False).status_code == 401

    def test_an_adapter_is_loaded_while_vllm_runs(self, vllm: httpx.Client, tmp_path: Path) -> None:
        plain = complete(vllm, "smollm2-135m")
        loading = {"lora_name": "r1", "lora_path": str(adapter(tmp_path))}
        assert vllm.post("load_lora_adapter", json=loading).status_code == 200
        assert complete(vllm, "r1") != plain
        # Side by side in one batch, where vLLM's own kernels confuse the two if every slot is taken, as here.
        with ThreadPoolExecutor(8) as pool:
            models = ["smollm2-135m", "r1"] * 8
            answers = list(pool.map(lambda model: complete(vllm, model), models))
        assert set(answers[::2]) == {plain}
        assert plain not in answers[1::2]
        assert vllm.post("unload_lora_adapter", json={"lora_name": "r1"}).status_code == 200

    def test_up_again_changes_nothing(self, root: Path, taken: int) -> None:
        before = {one.name: one.pid for one in status(root)}
        up(root, StackSpec(argilla_port=taken, max_loras=1), progress)
        assert {one.name: one.pid for one in status(root)} == before

    def test_down_stops_everything(self, root: Path) -> None:
        assert sorted(down(root)) == ["argilla", "redis", "search", "vllm", "worker"]
        assert marked(root) == []
        assert {one.state for one in status(root)} == {"stopped"}

    def test_after_down_and_up_the_data_is_there_and_is_searched(self, root: Path, taken: int) -> None:
        before = read_state(root)
        assert before is not None
        said: list[str] = []
        after = up(root, StackSpec(services=("argilla",), argilla_port=taken), said.append)
        assert after.ports["argilla"] == before.ports["argilla"]
        assert "argilla: indexed 2 records of 1 datasets" in said

    def test_the_record_its_response_and_the_account_survived(self, argilla: httpx.Client) -> None:
        assert [one["name"] for one in ok(argilla.get("me/workspaces"))["items"]] == ["kept"]
        assert found_by_search(argilla, self.dataset, "zebra") == ["the zebra card"]
        done = ok(argilla.get(f"datasets/{self.dataset}/progress"))
        assert (done["completed"], done["pending"]) == (1, 1)

    def test_a_lost_search_index_is_noticed_and_rebuilt(
        self, root: Path, argilla: httpx.Client, taken: int
    ) -> None:
        search = next(one for one in status(root) if one.name == "search")
        assert search.pid is not None
        os.kill(search.pid, 9)
        server = next(one for one in status(root) if one.name == "argilla")
        assert server.health == "bad"
        assert "its search index was lost" in str(server.detail)
        up(root, StackSpec(services=("argilla",), argilla_port=taken), progress)
        assert found_by_search(argilla, self.dataset, "zebra") == ["the zebra card"]
        assert next(one for one in status(root) if one.name == "argilla").pid == server.pid


def adapter(folder: Path) -> Path:
    """A LoRA adapter of rank 8 for SmolLM2-135M with random weights, as PEFT writes it."""
    import numpy
    from safetensors.numpy import save_file

    random = numpy.random.default_rng(0)
    tensors = {}
    for layer in range(30):
        prefix = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{prefix}.lora_A.weight"] = random.normal(0, 1, (8, 576)).astype("float32")
        tensors[f"{prefix}.lora_B.weight"] = random.normal(0, 1, (576, 8)).astype("float32")
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": "smollm2-135m",
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder

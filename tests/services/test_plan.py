"""The real services as they would be started."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from seedgate.errors import InputError, ServiceError
from seedgate.secrets import Secrets
from seedgate.services.argilla_venv import ArgillaVenv
from seedgate.services.layout import Layout
from seedgate.services.plan import plan, redis_word
from seedgate.services.ports import Ports
from seedgate.services.service import Context, Plan, Service
from seedgate.services.state import StackSpec


@pytest.fixture
def layout(root: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("SEEDGATE_HOME", str(root / "home"))
    found = Layout.of(root)
    found.make()
    return found


def make(layout: Layout, spec: StackSpec | None = None) -> Plan:
    return plan(layout, spec or StackSpec(), Ports({}))


def service(found: Plan, name: str) -> Service:
    return next(service for service in found.services if service.name == name)


def do(found: Plan, name: str) -> None:
    step = next(step for step in found.steps if step.name == name)
    step.run(Context(lambda line: None, threading.Event(), lambda name: None))


def test_everything_is_planned_by_default(layout: Layout) -> None:
    found = make(layout)
    assert {service.name for service in found.services} == {"vllm", "redis", "search", "argilla", "worker"}
    assert found.vllm_url == f"{service(found, 'vllm').url}/v1"
    assert found.argilla_url == service(found, "argilla").url


def test_only_what_is_wanted_is_planned(layout: Layout) -> None:
    assert [service.name for service in make(layout, StackSpec(services=("vllm",))).services] == ["vllm"]
    only = make(layout, StackSpec(services=("argilla",)))
    assert only.vllm_url is None
    assert {step.name for step in only.steps} == {"argilla-server", "argilla-data", "cleaning"}


def test_every_need_is_a_service_or_step_of_the_plan(layout: Layout) -> None:
    found = make(layout)
    parts = (*found.steps, *found.services)
    names = {part.name for part in parts}
    assert len(names) == len(parts)
    assert all(set(part.needs) <= names for part in parts)


def test_no_secret_is_an_argument(layout: Layout) -> None:
    found = make(layout)
    secrets = json.loads(Secrets(layout.root).path.read_text())
    assert set(secrets) == {
        "argilla_api_key",
        "argilla_password",
        "argilla_session_key",
        "redis_password",
        "vllm_api_key",
    }
    shown = repr(found) + " ".join(word for service in found.services for word in service.command)
    assert not [name for name, value in secrets.items() if value in shown]


def test_everything_listens_on_the_loopback(layout: Layout) -> None:
    found = make(layout)
    assert "127.0.0.1:" in " ".join(service(found, "search").command)
    for name in ("argilla", "vllm"):
        command = service(found, name).command
        assert command[command.index("--host") + 1] == "127.0.0.1"
    assert service(found, "vllm").environment["VLLM_HOST_IP"] == "127.0.0.1"


def test_vllm_is_started_as_the_specification_says(layout: Layout) -> None:
    spec = StackSpec(served_model="tiny", max_model_len=512, kv_cache_gib=1, vllm_args=("--seed", "7"))
    vllm = service(make(layout, spec), "vllm")
    command = " ".join(vllm.command)
    assert "--served-model-name tiny " in command
    assert "--max-model-len 512 " in command
    assert "--enable-lora --max-lora-rank 16 --max-loras 4 " in command
    assert "--worker-extension-cls seedgate.services.vllm_lora.GroupedLora" in command
    assert command.endswith("--seed 7")
    assert str(layout.root / "home/models/SmolLM2-135M-Instruct") in vllm.command
    assert vllm.environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert vllm.environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"


@pytest.mark.parametrize(("has_it", "dtype"), [(True, "auto"), (False, "float32")])
def test_vllm_computes_in_float32_where_the_cpu_has_no_bfloat16(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, has_it: bool, dtype: str
) -> None:
    monkeypatch.setattr("seedgate.services.plan.cpu_has_bfloat16", lambda: has_it)
    command = service(make(layout), "vllm").command
    assert command[command.index("--dtype") + 1] == dtype


def test_without_lora_no_adapter_can_be_loaded(layout: Layout) -> None:
    vllm = service(make(layout, StackSpec(lora=False)), "vllm")
    assert "--enable-lora" not in vllm.command
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in vllm.environment


def test_vllm_asks_for_its_key_everywhere(layout: Layout) -> None:
    vllm = service(make(layout), "vllm")
    assert "seedgate.services.vllm_guard.RequireKey" in vllm.command
    assert vllm.environment["VLLM_API_KEY"] == Secrets(layout.root).get("vllm_api_key")


def test_argilla_keeps_its_data_in_the_workspace_and_to_itself(layout: Layout) -> None:
    environment = service(make(layout), "argilla").environment
    assert environment["ARGILLA_HOME_PATH"] == str(layout.root / ".seedgate/argilla")
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert "*" not in environment["ARGILLA_CORS_ORIGINS"]


def test_a_password_with_any_character_reaches_argilla(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDGATE_REDIS_PASSWORD", 'p@ss/w:rd "#%')
    environment = service(make(layout), "argilla").environment
    assert "redis://:p%40ss%2Fw%3Ard%20%22%23%25@127.0.0.1:" in environment["ARGILLA_REDIS_URL"]
    assert redis_word('a "b" \\') == '"a \\"b\\" \\\\"'


def test_a_changed_redis_configuration_changes_the_service(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {"redis": 50001, "search": 50002, "argilla": 50003}
    spec = StackSpec(services=("argilla",))
    before = service(plan(layout, spec, Ports(ports, ports)), "redis")
    assert dict(before.environment) == dict(
        service(plan(layout, spec, Ports(ports, ports)), "redis").environment
    )
    Secrets(layout.root).set("redis_password", "another")
    after = service(plan(layout, spec, Ports(ports, ports)), "redis")
    assert dict(before.environment) != dict(after.environment)


def test_a_missing_model_folder_is_named(layout: Layout) -> None:
    with pytest.raises(InputError, match=r"nowhere: no model \(no config\.json\)"):
        do(make(layout, StackSpec(model=str(layout.root / "nowhere"))), "model")


def test_a_missing_vllm_names_the_install_command(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedgate.services.plan.find_spec", lambda name: None)
    with pytest.raises(ServiceError, match=r"vLLM is not installed.*make setup"):
        do(make(layout), "model")


def test_the_configuration_of_redis_is_private_and_complete(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArgillaVenv, "prepare", lambda self, say, cancelled: None)
    found = make(layout)
    do(found, "argilla-server")
    path = layout.stack / "redis.conf"
    lines = path.read_text().splitlines()
    assert path.stat().st_mode & 0o077 == 0
    assert f"port {service(found, 'redis').port}" in lines
    assert "bind 127.0.0.1" in lines
    assert f'dir "{layout.argilla}"' in lines


def test_too_little_memory_is_said_before_vllm_is_started(layout: Layout) -> None:
    (layout.root / "config.json").write_text("{}")
    spec = StackSpec(model=str(layout.root), kv_cache_gib=100_000)
    with pytest.raises(ServiceError, match=r"GiB of memory available, vLLM needs 100001\.5 GiB"):
        do(make(layout, spec), "model")

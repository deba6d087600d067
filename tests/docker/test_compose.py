"""The compose file fits the Compose Specification, and keeps the promises of its header.

The schema is the specification's own, as the package check-jsonschema carries it. Nothing here needs Docker.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
TEXT = (FOLDER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (FOLDER / ".env.example").read_text()

each_service = pytest.mark.parametrize("name", SERVICES)


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def values(node: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every scalar of the file as text, with the key nearest to it."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from values(child, str(name))
    elif isinstance(node, list):
        for child in node:
            yield from values(child, key)
    else:
        yield key, str(node)


def test_the_file_is_valid_under_the_compose_specification() -> None:
    result = check_schema(FOLDER / "compose.yaml")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_would_notice_a_misspelt_key(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(TEXT.replace("healthcheck:", "healthchek:", 1))
    assert check_schema(wrong).returncode == 1


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60).returncode != 0,
    reason="the docker compose client is not installed; the schema test above stands in for it",
)
def test_the_compose_client_accepts_the_file(tmp_path: Path) -> None:
    filled = re.sub(r"^([A-Z_]+)=$", r"\1=0a1b", EXAMPLE, flags=re.MULTILINE)
    env_file = tmp_path / "env"
    env_file.write_text(filled)
    command = [
        "docker",
        "compose",
        "--env-file",
        str(env_file),
        "-f",
        str(FOLDER / "compose.yaml"),
        "config",
        "-q",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


@each_service
def test_every_image_names_a_version(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].rpartition("/")[2].partition(":")
    assert re.match(r"v?\d+\.\d+\.\d+|\d+\.\d+-", tag), f"{name}: image tag {tag!r} is not a version"


def test_argilla_and_its_worker_run_the_same_image() -> None:
    assert SERVICES["argilla"]["image"] == SERVICES["argilla-worker"]["image"]


@each_service
def test_every_service_has_a_health_check_or_says_why_not(name: str) -> None:
    service = SERVICES[name]
    reason = service.get("x-no-healthcheck")
    assert bool(reason) != ("healthcheck" in service)
    if not reason:
        assert service["healthcheck"]["start_period"]


@each_service
def test_services_wait_for_healthy_ones(name: str) -> None:
    for other, condition in SERVICES[name].get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[other]


@each_service
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert service["logging"]["options"]["max-size"]


@each_service
def test_every_service_but_the_one_off_command_restarts(name: str) -> None:
    one_off = "profiles" in SERVICES[name]
    assert SERVICES[name]["restart"] == ("no" if one_off else "unless-stopped")


@each_service
def test_ports_are_published_on_loopback_unless_a_variable_says_otherwise(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"\$\{[A-Z]+_BIND:-127\.0\.0\.1\}:\$\{[A-Z]+_PORT:-\d+\}:\d+", port), port


def test_the_stores_are_on_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("elasticsearch", "redis"):
        assert SERVICES[name]["networks"] == ["data"]
        assert "ports" not in SERVICES[name]


def test_no_password_is_written_down() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY", re.IGNORECASE)
    required = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}|\$\{HF_TOKEN:-\}")
    found = [(key, value) for key, value in values(COMPOSE) if secret.search(key)]
    assert found
    for key, value in found:
        assert required.fullmatch(value), f"{key} is given as {value!r}"


def test_addresses_carry_passwords_only_from_the_environment() -> None:
    users = re.findall(r"://[a-z]*:(\S+?)@", re.sub(r"\$\{([A-Z_]+):\?[^}]+\}", r"<\1>", TEXT))
    assert len(users) == 4
    assert all(re.fullmatch(r"<[A-Z_]+>", user) for user in users), users


def test_no_password_gets_into_a_list_of_processes() -> None:
    for name, service in SERVICES.items():
        command = " ".join(
            text for _, text in values([service.get("command", ""), service.get("entrypoint", "")])
        )
        assert not re.search(r"\$\{\w*(PASSWORD|KEY|SECRET)", command), f"{name}: {command}"


def test_every_variable_is_explained_in_the_example() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    explained = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named == explained


def test_required_variables_are_empty_in_the_example_and_the_rest_are_its_defaults() -> None:
    required = set(re.findall(r"\$\{([A-Z_]+):\?", TEXT))
    assert set(re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)) == required
    assert not re.findall(r"^[A-Z_]+=.+$", EXAMPLE, re.MULTILINE)
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", TEXT))
    assert dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)) == defaults


def test_the_client_is_pointed_at_the_stack() -> None:
    environment = SERVICES["seedgate"]["environment"]
    assert environment["SEEDGATE_ARGILLA_URL"] == "http://argilla:6900"
    assert environment["SEEDGATE_VLLM_URLS"] == "http://vllm:8000/v1"
    assert environment["SEEDGATE_VLLM_API_KEY"] == SERVICES["vllm"]["environment"]["VLLM_API_KEY"]
    assert environment["SEEDGATE_LEDGER_URL"].startswith(
        "postgresql+psycopg://seedgate:${SEEDGATE_DB_PASSWORD:?"
    )


def test_vllm_has_a_gpu_and_sees_only_the_models_of_the_workspace() -> None:
    vllm = SERVICES["vllm"]
    (device,) = vllm["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    (bind,) = (volume for volume in vllm["volumes"] if isinstance(volume, dict))
    assert bind["target"] == "/workspace/models"
    assert bind["read_only"] is True


def test_mounted_files_exist() -> None:
    mounts = [v for service in SERVICES.values() for v in service.get("volumes", []) if isinstance(v, str)]
    local = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert local
    assert all((FOLDER / path).is_file() for path in local)


def test_every_named_volume_is_declared_and_used() -> None:
    mounts = [v for service in SERVICES.values() for v in service.get("volumes", []) if isinstance(v, str)]
    named = {mount.split(":")[0] for mount in mounts if re.match(r"[a-z]+:", mount)}
    assert named == set(COMPOSE["volumes"])


class TestDockerfile:
    text = (FOLDER / "Dockerfile").read_text()
    stages = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]

    def test_every_base_image_names_a_version(self) -> None:
        bases = re.findall(r"^FROM (\S+)", self.text, re.MULTILINE)
        assert bases
        assert all(re.search(r":\d+\.\d+", base) for base in bases)

    def test_the_final_stage_runs_as_another_user_than_root(self) -> None:
        users = re.findall(r"^USER (\S+)", self.stages[-1], re.MULTILINE)
        assert users
        assert users[-1].split(":")[0] not in {"0", "root"}

    def test_the_image_is_the_command(self) -> None:
        assert 'ENTRYPOINT ["seedgate"]' in self.stages[-1]
        assert "WORKDIR /workspace" in self.stages[-1]

    def test_it_copies_every_folder_of_the_package_and_the_build_context_holds_them(self) -> None:
        context = (ROOT / ".dockerignore").read_text().split()
        for folder in ("core", "seeds", "generator", "review", "finetune"):
            assert f"COPY {folder} {folder}" in self.stages[0]
            assert f"!{folder}" in context

    def test_training_is_not_in_it_by_default(self) -> None:
        assert re.findall(r"^ARG EXTRAS=(.*)$", self.text, re.MULTILINE) == ["postgres"]

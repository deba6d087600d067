"""Real servers for the end-to-end tests: given ones, or an embedded stack started once per session.

SEEDGATE_TEST_ARGILLA_URL and SEEDGATE_TEST_ARGILLA_API_KEY name an Argilla to use, SEEDGATE_TEST_VLLM_URL
(and SEEDGATE_TEST_VLLM_API_KEY, SEEDGATE_TEST_MODEL) a vLLM.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seedgate.secrets import Secrets
from seedgate.services import StackSpec, down, up


@dataclass(frozen=True)
class Argilla:
    """A running Argilla and an owner's key."""

    url: str
    key: str

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lets every workspace of the test use it."""
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", self.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", self.key)


@dataclass(frozen=True)
class Stack:
    """A running Argilla and a running vLLM; `root` is where the embedded parts live."""

    root: Path
    argilla: Argilla
    vllm_url: str
    vllm_key: str
    model: str

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lets every workspace of the test use both."""
        self.argilla.use(monkeypatch)
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", self.vllm_url)
        monkeypatch.setenv("SEEDGATE_VLLM_API_KEY", self.vllm_key)


def seedgate(folder: Path, *args: str) -> dict[str, Any]:
    """What a command in a process of its own says with `--json`."""
    done = subprocess.run(
        [sys.executable, "-m", "seedgate", *args, "-w", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def stack_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the session's embedded stack; whatever runs there is stopped in the end."""
    root = tmp_path_factory.mktemp("stack")
    yield root
    down(root)


@pytest.fixture(scope="session")
def argilla(stack_root: Path) -> Argilla:
    """Argilla alone."""
    url = os.environ.get("SEEDGATE_TEST_ARGILLA_URL")
    if url:
        return Argilla(url, os.environ["SEEDGATE_TEST_ARGILLA_API_KEY"])
    state = up(stack_root, StackSpec(services=("argilla",)), print)
    assert state.argilla_url is not None
    return Argilla(state.argilla_url, str(Secrets(stack_root).get("argilla_api_key")))


@pytest.fixture(scope="session")
def stack(argilla: Argilla, stack_root: Path) -> Stack:
    """Argilla and vLLM."""
    url = os.environ.get("SEEDGATE_TEST_VLLM_URL")
    if url:
        key = os.environ.get("SEEDGATE_TEST_VLLM_API_KEY", "")
        return Stack(stack_root, argilla, url, key, os.environ.get("SEEDGATE_TEST_MODEL", "smollm2-135m"))
    given = bool(os.environ.get("SEEDGATE_TEST_ARGILLA_URL"))
    state = up(stack_root, StackSpec(services=("vllm",) if given else ("vllm", "argilla")), print)
    assert state.vllm_url is not None
    key = str(Secrets(stack_root).get("vllm_api_key"))
    return Stack(stack_root, argilla, state.vllm_url, key, str(state.served_model))


@pytest.fixture
def reviewer_name() -> str:
    """An account name that no other test has used."""
    return f"reviewer-{secrets.token_hex(4)}"

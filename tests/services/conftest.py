"""Fake services under the real supervisord, and workspaces whose stacks are always taken down."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from seedgate.services import health
from seedgate.services.layout import Layout
from seedgate.services.ports import HOST, Ports
from seedgate.services.processes import end, marked
from seedgate.services.service import Blueprint, Plan, Service, Step
from seedgate.services.stack import Stack
from seedgate.services.state import StackSpec

SCRIPT = Path(__file__).with_name("fake_service.py")


def fake(
    layout: Layout, ports: Ports, name: str, *behaviours: str, needs: tuple[str, ...] = (), **settings: str
) -> Service:
    """One fake service."""
    port = ports.claim(name)
    url = f"http://{HOST}:{port}"
    return Service(
        name=name,
        command=(sys.executable, "-I", str(SCRIPT), str(port), *behaviours),
        environment=settings,
        directory=layout.stack,
        check=partial(health.get, url),
        port=port,
        url=url,
        needs=needs,
        patience_s=60,
        settle_s=1,
        stop_s=2,
    )


def fakes(*steps: Step, greeting: str = "hello", **behaviours: tuple[str, ...]) -> Blueprint:
    """A blueprint of independent fake services, by name and behaviours."""

    def plan(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
        services = [
            fake(layout, ports, name, *words, needs=tuple(step.name for step in steps), GREETING=greeting)
            for name, words in behaviours.items()
        ]
        return Plan(services=tuple(services), steps=steps)

    return plan


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes workspace folders by name; whatever runs in them at the end is ended."""
    made: list[Path] = []

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        made.append(folder)
        return folder

    yield make
    for folder in made:
        with contextlib.suppress(Exception):
            Stack(folder, fakes()).down()
        end([process.identity for process in marked(folder)], patience_s=1)


@pytest.fixture
def root(workspace: Callable[[str], Path]) -> Path:
    """One workspace folder."""
    return workspace("workspace")

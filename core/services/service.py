"""What the stack is made of: services that are kept running, and steps that are done once per `up`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from seedgate.services.layout import Layout
from seedgate.services.ports import Ports
from seedgate.services.state import StackSpec

__all__ = ["Blueprint", "Context", "Plan", "Progress", "Service", "Step", "Unhealthy"]

Progress = Callable[[str], None]


class Unhealthy(Exception):  # noqa: N818  a state, not an error: it is expected while a service starts
    """The service does not answer as it should; the text says how."""


@dataclass(frozen=True)
class Context:
    """What a step may need while `up` works.

    Attributes:
        say: Shows one line to the user.
        cancelled: Set when another part has failed or the user has had enough.
        pid: The process id of a running service, None when it has none.
    """

    say: Progress
    cancelled: Event
    pid: Callable[[str], int | None]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A process to keep running.

    Attributes:
        name: Short, unique in the stack; names the log too.
        command: Program (an absolute path) and arguments; never a secret, since any user can list them.
        environment: What it gets besides what it inherits; secrets included.
        directory: Where it runs.
        check: Returns when it is healthy, raises `Unhealthy` otherwise; takes 2 s at most.
        port: Where it listens on the loopback; None if it doesn't.
        url: Where a client finds it.
        needs: Names of services that must be healthy, and steps that must be done, before it is started.
        patience_s: From start to healthy.
        settle_s: A process that dies sooner than this counts as failed to start; after four such deaths in a
            row it is left alone.
        stop_s: From the polite signal to the other one.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    check: Callable[[], None] = field(repr=False)
    port: int | None = None
    url: str | None = None
    needs: tuple[str, ...] = ()
    patience_s: float = 60.0
    settle_s: int = 30
    stop_s: int = 15


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to be done on the way up, such as migrating a database; does nothing if nothing is to do."""

    name: str
    run: Callable[[Context], None] = field(repr=False)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything that a stack consists of, in an order in which needs come first."""

    services: tuple[Service, ...]
    steps: tuple[Step, ...] = ()
    argilla_url: str | None = None
    vllm_url: str | None = None


class Blueprint(Protocol):
    """Turns what is wanted into a plan; the real one is `seedgate.services.plan.plan`."""

    def __call__(self, layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
        """The plan, with the ports it claimed."""

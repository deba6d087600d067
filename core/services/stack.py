"""`up`, `down` and `status` of a workspace's services.

One `up` works at a time on a workspace; what is healthy it leaves alone, so that running it again is the way to
repair whatever broke. Parts that don't need each other start at the same time. What `up` wrote down may be
stale, so nothing is believed of a process but what the process and the kernel say now.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from seedgate.errors import ServiceError
from seedgate.locks import exclusive
from seedgate.services.commands import Cancelled
from seedgate.services.diagnosis import failure
from seedgate.services.layout import Layout, require_space
from seedgate.services.ports import Ports
from seedgate.services.processes import Identity, end, marked
from seedgate.services.service import Blueprint, Context, Plan, Progress, Service, Step, Unhealthy
from seedgate.services.starting import PortTaken, start_and_wait
from seedgate.services.state import Health, ServiceStatus, StackSpec, StackState, State
from seedgate.services.supervision import Process, Supervisor

__all__ = ["Stack", "down", "read_state", "status", "up"]

PORT_ATTEMPTS = 4
MEGABYTES = 300  # logs, Argilla's database and its copy of the web page


def up(root: Path, spec: StackSpec, on_progress: Progress) -> StackState:
    """Starts what `spec` wants and does not run yet, and returns when all of it answers.

    What runs besides is left running.

    Args:
        root: The workspace's folder.
        spec: What to run.
        on_progress: Called with one line at a time, from several threads but never at once.

    Raises:
        ServiceError: Something did not start; one line with its log's name and what to do.
    """
    return Stack(root).up(spec, on_progress)


def down(root: Path) -> list[str]:
    """Stops every process of the workspace's stack, and returns the names of the services that ran."""
    return Stack(root).down()


def status(root: Path) -> list[ServiceStatus]:
    """How each service of the workspace is now; empty before the first `up`."""
    return Stack(root).status()


def read_state(root: Path) -> StackState | None:
    """Where the stack answers, None before the first `up`; without addresses when it is not running."""
    layout = Layout.of(root)
    state = StackState.load(layout)
    if state is None or (state.supervisor is not None and state.supervisor.alive):
        return state
    return state.stopped()


class Stack:
    """The services of one workspace.

    Args:
        root: The workspace's folder.
        blueprint: What they are; the real ones by default.
    """

    def __init__(self, root: Path, blueprint: Blueprint | None = None) -> None:
        if blueprint is None:
            from seedgate.services.plan import plan

            blueprint = plan
        self.layout = Layout.of(root)
        self.blueprint: Blueprint = blueprint

    def up(self, spec: StackSpec, on_progress: Progress) -> StackState:
        """See the function `up`."""
        if not sys.platform.startswith("linux"):
            raise ServiceError(
                f"the embedded stack runs on Linux, not on {sys.platform}",
                hint="use the compose file in docker/ and set the addresses in seedgate.toml",
            )
        say = _one_at_a_time(on_progress)
        self.layout.make()
        require_space(self.layout.root, MEGABYTES, "the stack")
        with self._locked(say):
            for attempt in range(PORT_ATTEMPTS):
                try:
                    return self._up(spec, say)
                except PortTaken as taken:
                    if attempt == PORT_ATTEMPTS - 1:
                        raise
                    say(f"{taken.message}; choosing another")
                    self._forget_port(taken.service)
        raise AssertionError("unreachable")

    def _up(self, spec: StackSpec, say: Progress) -> StackState:
        known = StackState.load(self.layout)
        supervisor = self._supervisor(known)
        if not supervisor.alive:
            self._end_leftovers(known, say)
            supervisor.remove_socket()
        running = [process.name for process in supervisor.processes().values() if process.alive]
        if known is not None:
            spec = spec.beside(known.spec, running)
        ports = Ports(known.ports if known else {}, running)
        plan = self.blueprint(self.layout, spec, ports)
        supervisor.bring_up(plan.services)
        state = StackState(
            root=str(self.layout.root),
            spec=spec,
            ports=ports.chosen,
            supervisor=supervisor.identity,
            socket=supervisor.socket,
            stop_order=stop_order(plan.services),
            argilla_url=plan.argilla_url,
            vllm_url=plan.vllm_url,
            served_model=spec.served_model if plan.vllm_url else None,
        )
        state.save(self.layout)
        self._run(plan, supervisor, say)
        return state

    def _run(self, plan: Plan, supervisor: Supervisor, say: Progress) -> None:
        """Does the steps and starts the services, each when what it needs is there.

        The first failure ends the waiting of all the others; what runs keeps running.
        """
        cancelled = threading.Event()

        def pid(name: str) -> int | None:
            process = supervisor.processes().get(name)
            return process.pid if process is not None and process.alive else None

        context = Context(say, cancelled, pid)
        futures: dict[str, Future[None]] = {}
        submitted = threading.Event()

        def do(part: Step | Service) -> None:
            submitted.wait()
            for need in part.needs:
                futures[need].result()
            if cancelled.is_set():
                raise Cancelled(f"{part.name} was given up")
            if isinstance(part, Step):
                part.run(context)
            else:
                start_and_wait(part, self.layout, supervisor, context)

        parts: tuple[Step | Service, ...] = (*plan.steps, *plan.services)
        with ThreadPoolExecutor(max(1, len(parts))) as pool:
            try:
                futures.update({part.name: pool.submit(do, part) for part in parts})
                submitted.set()
                done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
                if any(isinstance(future.exception(), PortTaken) for future in done):
                    wait(futures.values())  # what goes well is not to be begun again for a port
            finally:
                submitted.set()
                cancelled.set()
        errors = [error for future in futures.values() if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error

    def down(self) -> list[str]:
        """See the function `down`."""
        if not self.layout.stack.is_dir():
            return []
        with self._locked(lambda line: None):
            try:
                known = StackState.load(self.layout)
            except ServiceError:
                known = None  # a damaged file must not keep anything running: the marks suffice
            supervisor = self._supervisor(known)
            stopped: list[str] = []
            try:
                stopped += [one.name for one in supervisor.processes().values() if one.alive]
                for names in known.stop_order if known else ():
                    supervisor.stop(names)
                supervisor.shut_down()
            except ServiceError:
                pass  # a supervisor that does not answer is ended below, with all that it started
            stopped += [name for name in self._end_leftovers(known) if name not in stopped]
            supervisor.remove_socket()
            if known is not None:
                known.stopped().save(self.layout)
        return stopped

    def status(self) -> list[ServiceStatus]:
        """See the function `status`."""
        known = StackState.load(self.layout)
        if known is None:
            return []
        ports = Ports(known.ports, in_use_by_us=known.ports)
        services = self.blueprint(self.layout, known.spec, ports).services
        processes = self._supervisor(known).processes()
        with ThreadPoolExecutor(max(1, len(services))) as pool:
            return list(pool.map(lambda one: self._status(one, processes.get(one.name)), services))

    def _status(self, service: Service, process: Process | None) -> ServiceStatus:
        identity = Identity.of(process.pid) if process is not None and process.pid else None
        health: Health = "unknown"
        illness = None
        if identity is not None:
            try:
                service.check()
                health = "ok"
            except Unhealthy as unhealthy:
                health, illness = "bad", str(unhealthy)
        state = _state(process, healthy=health == "ok")
        detail = f"{illness}: run `seedgate up`" if illness else None
        if state == "starting":
            detail = f"not ready yet: {illness}"
        elif state in ("fatal", "backoff"):
            detail = f"{failure(self.layout, service.name, 'died')}; `seedgate up` starts it again"
        return ServiceStatus(
            name=service.name,
            pid=identity.pid if identity else None,
            state=state,
            health=health,
            url=service.url,
            log=self.layout.log(service.name),
            uptime_s=identity.age_s() if identity else None,
            detail=detail,
        )

    def _supervisor(self, known: StackState | None) -> Supervisor:
        if known is None:
            return Supervisor(self.layout, None, None)
        return Supervisor(self.layout, known.supervisor, known.socket)

    def _forget_port(self, service: str) -> None:
        known = StackState.load(self.layout)
        if known is not None:
            ports = {name: port for name, port in known.ports.items() if name != service}
            known.model_copy(update={"ports": ports}).save(self.layout)

    def _end_leftovers(self, known: StackState | None, say: Progress | None = None) -> list[str]:
        """Ends the processes of this stack that no supervisor looks after; the names of their services."""
        leftovers = marked(self.layout.root)
        if known is not None and known.moved_from is not None:
            leftovers += marked(Path(known.moved_from))
        if leftovers and say is not None:
            say(f"ending {len(leftovers)} processes that an earlier stack left behind")
        names = sorted({process.service for process in leftovers if process.service})
        survivors = end([process.identity for process in leftovers])
        if survivors:
            pids = ", ".join(str(process.pid) for process in survivors)
            raise ServiceError(f"processes {pids} of the stack do not end", hint="end them by hand")
        return names

    @contextmanager
    def _locked(self, say: Progress) -> Iterator[None]:
        waiting = "another `seedgate up` or `down` works on this workspace; waiting for it"
        with exclusive(self.layout.lock, on_wait=lambda: say(waiting)):
            yield


def stop_order(services: Sequence[Service]) -> tuple[tuple[str, ...], ...]:
    """Groups of services, each to be stopped when the one before it has: users before what they use."""
    left = {service.name: set(service.needs) for service in services}
    order = []
    while left:
        needed = set().union(*left.values())
        free = tuple(name for name in left if name not in needed) or tuple(left)
        order.append(free)
        left = {name: needs for name, needs in left.items() if name not in free}
    return tuple(order)


def _state(process: Process | None, *, healthy: bool) -> State:
    """supervisord's state in our words; it says STARTING long after a service is ready."""
    if process is None:
        return "stopped"
    if process.alive:
        return "running" if healthy or process.state == "RUNNING" else "starting"
    states: dict[str, State] = {
        "BACKOFF": "backoff",
        "STOPPING": "stopping",
        "FATAL": "fatal",
        "EXITED": "backoff",
    }
    return states.get(process.state, "stopped")


def _one_at_a_time(on_progress: Progress) -> Progress:
    lock = threading.Lock()

    def say(line: str) -> None:
        with lock:
            on_progress(line)

    return say

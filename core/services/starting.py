"""Starts one service and waits until it is healthy, or says why it isn't."""

from __future__ import annotations

import time

from seedgate.errors import ServiceError
from seedgate.services.commands import Cancelled
from seedgate.services.diagnosis import failure, permanent
from seedgate.services.layout import Layout
from seedgate.services.processes import Identity, listeners, marked
from seedgate.services.service import Context, Service, Unhealthy
from seedgate.services.supervision import Supervisor

__all__ = ["PortTaken", "start_and_wait"]

POLL_S = 0.2
REPORT_S = 20.0


class PortTaken(ServiceError):  # noqa: N818  handled by choosing another port
    """Another program listens on the port that was chosen for a service."""

    def __init__(self, service: Service) -> None:
        super().__init__(f"{service.name}: port {service.port} was taken by another program meanwhile")
        self.service = service.name


def start_and_wait(service: Service, layout: Layout, supervisor: Supervisor, context: Context) -> None:
    """Returns when `service` is healthy; starts it if it has no process, or one that has been ill for long.

    Raises:
        ServiceError: It died, or was not healthy in time.
        PortTaken: Somebody else has its port.
        Cancelled: `context.cancelled` was set.
    """
    _Start(service, layout, supervisor, context).run()


class _Start:
    def __init__(self, service: Service, layout: Layout, supervisor: Supervisor, context: Context) -> None:
        self.service = service
        self.layout = layout
        self.supervisor = supervisor
        self.context = context
        self.since = 0  # where in the log this start begins

    def run(self) -> None:
        begun = time.monotonic()
        if self._ill() is None and self._alive():
            self._require_own_port()
            return
        self._start()
        reported = begun
        while (illness := self._ill()) is not None or not self._alive():
            if self.context.cancelled.is_set():
                raise Cancelled(f"{self.service.name} was given up")
            self._require_no_failure()
            now = time.monotonic()
            if now - begun > self.service.patience_s:
                self.supervisor.stop([self.service.name])
                what = f"was not ready after {now - begun:.0f} s ({illness})"
                raise failure(self.layout, self.service.name, what, since=self.since)
            if now - reported > REPORT_S:
                reported = now
                self.context.say(f"{self.service.name}: still starting after {now - begun:.0f} s")
            self.context.cancelled.wait(POLL_S)
        self._require_own_port()
        where = f" at {self.service.url}" if self.service.url else ""
        self.context.say(f"{self.service.name}: ready{where} ({time.monotonic() - begun:.0f} s)")

    def _start(self) -> None:
        """Starts it, unless it is starting already; ends a process that had its time and is ill first."""
        log = self.layout.log(self.service.name)
        pid = self.context.pid(self.service.name)
        identity = Identity.of(pid) if pid is not None else None
        if identity is not None and identity.age_s() < self.service.patience_s:
            return
        if identity is not None:
            self.context.say(f"{self.service.name}: does not answer; starting it anew")
            self.supervisor.stop([self.service.name])
        self.since = log.stat().st_size if log.exists() else 0
        self.supervisor.start(self.service.name)

    def _ill(self) -> str | None:
        try:
            self.service.check()
        except Unhealthy as unhealthy:
            return str(unhealthy)
        return None

    def _alive(self) -> bool:
        return self.context.pid(self.service.name) is not None

    def _require_no_failure(self) -> None:
        name = self.service.name
        process = self.supervisor.processes().get(name)
        state = process.state if process is not None else "STOPPED"
        if state in ("STARTING", "RUNNING", "STOPPING"):
            return
        self._require_own_port()
        log = self.layout.log(name)
        if state == "BACKOFF" and not permanent(log, self.since):
            return  # supervisord tries again
        self.supervisor.stop([name])
        raise failure(self.layout, name, "did not start", since=self.since)

    def _require_own_port(self) -> None:
        """Whoever listens on the service's port must be one of our processes."""
        if self.service.port is None:
            return
        strangers = listeners(self.service.port) - {
            process.identity.pid for process in marked(self.layout.root)
        }
        if strangers:
            self.supervisor.stop([self.service.name])
            raise PortTaken(self.service)

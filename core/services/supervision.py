"""supervisord for one workspace: starts services, restarts what dies, rotates logs, stops process groups.

Why supervisord: it is small, pure Python, twenty years old, and already does backoff, giving up after repeated
failures and group kills. Two of its habits matter here. It gives up only on processes that die before
`startsecs`, so each service has a long one (`Service.settle_s`). And it says STARTING until then, however
well the service answers, so `status` combines its word with the service's own.

Nothing in the configuration comes from a user but two quoted paths; the rest is in launch files.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seedgate.canonical import content_hash
from seedgate.errors import ServiceError
from seedgate.files import atomic_write
from seedgate.services.layout import Layout
from seedgate.services.processes import MARK, SERVICE, Identity
from seedgate.services.service import Service

__all__ = ["Process", "Supervisor", "environment"]

SOCKET_LIMIT = 90  # bytes; the kernel allows 107, and supervisord binds a longer temporary name first
RESTARTS = 3
ANSWER_S = 15.0
START_S = 60.0
INSTALL = "run `make setup` in a clone of seedgate"
KEEP_OUT = ("ARGILLA_", "PYTHON", "SEEDGATE_", "SUPERVISOR_", "VLLM_API_KEY", "VIRTUAL_ENV", "COV_")

HEAD = """\
; Written by `seedgate up`; changes are lost.
[supervisord]
logfile = ../logs/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
loglevel = info
pidfile = supervisord.pid
umask = 077
minfds = 256
minprocs = 20

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[unix_http_server]
file = {socket}
chmod = 0700
"""

PROGRAM = """
[program:{name}]
command = {command}
autostart = false
autorestart = true
startsecs = {settle_s}
startretries = {restarts}
stopwaitsecs = {stop_s}
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = ../logs/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


@dataclass(frozen=True)
class Process:
    """What supervisord says of one service."""

    name: str
    pid: int | None
    state: str  # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL, UNKNOWN
    detail: str

    @property
    def alive(self) -> bool:
        """Whether it has a process."""
        return self.pid is not None and self.state in ("STARTING", "RUNNING")


def environment(layout: Layout, **settings: str) -> dict[str, str]:
    """The caller's environment without what would change our services, then `settings` and the stack's mark."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(KEEP_OUT)}
    return {**inherited, **settings, MARK: str(layout.root)}


class Supervisor:
    """The supervisord of a workspace.

    Args:
        layout: The workspace's paths.
        identity: Of its process, if one was started.
        socket: Where it listens.
    """

    def __init__(self, layout: Layout, identity: Identity | None, socket: str | None) -> None:
        self.layout = layout
        self.identity = identity
        self.socket = socket

    @property
    def alive(self) -> bool:
        """Whether the very process that `up` started still runs."""
        return self.identity is not None and self.identity.alive

    def bring_up(self, services: Sequence[Service]) -> None:
        """Starts supervisord, or tells the running one what is wanted now.

        Services whose launch file is unchanged are left alone; changed and unwanted ones are stopped.

        Raises:
            ServiceError: It is not installed, or did not start; the message names its log.
        """
        if self.alive:
            self._configure(services)
            self._reload()
        else:
            self.socket = self._choose_socket()
            self._configure(services)
            self._start()

    def processes(self) -> dict[str, Process]:
        """What supervisord says of its services, by name; empty when it isn't running."""
        if not self.alive:
            return {}
        try:
            with self._call() as supervisor:
                rows: list[dict[str, Any]] = supervisor.getAllProcessInfo()
        except ServiceError:
            # A process that was killed loses its sockets some moments before it is gone.
            if not self._gone_within(2.0):
                raise
            return {}
        return {
            row["name"]: Process(
                row["name"], row["pid"] or None, row["statename"], row["spawnerr"] or row["description"]
            )
            for row in rows
        }

    def start(self, name: str) -> None:
        """Starts a service that has no process, without waiting for it."""
        with self._call() as supervisor:
            try:
                supervisor.startProcess(name, False)
            except xmlrpc.client.Fault as fault:
                if not fault.faultString.startswith("ALREADY_STARTED"):  # it was restarted just now
                    raise

    def stop(self, names: Sequence[str]) -> None:
        """Stops services with all their children, together, and waits for them."""
        running = {name for name, process in self.processes().items() if process.state not in ("FATAL",)}
        with self._call() as supervisor:
            for name in running.intersection(names):
                try:
                    supervisor.stopProcess(name, False)
                except xmlrpc.client.Fault as fault:
                    if not fault.faultString.startswith("NOT_RUNNING"):
                        raise
        while any(
            process.state in ("STARTING", "RUNNING", "STOPPING")
            for name, process in self.processes().items()
            if name in names
        ):
            time.sleep(0.05)

    def shut_down(self, *, patience_s: float = 60.0) -> None:
        """Ends supervisord, which stops what still runs first."""
        if not self.alive:
            return
        with self._call() as supervisor:
            supervisor.shutdown()
        self._gone_within(patience_s)

    def remove_socket(self) -> None:
        """Removes the socket, and its folder if that lies outside the workspace."""
        if self.socket is None:
            return
        path = Path(self.socket)
        path.unlink(missing_ok=True)
        if path.parent != self.layout.stack and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.alive

    def _choose_socket(self) -> str:
        path = self.layout.stack / "supervisor.sock"
        if len(os.fsencode(path)) <= SOCKET_LIMIT:
            return str(path)
        # Not TMPDIR, which may be as long; mkdtemp makes the folder with mode 700.
        return str(Path(tempfile.mkdtemp(prefix="seedgate-", dir="/tmp")) / "supervisor.sock")

    def _configure(self, services: Sequence[Service]) -> None:
        assert self.socket is not None  # noqa: S101  set by both callers
        inside = Path(self.socket).parent == self.layout.stack
        text = HEAD.format(socket="supervisor.sock" if inside else self.socket)
        for service in services:
            text += PROGRAM.format(
                name=service.name,
                command=self._command(service),
                settle_s=service.settle_s,
                stop_s=service.stop_s,
                restarts=RESTARTS,
            )
        with atomic_write(self.layout.stack / "supervisord.conf", mode=0o600) as file:
            file.write(text.encode())

    def _command(self, service: Service) -> str:
        """The command line for supervisord; its last word changes when anything of the service changes.

        What the service merely inherits doesn't count, or `up` from another shell would start all anew.
        """
        parts = {
            "command": service.command,
            "directory": str(service.directory),
            "environment": dict(service.environment),
        }
        digest = content_hash(parts)[:12]
        inherited = environment(self.layout, **service.environment, **{SERVICE: service.name})
        path = self.layout.stack / "launch" / f"{service.name}.json"
        with atomic_write(path, mode=0o600) as file:
            file.write(json.dumps({**parts, "environment": inherited}, indent=1).encode())
        script = str(Path(__file__).with_name("launch.py"))
        return quoted([sys.executable, "-I", script, f"launch/{service.name}.json", digest])

    def _start(self) -> None:
        if find_spec("supervisor") is None:
            raise ServiceError("the package supervisor is not installed", hint=INSTALL)
        (self.layout.stack / "supervisord.pid").unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", "supervisord.conf"],
            cwd=self.layout.stack,
            env=environment(self.layout),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            umask=0o077,
            timeout=60,
            check=False,
        )
        said = (done.stdout + done.stderr).strip().splitlines()
        if done.returncode != 0:
            raise ServiceError(f"supervisord did not start: {said[-1] if said else 'it gave no reason'}")
        self.identity = self._await_identity()

    def _await_identity(self) -> Identity:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with self._call() as supervisor:
                    identity = Identity.of(supervisor.getPID())
                if identity is not None:
                    return identity
            except ServiceError:
                pass
            time.sleep(0.05)
        log = self.layout.log("supervisord")
        raise ServiceError(
            f"supervisord did not answer within {START_S:.0f} s (log: {log})", hint="read its log"
        )

    def _reload(self) -> None:
        """Adopts the written configuration."""
        with self._call() as supervisor:
            ((added, changed, removed),) = supervisor.reloadConfig()
        self.stop([*changed, *removed])
        with self._call() as supervisor:
            for name in (*changed, *removed):
                supervisor.removeProcessGroup(name)
            for name in (*added, *changed):
                supervisor.addProcessGroup(name)

    @contextmanager
    def _call(self) -> Iterator[Any]:
        """supervisord's methods: http://supervisord.org/api.html"""
        transport = _SocketTransport(str(self.socket))
        try:
            yield xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor
        except xmlrpc.client.Fault as fault:
            raise ServiceError(f"supervisord refused: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise ServiceError(
                f"supervisord does not answer at {self.socket}: {error}",
                hint="run `seedgate down`, then `seedgate up`",
            ) from error
        finally:
            transport.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, with a time limit, which supervisor's own client lacks."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class _SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """One connection for all calls, as long as it holds."""
        if not (self._connection and self._connection[1]):
            self._connection = host, _SocketConnection(self._path)
        return self._connection[1]  # type: ignore[return-value]


def quoted(words: Sequence[str]) -> str:
    """A command line as supervisord reads it: shell words, but `%` doubled and no ` ;` or ` #`.

    Its file format takes a semicolon or hash after a space for a comment, even inside quotes.

    >>> print(quoted(["/bin/echo", "100 %", "a ;b"]))
    /bin/echo '100 %%' 'a '";"'b'
    """
    line = " ".join(shlex.quote(word) for word in words).replace("%", "%%")
    # Both characters are only found inside shlex's single quotes: end those, and begin them again.
    return line.replace(";", "'\";\"'").replace("#", "'\"#\"'")

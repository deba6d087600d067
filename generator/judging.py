"""Judging in a process of its own: it parses, filters and compares while this one sends, plans and records.

Worth its start and its memory where many candidates are wanted; few are judged in a thread. The process gets
completions in order over a socket and answers each lot with its outcomes; it writes nothing but vectors of meaning.
It ends when the socket does, so a run that is killed leaves nobody behind.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple, Protocol, TypeVar

from seedgate.config import Config
from seedgate.errors import SeedgateError
from seedgate.generator.clients.base import Completion, ModelInfo
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.prompts import choose_form
from seedgate.generator.recording import Outcome, Recorder
from seedgate.generator.strategies.base import Plan
from seedgate.generator.templating import Templates
from seedgate.workspace import Workspace, load_task

__all__ = ["PROCESS_FROM", "Judge", "JudgeProcess", "JudgeThread", "Setting", "pays"]

PROCESS_FROM = 4000
"""Candidates still wanted from which a process saves more than its start takes (benchmarks/null_server.py)."""
_COMMAND = "import sys; sys.path[:] = sys.argv[2:]; from seedgate.generator.judging import main; main()"
"""What this process finds, a task's class and what it imports among it, the other must find."""
_END_S = 10.0
T = TypeVar("T")


class Setting(NamedTuple):
    """What a judge must know."""

    root: Path
    config: Config
    model: ModelInfo
    cycle: int
    run: str


def pays(wanted: int) -> bool:
    """Whether so many candidates are worth a process, on this machine."""
    return wanted >= PROCESS_FROM and _processors() > 1


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Judge(Protocol):
    """Judges lots of completions in the order in which they are given."""

    def submit(self, answered: Sequence[tuple[Plan, Completion]]) -> Future[list[Outcome]]:
        """What `Recorder.outcomes` will say, once the lots before are judged."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


class JudgeThread:
    """A recorder in a thread of this process."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._thread = recorder, ThreadPoolExecutor(1)

    def submit(self, answered: Sequence[tuple[Plan, Completion]]) -> Future[list[Outcome]]:
        """See `Judge.submit`."""
        return self._thread.submit(self._recorder.outcomes, answered)

    def close(self) -> None:
        """See `Judge.close`."""
        self._thread.shutdown()


class JudgeProcess:
    """A recorder in a process of its own. Imports begin at once, so make it before anything else that takes time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            number = theirs.fileno()
            # In a session of its own: an interrupt is for the run, which wants what has come back judged first.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND, str(number), *sys.path],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._socket = ours.dup()
        self._connection = Connection(os.dup(self._socket.fileno()))
        # A lot is on its way while the one before is judged, so that the process never waits.
        self._sender, self._receiver = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def begin(self, setting: Setting) -> None:
        """Tells it what it judges for, and waits until it has read the ledger as it stands now.

        Raises:
            SeedgateError: Why it cannot judge.
        """
        self._send(setting)
        self._receive()

    def submit(self, answered: Sequence[tuple[Plan, Completion]]) -> Future[list[Outcome]]:
        """See `Judge.submit`; the future's error is the recorder's, or a SeedgateError that the process is gone."""
        return self._receiver.submit(self._answer, self._sender.submit(self._send, list(answered)))

    def close(self) -> None:
        """Ends the process, whatever it is at: nobody asks any more."""
        with suppress(OSError):  # closed before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._sender.shutdown(cancel_futures=True)
        self._receiver.shutdown(cancel_futures=True)
        self._connection.close()
        self._socket.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, what: object) -> None:
        try:
            self._connection.send(what)
        except OSError as error:
            raise self._gone() from error
        except Exception as error:
            raise SeedgateError(f"a plan cannot be sent to the process that judges: {error}") from error

    def _answer(self, sent: Future[None]) -> list[Outcome]:
        sent.result()
        judged: list[Outcome] = self._receive()
        return judged

    def _receive(self) -> Any:
        try:
            found = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(found, Exception):
            raise found
        return found

    def _gone(self) -> SeedgateError:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            code = None
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with {code}"
        return SeedgateError(
            f"the process that judges candidates {how}",
            hint="see whether memory ran out, then run `seedgate generate` again: what is recorded stays",
        )


def main() -> None:
    """The process: a setting, then lots of completions, until the other end is closed."""
    number = int(sys.argv[1])
    Thread(target=_end_with, args=(number,), daemon=True).start()
    connection = Connection(number)
    with suppress(BrokenPipeError, ConnectionResetError):
        recorder = _tried(_recorder, connection.recv)
        connection.send(recorder if isinstance(recorder, SeedgateError) else None)
        while isinstance(recorder, Recorder):
            connection.send(_tried(recorder.outcomes, connection.recv))


def _end_with(number: int) -> None:
    """Ends this process when the run closes its end or is killed, in the middle of a lot too.

    Who redacts a row waits for the run's lease, and what the run began must not store that row's vector afterwards.
    """
    poll = select.poll()
    poll.register(number, select.POLLHUP | getattr(select, "POLLRDHUP", 0))
    poll.poll()
    os._exit(0)


def _recorder(setting: Setting) -> Recorder:
    ws = Workspace(setting.root)
    ws.config, ws.task = setting.config, load_task(ws.root, setting.config.task)
    form = choose_form(ws.task, ws.config.generation, ws.config.vllm.model, Templates(ws.prompts_dir))
    chain = FilterChain.for_workspace(ws)
    return Recorder(ws.task, form, chain, setting.model, cycle=setting.cycle, run=setting.run)


def _tried(do: Callable[[Any], T], given: Callable[[], Any]) -> T | SeedgateError:
    """What comes of what is given, or an error that can be sent."""
    try:
        return do(given())
    except SeedgateError as error:
        return error
    except (EOFError, ConnectionResetError):
        raise SystemExit(0) from None
    except Exception as error:
        return SeedgateError(f"judging failed: {type(error).__name__}: {error}")

"""`up`, `down` and `status`, with fake services under the real supervisord."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from seedgate.errors import InputError, SeedgateError, ServiceError
from seedgate.services import StackSpec, read_state
from seedgate.services.layout import Layout
from seedgate.services.ports import HOST, Ports
from seedgate.services.processes import Identity, marked
from seedgate.services.service import Blueprint, Context, Plan, Step
from seedgate.services.stack import Stack, stop_order
from seedgate.services.state import ServiceStatus, StackState
from tests.services.conftest import SCRIPT, fake, fakes

SPEC = StackSpec()


def quiet(line: str) -> None:
    """No progress."""


def by_name(stack: Stack) -> dict[str, ServiceStatus]:
    return {status.name: status for status in stack.status()}


def answer(status: ServiceStatus) -> dict[str, object]:
    found: dict[str, object] = httpx.get(str(status.url), trust_env=False, timeout=5).json()
    return found


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    """A stranger on a port."""
    with socket.create_server((HOST, port)) as server:
        yield server.getsockname()[1]


class TestUp:
    def test_everything_answers_when_it_returns(self, root: Path) -> None:
        said: list[str] = []
        stack = Stack(root, fakes(one=(), two=("slow",)))
        stack.up(SPEC, said.append)
        for status in stack.status():
            assert (status.state, status.health, status.detail) == ("running", "ok", None)
            assert answer(status)["pid"] == status.pid
            assert status.uptime_s is not None
            assert 0 <= status.uptime_s < 60
            assert status.log.read_text().startswith("fake service")
        assert sorted(line.split(" (")[0] for line in said) == [
            f"{status.name}: ready at {status.url}" for status in stack.status()
        ]

    def test_twice_is_harmless(self, root: Path) -> None:
        stack = Stack(root, fakes(one=(), two=()))
        first = stack.up(SPEC, quiet)
        pids = {status.pid for status in stack.status()}
        said: list[str] = []
        assert stack.up(SPEC, said.append) == first
        assert {status.pid for status in stack.status()} == pids
        assert said == []

    def test_from_another_shell_is_harmless_too(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stack = Stack(root, fakes(one=()))
        stack.up(SPEC, quiet)
        pid = by_name(stack)["one"].pid
        monkeypatch.setenv("SSH_TTY", "/dev/pts/7")
        stack.up(SPEC, quiet)
        assert by_name(stack)["one"].pid == pid

    def test_starts_again_only_what_is_dead(self, root: Path) -> None:
        stack = Stack(root, fakes(one=(), two=()))
        stack.up(SPEC, quiet)
        before = by_name(stack)
        time.sleep(1.5)  # settled, so that supervisord restarts it for good
        kill(before["one"].pid)
        stack.up(SPEC, quiet)
        after = by_name(stack)
        assert after["one"].pid != before["one"].pid
        assert after["two"].pid == before["two"].pid
        assert {status.health for status in after.values()} == {"ok"}

    def test_a_changed_service_is_started_anew_and_its_neighbour_left_alone(self, root: Path) -> None:
        def blueprint(greeting: str) -> Blueprint:
            def plan(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
                changing = fake(layout, ports, "one", GREETING=greeting)
                return Plan(services=(changing, fake(layout, ports, "two")))

            return plan

        Stack(root, blueprint("hello")).up(SPEC, quiet)
        before = by_name(Stack(root, blueprint("hello")))
        Stack(root, blueprint("good evening")).up(SPEC, quiet)
        after = by_name(Stack(root, blueprint("good evening")))
        assert answer(after["one"])["greeting"] == "good evening"
        assert after["one"].url == before["one"].url
        assert after["two"].pid == before["two"].pid

    def test_a_service_that_is_no_longer_wanted_is_stopped(self, root: Path) -> None:
        Stack(root, fakes(one=(), two=())).up(SPEC, quiet)
        unwanted = by_name(Stack(root, fakes(one=(), two=())))["two"].pid
        Stack(root, fakes(one=())).up(SPEC, quiet)
        assert unwanted is not None
        assert Identity.of(unwanted) is None

    def test_two_at_the_same_instant_start_everything_once(self, root: Path) -> None:
        said: list[str] = []
        with ThreadPoolExecutor(2) as pool:
            stacks = [Stack(root, fakes(one=("slow",))) for _ in range(2)]
            first, second = pool.map(lambda stack: stack.up(SPEC, said.append), stacks)
        assert first == second
        assert len([process for process in marked(root) if process.service == "one"]) == 1
        assert [line for line in said if "waiting" in line] == [
            "another `seedgate up` or `down` works on this workspace; waiting for it"
        ]
        assert len([line for line in said if "ready" in line]) == 1

    @pytest.mark.parametrize("name", ["we ird #1 ;100% 'q' \"ü\" $HOME", "long" * 30])
    def test_the_folder_may_have_any_name(self, workspace: Callable[[str], Path], name: str) -> None:
        stack = Stack(workspace(name), fakes(one=()))
        stack.up(SPEC, quiet)
        assert by_name(stack)["one"].health == "ok"
        outside = Path(str(StackState.load(stack.layout).socket)).parent  # type: ignore[union-attr]
        assert stack.down() == ["one"]
        assert outside == stack.layout.stack or not outside.exists()

    def test_everything_written_is_private(self, root: Path) -> None:
        Stack(root, fakes(one=())).up(SPEC, quiet)
        for path in (root / ".seedgate").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_steps_come_before_what_needs_them(self, root: Path) -> None:
        order: list[str] = []
        step = Step(name="migrate", run=lambda context: order.append("migrated"))
        Stack(root, fakes(step, one=())).up(SPEC, lambda line: order.append(line.split(":")[0]))
        assert order == ["migrated", "one"]


class TestPorts:
    def test_a_port_in_use_is_avoided(self, root: Path) -> None:
        with listening() as taken:

            def blueprint(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
                ports.claim("one", taken)
                return fakes(one=())(layout, spec, ports)

            state = Stack(root, blueprint).up(SPEC, quiet)
            assert state.ports["one"] != taken

    def test_a_port_is_kept_over_down_and_up(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        first = stack.up(SPEC, quiet)
        stack.down()
        assert stack.up(SPEC, quiet).ports == first.ports

    def test_a_kept_port_that_others_took_meanwhile_is_given_up(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        port = stack.up(SPEC, quiet).ports["one"]
        stack.down()
        with listening(port):
            assert stack.up(SPEC, quiet).ports["one"] != port

    def test_a_port_that_is_taken_between_choice_and_start_is_chosen_again(self, root: Path) -> None:
        strangers: list[socket.socket] = []

        def snatch(context: Context) -> None:
            if not strangers:
                port = StackState.load(Layout.of(root)).ports["one"]  # type: ignore[union-attr]
                strangers.append(socket.create_server((HOST, port)))

        said: list[str] = []
        stack = Stack(root, fakes(Step(name="snatch", run=snatch), one=()))
        try:
            state = stack.up(SPEC, said.append)
            assert state.ports["one"] != strangers[0].getsockname()[1]
            assert by_name(stack)["one"].health == "ok"
            assert any("was taken by another program meanwhile; choosing another" in line for line in said)
        finally:
            strangers[0].close()


class TestTrouble:
    def test_a_service_that_dies_is_restarted(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        stack.up(SPEC, quiet)
        pid = by_name(stack)["one"].pid
        time.sleep(1.5)
        kill(pid)
        until(lambda: by_name(stack)["one"].health == "ok")
        assert by_name(stack)["one"].pid != pid

    def test_what_an_earlier_process_left_behind_is_ended_before_the_restart(self, root: Path) -> None:
        stack = Stack(root, fakes(one=("child",)))
        stack.up(SPEC, quiet)
        old = {process.identity for process in marked(root) if process.service == "one"}
        assert len(old) == 2
        time.sleep(1.5)
        kill(by_name(stack)["one"].pid)
        until(lambda: by_name(stack)["one"].health == "ok")
        assert not [identity for identity in old if identity.alive]

    def test_one_that_keeps_dying_is_given_up_with_the_end_of_its_log(self, root: Path) -> None:
        stack = Stack(root, fakes(one=("broken",), two=()))
        with pytest.raises(ServiceError, match=r"one did not start; its log .*one\.log ends:") as caught:
            stack.up(SPEC, quiet)
        assert "RuntimeError: the flux capacitor is missing" in str(caught.value)
        # More where one takes longer to die than supervisord waits: that counts as a run.
        assert (root / ".seedgate" / "logs" / "one.log").read_text().count("RuntimeError") >= 4
        assert by_name(stack)["two"].health == "ok"

    def test_status_says_what_died_for_good_and_what_to_do(self, root: Path) -> None:
        marker = root / "broken"
        script = f"import os, runpy, sys; os.path.exists({str(marker)!r}) and sys.exit('out of luck');"
        script += f"sys.argv.pop(0); runpy.run_path({str(SCRIPT)!r})"

        def blueprint(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
            one = fake(layout, ports, "one")
            command = (sys.executable, "-I", "-c", script, "", str(one.port))
            return Plan(services=(type(one)(**{**vars(one), "command": command}),))

        stack = Stack(root, blueprint)
        stack.up(SPEC, quiet)
        marker.touch()
        kill(by_name(stack)["one"].pid)
        until(lambda: by_name(stack)["one"].state == "fatal")
        status = by_name(stack)["one"]
        assert (status.pid, status.health, status.uptime_s) == (None, "unknown", None)
        assert status.detail is not None
        assert "out of luck" in status.detail
        assert "seedgate up" in status.detail
        marker.unlink()
        stack.up(SPEC, quiet)
        assert by_name(stack)["one"].health == "ok"

    def test_one_that_never_answers_is_stopped_when_patience_ends(self, root: Path) -> None:
        def blueprint(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
            deaf = fake(layout, ports, "one", "deaf")
            return Plan(services=(type(deaf)(**{**vars(deaf), "patience_s": 2.0}),))

        with pytest.raises(ServiceError, match=r"one was not ready after \d+ s \(http.*does not answer"):
            Stack(root, blueprint).up(SPEC, quiet)
        assert not [process for process in marked(root) if process.service == "one"]

    def test_one_failure_ends_the_waiting_for_the_others(self, root: Path) -> None:
        def fail(context: Context) -> None:
            time.sleep(1)
            raise ServiceError("the disk is full")

        def blueprint(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
            services = (fake(layout, ports, "one", "deaf"), fake(layout, ports, "two", needs=("fails",)))
            return Plan(services=services, steps=(Step(name="fails", run=fail),))

        begun = time.monotonic()
        with pytest.raises(ServiceError, match="the disk is full"):
            Stack(root, blueprint).up(SPEC, quiet)
        assert time.monotonic() - begun < 30

    def test_a_dead_supervisor_takes_its_services_along_and_up_begins_anew(self, root: Path) -> None:
        stack = Stack(root, fakes(one=("child",)))
        state = stack.up(SPEC, quiet)
        assert state.supervisor is not None
        kill(state.supervisor.pid)
        until(lambda: {status.state for status in stack.status()} == {"stopped"})
        assert read_state(root) == state.stopped()
        until(lambda: len(marked(root)) == 1)  # the service ends with its supervisor, its child does not
        said: list[str] = []
        stack.up(SPEC, said.append)
        assert said[0] == "ending 1 processes that an earlier stack left behind"
        assert by_name(stack)["one"].health == "ok"
        assert len(marked(root)) == 3

    def test_an_interrupted_up_leaves_nothing_that_down_does_not_find(self, root: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from tests.services.conftest import fakes;"
            "from seedgate.services import StackSpec; from seedgate.services.stack import Stack;"
            "Stack(Path(sys.argv[1]), fakes(one=('deaf',))).up(StackSpec(), print)"
        )
        here = Path(__file__).parents[2]
        process = subprocess.Popen([sys.executable, "-c", code, str(root)], cwd=here)
        until(lambda: any(found.service == "one" for found in marked(root)))
        process.kill()
        process.wait()
        assert Stack(root, fakes()).down() == ["one"]
        assert marked(root) == []

    def test_a_read_only_place_is_one_clear_line(self, root: Path) -> None:
        (root / ".seedgate").write_text("a file where the folder should be")
        with pytest.raises(SeedgateError, match="making the folder failed"):
            Stack(root, fakes(one=())).up(SPEC, quiet)

    def test_a_missing_workspace_is_one_clear_line(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such folder"):
            Stack(tmp_path / "nowhere")


class TestDown:
    def test_names_what_it_stopped_and_leaves_no_process(self, root: Path) -> None:
        stack = Stack(root, fakes(one=("child",), two=()))
        stack.up(SPEC, quiet)
        assert sorted(stack.down()) == ["one", "two"]
        assert marked(root) == []
        assert {status.state for status in stack.status()} == {"stopped"}

    def test_kills_what_ignores_the_polite_signal_with_its_children(self, root: Path) -> None:
        stack = Stack(root, fakes(one=("child", "stubborn")))
        stack.up(SPEC, quiet)
        assert stack.down() == ["one"]
        assert marked(root) == []

    def test_is_harmless_when_nothing_runs(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        assert stack.down() == []
        assert not (root / ".seedgate").exists()
        stack.up(SPEC, quiet)
        stack.down()
        assert stack.down() == []

    def test_stops_only_its_own(self, workspace: Callable[[str], Path]) -> None:
        here, there = workspace("here"), workspace("there")
        lone = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(Ports({}).claim("lone"))], stdout=subprocess.DEVNULL
        )
        try:
            for folder in (here, there):
                Stack(folder, fakes(one=())).up(SPEC, quiet)
            assert Stack(here, fakes(one=())).down() == ["one"]
            assert by_name(Stack(there, fakes(one=())))["one"].health == "ok"
            assert lone.poll() is None
        finally:
            lone.kill()
            lone.wait()

    def test_a_copied_workspace_does_not_stop_the_original(self, workspace: Callable[[str], Path]) -> None:
        original = workspace("original")
        Stack(original, fakes(one=())).up(SPEC, quiet)
        copy = workspace("copy")
        shutil.copy(original / ".seedgate/stack/state.json", copy)
        (copy / ".seedgate/stack").mkdir(parents=True)
        (copy / "state.json").rename(copy / ".seedgate/stack/state.json")
        assert Stack(copy, fakes(one=())).down() == []
        assert by_name(Stack(original, fakes(one=())))["one"].health == "ok"
        state = read_state(copy)
        assert state is not None
        assert state.supervisor is None

    def test_a_moved_workspace_stops_what_was_started_under_its_old_name(
        self, workspace: Callable[[str], Path]
    ) -> None:
        old, new = workspace("old"), workspace("new")
        Stack(old, fakes(one=())).up(SPEC, quiet)
        new.rmdir()
        old.rename(new)
        assert Stack(new, fakes(one=())).down() == ["one"]
        assert marked(old) == []
        old.mkdir()  # for the fixture

    def test_a_process_that_has_the_old_id_of_ours_is_left_alone(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        state = stack.up(SPEC, quiet)
        stack.down()
        bystander = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
        try:
            reused = Identity(pid=bystander.pid, started=1)
            state.model_copy(update={"supervisor": reused}).save(stack.layout)
            assert stack.down() == []
            assert {status.state for status in stack.status()} == {"stopped"}
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()

    def test_works_when_the_state_file_is_damaged_or_gone(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        for damage in ("{", None):
            stack.up(SPEC, quiet)
            path = stack.layout.stack / "state.json"
            path.unlink() if damage is None else path.write_text(damage)
            assert stack.down() == ["one"]
            assert marked(root) == []
            path.unlink(missing_ok=True)

    def test_works_when_the_supervisor_hangs(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seedgate.services.supervision.ANSWER_S", 1.0)
        stack = Stack(root, fakes(one=()))
        state = stack.up(SPEC, quiet)
        assert state.supervisor is not None
        os.kill(state.supervisor.pid, signal.SIGSTOP)
        assert stack.down() == ["one"]
        assert marked(root) == []


class TestState:
    def test_nothing_is_known_before_the_first_up(self, root: Path) -> None:
        assert read_state(root) is None
        assert Stack(root, fakes(one=())).status() == []

    def test_addresses_are_told_while_it_runs_and_ports_remembered_after(self, root: Path) -> None:
        def blueprint(layout: Layout, spec: StackSpec, ports: Ports) -> Plan:
            plan = fakes(argilla=(), vllm=())(layout, spec, ports)
            urls = {service.name: str(service.url) for service in plan.services}
            return Plan(services=plan.services, argilla_url=urls["argilla"], vllm_url=urls["vllm"] + "/v1")

        stack = Stack(root, blueprint)
        state = stack.up(SPEC, quiet)
        assert read_state(root) == state
        assert state.argilla_url == f"http://127.0.0.1:{state.ports['argilla']}"
        assert state.vllm_url == f"http://127.0.0.1:{state.ports['vllm']}/v1"
        assert state.served_model == "smollm2-135m"
        stack.down()
        after = read_state(root)
        assert after is not None
        assert (after.argilla_url, after.vllm_url, after.served_model) == (None, None, None)
        assert after.ports == state.ports

    def test_a_damaged_file_is_named(self, root: Path) -> None:
        stack = Stack(root, fakes(one=()))
        stack.up(SPEC, quiet)
        stack.down()
        (stack.layout.stack / "state.json").write_text("{}")
        with pytest.raises(ServiceError, match=r"state\.json: cannot be read"):
            read_state(root)


def test_users_are_stopped_before_what_they_use(root: Path) -> None:
    layout, ports = Layout.of(root), Ports({})
    services = (
        fake(layout, ports, "redis"),
        fake(layout, ports, "argilla", needs=("redis", "a-step")),
        fake(layout, ports, "worker", needs=("argilla",)),
        fake(layout, ports, "vllm"),
    )
    assert stop_order(services) == (("worker", "vllm"), ("argilla",), ("redis",))


def test_progress_lines_come_one_at_a_time(root: Path) -> None:
    inside = threading.Semaphore(1)

    def say(line: str) -> None:
        assert inside.acquire(blocking=False), "two threads at once"
        time.sleep(0.05)
        inside.release()

    def talk(context: Context) -> None:
        context.say("migrating")
        context.say("migrated")

    step = Step(name="talk", run=talk)
    Stack(root, fakes(step, one=(), two=(), three=())).up(SPEC, say)
    assert len(marked(root)) == 4

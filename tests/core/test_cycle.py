"""The cycle at fake servers: whatever can be done is done, people are waited for, and a watch goes on to the end."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from typer.testing import CliRunner

from seedgate.cli import cycle as command
from seedgate.cli.app import app
from seedgate.cycle import Step, begin_cycle, cycle_state, next_step, plan, steps
from seedgate.errors import ServiceError, WaitingError
from seedgate.finetune import redact, release
from seedgate.finetune.training import told_of
from seedgate.ledger import NewEvent
from seedgate.review import review_status
from seedgate.workspace import Workspace
from tests.fakes.argilla_server import OWNER_KEY, FakeArgilla
from tests.fakes.reviewing import Reviewer
from tests.fakes.vllm_server import FakeVllm

WHOLE = ["start", "generate", "push", "review", "push", "review", "release", "finish"]
"""A cycle of two waves; seeds are released before it."""


@pytest.fixture
def ws(make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace that generates some candidates and asks `ana` about five of them at a time, without training.

    Six are wanted; one more request may be on its way when they are there, and each gives three at most: two waves.
    """
    with FakeArgilla().serve() as argilla, FakeVllm() as vllm:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", argilla.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", vllm.url)
        settings = {
            "vllm": {"model": vllm.model},
            "generation": {"candidates": 6, "completions": 1, "concurrency": 1},
            "review": {"wave_size": 5},
            "cycle": {"train": False},
        }
        yield make_workspace(reviewers=("ana",), settings=settings)


def answer_everything(ws: Workspace) -> None:
    """What the reviewer does in Argilla: approves every record that is left."""
    with Reviewer(ws, "ana") as ana:
        left = [record for record in ana.records() if not record["responses"]]
        for record in left:
            ana.put(record, record["prefilled"] | {"decision": "approve"})
    assert left


def names(done: list[Step]) -> list[str]:
    return [step.name for step in done]


def test_without_a_watch_it_stops_where_people_are_needed_and_goes_on_when_run_again(ws: Workspace) -> None:
    done: list[Step] = []

    def go_on() -> None:
        done.extend(step for step, _ in steps(ws, stop_after=1))

    for _wave in range(2):
        with pytest.raises(
            WaitingError, match=r"\d candidates of cycle 1 wait for review at http://127"
        ) as waits:
            go_on()
        assert waits.value.exit_code == 75
        answer_everything(ws)
    go_on()
    assert names(done)[-2:] == ["release", "finish"]
    assert cycle_state(ws).running is False
    assert next_step(ws) == Step("start", 2)


def test_a_watch_goes_on_by_itself_to_the_end_of_the_cycle_after_the_last_answer(ws: Workspace) -> None:
    looks = 0

    def wait(_: WaitingError) -> None:
        nonlocal looks
        looks += 1
        if looks % 2 == 0:  # every other look finds nothing new
            answer_everything(ws)

    done = [step for step, _ in steps(ws, stop_after=1, on_wait=wait)]
    assert names(done) == ["release", *WHOLE]
    assert looks == 4
    assert review_status(ws).open == 0
    released = list(ws.ledger.events("release.created"))[-1].payload["counts"]
    assert (released["seeds"], released["approved"]) == (12, ws.ledger.count("candidate.created"))
    assert cycle_state(ws).running is False


def test_the_command_says_once_what_it_waits_for_and_ends_with_0(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        assert seconds == command.WATCH_EVERY_S
        looks += 1
        if looks in (3, 4):
            answer_everything(ws)

    monkeypatch.setattr(command.time, "sleep", sleep)
    result = CliRunner().invoke(app, ["cycle", "--watch", "-w", str(ws.root)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "cycle 1 is finished; whether another batch is worth the experts' time cannot be said yet:"
        f" 9 candidates of cycle 1 are decided, 40 are needed\n{ws.root / 'report.html'} shows what it brought\n"
    )
    assert result.stderr.count("; looking again every 20 s (Ctrl-C stops)") == 2, "once per wave"
    assert result.stderr.count("[cycle 1: review]") == 2
    assert result.stderr.rstrip().endswith("[cycle 1: finish]")


def watch(ws: Workspace) -> subprocess.Popen[str]:
    """`cycle --watch` in a process of its own, once it waits."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seedgate", "cycle", "--watch", "-w", str(ws.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # A shell ignores SIGINT for what it starts in the background, and that is inherited, by tests as well.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "looking again" in line:
            return process
    raise AssertionError(f"it ended with {process.wait()} before it waited")


def test_ctrl_c_is_one_line_and_the_next_run_continues(ws: Workspace) -> None:
    process = watch(ws)
    process.send_signal(signal.SIGINT)
    try:
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    assert errors == "seedgate: stopped; run the same command again to continue\n"
    done = [step for step, _ in steps(ws, stop_after=1, on_wait=lambda _: answer_everything(ws))]
    assert names(done) == WHOLE[3:]


def test_a_watch_holds_no_lease_so_that_others_can_work(ws: Workspace) -> None:
    process = watch(ws)
    try:
        for stage in ("generate", "push", "pull", "release"):
            with ws.ledger.lease(stage):
                pass
    finally:
        process.kill()
        process.communicate()


def answer_some(ws: Workspace, number: int) -> None:
    """The reviewer decides this many records and goes on."""
    with Reviewer(ws, "ana") as ana:
        left = [record for record in ana.records() if not record["responses"]]
        for record in left[:number]:
            ana.put(record, record["prefilled"] | {"decision": "approve"})


def test_a_watch_pushes_the_next_wave_before_the_last_is_done(ws: Workspace) -> None:
    left: list[int] = []

    def wait(_: WaitingError) -> None:
        left.append(review_status(ws).open)
        answer_some(ws, 1)

    done = names([step for step, _ in steps(ws, stop_after=1, on_wait=wait)])
    assert done == ["release", "start", "generate", "push", "push", "review", "release", "finish"]
    made = ws.ledger.count("candidate.created")
    # Five at first; the second wave comes when few are left, and nothing is left to push then.
    assert 6 <= made <= 9
    pushed = next(n for n, (before, after) in enumerate(itertools.pairwise(left), 1) if after > before)
    assert left[:pushed] == list(range(5, 5 - pushed, -1))
    assert left[pushed:] == list(range(made - pushed, 0, -1))
    assert cycle_state(ws).running is False


def test_without_a_watch_nothing_is_pushed_ahead(ws: Workspace) -> None:
    with pytest.raises(WaitingError):
        list(steps(ws, stop_after=1))
    answer_some(ws, 3)
    with pytest.raises(WaitingError, match="2 candidates"):
        list(steps(ws, stop_after=1))
    assert ws.ledger.count("round.opened") == 1


def test_a_cycle_that_asks_a_writer_trains_one_on_the_newest_release_first(
    make_workspace: Callable[..., Workspace],
) -> None:
    settings = {"generation": {"strategies": {"few_shot": 0.5, "writer": 0.5}}, "cycle": {"train": False}}
    ws = make_workspace(settings=settings)
    assert next_step(ws) == Step("release", 0)
    release(ws)
    assert plan(ws)[:3] == [
        "cycle 1: start",
        "writer",
        f"generate {ws.config.generation.candidates} candidates",
    ]
    begin_cycle(ws)
    step = next_step(ws)
    assert step == Step("writer", 1, "r000")
    assert str(step) == "cycle 1: writer r000"
    told = told_of(ws, ws.config.training, writer=True)
    (ws.models_dir / "r000-writer-1" / "adapter").mkdir(parents=True)
    payload = {
        "release": "r000",
        "manifest_hash": "-",
        "settings": told,
        "weights": "adapter",
        "ledger_head": "-",
        "base_model": "embedded",
        "metrics": {},
        "files": {},
    }
    ws.ledger.append([NewEvent("model.trained", "r000-writer-1", payload)])
    assert next_step(ws) == Step("generate", 1)


def test_without_a_baseline_the_seeds_are_released_for_the_writer(
    make_workspace: Callable[..., Workspace],
) -> None:
    settings = {"generation": {"strategies": {"writer": 1.0}}, "cycle": {"baseline": False}}
    ws = make_workspace(settings=settings)
    begin_cycle(ws)
    assert next_step(ws) == Step("release", 1)
    assert plan(ws)[:3] == [
        "cycle 1: release",
        "writer",
        f"generate {ws.config.generation.candidates} candidates",
    ]


def test_what_a_writer_may_learn_is_released_anew_after_a_redaction(
    make_workspace: Callable[..., Workspace],
) -> None:
    policy = {"verified_seeds": 10, "min_eval": 6}
    ws = make_workspace(settings={"generation": {"strategies": {"writer": 1.0}}, "policy": policy})
    release(ws)
    begin_cycle(ws)
    assert next_step(ws) == Step("writer", 1, "r000")
    row = next(iter(ws.ledger.events("seed.added"))).subject
    redact(ws, row, by="An Expert", reason="asked to be forgotten")
    assert next_step(ws) == Step("release", 1)
    release(ws)
    assert next_step(ws) == Step("writer", 1, "r001")


def test_a_cycle_that_has_asked_for_nothing_goes_by_the_settings_of_now(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wanted(number: int) -> None:
        generation = ws.config.generation.model_copy(update={"candidates": number})
        ws.config = ws.config.model_copy(update={"generation": generation})

    begin_cycle(ws)
    there = os.environ["SEEDGATE_VLLM_URLS"]
    for number in (4, 6, 4):
        wanted(number)
        assert begin_cycle(ws, dry_run=True).target == number
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", "http://127.0.0.1:9/v1")
        with pytest.raises(ServiceError):
            next(iter(steps(ws, stop_after=1)))
        assert (cycle_state(ws).number, cycle_state(ws).target) == (1, number)
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", there)
    report = next(report for step, report in steps(ws, stop_after=1) if step.name == "generate")
    assert (report.target, ws.ledger.count("candidate.created") >= 4) == (4, True)
    wanted(6)
    assert begin_cycle(ws).target == 4  # what has begun is finished
    assert ws.ledger.count("cycle.started") == 4

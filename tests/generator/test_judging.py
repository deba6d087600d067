"""The judge in a process of its own: the same word as in a thread, and nobody left behind, whoever dies."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seedgate.errors import ConfigError, RefusedError, SeedgateError
from seedgate.generator import generate, judging
from seedgate.generator.clients.base import Choice, Completion, ModelInfo, Request, Sampling
from seedgate.generator.filters.chain import FilterChain
from seedgate.generator.judging import JudgeProcess, Setting, pays
from seedgate.generator.prompts import ChatForm
from seedgate.generator.recording import Outcome, Recorder
from seedgate.generator.strategies.base import Plan
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm

Make = Callable[..., Workspace]

TEXTS = [
    "The courier has left my parcel with a neighbour whom I do not know.",
    "Why does the courier never ring before he drives away?",
    "The courier has left my parcel with a neighbour whom I do not know!",
    "no",
    "Where did the second of my three boxes go?",
]


def answered(*texts: str, first: int = 0) -> list[tuple[Plan, Completion]]:
    pairs = []
    for number, text in enumerate(texts, first):
        request = Request(f"r-{number}", "prompt", Sampling(1, 0.7, 0.9, 99))
        plan = Plan(number, "few_shot", request, {"label": "delivery"}, ("s1", "s2"))
        pairs.append((plan, Completion(request.id, (Choice(0, f'{{"text": "{text}"}}', "stop"),), 7, 9)))
    return pairs


def told(outcomes: list[Outcome]) -> list[tuple[list[NewEvent], int, dict[tuple[str, str], int]]]:
    """What they say, without the time."""
    events = [[replace(event, payload=_timeless(event.payload)) for event in o.events] for o in outcomes]
    return [(own, o.accepted, dict(o.drops)) for own, o in zip(events, outcomes, strict=True)]


def _timeless(payload: dict[str, object]) -> dict[str, object]:
    provenance = payload.get("provenance")
    return payload | {"provenance": provenance | {"at": ""}} if isinstance(provenance, dict) else payload


@pytest.fixture
def process() -> Iterator[JudgeProcess]:
    made = JudgeProcess()
    yield made
    made.close()


def runs(pid: int) -> bool:
    """Whether a process is there and not just waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def setting(ws: Workspace) -> Setting:
    return Setting(ws.root, ws.config, ModelInfo("m"), cycle=1, run="c1-r1")


class TestProcess:
    def test_says_what_a_recorder_says_and_remembers_from_lot_to_lot(
        self, fake: FakeVllm, ready: Make, process: JudgeProcess
    ) -> None:
        ws = ready(fake, prompt_form="chat")
        here = Recorder(
            ws.task,
            ChatForm(ws.task),
            FilterChain.for_workspace(ws),
            ModelInfo("m"),
            cycle=1,
            run="c1-r1",
        )
        process.begin(setting(ws))
        for lot in (answered(*TEXTS), answered(TEXTS[1].upper(), TEXTS[1], first=len(TEXTS))):
            there = process.submit(lot).result()
            assert told(there) == told(here.outcomes(lot))
        assert [outcome.accepted for outcome in there] == [0, 0]

    def test_goes_by_the_settings_that_the_run_has(
        self, fake: FakeVllm, ready: Make, process: JudgeProcess
    ) -> None:
        ws = ready(fake, prompt_form="chat")
        generation = ws.config.generation.model_copy(update={"min_words": 50})
        ws.config = ws.config.model_copy(update={"generation": generation})
        process.begin(setting(ws))
        assert dict(process.submit(answered(TEXTS[0])).result()[0].drops) == {("length", "short"): 1}

    def test_finds_what_the_class_of_the_task_imports(
        self, fake: FakeVllm, ready: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ws = ready(fake, prompt_form="chat")
        (tmp_path / "our_topics.py").write_text(
            "from typing import Literal\n\nTopic = Literal['delivery', 'billing', 'account']\n",
            encoding="utf-8",
        )
        (ws.root / "ticket.py").write_text(
            "from typing import Annotated\n\nfrom our_topics import Topic\nfrom pydantic import BaseModel\n\n"
            "from seedgate.task import Input, Output\n\n\n"
            "class Tiny(BaseModel):\n    text: Annotated[str, Input]\n    label: Annotated[Topic, Output]\n",
            encoding="utf-8",
        )
        path = ws.root / "seedgate.toml"
        written = path.read_text(encoding="utf-8")
        table = re.search(r"\[task\].*?(?=\n\[(?!task))", written, re.DOTALL)
        assert table
        path.write_text(written.replace(table.group(), '[task]\nclass = "ticket.py:Tiny"'), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        process = JudgeProcess()
        try:
            process.begin(setting(ws))
            assert process.submit(answered(TEXTS[0])).result()[0].accepted == 1
        finally:
            process.close()

    def test_raises_what_keeps_it_from_judging(self, make_workspace: Make, process: JudgeProcess) -> None:
        with pytest.raises(RefusedError, match="verif") as raised:
            process.begin(setting(make_workspace(verified=False)))
        assert raised.value.hint

    def test_an_error_of_its_own_is_one_line(
        self, fake: FakeVllm, ready: Make, process: JudgeProcess
    ) -> None:
        process.begin(setting(ready(fake, prompt_form="chat")))
        with pytest.raises(SeedgateError, match="judging failed: TypeError"):
            process.submit([None]).result()  # type: ignore[list-item]
        assert process.submit(answered(TEXTS[0])).result()[0].accepted == 1

    def test_tells_when_it_was_killed(self, fake: FakeVllm, ready: Make, process: JudgeProcess) -> None:
        process.begin(setting(ready(fake)))
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(SeedgateError, match="was killed by SIGKILL"):
            process.submit(answered(TEXTS[0])).result()

    @pytest.mark.parametrize("busy", [False, True])
    def test_ends_with_the_run_in_the_middle_of_a_lot_too(
        self, fake: FakeVllm, ready: Make, busy: bool
    ) -> None:
        process = JudgeProcess()
        assert os.getsid(process.pid) != os.getsid(0)  # an interrupt from the terminal is not for it
        if busy:
            process.begin(setting(ready(fake, prompt_form="chat")))
            os.kill(process.pid, signal.SIGSTOP)
            waiting = process.submit(answered(*TEXTS * 2000))
            os.kill(process.pid, signal.SIGCONT)
        started = time.monotonic()
        process.close()
        process.close()
        assert time.monotonic() - started < 10
        assert not busy or waiting.cancelled() or waiting.exception()
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)

    def test_ends_when_the_run_is_killed(self, fake: FakeVllm, ready: Make) -> None:
        ws = ready(fake, prompt_form="chat")
        program = (
            "import os, sys, pickle\nfrom seedgate.generator.judging import JudgeProcess\n"
            "process = JudgeProcess()\nprocess.begin(pickle.load(sys.stdin.buffer))\n"
            "print(process.pid, flush=True)\nos.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps(setting(ws)),
            stdout=subprocess.PIPE,
            timeout=60,
        )
        assert done.returncode == -signal.SIGKILL
        until = time.monotonic() + 10
        while time.monotonic() < until and runs(int(done.stdout)):
            time.sleep(0.01)
        assert not runs(int(done.stdout))


def test_it_pays_for_many_where_there_are_two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert pays(judging.PROCESS_FROM)
    assert not pays(judging.PROCESS_FROM - 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert not pays(judging.PROCESS_FROM)


class TestRun:
    @pytest.fixture
    def processes(self, monkeypatch: pytest.MonkeyPatch) -> list[JudgeProcess]:
        """Makes a process pay for a run of any size, and notes those that were made."""
        made: list[JudgeProcess] = []

        class Noted(JudgeProcess):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        monkeypatch.setattr("seedgate.generator.run.pays", lambda wanted: wanted > 0)
        monkeypatch.setattr("seedgate.generator.run.JudgeProcess", Noted)
        return made

    def test_ends_with_what_was_wanted_and_without_the_process(
        self, fake: FakeVllm, ready: Make, processes: list[JudgeProcess]
    ) -> None:
        ws = ready(fake)
        report = generate(ws, candidates=60, cycle=1)
        made = [event.subject for event in ws.ledger.events("candidate.created")]
        assert 60 <= report.new == len(made) == len(set(made))
        assert list(ws.ledger.verify()) == []
        assert len(processes) == 1
        with pytest.raises(ProcessLookupError):
            os.kill(processes[0].pid, 0)

    def test_sends_nothing_to_a_model_if_it_cannot_judge(
        self, fake: FakeVllm, ready: Make, processes: list[JudgeProcess]
    ) -> None:
        ws = ready(fake)
        (ws.root / "seedgate.toml").write_text("[task\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"seedgate\.toml"):
            generate(ws, candidates=30, cycle=1)
        assert fake.bodies == []
        with pytest.raises(ProcessLookupError):
            os.kill(processes[0].pid, 0)

    def test_loses_nothing_that_was_recorded_when_the_judge_is_killed(
        self, fake: FakeVllm, ready: Make, processes: list[JudgeProcess]
    ) -> None:
        ws = ready(fake, concurrency=2)

        def kill(done: int, wanted: int, note: str) -> None:
            if done >= 20:
                os.kill(processes[0].pid, signal.SIGKILL)

        with pytest.raises(SeedgateError, match="the process that judges candidates was killed") as raised:
            generate(ws, candidates=400, cycle=1, on_progress=kill)
        assert raised.value.hint
        kept = [event.subject for event in ws.ledger.events("candidate.created")]
        assert len(kept) >= 20
        report = generate(ws, candidates=len(kept) + 20, cycle=1)
        again = [event.subject for event in ws.ledger.events("candidate.created")]
        assert again[: len(kept)] == kept
        assert report.candidates == len(again) == len(set(again)) >= len(kept) + 20

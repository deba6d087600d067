"""kill -9 at random moments of `generate`: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from seedgate.generator import candidates, funnel, generate
from seedgate.generator.clients.base import Choice
from seedgate.generator.prompts import choose_form
from seedgate.records import Example
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm, sentence

KILLS = 8
NEVER = 100_000
"""More candidates than are made before a process is killed, however slow it is to record the first."""
PROGRAM = """
import sys
from seedgate.generator import generate
from seedgate.workspace import Workspace

with Workspace(sys.argv[1]) as ws:
    generate(ws, candidates=int(sys.argv[2]), cycle=1)
"""


def started(ws: Workspace, target: int = NEVER) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(ws.root), str(target)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def killed(ws: Workspace, fake: FakeVllm, rng: random.Random) -> None:
    """Lets a process send a request, or record some, then kills it at a moment that nothing depends on."""
    sent, recorded = len(fake.bodies), ws.ledger.count("request.completed")
    wanted, deadline = recorded + rng.choice((0, 1, 1, 4)), time.monotonic() + 60
    process = started(ws)
    while process.poll() is None and time.monotonic() < deadline:
        if len(fake.bodies) > sent and ws.ledger.count("request.completed") >= wanted:
            break
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.1))
    process.send_signal(signal.SIGKILL)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, f"ended before it was killed: {error.decode()}"


def test_after_any_number_of_kills_the_ledger_is_that_of_one_run(ready: Callable[..., Workspace]) -> None:
    rng = random.Random(20)
    # The fake knows one answer per prompt, so there must be seeds for many different prompts.
    seeds = [
        Example(fields={"text": sentence(rng), "label": label})
        for label in ("delivery", "billing", "account")
        for _ in range(20)
    ]
    with FakeVllm(delay_s=0.3, item_faults=0.1) as fake:
        ws = ready(fake, given={"seeds": seeds}, concurrency=4)
        for _ in range(KILLS):
            killed(ws, fake, rng)
        before = ws.ledger.count("candidate.created")
        assert before > 0
        last = started(ws, before + 200)
        _, error = last.communicate(timeout=120)
        assert last.returncode == 0, error.decode()
    assert list(ws.ledger.verify()) == []
    requests = {event.subject: event.payload for event in ws.ledger.events("request.completed")}
    made = list(candidates(ws.ledger, cycle=1))

    # Enough, each once, from one unbroken sequence of plans, each recorded once.
    assert len(made) >= before + 200
    assert len({candidate.id for candidate in made}) == len(made)
    assert sorted(payload["index"] for payload in requests.values()) == list(range(len(requests)))
    assert funnel(ws.ledger)["requests"] == len(requests)
    kills = Counter(event.kind for event in ws.ledger.events("run.started", "run.finished"))
    assert kills["run.finished"] == 1
    # A process may have been killed before it had begun its run.
    assert 2 <= kills["run.started"] <= KILLS + 1

    # Every item of every stored completion became a candidate or a drop, exactly once.
    form = choose_form(ws.task, ws.config.generation, ws.config.vllm.model)
    items = {
        (id_, choice["index"], item.number)
        for id_, payload in requests.items()
        for choice in ws.ledger.body(payload["raw_hash"])
        for item in form.parse(
            Choice(choice["index"], choice["text"], choice["finish_reason"]),
            payload["fixed"],
            len(payload["seed_ids"]),
        )
    }
    kept = [(c.provenance.request_id, c.provenance.choice, c.provenance.item) for c in made]
    dropped = [
        (event.payload["request_id"], event.payload["choice"], event.payload["item"])
        for event in ws.ledger.events("candidate.dropped")
    ]
    assert len(kept + dropped) == len(items)
    assert set(kept + dropped) == items

    # And it is the completion of exactly that prompt.
    prompts = {body["prompt"]: body for body in fake.bodies}
    for payload in requests.values():
        answer = fake.completion(prompts[ws.ledger.body(payload["prompt_hash"])])
        texts = [choice["text"] for choice in ws.ledger.body(payload["raw_hash"])]
        assert [choice["text"] for choice in answer["choices"]] == texts


def prompts(ws: Workspace) -> dict[int, tuple[str, str]]:
    """Number of each plan to its strategy and prompt."""
    return {
        event.payload["index"]: (event.payload["strategy"], ws.ledger.body(event.payload["prompt_hash"]))
        for event in ws.ledger.events("request.completed")
    }


def test_strategies_ask_after_kills_what_one_run_would_have_asked(ready: Callable[..., Workspace]) -> None:
    rng, shares = random.Random(21), {"evolve": 0.5, "contrast": 0.3, "coverage_gaps": 0.2}
    with FakeVllm(delay_s=0.3) as fake:
        ws = ready(fake, strategies=shares, concurrency=4)
        for _ in range(3):
            killed(ws, fake, rng)
        last = started(ws, 400)
        _, error = last.communicate(timeout=120)
        assert last.returncode == 0, error.decode()
        fake.delay_s = 0.0
        whole = ready(fake, given={"folder": "whole"}, strategies=shares, concurrency=4)
        generate(whole, candidates=400, cycle=1)
    of_kills, of_one = prompts(ws), prompts(whole)
    common = sorted(of_kills.keys() & of_one.keys())
    assert len(common) >= 50
    assert [of_kills[index] for index in common] == [of_one[index] for index in common]
    counts = Counter(strategy for strategy, _ in of_kills.values())
    assert all(abs(counts[name] - share * len(of_kills)) < 3 for name, share in shares.items())

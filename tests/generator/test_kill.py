"""kill -9 at random moments of `generate`: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from seedgate.generator import candidates, funnel
from seedgate.generator.clients.base import Choice
from seedgate.generator.prompts import choose_form
from seedgate.records import Example
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm, sentence

KILLS = 8
TARGET = 600
PROGRAM = f"""
import sys
from seedgate.generator import generate
from seedgate.workspace import Workspace

with Workspace(sys.argv[1]) as ws:
    generate(ws, candidates={TARGET}, cycle=1)
"""


def started(ws: Workspace) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(ws.root)], stderr=subprocess.PIPE)


def killed(ws: Workspace, fake: FakeVllm, rng: random.Random) -> None:
    """Lets a process send some requests, then kills it at a moment that nothing depends on."""
    process = started(ws)
    sent, deadline = len(fake.bodies), time.monotonic() + 60
    while len(fake.bodies) == sent and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(rng.uniform(0.0, 0.9))
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
    with FakeVllm(delay_s=0.1, item_faults=0.1) as fake:
        ws = ready(fake, given={"seeds": seeds}, concurrency=4)
        for _ in range(KILLS):
            killed(ws, fake, rng)
        last = started(ws)
        _, error = last.communicate(timeout=120)
        assert last.returncode == 0, error.decode()
    assert list(ws.ledger.verify()) == []
    requests = {event.subject: event.payload for event in ws.ledger.events("request.completed")}
    made = list(candidates(ws.ledger, cycle=1))

    # Enough, each once, from one unbroken sequence of plans, each recorded once.
    assert len(made) >= TARGET
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

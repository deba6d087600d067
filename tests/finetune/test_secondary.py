"""Figures beside the metric of free text: similarity in meaning, a judge; recorded, shown, and deciding nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError, ServiceError
from seedgate.finetune import compare, evaluate
from seedgate.finetune.evaluating import plan_evaluation
from seedgate.generator.clients.server import ServerClient
from seedgate.records import Example
from seedgate.report import page_of, report_facts
from seedgate.seeds.embedding import embedder_of
from seedgate.workspace import Workspace
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.test_evaluating import ready, server

__all__ = ["ready", "server"]  # fixtures

ROWS = {
    "How do I brew tea?": "Pour boiling water over the leaves and wait.",
    "Name a red fruit.": "A cherry is red.",
    "Which month comes first?": "January.",
}
SAID = {
    "How do I brew tea?": "Put the leaves into a pot, add hot water, let it stand.",
    "Name a red fruit.": "A cherry is red.",
    "Which month comes first?": "",
}


@pytest.fixture
def writing(server: AdapterServer, ready: Callable[..., Workspace]) -> Callable[..., Workspace]:
    """Makes workspaces whose answers are free text; the model says `SAID`, and grades a 4 as a judge."""

    def answer(name: str, prompt: str) -> str:
        if name == "judge":
            return "no grade" if "January" not in prompt and '"output": ""' in prompt else '{"grade": 4}'
        return next(said for question, said in SAID.items() if question in prompt)

    server.answer = answer

    def make(**evaluation: Any) -> Workspace:
        rows = [
            Example(fields={"instruction": asked, "input": "", "output": answer})
            for asked, answer in ROWS.items()
        ]
        seed = Example(fields={"instruction": "Count to two.", "input": "", "output": "one, two"})
        given = {"task": {"preset": "instruction", "name": "tiny"}, "seeds": [seed], "evaluation": rows}
        policy = {"verified_seeds": 1, "min_eval": 3}
        return ready(server, given, policy=policy, evaluation=evaluation)

    return make


def test_similarity_is_the_mean_cosine_with_what_was_expected(writing: Callable[..., Workspace]) -> None:
    ws = writing()
    result = evaluate(ws)
    assert result.metric == "token_f1"
    (found,) = result.secondary.items()
    assert found[0] == "similarity"
    embedder = embedder_of(ws)
    tea = embedder.embed([ROWS["How do I brew tea?"], SAID["How do I brew tea?"]])
    assert float(tea[0] @ tea[1]) > 0.5, "in other words, and yet near"
    assert found[1].value == pytest.approx((float(tea[0] @ tea[1]) + 1 + 0) / 3, abs=1e-3)
    assert found[1].low < found[1].value < found[1].high
    assert (found[1].n, found[1].model) == (3, embedder.identity)
    assert f"; similarity {found[1].value:.3f} (" in str(result)


def test_a_judge_grades_each_answer_by_the_rubric(
    server: AdapterServer, writing: Callable[..., Workspace]
) -> None:
    server.models.append("judge")
    ws = writing(judge="judge")
    assert "then judge to grade each answer" in str(plan_evaluation(ws))
    result = evaluate(ws)
    graded = result.secondary["judge"]
    assert (graded.value, graded.n, graded.model) == (4.0, 2, "judge")
    assert "judge 4.000 (4.000 to 4.000, n = 2)" in str(result)
    asked = [body for body in server.bodies if body["model"] == "judge"]
    assert len(asked) == 3
    assert all("Give the example below a grade" in body["messages"][0]["content"] for body in asked)
    assert any(SAID["How do I brew tea?"] in body["messages"][0]["content"] for body in asked)
    assert not any(ROWS["How do I brew tea?"] in body["messages"][0]["content"] for body in asked)


def test_they_are_recorded_shown_and_decide_nothing(
    server: AdapterServer, writing: Callable[..., Workspace]
) -> None:
    ws = writing()
    result = evaluate(ws)
    sent = len(server.bodies)
    assert evaluate(ws) == result
    assert len(server.bodies) == sent
    assert compare(ws, None, None).difference == 0
    command = ["eval", "--json", "-w", str(ws.root)]
    shown = json.loads(CliRunner().invoke(app, command, catch_exceptions=False).stdout)
    assert shown["evaluation"]["secondary"]["similarity"]["value"] == result.secondary["similarity"].value
    facts = report_facts(ws)
    page = page_of(facts)
    assert f'<td class="n">{result.secondary["similarity"].value:.3f} (' in page
    assert "Figures beside the metric decide nothing" in page
    told = CliRunner().invoke(app, ["status", "-w", str(ws.root)], catch_exceptions=False).stdout
    assert "similarity" in told


def test_a_judge_that_is_not_served_is_said_and_nothing_is_recorded(
    writing: Callable[..., Workspace],
) -> None:
    ws = writing(judge="nobody")
    with pytest.raises(ServiceError, match="'nobody' is not served"):
        evaluate(ws)
    assert ws.ledger.count("model.evaluated") == 0


def test_a_judge_is_no_part_of_what_a_measurement_is_known_by(
    server: AdapterServer, writing: Callable[..., Workspace]
) -> None:
    ws = writing()
    before = evaluate(ws)
    config = ws.root / "seedgate.toml"
    config.write_text(config.read_text().replace('# judge = ""', 'judge = "judge"'))
    with Workspace(ws.root) as changed:
        assert changed.config.evaluation.judge == "judge"
        assert evaluate(changed) == before


def test_labels_have_none(server: AdapterServer, ready: Callable[..., Workspace]) -> None:
    ws = ready(server, evaluation={"judge": "judge"})
    assert evaluate(ws).secondary == {}
    assert not any(body["model"] == "judge" for body in server.bodies)


class TestWithoutAServer:
    """`[vllm] offline`: the model that answers is loaded, asked, let go, and loaded again as the judge."""

    @pytest.fixture
    def alone(self, writing: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
        def made(judge: str) -> Workspace:
            ws = writing(judge=judge)
            monkeypatch.delenv("SEEDGATE_VLLM_URLS")
            config = ws.root / "seedgate.toml"
            text = config.read_text()
            assert '# offline = ""' in text
            config.write_text(text.replace('# offline = ""', 'offline = "org/model"'))
            ws.close()
            return Workspace(ws.root)

        return made

    def test_it_can_be_the_judge_of_its_own_answers(
        self, server: AdapterServer, alone: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded: list[ServerClient] = []

        def load(ws: Workspace) -> ServerClient:
            """In place of vLLM in this process; what it is asked and how it ends is that of any client."""
            loaded.append(ServerClient([server.url], ws.config.vllm.model))
            return loaded[-1]

        answers = server.answer

        def answer(name: str, prompt: str) -> str:
            return answers("judge" if "Give the example below a grade" in prompt else name, prompt)

        server.answer = answer
        for module in ("asking", "secondary"):
            monkeypatch.setattr(f"seedgate.finetune.{module}.offline_client", load)
        with alone("fake-135m") as ws:
            graded = evaluate(ws).secondary["judge"]
        assert (graded.value, graded.n, graded.model) == (4.0, 2, "fake-135m")
        assert len(loaded) == 2
        assert loaded[0] is not loaded[1], "the judge is loaded once the answers are there"

    def test_another_judge_is_refused_before_anything_is_loaded(
        self, server: AdapterServer, alone: Callable[..., Workspace]
    ) -> None:
        with (
            alone("judge") as ws,
            pytest.raises(InputError, match="'judge' is not the model that"),
        ):
            evaluate(ws)
        assert server.bodies == []


def test_a_chat_is_judged_with_its_last_turn_replaced(
    server: AdapterServer, ready: Callable[..., Workspace]
) -> None:
    def chat(asked: str, answer: str) -> Example:
        return Example(fields={"messages": f"User: {asked}\nAssistant: {answer}"})

    server.models.append("judge")
    server.answer = lambda name, _: '{"grade": 2}' if name == "judge" else "I cannot say.\nSorry."
    given = {
        "task": {"preset": "chat", "name": "tiny", "instructions": "Answer."},
        "seeds": [chat("Count to two.", "one, two")],
        "evaluation": [chat(asked, answer) for asked, answer in ROWS.items()],
    }
    policy = {"verified_seeds": 1, "min_eval": 3}
    result = evaluate(ready(server, given, policy=policy, evaluation={"judge": "judge"}))
    assert (result.secondary["judge"].value, result.secondary["judge"].n) == (2.0, 3)
    asked = [body["messages"][0]["content"] for body in server.bodies if body["model"] == "judge"]
    assert all("I cannot say." in each and "Sorry." in each for each in asked)
    assert 0 < result.secondary["similarity"].value < 1

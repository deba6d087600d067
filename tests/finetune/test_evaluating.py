"""Evaluation over real HTTP against a fake vLLM: what is asked, what is recorded, what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.errors import InputError, RefusedError, ServiceError
from seedgate.finetune import audit, compare, evaluate, release, train
from seedgate.finetune.evaluating import plan_evaluation
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.workspace import Workspace
from tests.conftest import TINY_EVALUATION, tiny_examples
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.models import tiny_llama, tiny_tokenizer

TRUTH = {text: label for label, texts in TINY_EVALUATION.items() for text in texts}


def knowing(*models: str) -> Callable[[str, str], str]:
    """Models whose name begins so know every answer; the others say `delivery`."""
    return lambda name, prompt: TRUTH[prompt] if name.startswith(models or "none") else "delivery"


@pytest.fixture
def server() -> Iterator[AdapterServer]:
    with AdapterServer(knowing()) as fake:
        yield fake


@pytest.fixture
def ready(
    make_workspace: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Workspace]:
    """Makes tiny workspaces that talk to a server; keyword arguments are tables of `seedgate.toml`."""

    def make(server: AdapterServer, given: dict[str, Any] | None = None, **tables: Any) -> Workspace:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", server.url)
        monkeypatch.delenv("SEEDGATE_VLLM_API_KEY", raising=False)
        settings = {"vllm": {"model": "fake-135m"}} | tables
        return make_workspace(settings=settings, **(given or {}))

    return make


@pytest.fixture
def workspace(server: AdapterServer, ready: Callable[..., Workspace]) -> Workspace:
    return ready(server)


@pytest.fixture
def trained(
    server: AdapterServer, ready: Callable[..., Workspace], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """A workspace with a model called `mine`."""
    base = tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer(list(TRUTH)))
    ws = ready(server, training={"base_model": str(base), "max_steps": 1, "batch_size": 4})
    release(ws)
    train(ws, output_name="mine")
    return ws


def test_a_dry_run_says_what_would_be_asked_and_is_no_look(server: AdapterServer, trained: Workspace) -> None:
    def told(*arguments: str) -> list[str]:
        command = ["eval", *arguments, "--dry-run", "-w", str(trained.root)]
        return CliRunner().invoke(app, command, catch_exceptions=False).stdout.splitlines()

    before = evaluate(trained)
    head, sent = trained.ledger.head(), len(server.bodies)
    assert told() == [f"measured before: {before}"]
    rows = len(TRUTH)
    would = (
        f"would ask mine about {rows} rows of the locked set with and without the constraint, {2 * rows} questions,"
        " a look that is recorded"
    )
    assert told("mine", "--against", "base", "--promote") == [
        would,
        f"measured before: {before}",
        "would then decide whether mine becomes the current model",
    ]
    assert (trained.ledger.head(), len(server.bodies)) == (head, sent)
    with pytest.raises(InputError, match="no model called 'other'"):
        plan_evaluation(trained, "other")


class TestTheBaseModel:
    def test_it_is_asked_greedily_about_every_row_within_the_labels(
        self, server: AdapterServer, workspace: Workspace
    ) -> None:
        evaluate(workspace)
        held = [body for body in server.bodies if "structured_outputs" in body]
        assert (len(held), len(server.bodies)) == (6, 12)
        assert {body["messages"][0]["content"] for body in held} == set(TRUTH)
        for body in server.bodies:
            assert body["temperature"] == 0.0
            if body in held:
                assert body["structured_outputs"] == {"choice": ["delivery", "billing", "account"]}
            # Without the constraint no more than "delivery" has bytes, and eight to see whether it goes on.
            assert body["max_tokens"] == (64 if body in held else 16)
            assert (body["model"], body["n"]) == ("fake-135m", 1)
            assert "seed" not in body
        assert {body["messages"][0]["content"] for body in server.bodies} == set(TRUTH)

    def test_accuracy_comes_with_its_interval_and_by_label(self, workspace: Workspace) -> None:
        result = evaluate(workspace)
        assert (result.model, result.metric, result.n) == ("base", "accuracy", 6)
        assert result.value == pytest.approx(2 / 6)
        assert (result.low, result.high) == pytest.approx((0.0968, 0.7), abs=1e-3)  # Wilson, by hand
        assert {label: share.value for label, share in result.labels.items()} == {
            "account": 0.0,
            "billing": 0.0,
            "delivery": 1.0,
        }
        assert str(result).startswith("base: accuracy 0.333 (95% interval 0.097 to 0.700, n = 6)")

    def test_accuracy_by_tag(self, server: AdapterServer, ready: Callable[..., Workspace]) -> None:
        rows = [
            row.model_copy(update={"tags": ("edge",) if number < 2 else ("core",)})
            for number, row in enumerate(tiny_examples(TINY_EVALUATION, "eval.jsonl"))
        ]
        shares = evaluate(ready(server, {"evaluation": rows})).tags
        assert {tag: (share.n, share.value) for tag, share in shares.items()} == {
            "core": (4, 0.25),
            "edge": (2, 0.5),
        }

    def test_every_answer_is_kept_in_the_ledger(self, workspace: Workspace) -> None:
        result = evaluate(workspace)
        event = workspace.ledger.last("model.evaluated")
        assert event is not None
        assert (event.subject, event.payload["interval"]) == ("base", [result.low, result.high])
        kept = workspace.ledger.body(event.payload["predictions_hash"])
        assert [row["answer"] for row in kept] == ["delivery"] * 6
        assert sum(row["score"] for row in kept) == 2

    def test_a_second_look_is_the_first_one_again(self, server: AdapterServer, workspace: Workspace) -> None:
        first = evaluate(workspace)
        assert evaluate(workspace, "base") == first
        assert len(server.bodies) == 12
        assert workspace.ledger.count("model.evaluated") == 1

    def test_it_may_answer_freely_if_the_settings_say_so(
        self, server: AdapterServer, ready: Callable[..., Workspace]
    ) -> None:
        server.answer = lambda *_: " Billing. "
        result = evaluate(ready(server, evaluation={"constrained": False}))
        assert not any("structured_outputs" in body for body in server.bodies)
        assert result.value == pytest.approx(2 / 6)
        assert result.outside == 0
        assert result.unconstrained is None
        assert len(server.bodies) == 6

    def test_a_server_that_ignores_the_constraint_is_found_out(
        self, server: AdapterServer, workspace: Workspace
    ) -> None:
        server.answer = lambda *_: "I would say delivery"
        result = evaluate(workspace)
        assert (result.value, result.outside) == (0.0, 6)
        assert "6 answers were none of the choices" in str(result)

    def test_the_same_rows_are_asked_without_the_constraint_too_and_that_changes_nothing_else(
        self, server: AdapterServer, workspace: Workspace
    ) -> None:
        # Free, the model knows more, and says it in two cases in words that are no label.
        server.within = lambda *_: "delivery"
        texts = iter(("account it is", "about the account"))
        said = {text: next(texts) if label == "account" else label for text, label in TRUTH.items()}
        server.answer = lambda _, prompt: said[prompt]
        result = evaluate(workspace)
        free = result.unconstrained
        assert free is not None
        assert (result.value, result.outside) == (pytest.approx(2 / 6), 0)
        assert (free.value, free.n, free.outside) == (pytest.approx(4 / 6), 6, 2)
        assert 0 < free.low < free.value < free.high < 1
        assert "; without the constraint 0.667 (0.300 to 0.903), 2 of 6 answers none of the choices" in str(
            result
        )
        kept = [workspace.ledger.body(each.predictions_hash) for each in (result, free)]
        assert [row["answer"] for row in kept[0]] == ["delivery"] * 6
        assert sorted(row["answer"] for row in kept[1]) == sorted(said.values())
        assert audit(workspace) == []

    def test_what_was_measured_before_there_was_an_unconstrained_figure_is_not_asked_anew(
        self, server: AdapterServer, workspace: Workspace, make_workspace: Callable[..., Workspace]
    ) -> None:
        evaluate(workspace)
        event = workspace.ledger.last("model.evaluated")
        assert event is not None
        older = {key: value for key, value in event.payload.items() if key != "unconstrained"}
        with make_workspace(folder="older", settings={"vllm": {"model": "fake-135m"}}) as ws:
            body = workspace.ledger.body(older["predictions_hash"])
            ws.ledger.append([NewEvent("model.evaluated", "base", older, event.key, (body,))])
            sent = len(server.bodies)
            assert evaluate(ws).unconstrained is None
            assert "measured before" in str(plan_evaluation(ws))
            assert len(server.bodies) == sent
            assert audit(ws) == []

    def test_free_text_is_scored_by_overlap(
        self, server: AdapterServer, ready: Callable[..., Workspace]
    ) -> None:
        server.answer = lambda *_: "boil the water first"
        rows = [
            Example(fields={"instruction": text, "input": "", "output": answer})
            for text, answer in (
                ("How do I brew tea?", "boil the water"),
                ("Name a red fruit.", "a cherry"),
                ("Say which month comes first.", "January"),
            )
        ]
        ws = ready(
            server,
            {
                "task": {"preset": "instruction", "name": "tiny"},
                "seeds": [
                    Example(fields={"instruction": "Count to two.", "input": "", "output": "one, two"})
                ],
                "evaluation": rows,
            },
            policy={"verified_seeds": 1, "min_eval": 3},
        )
        result = evaluate(ws)
        assert (result.metric, result.constrained, result.outside) == ("token_f1", False, 0)
        assert result.value == pytest.approx((6 / 7) / 3)
        assert result.labels == {}
        assert compare(ws, None, "base").outcome == "undecided"

    def test_it_works_inside_a_running_event_loop(self, workspace: Workspace) -> None:
        async def notebook() -> float:
            return evaluate(workspace).value

        assert asyncio.run(notebook()) == pytest.approx(2 / 6)

    def test_it_tells_how_far_it_is(self, workspace: Workspace) -> None:
        told: list[tuple[int, int, str]] = []
        evaluate(workspace, on_progress=lambda *each: told.append(each))
        assert [(done, of) for done, of, _ in told] == [(number, 12) for number in range(1, 13)]


class TestATrainedModel:
    def test_its_adapter_is_loaded_asked_and_unloaded(
        self, server: AdapterServer, trained: Workspace
    ) -> None:
        server.answer = knowing("mine-")
        assert evaluate(trained, "mine").value == 1.0
        ((name, folder),) = server.ever.items()
        assert folder == str(trained.models_dir / "mine" / "adapter")
        assert name.startswith("mine-")
        assert {body["model"] for body in server.bodies} == {name}
        assert server.adapters == {}

    def test_it_is_unloaded_also_when_the_engine_dies(
        self, server: AdapterServer, trained: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("seedgate.finetune.asking.DEADLINE_S", 0.2)
        server.broken = True
        with pytest.raises(ServiceError, match="engine died") as failed:
            evaluate(trained, "mine")
        assert "generate" not in str(failed.value)
        assert server.ever
        assert server.adapters == {}
        assert trained.ledger.count("model.evaluated") == 0

    def test_a_server_that_has_it_already_is_asked_by_its_name(
        self, server: AdapterServer, trained: Workspace
    ) -> None:
        server.lora = False
        server.models.append("mine")
        server.answer = knowing("mine")
        assert evaluate(trained, "mine").served == "mine"

    def test_a_server_that_loads_no_adapters_gets_told_what_to_set(
        self, server: AdapterServer, trained: Workspace
    ) -> None:
        server.lora = False
        with pytest.raises(ServiceError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
            evaluate(trained, "mine")

    def test_a_refused_adapter_is_one_clear_line(self, server: AdapterServer, trained: Workspace) -> None:
        server.refuse = (400, "LoRA rank 64 is greater than max_lora_rank 32.")
        with pytest.raises(ServiceError, match="max_lora_rank 32") as refused:
            evaluate(trained, "mine")
        assert "\n" not in str(refused.value)

    def test_a_full_model_must_be_served_by_somebody(self, server: AdapterServer, trained: Workspace) -> None:
        train(trained, method="full", output_name="whole")
        with pytest.raises(ServiceError, match="--served-model-name whole"):
            evaluate(trained, "whole")
        server.models.append("whole")
        assert evaluate(trained, "whole").n == 6

    def test_changed_weights_are_not_measured(self, server: AdapterServer, trained: Workspace) -> None:
        weights = trained.models_dir / "mine" / "adapter" / "adapter_model.safetensors"
        weights.chmod(0o644)
        weights.write_bytes(b"other")
        with pytest.raises(RefusedError, match=r"adapter_model\.safetensors"):
            evaluate(trained, "mine")
        assert server.ever == {}

    def test_a_changed_release_is_not_measured_but_a_recalled_row_is(
        self, trained: Workspace, server: AdapterServer
    ) -> None:
        seed = next(trained.ledger.events("seed.added")).subject
        trained.ledger.append([NewEvent("row.recalled", seed, {"release": "r000", "reason": "odd"})])
        assert evaluate(trained, "mine").n == 6
        (trained.releases_dir / "r000" / "README.md").unlink()
        with pytest.raises(RefusedError, match=r"README\.md"):
            evaluate(trained, "mine")

    def test_an_unknown_model_is_bad_input(self, trained: Workspace) -> None:
        with pytest.raises(InputError, match="did you mean 'mine'"):
            evaluate(trained, "mini")


class TestComparing:
    def test_a_clear_gain_is_better_and_the_other_way_worse(
        self, server: AdapterServer, trained: Workspace
    ) -> None:
        server.answer = lambda name, prompt: TRUTH[prompt] if name.startswith("mine") else "nothing"
        evaluate(trained)
        evaluate(trained, "mine")
        result = compare(trained, None, "mine")
        assert (result.outcome, result.gained, result.lost) == ("better", 6, 0)
        assert result.p_value == pytest.approx(2 / 2**6)
        assert result.difference == 1.0
        assert result.low > 0
        assert compare(trained, "mine", None).outcome == "worse"
        assert str(result).startswith("mine against base: better; accuracy +1.000")

    def test_a_small_gain_is_undecided(self, server: AdapterServer, trained: Workspace) -> None:
        server.answer = knowing("mine-")
        evaluate(trained)
        evaluate(trained, "mine")
        result = compare(trained, "base", "mine")
        assert (result.outcome, result.gained, result.lost) == ("undecided", 4, 0)
        assert result.p_value == pytest.approx(2 / 2**4)

    def test_what_was_not_measured_cannot_be_compared(self, trained: Workspace) -> None:
        evaluate(trained)
        with pytest.raises(InputError, match="run `seedgate eval mine`"):
            compare(trained, None, "mine")

    def test_what_was_measured_differently_cannot_be_compared(
        self, server: AdapterServer, trained: Workspace
    ) -> None:
        evaluate(trained)
        config = trained.root / "seedgate.toml"
        config.write_text(config.read_text().replace("# constrained = true", "constrained = false"))
        with Workspace(trained.root) as changed:
            evaluate(changed, "mine")
            with pytest.raises(RefusedError, match="were measured differently"):
                compare(changed, None, "mine")


class TestTrouble:
    def test_a_server_that_is_down(self, server: AdapterServer, trained: Workspace, monkeypatch: Any) -> None:
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", "http://127.0.0.1:9/v1")
        for model in (None, "mine"):
            with pytest.raises(ServiceError, match="no vLLM endpoint can be used") as failed:
                evaluate(trained, model)
            assert "seedgate up" in str(failed.value)

    def test_a_wrong_key(self, trained: Workspace, server: AdapterServer) -> None:
        server.api_key = "secret-key"
        for model in (None, "mine"):
            with pytest.raises(ServiceError, match="the API key was refused"):
                evaluate(trained, model)

    def test_a_model_that_is_not_served(self, server: AdapterServer, workspace: Workspace) -> None:
        server.models[:] = ["other"]
        with pytest.raises(ServiceError, match=r"model 'fake-135m' is not served \(served: other\)"):
            evaluate(workspace)

    def test_a_changed_evaluation_set(self, workspace: Workspace, server: AdapterServer) -> None:
        workspace.eval_path.write_text(workspace.eval_path.read_text().splitlines()[0] + "\n")
        with pytest.raises(RefusedError, match="is not what was locked"):
            evaluate(workspace)
        assert server.bodies == []

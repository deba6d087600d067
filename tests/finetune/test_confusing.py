"""Confusions and macro-F1: from the answers in the ledger, so of measurements that were made before there were any."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from seedgate.cli.app import app
from seedgate.finetune import confusion, evaluate, label_figures
from seedgate.finetune.confusing import macro_f1
from seedgate.finetune.figures import Confusion, Share
from seedgate.workspace import Workspace
from tests.fakes.adapter_server import AdapterServer
from tests.finetune.test_evaluating import TRUTH, ready, server, workspace

__all__ = ["ready", "server", "workspace"]  # fixtures

SAID = {"delivery": "delivery", "billing": " Delivery.", "account": "I cannot say"}
"""What the model says to rows of a label: right, another label in other letters, none of them."""


@pytest.fixture
def asked(server: AdapterServer, workspace: Workspace) -> Workspace:
    server.answer = lambda _, prompt: SAID[TRUTH[prompt]]
    return workspace


def test_each_answer_is_counted_at_its_label_and_what_is_none_is_outside(asked: Workspace) -> None:
    found = confusion(asked, evaluate(asked))
    assert found is not None
    assert found.labels == ("delivery", "billing", "account")
    assert found.counts == ((2, 0, 0, 0), (2, 0, 0, 0), (0, 0, 0, 2))
    assert found.macro_f1.value == pytest.approx((2 * 2 / (2 + 4) + 0 + 0) / 3)
    assert 0 <= found.macro_f1.low < found.macro_f1.value < found.macro_f1.high <= 1
    assert [tuple(each) for each in found.confused] == [
        ("billing", "delivery", 2, 2),
        ("account", "outside", 2, 2),
    ]


def test_it_needs_nothing_but_the_answers_that_an_older_measurement_left(asked: Workspace) -> None:
    result = evaluate(asked)
    head = asked.ledger.head()
    older = result.model_copy(update={"labels": {}, "outside": 0})
    assert confusion(asked, older) == confusion(asked, result) is not None
    assert asked.ledger.head() == head
    assert confusion(asked, result.model_copy(update={"eval_hash": "another"})) is None
    asked.eval_path.write_text("")
    assert confusion(asked, result) is None


def test_eval_says_what_is_confused_and_json_has_all(asked: Workspace) -> None:
    def run(*more: str) -> str:
        return CliRunner().invoke(app, ["eval", "-w", str(asked.root), *more], catch_exceptions=False).stdout

    shown = run()
    assert "most confused: billing as delivery (2 of 2), account as outside (2 of 2)" in shown
    assert "macro-F1 0.222 (95% interval " in shown
    data = json.loads(run("--json"))["confusion"]
    assert data["counts"] == [[2, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 2]]
    assert data["macro_f1"]["value"] == pytest.approx(2 / 9)


def test_each_label_has_precision_recall_and_f1(asked: Workspace) -> None:
    found = confusion(asked, evaluate(asked))
    assert found is not None
    figures = label_figures(found)
    delivery, billing = figures["delivery"], figures["billing"]
    assert (delivery.rows, delivery.answered) == (2, 4)
    assert delivery.precision is not None
    assert (delivery.precision.value, delivery.recall.value) == (0.5, 1.0)
    assert delivery.f1.value == pytest.approx(2 / 3)
    assert (billing.precision, billing.recall.value, billing.f1.value) == (None, 0.0, 0.0)
    shown = CliRunner().invoke(app, ["eval", "-w", str(asked.root)], catch_exceptions=False).stdout
    tables = shown.splitlines()
    assert tables[tables.index("") + 1].split() == ["label", "rows", "F1", "precision", "recall"]
    assert [line.split()[0] for line in tables[-3:]] == ["account", "billing", "delivery"], "weakest first"
    data = json.loads(
        CliRunner().invoke(app, ["eval", "--json", "-w", str(asked.root)], catch_exceptions=False).stdout
    )
    assert data["by_label"]["delivery"]["f1"]["value"] == pytest.approx(2 / 3)


def test_a_label_that_no_row_has_is_left_out_though_it_is_answered() -> None:
    share = Share(n=4, value=0.5, low=0.4, high=0.6)
    found = Confusion(labels=("a", "b"), counts=((3, 1, 0), (0, 0, 0)), macro_f1=share, confidence=0.95)
    assert list(label_figures(found)) == ["a"]
    assert label_figures(found)["a"].f1.value == pytest.approx(6 / 7)


@pytest.mark.parametrize("fixed", [True, False], ids=["rows of each label fixed", "rows drawn at random"])
def test_the_interval_of_a_label_s_f1_holds_with_three_rows_a_label(fixed: bool) -> None:
    rng = np.random.default_rng(1)
    labels, held = 20, []
    for _ in range(20):
        answers = 0.2 * rng.dirichlet([0.3] * labels, labels) + 0.8 * np.eye(labels)
        joint = answers / labels
        true = 2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))
        drawn = (
            [rng.multinomial(3, line) for line in answers]
            if fixed
            else rng.multinomial(3 * labels, joint.ravel()).reshape(labels, labels)
        )
        counts = tuple((*map(int, line), 0) for line in drawn)
        names = tuple(map(str, range(labels)))
        share = Share(n=1, value=0, low=0, high=0)
        figures = label_figures(Confusion(labels=names, counts=counts, macro_f1=share, confidence=0.95))
        held += [each.f1.low <= true[int(name)] <= each.f1.high for name, each in figures.items()]
    assert np.mean(held) > 0.93


def test_the_sentence_names_five_pairs_at_most_and_none_that_happened_once() -> None:
    def told(counts: list[list[int]]) -> str:
        labels = tuple("abcdefgh"[: len(counts)])
        share = Share(n=9, value=0.5, low=0.4, high=0.6)
        lines = tuple(map(tuple, counts))
        return str(Confusion(labels=labels, counts=lines, macro_f1=share, confidence=0.95))

    ring = [[9 if to == at else 2 + at if to == (at + 1) % 8 else 0 for to in range(9)] for at in range(8)]
    assert told(ring).endswith("d as e (5 of 14), and 3 more pairs")
    assert "h as a (9 of 18), g as h" in told(ring)
    assert told([[5, 1, 0], [0, 5, 1]]).endswith("no two labels confused more than once")


class TestMacroF1:
    def test_it_is_the_mean_over_the_labels_that_have_rows(self) -> None:
        counts = np.array([[3, 1, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0]])
        found = macro_f1(counts, 0.95)
        assert found.n == 8
        assert found.value == pytest.approx((2 * 3 / (4 + 5) + 2 * 2 / (4 + 3)) / 2)

    def test_its_interval_holds_about_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(4)
        answers = np.array([[0.8, 0.1, 0.1, 0.0], [0.1, 0.7, 0.1, 0.1], [0.0, 0.2, 0.8, 0.0]])
        right, said = np.diag(answers), answers.sum(axis=0)[:3]
        true = (2 * right / (1 + said)).mean()
        held = 0
        for _ in range(200):
            found = macro_f1(np.array([rng.multinomial(40, line) for line in answers]), 0.9)
            held += found.low <= true <= found.high
        assert 0.84 <= held / 200 <= 0.96

    def test_a_model_without_a_fault_has_no_width(self) -> None:
        found = macro_f1(np.array([[3, 0, 0], [0, 3, 0]]), 0.95)
        assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)

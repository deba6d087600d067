"""Leaks in meaning: what the lock fixes, what it catches, and that nothing later loosens it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes.embedding_server import FakeEmbeddings
from hypothesis import given
from hypothesis import strategies as st

from seedgate.errors import RefusedError
from seedgate.records import Example
from seedgate.seeds import LeakCheck, Meanings, check_workspace, lock, locked_bound
from seedgate.seeds.embedding import open_embedder
from seedgate.seeds.leakage import LEVEL, allowed, calibrated
from seedgate.task import Task
from seedgate.workspace import Workspace

Make = Callable[..., Workspace]

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["delivery", "billing"]})
LOCKED = "When will the teapot get here?"
PARAPHRASE = "What time is the teapot arriving?"


def message(text: str, label: str = "delivery") -> Example:
    return Example(fields={"text": text, "label": label})


def add_seed(ws: Workspace, text: str) -> None:
    with ws.seeds_path.open("a") as file:
        file.write(json.dumps({"text": text, "label": "delivery"}) + "\n")


class TestCalibration:
    @given(st.integers(2, 5000))
    def test_a_further_independent_text_is_flagged_with_one_percent_at_most(self, n: int) -> None:
        # It is as likely to have any rank among n + 1: above the threshold are `allowed` and one more.
        assert (allowed(n) + 1) / (n + 1) <= max(LEVEL, 1 / (n + 1)) + 1e-12

    def test_the_threshold_lies_above_all_but_the_allowed_rows(self) -> None:
        chance = np.random.default_rng(20)
        vectors = chance.standard_normal((400, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        bound = calibrated(vectors, "m")
        among = vectors @ vectors.T
        np.fill_diagonal(among, -1)
        over = int((among.max(1) >= bound.threshold).sum())
        assert over <= allowed(400)
        assert (bound.chosen, bound.alike) == ("measured", over / 400)
        assert bound.alike < bound.alike_high < 0.03

    def test_rows_far_apart_or_too_few_stay_at_the_floor(self) -> None:
        apart = np.eye(5, dtype=np.float32)
        assert calibrated(apart, "m").threshold == 0.75
        assert calibrated(apart[:1], "m").threshold == 0.75
        assert calibrated(apart[:0], "m").alike_high == 0.975

    def test_a_set_that_repeats_itself_makes_nothing_independent(self) -> None:
        bound = calibrated(np.ones((50, 1), np.float32), "m")
        assert (bound.threshold, bound.alike) == (0.99, 1.0)
        assert "100.0% of independent texts would" in str(bound)

    def test_a_threshold_of_the_policy_is_taken_and_measured(self) -> None:
        bound = calibrated(np.eye(100, dtype=np.float32), "m", 0.6)
        assert (bound.threshold, bound.chosen, bound.alike) == (0.6, "policy", 0.0)
        assert "named in [policy]" in str(bound)


class TestCheck:
    leaks = LeakCheck(TASK, [message(LOCKED)], 0.7, Meanings(TASK, open_embedder()))

    def test_a_paraphrase_in_other_words_leaks_whatever_its_label(self) -> None:
        leak = self.leaks.find(message(PARAPHRASE, "billing"))
        assert leak is not None
        assert (leak.kind, leak.row) == ("semantic", message(LOCKED).id)
        assert str(leak).endswith("of the evaluation set in meaning")

    @pytest.mark.parametrize(
        "text", ["The teapot arrived broken.", "When will the shop open?", "You charged me twice for it."]
    )
    def test_another_matter_does_not(self, text: str) -> None:
        assert self.leaks.find(message(text)) is None

    def test_letters_are_asked_first(self) -> None:
        for text, kind in ((LOCKED, "exact"), ("when will the teapot  get here", "near")):
            leak = self.leaks.find(message(text))
            assert leak is not None
            assert leak.kind == kind

    def test_prepared_or_not_the_answer_is_the_same(self) -> None:
        texts = [
            PARAPHRASE,
            "You charged me twice for it.",
            "Is the teapot here soon?",
            LOCKED,
            LOCKED.upper(),
        ]
        texts += [f"{LOCKED[:cut]} {PARAPHRASE[cut:]}" for cut in range(0, len(LOCKED), 3)]
        prepared = LeakCheck(TASK, [message(LOCKED)], 0.7, Meanings(TASK, open_embedder()))
        prepared.prepare([message(text) for text in texts])
        for text in texts:
            assert prepared.find(message(text)) == self.leaks.find(message(text))

    def test_more_than_memory_holds_can_be_asked_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seedgate.seeds.meaning.MOST_HELD", 4)
        meanings, rows = Meanings(TASK, open_embedder()), [message(f"Order {n} is late") for n in range(6)]
        meanings.prepare(rows[:3])
        assert len(meanings.held(rows[2:])) == 4
        assert len(meanings.held(rows)) == 6

    def test_without_rows_nothing_is_asked(self) -> None:
        class Never:
            identity = "never"

            def embed(self, texts: object) -> np.ndarray:
                raise AssertionError(texts)

        nothing = LeakCheck(TASK, [], 0.7, Meanings(TASK, Never()))
        nothing.prepare([message(LOCKED)])
        assert nothing.find(message(LOCKED)) is None
        assert nothing.bound is None


class TestLock:
    @pytest.fixture
    def ws(self, make_workspace: Make) -> Workspace:
        return make_workspace(locked=False)

    def test_it_records_model_and_threshold(self, ws: Workspace) -> None:
        report = lock(ws)
        event = ws.ledger.last("eval.locked")
        assert event is not None
        assert event.payload["semantic"] == {
            "model": "all-MiniLM-L6-v2@53aa51172d14",
            "threshold": 0.75,
            "chosen": "measured",
            "alike": 0.0,
            "alike_high": 0.4593,
        }
        assert report.semantic == locked_bound(ws.ledger) == lock(ws).semantic

    def test_a_seed_that_rephrases_a_locked_row_is_refused_and_shown(self, ws: Workspace) -> None:
        add_seed(ws, PARAPHRASE)
        finding = next(each for each in check_workspace(ws).errors if each.code == "overlap")
        assert finding.rows == ("seeds.jsonl:13", "eval.jsonl:1")
        assert "means the same as a row of the evaluation set (0." in finding.what
        assert repr(LOCKED) in finding.what
        with pytest.raises(RefusedError, match=r"seeds\.jsonl:13, eval\.jsonl:1: the seed means the same"):
            lock(ws)
        assert ws.ledger.last("eval.locked") is None

    def test_the_policy_may_name_another_threshold_before(self, make_workspace: Make) -> None:
        settings = {"policy": {"verified_seeds": 12, "min_eval": 6, "semantic_leak": 0.98}}
        ws = make_workspace(locked=False, settings=settings)
        add_seed(ws, PARAPHRASE)
        report = lock(ws)
        assert report.semantic is not None
        assert (report.semantic.threshold, report.semantic.chosen) == (0.98, "policy")

    def test_but_not_after(self, ws: Workspace) -> None:
        lock(ws)
        self.rewrite(ws, "[policy]", "[policy]\nsemantic_leak = 0.99")
        with Workspace(ws.root) as later:
            assert later.config.policy.semantic_leak == 0.99
            leaks = LeakCheck.for_workspace(later, [message(LOCKED)])
            assert leaks.find(message(PARAPHRASE)) is not None

    def test_nor_may_the_model_change(self, ws: Workspace) -> None:
        lock(ws)
        with FakeEmbeddings().serve() as fake:
            self.rewrite(ws, "[embeddings]", f'[embeddings]\nmodel = "tiny"\nurl = "{fake.url}"')
            with (
                Workspace(ws.root) as later,
                pytest.raises(RefusedError, match=r"locked with embeddings of all-MiniLM.*names served:tiny"),
            ):
                LeakCheck.for_workspace(later, [message(LOCKED)])
            assert fake.bodies == []

    def test_a_server_can_be_locked_with_and_may_move(self, make_workspace: Make) -> None:
        with FakeEmbeddings().serve() as first, FakeEmbeddings().serve() as second:
            settings = {
                "policy": {"verified_seeds": 12, "min_eval": 6},
                "embeddings": {"model": "tiny", "url": first.url},
            }
            ws = make_workspace(settings=settings)
            bound = locked_bound(ws.ledger)
            assert bound is not None
            assert bound.model == "served:tiny"
            self.rewrite(ws, first.url, second.url)
            with Workspace(ws.root) as later:
                leaks = LeakCheck.for_workspace(later, [message(LOCKED)])
                assert leaks.find(message("teapot get When the will here? ")) is not None
            assert second.bodies

    def rewrite(self, ws: Workspace, old: str, new: str) -> None:
        path = ws.root / "seedgate.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.mark.data
def test_rephrasings_by_an_llm_are_found_and_other_questions_are_not(data_dir: Path) -> None:
    lines = (data_dir / "gsm8k_rephrased" / "pairs.jsonl").read_text().splitlines()[:120]
    pairs = [json.loads(line) for line in lines]
    task = Task.from_config({"preset": "instruction", "name": "t"})
    rows = [Example(fields={"instruction": pair["original"], "input": "", "output": ""}) for pair in pairs]
    asked = [Example(fields={"instruction": pair["rephrased"], "input": "", "output": ""}) for pair in pairs]
    leaks = LeakCheck(task, rows[:60], 0.7, Meanings(task, open_embedder()))
    leaks.prepare(asked[:60] + rows[60:])
    assert sum(leaks.find(row) is not None for row in asked[:60]) >= 57
    assert sum(leaks.find(row) is not None for row in rows[60:]) <= 3

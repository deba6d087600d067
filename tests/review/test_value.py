"""What a candidate is worth before and after there are decisions to learn from."""

from __future__ import annotations

import random

import pytest

from seedgate.review.approval import LEAST, LEAST_EACH, learn
from seedgate.review.scored import Judged
from seedgate.review.value import value_of


def judged(
    amount: int, *, rejected: int | None = None, telling: bool = True, strategy: str = "few_shot"
) -> list[Judged]:
    """Decisions on candidates; where a score tells, it is low for rejected ones."""
    rng = random.Random(3)
    out = []
    for n in range(amount):
        approved = n >= (amount // 3 if rejected is None else rejected)
        score = (0.7 if approved and telling else 0.4) + rng.uniform(-0.25, 0.25)
        scores = {"label_agreement": score, "novelty": rng.random(), "fit": rng.random()}
        out.append(Judged(f"d{n}", approved, scores, None, strategy, 1, n % 5 == 0, False))
    return out


WAITING = {
    "sure": {"label_agreement": 0.99, "novelty": 0.1},
    "likely": {"label_agreement": 0.6, "novelty": 0.4},
    "middle": {"label_agreement": 0.5, "novelty": 0.4},
    "unlikely": {"label_agreement": 0.1, "novelty": 0.4},
    "wrong": {"label_agreement": 0.01, "novelty": 0.4},
}


class TestBeforeThereAreDecisions:
    def test_the_likelier_half_is_equally_likely_and_the_surest_of_it_the_least_new(self) -> None:
        values, how = value_of(WAITING, {}, [])
        assert values == pytest.approx(
            {"sure": 0.5 * 0.01, "likely": 0.5 * 0.4, "middle": 0.25, "unlikely": 0.09, "wrong": 0.0099}
        )
        assert "label agreement" in how

    def test_of_a_label_that_no_seed_has_nothing_is_known(self) -> None:
        values = value_of({**WAITING, "unseen": {"novelty": 0.4}}, {}, []).values
        assert values["unseen"] == pytest.approx(0.5)

    def test_nothing_is_ranked_without_a_label(self) -> None:
        assert value_of({"a": {"novelty": 0.3, "fit": 0.5}}, {}, []).values == {}

    def test_nothing_waits(self) -> None:
        assert value_of({}, {}, judged(60)).values == {}


class TestWithDecisions:
    def test_the_probability_of_approval_is_learnt(self) -> None:
        values, how = value_of(WAITING, {}, judged(90))
        chance = {id_: value / (1 - WAITING[id_]["label_agreement"]) for id_, value in values.items()}
        assert chance["likely"] > chance["middle"] > chance["unlikely"] > chance["wrong"]
        assert "learnt from 90 decisions" in how

    def test_without_labels_novelty_counts(self) -> None:
        known = [each._replace(scores={"fit": each.scores["label_agreement"]}) for each in judged(90)]
        waiting = {"near": {"fit": 0.6, "novelty": 0.1}, "far": {"fit": 0.6, "novelty": 0.3}}
        values, how = value_of(waiting, {}, known)
        assert values["far"] == pytest.approx(3 * values["near"], rel=0.01)
        assert how.endswith("x novelty")

    def test_a_strategy_that_reviewers_reject_counts_for_less(self) -> None:
        known = judged(60, rejected=10, telling=False) + judged(
            60, rejected=50, telling=False, strategy="evolve"
        )
        waiting = {"a": {"label_agreement": 0.5, "novelty": 0.5, "fit": 0.5}}
        alike = waiting | {"b": waiting["a"]}
        values = value_of(alike, {"a": "few_shot", "b": "evolve"}, known).values
        assert values["a"] > 2 * values["b"]

    def test_probabilities_are_calibrated(self) -> None:
        rng = random.Random(5)
        known = []
        for n in range(1000):
            score = rng.random()
            known.append(
                Judged(f"d{n}", rng.random() < score, {"label_agreement": score}, None, "s", 1, True, False)
            )
        model = learn(known)
        assert model is not None
        for wanted in (0.2, 0.5, 0.8):
            (chance,) = model.chances([{"label_agreement": wanted}], ["s"])
            assert chance == pytest.approx(wanted, abs=0.06)

    def test_too_few_teach_nothing(self) -> None:
        assert learn(judged(LEAST - 1)) is None
        assert learn(judged(90, rejected=LEAST_EACH - 1)) is None
        assert learn(judged(LEAST)) is not None

    def test_scores_that_tell_nothing_are_not_learnt_from(self) -> None:
        assert learn(judged(90, telling=False)) is None

    def test_a_score_that_is_missing_is_in_the_middle(self) -> None:
        model = learn(judged(90))
        assert model is not None
        low, none, high = model.chances([{"label_agreement": 0.2}, {}, {"label_agreement": 0.9}], [""] * 3)
        assert low < none < high

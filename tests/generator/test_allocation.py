"""Shares follow what is approved and new per expert second, within bounds, and each reason moves what it speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedgate.generator.allocation import LEAST, Allocation, Decided, allocate
from seedgate.generator.allocation.allocating import LABEL_LEAST, LABEL_MOST, STRATEGY_LEAST
from seedgate.generator.allocation.pooled import fit
from seedgate.generator.allocation.sharing import shares_of

EVEN = {"few_shot": 1.0, "evolve": 1.0, "contrast": 1.0}
LABELS = ("delivery", "billing", "account", "returns")


def decisions(
    chances: Mapping[str, float], number: int = 240, *, seed: int = 1, reason: str = "unnatural", **more: Any
) -> list[Decided]:
    """So many decided candidates, strategies and labels by turns, approved with their strategy's chance."""
    rng = Random(seed)
    names = list(chances)
    found = []
    for n in range(number):
        name, label = names[n % len(names)], LABELS[n // len(names) % len(LABELS)]
        fine = rng.random() < chances[name]
        found.append(
            Decided(
                name, label, 1, "approved" if fine else "rejected", () if fine else (reason,), True, **more
            )
        )
    return found


def shared(decided: Sequence[Decided], configured: Mapping[str, float] = EVEN, **more: Any) -> Allocation:
    return allocate(decided, configured, LABELS, cycle=2, key="shop", **more)


def label_of(allocation: Allocation, name: str) -> float:
    return next(each.weight for each in allocation.labels if each.name == name)


class TestStrategies:
    def test_what_is_approved_gets_more_and_the_rest_keeps_its_least(self) -> None:
        found = shared(decisions({"few_shot": 0.8, "evolve": 0.3, "contrast": 0.3}))
        assert found.how == "learnt"
        assert found.shares["few_shot"] > 0.8
        assert sum(found.shares.values()) == pytest.approx(1, abs=1e-3)
        assert min(found.shares.values()) >= STRATEGY_LEAST / 3 - 1e-4
        assert [each.bound for each in found.strategies] == ["", "least", "least"]

    def test_equal_ones_stay_about_where_they_are(self) -> None:
        found = shared(decisions(dict.fromkeys(EVEN, 0.5), 300))
        assert max(found.shares.values()) < 0.75

    def test_before_enough_is_decided_the_configuration_holds(self) -> None:
        found = shared(
            decisions({"few_shot": 1, "evolve": 0, "contrast": 0}, LEAST - 1), {"few_shot": 3, "evolve": 1}
        )
        assert (found.how, found.shares, found.weights) == (
            "configured",
            {"few_shot": 0.75, "evolve": 0.25},
            {},
        )
        assert f"{LEAST} are needed" in found.why

    def test_little_evidence_moves_shares_less_than_much(self) -> None:
        few, many = (
            shared(decisions({"few_shot": 0.8, "evolve": 0.4, "contrast": 0.4}, n)) for n in (45, 450)
        )
        assert 1 / 3 < few.shares["few_shot"] < many.shares["few_shot"]

    def test_edge_cases_keep_their_own_share_though_they_are_seldom_approved(self) -> None:
        configured = {"few_shot": 0.4, "evolve": 0.4, "edge_cases": 0.2}
        found = shared(decisions({"few_shot": 0.8, "evolve": 0.4, "edge_cases": 0.1}), configured)
        assert found.shares["edge_cases"] == pytest.approx(0.2, abs=1e-4)
        assert "keeps its own share" in str(next(s for s in found.strategies if s.name == "edge_cases"))

    def test_a_strategy_that_was_never_tried_is_tried(self) -> None:
        found = shared(decisions({"few_shot": 0.5, "evolve": 0.5}), {**EVEN})
        assert found.shares["contrast"] > STRATEGY_LEAST / 3

    def test_repetitions_count_as_approved_but_bring_nothing(self) -> None:
        told = [
            replace(each, novel=each.strategy != "evolve") for each in decisions(dict.fromkeys(EVEN, 0.7))
        ]
        found = shared(told)
        assert found.shares["evolve"] == pytest.approx(STRATEGY_LEAST / 3, rel=0.05)
        assert next(each for each in found.strategies if each.name == "evolve").new < 0.2

    def test_what_takes_experts_longer_is_worth_less(self) -> None:
        told = [
            replace(each, seconds=20.0 if each.outcome == "rejected" else 5.0)
            for each in decisions({"few_shot": 0.8, "evolve": 0.5, "contrast": 0.5})
        ]
        found = shared(told)
        best, other = found.strategies[0], found.strategies[-1]
        assert best.per_hour is not None
        assert other.per_hour is not None
        # Rejections cost time too: the rate per hour differs by more than approval does.
        assert best.per_hour / other.per_hour > best.approved / other.approved
        assert found.facts is not None
        assert found.facts["seconds"] == {"approved": 5.0, "edited": 5.0, "rejected": 20.0}

    def test_a_programs_pace_is_nobodys_time(self) -> None:
        found = shared(decisions(dict.fromkeys(EVEN, 0.5), seconds=0.01, simulated=True))
        assert found.facts is not None
        assert found.facts["seconds"] is None
        assert "SIMULATED" in found.why

    def test_shares_are_of_requests_and_bounds_of_candidates(self) -> None:
        told = decisions({"few_shot": 0.3, "contrast": 0.9})
        configured = {"few_shot": 0.5, "contrast": 0.5}
        alike = shared(told, configured)
        found = shared(told, configured, yields={"few_shot": 9.0, "contrast": 3.0})
        assert alike.shares["few_shot"] == pytest.approx(STRATEGY_LEAST / 2, abs=1e-3)
        # Three of four candidates were its; a fifth of that is .15 of the candidates, and its requests bring more.
        few, more = found.shares["few_shot"] * 9, found.shares["contrast"] * 3
        assert few / (few + more) == pytest.approx(0.15, abs=1e-3)


class TestReasons:
    """Two strategies and four labels, all alike but for rejections of `billing` by `evolve` with one reason."""

    def found(self, reason: str) -> Allocation:
        told = []
        rng = Random(3)
        for n in range(480):
            name, label = ("few_shot", "evolve")[n % 2], LABELS[n // 2 % 4]
            bad = (name, label) == ("evolve", "billing") and rng.random() < 0.9
            told.append(
                Decided(name, label, 1, "rejected" if bad else "approved", (reason,) if bad else (), True)
            )
        return shared(told, {"few_shot": 0.5, "evolve": 0.5})

    def test_a_wrong_label_counts_against_this_strategy_with_this_label(self) -> None:
        found = self.found("wrong_label")
        assert found.weights["evolve"]["billing"] == pytest.approx(LABEL_LEAST, abs=0.02)
        assert found.weights["few_shot"]["billing"] > found.weights["evolve"]["billing"] + 0.1
        said = next(str(each) for each in found.labels if each.name == "billing")
        assert "so more of it by few_shot" in said

    @pytest.mark.parametrize("reason", ["unnatural", "format"])
    def test_what_nobody_would_write_counts_against_the_strategy_alone(self, reason: str) -> None:
        found = self.found(reason)
        assert found.shares["evolve"] == pytest.approx(STRATEGY_LEAST / 2, rel=0.05)
        for weights in found.weights.values():
            assert min(weights.values()) > 0.7  # as certain as a wrong label, it would be at its least

    def test_a_repetition_counts_against_the_label_alone(self) -> None:
        found = self.found("duplicate")
        for weights in found.weights.values():
            assert weights["billing"] < 0.6
        assert abs(found.shares["evolve"] - 0.5) < 0.1

    def test_what_is_off_topic_counts_against_both(self) -> None:
        found = self.found("off_topic")
        assert found.shares["evolve"] < 0.4
        assert label_of(found, "billing") < 0.8

    def test_a_rejection_without_a_reason_counts_as_off_topic(self) -> None:
        def silent(told: Sequence[Decided]) -> list[Decided]:
            return [replace(each, reasons=()) for each in told]

        told = decisions({"few_shot": 0.8, "evolve": 0.4, "contrast": 0.4}, reason="off_topic")
        assert shared(silent(told)).shares == shared(told).shares


class TestLabels:
    def lopsided(self, number: int = 600) -> Allocation:
        """`delivery` is always approved, `returns` hardly ever."""
        rng, told = Random(5), []
        for n in range(number):
            label = LABELS[n % 4]
            bad = rng.random() < {"delivery": 0.0, "returns": 0.9}.get(label, 0.4)
            told.append(
                Decided("few_shot", label, 1, "rejected" if bad else "approved", ("wrong_label",) * bad, True)
            )
        return shared(told, {"few_shot": 1.0})

    def test_cheap_labels_get_more_but_none_loses_its_cover(self) -> None:
        weights = self.lopsided().weights["few_shot"]
        assert weights["delivery"] == pytest.approx(LABEL_MOST, rel=0.02)
        assert weights["returns"] == pytest.approx(LABEL_LEAST, rel=0.02)
        assert np.mean(list(weights.values())) == pytest.approx(1, abs=1e-3)
        assert {each.bound for each in self.lopsided().labels if each.name == "returns"} == {"least"}

    def test_only_strategies_that_are_steered_have_weights(self) -> None:
        names = {"few_shot": 1.0, "coverage_gaps": 1.0, "edge_cases": 1.0, "mine.py:ask": 1.0}
        assert set(shared(decisions(dict.fromkeys(names, 0.5)), names).weights) == {"few_shot"}

    def test_without_labels_only_strategies_are_shared_out(self) -> None:
        told = [
            replace(each, label="") for each in decisions({"few_shot": 0.9, "evolve": 0.3, "contrast": 0.3})
        ]
        found = allocate(told, EVEN, [], cycle=2, key="shop")
        assert found.shares["few_shot"] > 0.7
        assert (found.weights, found.labels) == ({}, ())


class TestBiasedSamples:
    def test_ranked_ones_do_not_mislead_where_the_random_slice_speaks_for_the_rest(self) -> None:
        """Of `evolve` only the good ones were ranked high, so its decided ones look better than they are."""
        told = [Decided("few_shot", LABELS[n % 4], 1, "approved", (), True) for n in range(60)]
        told += [Decided("few_shot", LABELS[n % 4], 1, "rejected", ("unnatural",), True) for n in range(40)]
        told += [Decided("evolve", LABELS[n % 4], 1, "approved", (), True) for n in range(60)]
        drawn = [Decided("evolve", LABELS[n % 4], 1, "rejected", ("unnatural",), True) for n in range(16)]
        drawn += [Decided("evolve", LABELS[n % 4], 1, "approved", (), True) for n in range(4)]
        drawn += [Decided("few_shot", LABELS[n % 4], 1, "approved", (), True) for n in range(12)]
        drawn += [Decided("few_shot", LABELS[n % 4], 1, "rejected", ("unnatural",), True) for n in range(8)]
        configured = {"few_shot": 0.5, "evolve": 0.5}
        naive = shared([*told, *drawn], configured)
        honest = shared([*told, *(replace(each, weight=5.0) for each in drawn)], configured)
        assert naive.shares["evolve"] > 0.5 > honest.shares["evolve"]
        assert honest.facts is not None
        assert honest.facts["weighted"] == len(drawn)
        assert "stand for what was left out" in honest.why


class TestWhole:
    @settings(max_examples=12)
    @given(seed=st.integers(0, 10_000), number=st.integers(0, 120), share=st.floats(0.05, 20))
    def test_bounds_hold_whatever_was_decided(self, seed: int, number: int, share: float) -> None:
        rng = Random(seed)
        names = ["few_shot", "contrast", "edge_cases"]
        told = [
            Decided(
                rng.choice(names),
                rng.choice(LABELS),
                rng.randint(1, 3),
                rng.choice(["approved", "edited", "rejected"]),
                tuple(
                    rng.sample(
                        ["wrong_label", "unnatural", "duplicate", "off_topic", "other"], rng.randint(0, 2)
                    )
                ),
                rng.choice([True, False, None]),
                rng.choice([None, rng.expovariate(0.1)]),
                rng.choice([1.0, 3.0]),
            )
            for _ in range(number)
        ]
        configured = dict(zip(names, (share, 1.0, 0.5), strict=True))
        found = shared(told, configured)
        whole = sum(configured.values())
        assert sum(found.shares.values()) == pytest.approx(1, abs=1e-3)
        for name, part in configured.items():
            assert found.shares[name] >= STRATEGY_LEAST * part / whole - 1e-3
        assert found.shares["edge_cases"] == pytest.approx(0.5 / whole, abs=1e-3)
        for weights in found.weights.values():
            assert np.mean(list(weights.values())) == pytest.approx(1, abs=1e-3)
            assert min(weights.values()) >= LABEL_LEAST - 1e-3
            assert max(weights.values()) <= LABEL_MOST + 1e-3

    def test_the_same_decisions_give_the_same_shares(self) -> None:
        told = decisions({"few_shot": 0.6, "evolve": 0.5, "contrast": 0.4})
        assert shared(told) == shared(told)

    def test_the_ledger_gives_back_what_it_was_told(self) -> None:
        found = shared(decisions({"few_shot": 0.6, "evolve": 0.5, "contrast": 0.4}))
        assert Allocation.of(found.payload()) == found


class TestPooled:
    def test_groups_with_little_data_are_drawn_to_the_others(self) -> None:
        yes, of = np.array([80.0, 82.0, 1.0]), np.array([100.0, 100.0, 2.0])
        found = fit(yes, of, [np.arange(3)]).draws(2000, np.random.default_rng(1)).mean(0)
        assert found[:2] == pytest.approx([0.8, 0.82], abs=0.03)
        assert found[2] > 0.65

    def test_groups_that_surely_differ_are_left_apart(self) -> None:
        yes, of = np.array([90.0, 50.0, 10.0]), np.full(3, 100.0)
        model = fit(yes, of, [np.arange(3)])
        found = model.draws(4000, np.random.default_rng(1))
        assert found.mean(0) == pytest.approx([0.9, 0.5, 0.1], abs=0.03)
        assert model.spreads[0] >= 1
        # About as uncertain as the shares of 100.
        assert found.std(0) == pytest.approx([0.03, 0.05, 0.03], abs=0.01)


class TestSharesOf:
    def test_known_rates_fill_the_best_first(self) -> None:
        rates = np.array([[1.0, 3.0, 2.0]])
        found = shares_of(rates, np.full(3, 0.1), np.array([1.0, 0.5, 1.0]))
        assert found == pytest.approx([0.1, 0.5, 0.4])

    def test_an_arm_gets_as_much_as_it_is_likely_to_be_best(self) -> None:
        rates = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])
        assert shares_of(rates, np.zeros(2), np.ones(2)) == pytest.approx([0.75, 0.25])

"""The error bound: exact where the answer is known, monotone, and right as often as it says, whenever one looks."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from seedgate.review.bound import (
    FEWER_WRONG,
    BadControls,
    Cell,
    Stratum,
    bounds_by_found,
    log_evidence,
    sensitivity_cells,
    wrong_rows,
)
from seedgate.review.likelihood import found_given_wrong
from seedgate.review.more_reviews import more_reviews, next_stratum

CERTAIN = Cell(1.0, math.log(20))


def probability(size: int, seen: int, found: int, wrong: int, sensitivity: Fraction) -> Fraction:
    """To find so many, by counting: the other way round than the code does it."""
    out = Fraction(0)
    for caught in range(wrong + 1):  # of all wrong rows, these would be found if they were drawn
        if found <= caught and seen - found <= size - caught:
            thinned = comb(wrong, caught) * sensitivity**caught * (1 - sensitivity) ** (wrong - caught)
            out += thinned * Fraction(comb(size - seen, caught - found), comb(size, caught))
    return out * comb(seen, found)


class TestLikelihood:
    @pytest.mark.parametrize("sensitivity", [Fraction(1), Fraction(7, 10), Fraction(1, 4)])
    def test_it_is_what_counting_gives(self, sensitivity: Fraction) -> None:
        size, seen = 9, 5
        logs = found_given_wrong(size, seen, seen, np.array([float(sensitivity)]))
        for found, wrong in product(range(seen + 1), range(size + 1)):
            exact = float(probability(size, seen, found, wrong, sensitivity))
            assert math.exp(logs[found, 0, wrong]) == pytest.approx(exact, abs=1e-12)

    def test_whatever_may_be_found_adds_up_to_one(self) -> None:
        logs = found_given_wrong(30, 12, 12, np.array([1.0, 0.6]))
        assert np.exp(logs).sum(axis=0) == pytest.approx(np.ones((2, 31)))

    @pytest.mark.parametrize("low", [1.0, 0.7])
    def test_the_evidence_is_one_on_average_under_its_hypothesis(self, low: float) -> None:
        size, seen = 20, 8
        cell = Cell(low, 0.0)
        stratum = Stratum(size, seen, seen)
        evidence = np.exp(log_evidence(stratum, [cell])).sum(axis=0)[:, 0]
        chances = np.exp(found_given_wrong(size, seen, seen, np.array([low])))[:, 0]
        average = (chances * np.where(chances > 0, evidence, 0.0)).sum(axis=0)
        assert (average <= 1 + 1e-9).all()
        if low < 1:  # then from here on nothing is impossible
            assert average[seen:] == pytest.approx(1)

    @pytest.mark.parametrize("sensitivity", [0.7, 0.72, 0.9])
    def test_the_lowest_sensitivity_of_a_cell_stands_for_higher_ones(self, sensitivity: float) -> None:
        size, seen = 20, 8
        evidence = np.exp(log_evidence(Stratum(size, seen, seen), [Cell(0.7, 0.0)])).sum(axis=0)[:, 0]
        least = np.minimum.accumulate(evidence, axis=0)  # what excludes a number whatever was really found
        chances = np.exp(found_given_wrong(size, seen, seen, np.array([sensitivity])))[:, 0]
        assert ((chances * np.where(chances > 0, least, 0.0)).sum(axis=0) <= 1 + 1e-9).all()


class TestKnownCases:
    def test_the_probabilities_of_many_finds_do_not_vanish(self) -> None:
        exact = next(m for m in range(1500, 0, -1) if hypergeom(3000, m, 2000).cdf(400) > 0.05) - 400
        assert wrong_rows([Stratum(3000, 2000, 400)], None) >= exact

    @pytest.mark.parametrize("found", [0, 1, 9])
    def test_where_all_were_judged_by_somebody_who_misses_nothing_none_is_left(self, found: int) -> None:
        assert wrong_rows([Stratum(50, 50, found)], None) == 0
        assert wrong_rows([Stratum(20, 20, found), Stratum(30, 30)], None) == 0

    def test_what_was_found_and_is_still_there_is_left(self) -> None:
        assert wrong_rows([Stratum(50, 50, found=6, kept=2)], None) == 2
        assert wrong_rows([Stratum(20, 20, 4, 1), Stratum(30, 30, 2, 1)], None) == 2

    @pytest.mark.parametrize(("size", "seen"), [(200, 40), (1000, 300), (90, 80)])
    def test_without_a_find_it_has_a_closed_form(self, size: int, seen: int) -> None:
        def evidence(wrong: int) -> float:
            chance = Fraction(comb(size - wrong, seen), comb(size, seen))
            return sum(w * (1 - c * wrong / size) ** seen for c, w in FEWER_WRONG) / float(chance or 1e-300)

        excluded = next(m for m in range(size + 1) if evidence(m) >= 20)
        assert wrong_rows([Stratum(size, seen)], None) == excluded - 1

    def test_nothing_judged_means_that_all_may_be_wrong(self) -> None:
        assert wrong_rows([], None) == 0
        assert wrong_rows([Stratum(40)], None) == 40
        assert wrong_rows([Stratum(40), Stratum(10, 10)], None) == 40

    def test_an_unknown_re_reviewer_proves_nothing(self) -> None:
        assert sensitivity_cells([]) is None
        assert sensitivity_cells([BadControls(3, 3)]) is None
        assert wrong_rows([Stratum(100, 100, 5)], []) == 95
        assert wrong_rows([Stratum(100, 100)], [BadControls(50, 49), BadControls(0, 0)]) == 100

    def test_strata_together_are_what_trying_every_split_gives(self) -> None:
        strata = [Stratum(25, 10, 1), Stratum(15, 9, 0), Stratum(12, 4, 1, 1)]
        evidence = [log_evidence(s, [CERTAIN])[:, :, 0] for s in strata]  # [alternative, found, wrong]
        best = []
        for j, (_, weight) in enumerate(FEWER_WRONG):
            sums = {0: 0.0}  # wrong rows left to the least evidence against it
            for stratum, own in zip(strata, evidence, strict=True):
                grown: dict[int, float] = {}
                for (left, so_far), found, wrong in product(
                    sums.items(), range(stratum.found + 1), range(stratum.size + 1)
                ):
                    key = left + wrong - max(found - stratum.kept, 0)
                    each = so_far + own[j, found, wrong] - math.log(weight)
                    grown[key] = min(grown.get(key, math.inf), each)
                sums = grown
            best.append(max(n for n, e in sums.items() if e < CERTAIN.threshold - math.log(weight)))
        assert min(best) <= wrong_rows(strata, None) <= min(best) + 1


counts = st.integers(1, 60).flatmap(
    lambda size: st.integers(1, size).flatmap(
        lambda seen: st.integers(0, min(seen - 1, 6)).map(lambda found: Stratum(size, seen, found))
    )
)
answers = st.integers(20, 80).flatmap(
    lambda n: st.integers(0, n // 2).map(lambda missed: BadControls(n, n - missed))
)


class TestMonotone:
    @settings(max_examples=40, deadline=None)
    @given(stratum=counts, controls=answers)
    def test_more_found_and_kept_never_lowers_it(self, stratum: Stratum, controls: BadControls) -> None:
        before = wrong_rows([stratum], [controls])
        found = Stratum(stratum.size, stratum.seen, stratum.found + 1, stratum.kept)
        assert wrong_rows([found], [controls]) >= before or wrong_rows([found], [controls]) == (
            stratum.size - found.found
        )
        kept = Stratum(stratum.size, stratum.seen, stratum.found + 1, stratum.kept + 1)
        assert wrong_rows([kept], [controls]) >= before

    @settings(max_examples=40, deadline=None)
    @given(stratum=counts, controls=answers)
    @example(stratum=Stratum(55, 13), controls=BadControls(57, 57))
    def test_a_re_reviewer_who_misses_more_never_lowers_it(
        self, stratum: Stratum, controls: BadControls
    ) -> None:
        worse = BadControls(controls.answered, controls.caught - 1)
        assert wrong_rows([stratum], [worse]) >= wrong_rows([stratum], [controls])
        assert wrong_rows([stratum], [controls, worse]) >= wrong_rows([stratum], [controls])
        assert wrong_rows([stratum], [controls], harder=2) >= wrong_rows([stratum], [controls])
        assert wrong_rows([stratum], [controls]) >= wrong_rows([stratum], None)

    @settings(max_examples=30, deadline=None)
    @given(first=counts, second=counts)
    def test_more_rows_in_another_stratum_never_lower_it(self, first: Stratum, second: Stratum) -> None:
        assert wrong_rows([first, second], None) >= wrong_rows([first], None) - first.found


@cache
def bounds(seen: int, missed: int) -> np.ndarray:
    """By number found, as many as there can be in these histories; twice as many controls as re-reviews."""
    cells = sensitivity_cells([BadControls(2 * seen, 2 * seen - missed)])
    size = TestCoverage.SIZE
    return np.array([size] * 13 if cells is None else bounds_by_found(Stratum(size, seen, 12), cells))


class TestCoverage:
    """Somebody looks after every 20 re-reviews, and is believed at the worst moment."""

    SIZE, ROUNDS, LOOKS = 150, 4000, (20, 40, 60, 80)

    def history(self, wrong: int, sensitivity: float) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(7)
        left, seen = np.full(self.ROUNDS, wrong), 0
        found, missed = [np.zeros(self.ROUNDS, int)], [np.zeros(self.ROUNDS, int)]
        for look in self.LOOKS:
            hit = rng.hypergeometric(left, self.SIZE - seen - left, look - seen)
            left = left - hit
            found.append(found[-1] + rng.binomial(hit, sensitivity))
            missed.append(missed[-1] + rng.binomial(2 * (look - seen), 1 - sensitivity, self.ROUNDS))
            seen = look
        return np.stack(found[1:]), np.stack(missed[1:])

    @pytest.mark.parametrize(("wrong", "sensitivity"), [(6, 0.9), (12, 0.9), (12, 0.7)])
    def test_it_fails_in_at_most_five_of_a_hundred(self, wrong: int, sensitivity: float) -> None:
        found, missed = self.history(wrong, sensitivity)
        failed = np.zeros(self.ROUNDS, bool)
        for look, ds, ms in zip(self.LOOKS, found, missed, strict=True):
            for each in np.unique(ms):
                failed |= (ms == each) & (bounds(look, int(each))[ds] < wrong - ds)
        assert binomtest(int(failed.sum()), self.ROUNDS, 0.05, alternative="greater").pvalue > 0.01

    def test_a_bound_for_one_look_would_fail_this_test(self) -> None:
        found, _ = self.history(40, 1.0)
        failed = np.zeros(self.ROUNDS, bool)
        for look, ds in zip(self.LOOKS, found, strict=True):
            failed |= hypergeom(self.SIZE, 40, look).cdf(ds) <= 0.05
        assert binomtest(int(failed.sum()), self.ROUNDS, 0.05, alternative="greater").pvalue < 1e-6


class TestMoreReviews:
    @settings(max_examples=50)
    @given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), draws=st.integers(1, 100))
    def test_every_stratum_is_drawn_from_at_the_same_rate(self, sizes: list[int], draws: int) -> None:
        drawn = [(size, 0) for size in sizes]
        for _ in range(min(draws, sum(sizes))):
            at = next_stratum(drawn)
            assert at is not None
            drawn[at] = (drawn[at][0], drawn[at][1] + 1)
        assert all(
            abs(n / size - m / other) <= 1 / size + 1 / other
            for (size, n), (other, m) in product(drawn, drawn)
        )
        assert (next_stratum(drawn) is None) == (sum(n for _, n in drawn) == sum(sizes))

    def test_it_says_how_many_would_do_and_that_number_does(self) -> None:
        controls = [BadControls(80, 76)]
        found = more_reviews([Stratum(300, 30, 1)], controls, lambda wrong, rows: wrong <= 0.05 * rows)
        assert found.least is not None
        assert found.probable is not None
        assert found.least <= found.probable <= found.rows == 270
        assert wrong_rows([Stratum(300, 30 + found.least, 1)], controls) <= 0.05 * 299
        assert wrong_rows([Stratum(300, 29 + found.least, 1)], controls) > 0.05 * 299

    def test_it_never_asks_for_more_than_exist(self) -> None:
        out_of_reach = more_reviews([Stratum(50, 40, 3)], None, lambda wrong, rows: wrong < 0)
        assert out_of_reach == (None, None, 10)

"""The smallest difference that an evaluation set can show."""

import pytest

from seedgate.seeds import smallest_difference


def test_150_items_show_about_ten_points() -> None:
    assert smallest_difference(150) == pytest.approx(0.10, abs=0.005)


def test_it_solves_connors_formula() -> None:
    # Connor 1987 as printed: n = (1.96 sqrt(s) + 0.8416 sqrt(s - d^2))^2 / d^2, here for s = .2 and d = .1.
    n = (1.959964 * 0.2**0.5 + 0.841621 * (0.2 - 0.01) ** 0.5) ** 2 / 0.01
    assert n == pytest.approx(154.6, abs=0.2)
    assert smallest_difference(155) == pytest.approx(0.1, abs=0.001)


def test_more_items_show_less_and_more_disagreement_hides_more() -> None:
    shown = [
        smallest_difference(n, discordant=s) or 2
        for n, s in ((5000, 0.2), (500, 0.2), (150, 0.1), (150, 0.4))
    ]
    assert shown == sorted(shown)
    assert shown[-1] < 1


def test_where_few_items_must_all_disagree_the_difference_is_that_share() -> None:
    shown = smallest_difference(20)
    assert shown is not None
    assert 0.2 < shown < 1


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_items_show_nothing(n: int) -> None:
    assert smallest_difference(n) is None


@pytest.mark.parametrize("n", [100, 150, 400])
def test_the_test_it_plans_for_has_the_power_it_promises(n: int) -> None:
    import numpy as np

    difference = smallest_difference(n)
    assert difference is not None
    chance = np.random.default_rng(5)
    better, worse = (0.2 + difference) / 2, (0.2 - difference) / 2
    wins, losses, _ = chance.multinomial(n, [better, worse, 0.8], size=20_000).T
    significant = (wins - losses) ** 2 > 1.959964**2 * (wins + losses)
    # The approximation is a little careful where n is small: .83 at 100, .82 at 150.
    assert 0.79 <= significant.mean() <= 0.85

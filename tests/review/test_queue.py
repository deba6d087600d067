"""Who is asked about what: the order of a wave, its random slice, and the share of each reviewer."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from seedgate.review.queue import Place, Waiting, as_in_waves, choose, reviewers_left, spread
from tests.review.evidence_making import EARLIER, a_round, a_verdict, facts

TWO = a_round(1, quorum=2)
EVERYBODY = ("anna", "ben", "cleo")


def waiting(number: int, label: str = "", *, needs: int = 1, begun: bool = False) -> Waiting:
    return Waiting(f"c{number}", label, needs, EVERYBODY, begun)


class TestTheWave:
    @given(
        st.lists(st.sampled_from("xyz"), max_size=60),
        st.integers(1, 40),
        st.floats(0, 1),
        st.integers(0, 10**6),
    )
    def test_is_as_large_as_it_can_be_and_shows_nothing_twice(
        self, labels: list[str], size: int, share: float, seed: int
    ) -> None:
        queue = [waiting(n, label) for n, label in enumerate(labels)]
        wave = choose(queue, size, share, random.Random(seed))
        ids = [place.waiting.candidate_id for place in wave]
        assert len(ids) == len(set(ids)) == min(size, len(queue))
        assert sum(place.why == "random" for place in wave) == round(len(wave) * share)

    def test_takes_labels_in_turn(self) -> None:
        queue = [waiting(n, "common") for n in range(50)] + [waiting(n, "rare") for n in range(50, 55)]
        wave = choose(queue, 10, 0.0, random.Random(1))
        assert Counter(place.waiting.label for place in wave) == {"common": 5, "rare": 5}

    def test_finishes_what_was_begun_first(self) -> None:
        queue = [waiting(n) for n in range(50)] + [waiting(99, begun=True)]
        wave = choose(queue, 1, 0.0, random.Random(1))
        assert [place.waiting.candidate_id for place in wave] == ["c99"]

    def test_draws_its_random_slice_from_all_that_wait(self) -> None:
        queue = [waiting(n, begun=n < 5) for n in range(20)]
        drawn = Counter(
            place.waiting.candidate_id
            for seed in range(400)
            for place in choose(queue, 5, 0.4, random.Random(seed))
            if place.why == "random"
        )
        assert len(drawn) == 20
        assert max(drawn.values()) < 2.5 * min(drawn.values())


class TestOrderByValue:
    def test_labels_still_take_turns(self) -> None:
        queue = [waiting(n, "dear") for n in range(20)] + [waiting(n, "cheap") for n in range(20, 40)]
        values = {each.candidate_id: 1.0 if each.label == "dear" else 0.1 for each in queue}
        wave = choose(queue, 10, 0.0, random.Random(1), values)
        assert Counter(place.waiting.label for place in wave) == {"dear": 5, "cheap": 5}

    def test_within_a_label_the_best_come_first(self) -> None:
        queue = [waiting(n, "xy"[n % 2]) for n in range(40)]
        values = {f"c{n}": n / 40 for n in range(40)}
        wave = choose(queue, 6, 0.0, random.Random(1), values)
        assert {place.waiting.candidate_id for place in wave} == {f"c{n}" for n in range(34, 40)}

    def test_what_was_begun_comes_before_any_value(self) -> None:
        queue = [waiting(n) for n in range(50)] + [waiting(99, begun=True)]
        wave = choose(queue, 1, 0.0, random.Random(1), {f"c{n}": 1.0 for n in range(50)})
        assert [place.waiting.candidate_id for place in wave] == ["c99"]

    @given(
        st.lists(st.sampled_from("xyz"), max_size=40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99)
    )
    def test_the_random_slice_is_the_same_whatever_the_values(
        self, labels: list[str], size: int, share: float, seed: int
    ) -> None:
        queue = [waiting(n, label) for n, label in enumerate(labels)]
        values = {each.candidate_id: random.Random(n).random() for n, each in enumerate(queue)}
        plain, ranked = (choose(queue, size, share, random.Random(seed), v) for v in ({}, values))
        for wave in (plain, ranked):
            assert len({place.waiting.candidate_id for place in wave}) == min(size, len(queue))
        drawn = [{p.waiting.candidate_id for p in wave if p.why == "random"} for wave in (plain, ranked)]
        assert drawn[0] == drawn[1]

    @given(st.lists(st.sampled_from("xyz"), max_size=40), st.floats(0, 1), st.integers(0, 99))
    def test_what_controls_are_made_of_is_in_the_order_of_waves(
        self, labels: list[str], share: float, seed: int
    ) -> None:
        queue = [waiting(n, label) for n, label in enumerate(labels)]
        order = as_in_waves(queue, share, random.Random(seed), {f"c{n}": n for n in range(20)})
        assert sorted(order, key=lambda each: int(each.candidate_id[1:])) == queue


class TestReviewers:
    def test_share_the_work(self) -> None:
        shares = spread([Place(waiting(n, needs=2), "ranked") for n in range(30)])
        assert {name: len(places) for name, places in shares.items()} == dict.fromkeys(EVERYBODY, 20)

    def test_who_has_answered_or_still_may_is_not_asked_again(self) -> None:
        found = facts(a_verdict(TWO, "anna"), rounds=(TWO,), asked=("ben",))
        assert reviewers_left(found, reviewers=EVERYBODY, quorum=2) == (0, ())
        assert reviewers_left(found, reviewers=EVERYBODY, quorum=3) == (1, ("cleo",))

    def test_who_skipped_it_is_not_asked_again(self) -> None:
        found = facts(rounds=(TWO,), asked=("ben",))
        skipped = replace(found, skipped=frozenset(found.assignments))
        assert reviewers_left(skipped, reviewers=EVERYBODY, quorum=2) == (2, ("anna", "cleo"))

    def test_nobody_is_asked_in_vain(self) -> None:
        found = facts(rounds=(TWO,), asked=("ben",))
        skipped = replace(found, skipped=frozenset(found.assignments))
        assert reviewers_left(skipped, reviewers=("anna", "ben"), quorum=2) == (0, ())

    def test_whose_answer_cannot_count_is_asked_again(self) -> None:
        unclear = a_verdict(TWO, "anna").model_copy(update={"problem": "malformed"})
        assert reviewers_left(facts(unclear, rounds=(TWO,)), reviewers=EVERYBODY, quorum=1)[1] == EVERYBODY
        earlier = a_round(1, guideline=EARLIER)
        stale = facts(a_verdict(earlier, "anna"), rounds=(earlier,), asked=("ben",))
        assert reviewers_left(stale, reviewers=EVERYBODY, quorum=3) == (3, EVERYBODY)

    def test_who_edited_has_been_asked(self) -> None:
        edit = a_verdict(TWO, "anna", "edit", candidate="0" * 64, corrected_hash="c" * 64)
        assert reviewers_left(facts(edit, rounds=(TWO,)), reviewers=EVERYBODY, quorum=2) == (
            1,
            ("ben", "cleo"),
        )

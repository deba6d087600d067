"""Near-duplicate lookup: exact where it answers, and it misses almost nothing at the threshold."""

import random
import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.seeds import NearIndex, near
from seedgate.seeds.near import fold, grams, jaccard

WORDS = [
    "".join(random.Random(n).choices(string.ascii_lowercase, k=random.Random(n).randint(2, 9)))
    for n in range(3000)
]


def sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(4, 30)))


def perturbed(text: str, chance: random.Random) -> str:
    """The text after a few random edits of words and letters."""
    words = text.split()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(words))
        edit = chance.choice(["replace", "drop", "add", "swap", "letter"])
        if edit == "replace":
            words[at] = chance.choice(WORDS)
        elif edit == "drop" and len(words) > 2:
            del words[at]
        elif edit == "add":
            words.insert(at, chance.choice(WORDS))
        elif edit == "swap":
            words[at], words[-1] = words[-1], words[at]
        else:
            words[at] = words[at][:-1] + chance.choice(string.ascii_lowercase)
    return " ".join(words)


# -- the measure -------------------------------------------------------------------------------------


def test_case_and_white_space_do_not_count() -> None:
    assert fold("  Where\tIS \n it? ") == "where is it?"
    assert jaccard("Where is it?", " where  IS it? ") == 1
    assert jaccard("STRASSE", "straße") == 1
    assert jaccard("cafe\u0301 au lait", "café au lait") == 1


def test_the_measure_is_the_overlap_of_five_letter_pieces() -> None:
    # abcde bcdef cdefg against bcdef cdefg defgh: two of four in common.
    assert jaccard("abcdefg", "bcdefgh") == 0.5
    assert jaccard("abcdefg", "uvwxyz") == 0


@pytest.mark.parametrize("text", ["", " ", "a", "ok", "four"])
def test_a_short_text_is_its_own_only_piece(text: str) -> None:
    assert grams(text) == {fold(text)}
    assert jaccard(text, text) == 1
    assert jaccard(text, "something longer") == 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_measure_is_symmetric_and_between_nought_and_one(a: str, b: str) -> None:
    assert jaccard(a, b) == jaccard(b, a)
    assert 0 <= jaccard(a, b) <= 1
    assert jaccard(a, a) == 1


# -- the index ---------------------------------------------------------------------------------------


def test_an_empty_index_knows_nothing() -> None:
    index = NearIndex(0.7)
    assert index.nearest("x") is None
    assert index.all_near("x") == []
    assert index.nearest_any("x") is None
    assert len(index) == 0


@pytest.mark.parametrize("threshold", [0, -1, 1.01])
def test_a_threshold_outside_its_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 and at most 1"):
        NearIndex(threshold)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8), st.text(max_size=20))
def test_what_is_returned_is_exact_and_at_or_over_the_threshold(texts: list[str], wanted: str) -> None:
    index = NearIndex(0.5)
    for number, text in enumerate(texts):
        index.add(str(number), text)
    found = index.all_near(wanted)
    assert found == sorted(found, key=lambda pair: (-pair[1], int(pair[0])))
    for key, likeness in found:
        assert likeness == jaccard(texts[int(key)], wanted) >= 0.5
    assert index.nearest(wanted) == (found[0] if found else None)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6), st.data())
def test_the_same_text_is_always_found_however_short(texts: list[str], data: st.DataObject) -> None:
    index = NearIndex(1)
    for number, text in enumerate(texts):
        index.add(str(number), text)
    wanted = data.draw(st.sampled_from(texts))
    found = index.nearest(wanted.upper().lower())
    same = [str(n) for n, text in enumerate(texts) if jaccard(text, wanted.upper().lower()) == 1]
    assert found == ((same[0], 1.0) if same else None)


@given(st.lists(st.text("abc ", max_size=12), min_size=1, max_size=10), st.text("abc ", max_size=12))
def test_the_nearest_of_all_is_the_one_that_comparing_with_each_finds(texts: list[str], wanted: str) -> None:
    index = NearIndex(0.7)
    for number, text in enumerate(texts):
        index.add(str(number), text)
    by_hand = [(jaccard(text, wanted), -number) for number, text in enumerate(texts)]
    likeness, number = max(by_hand)
    assert index.nearest_any(wanted) == ((str(-number), likeness) if likeness > 0 else None)


def test_texts_added_after_a_lookup_are_found_too() -> None:
    index = NearIndex(0.7)
    index.add("a", "Where is my parcel?")
    assert index.nearest_any("Where was my parcel?") is not None
    index.add("b", "Where was my parcel, then?")
    found = index.nearest_any("Where was my parcel?")
    assert found is not None
    assert found[0] == "b"


def test_of_equals_the_first_added_is_the_nearest() -> None:
    index = NearIndex(0.7)
    for key in ("a", "b"):
        index.add(key, "The same words.")
    assert index.nearest("the same words.") == ("a", 1.0)
    assert index.all_near("the same words.") == [("a", 1.0), ("b", 1.0)]


@pytest.mark.parametrize("recall", [1.0, 0.998])
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.85])
def test_at_least_95_of_100_pairs_at_the_threshold_are_found(threshold: float, recall: float) -> None:
    chance = random.Random(7)
    originals = [sentence(chance) for _ in range(2000)]
    index = NearIndex(threshold, recall=recall)
    for number, text in enumerate(originals):
        index.add(str(number), text)
    found = near_pairs = found_at_edge = at_edge = 0
    for _ in range(6000):
        number = chance.randrange(len(originals))
        copy = perturbed(originals[number], chance)
        likeness = jaccard(originals[number], copy)
        if not threshold <= likeness < 1:
            continue
        hit = any(key == str(number) for key, _ in index.all_near(copy))
        near_pairs, found = near_pairs + 1, found + hit
        if likeness < threshold + 0.05:
            at_edge, found_at_edge = at_edge + 1, found_at_edge + hit
    assert near_pairs >= 1000
    assert at_edge >= 100
    print(
        f"threshold {threshold}: recall {found / near_pairs:.4f}, within .05 of it {found_at_edge / at_edge:.4f}"
    )
    assert found / near_pairs >= 0.99
    assert found_at_edge / at_edge >= 0.95


def test_a_lookup_compares_with_few_texts_whatever_the_index_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    measure = near._overlap

    def counted(a: frozenset[str], b: frozenset[str]) -> float:
        nonlocal compared
        compared += 1
        return measure(a, b)

    monkeypatch.setattr(near, "_overlap", counted)
    chance = random.Random(1)
    different, template = NearIndex(0.7), NearIndex(0.7)
    for number in range(3000):
        text = sentence(chance)
        different.nearest(text)
        different.add(str(number), text)
    assert compared < 3000
    compared = 0
    for number in range(800):
        text = (
            "You are the support desk of a shop for coffee and tea. Reply to this message: "
            + sentence(chance)[:60]
        )
        template.nearest(text)
        template.add(str(number), text)
    assert compared <= 800 * near.MOST_COMPARED


@pytest.mark.parametrize("recall", [1.0, 0.998])
def test_asked_at_once_those_are_apart_of_whom_nothing_is_found(recall: float) -> None:
    chance = random.Random(5)
    held = [sentence(chance) for _ in range(300)]
    asked = [perturbed(chance.choice(held), chance) for _ in range(100)] + [
        sentence(chance) for _ in range(100)
    ]
    index, added = NearIndex(0.7, recall=recall), NearIndex(0.7, recall=recall)
    for number, text in enumerate(held):
        index.add(str(number), text)
        added.add(str(number), text)
    apart, from_all = index.apart(asked), index.apart(asked, from_each_other=True)
    assert index.apart([]) == []
    for number, text in enumerate(asked):
        assert not (apart[number] and index.all_near(text))
        assert not (from_all[number] and added.all_near(text))
        added.add(f"new {number}", text)
    assert 60 <= sum(from_all) <= sum(apart) <= 140


def test_fewer_pairs_to_be_found_take_less_memory() -> None:
    assert near._bands(0.7, 4, 1.0) == 32
    assert near._bands(0.7, 4, 0.998) == 23
    assert near._bands(0.7, 4, 0.5) == 3
    assert near._bands(1.0, 8, 0.998) == 16


def test_an_index_needs_less_than_a_kilobyte_a_text() -> None:
    chance = random.Random(3)
    texts = [sentence(chance) for _ in range(4000)]
    for text in texts:
        near._sketched(text)  # the cache is every index's
    tracemalloc.start()
    try:
        index = NearIndex(0.7)
        for text in texts:
            index.add("key", text)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / len(texts) < 1000

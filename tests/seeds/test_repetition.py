"""Seeds that mean the same: repeated, or in conflict; by cosine, never compared each with each in vain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedgate.records import Example
from seedgate.seeds import Meanings, open_embedder
from seedgate.seeds.findings import Finding
from seedgate.seeds.meaning_index import MeaningIndex
from seedgate.seeds.repetition import repetitions
from seedgate.task import Task

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["bug", "billing"]})


def rows(*pairs: tuple[str, str]) -> list[Example]:
    return [
        Example(fields={"text": text, "label": label}, source=f"seeds.jsonl:{number}")
        for number, (text, label) in enumerate(pairs, 1)
    ]


def found(seeds: list[Example], vectors: NDArray[np.float32], near_duplicate: float = 0.7) -> list[Finding]:
    return list(repetitions(seeds, TASK, vectors, threshold=0.95, near_duplicate=near_duplicate))


def turned(*degrees: float) -> NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_the_same_said_otherwise_names_both_rows() -> None:
    seeds = rows(
        ("The parcel is late", "bug"), ("What is this fee?", "billing"), ("My delivery is overdue", "bug")
    )
    (finding,) = found(seeds, turned(0, 90, 10))
    assert (finding.code, finding.severity) == ("semantic_duplicate", "warning")
    assert finding.rows == ("seeds.jsonl:1", "seeds.jsonl:3")
    assert finding.what == "the inputs mean the same (0.985), with the same output"


def test_another_output_is_a_conflict_and_not_hidden_by_a_nearer_row_that_agrees() -> None:
    seeds = rows(
        ("The parcel is late", "bug"), ("Where is my box?", "billing"), ("My delivery is overdue", "bug")
    )
    pairs = [(each.code, each.rows) for each in found(seeds, turned(0, 15, 1))]
    assert pairs == [
        ("semantic_conflict", ("seeds.jsonl:1", "seeds.jsonl:2")),
        ("semantic_duplicate", ("seeds.jsonl:1", "seeds.jsonl:3")),
        ("semantic_conflict", ("seeds.jsonl:2", "seeds.jsonl:3")),
    ]


def test_what_letters_have_told_is_not_told_again() -> None:
    seeds = rows(("It broke again today.", "bug"), ("It broke again today!", "bug"))
    assert found(seeds, turned(0, 1)) == []
    assert len(found(seeds, turned(0, 1), near_duplicate=1.0)) == 1


def test_other_meanings_and_the_same_content_twice_are_nothing() -> None:
    seeds = rows(("The parcel is late", "bug"), ("What is this fee?", "bug"), ("The parcel is late", "bug"))
    assert found(seeds, turned(0, 40, 0)) == []


def test_the_real_model_knows_a_rephrasing() -> None:
    seeds = rows(
        ("How do I change my PIN?", "bug"),
        ("Why was I charged twice?", "bug"),
        ("How can I change the PIN of mine?", "billing"),
    )
    vectors = Meanings(TASK, open_embedder()).vectors(seeds)
    found_pairs = list(repetitions(seeds, TASK, vectors, threshold=0.85, near_duplicate=0.9))
    assert [(each.code, each.rows) for each in found_pairs] == [
        ("semantic_conflict", ("seeds.jsonl:1", "seeds.jsonl:3"))
    ]


def test_the_index_gives_all_at_or_over_the_threshold_by_either_way() -> None:
    vectors = turned(0, 5, 12, 40, 90)
    ids = [f"{number:016x}" for number in range(5)]
    for most_exact in (8192, 0):
        index = MeaningIndex(most_exact)
        assert index.all_near(vectors[0], 0.5) == []
        index.add(ids, vectors)
        near = index.all_near(vectors[0], 0.97)
        assert [id_ for id_, _ in near] == ids[:3]
        assert [round(cosine, 2) for _, cosine in near] == [1.0, 1.0, 0.98]

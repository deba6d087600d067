"""The map of coverage: its counts, how clusters are described, what is thin or missing, and the picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seedgate.errors import SeedgateError
from seedgate.records import Example
from seedgate.seeds.coverage import LEAST_SEEDS, MOST_CLUSTERS, MOST_TAGS, Coverage, coverage_of
from seedgate.seeds.coverage_picture import picture, write_picture
from seedgate.seeds.findings import Finding
from seedgate.seeds.gaps import gaps, missing_cells, thin_cells
from seedgate.task import Task

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["late", "broken"]})
ALPACA = Task.from_config({"preset": "instruction", "name": "t"})
THINGS = ("kettle", "parcel", "grinder", "invoice", "coffee")
SVG = "{http://www.w3.org/2000/svg}"


def seed(number: int, thing: int, label: str, tags: tuple[str, ...] = ()) -> Example:
    text = f"My {THINGS[thing]} number {number}"
    return Example(fields={"text": text, "label": label}, tags=tags, source=f"seeds.jsonl:{number}")


def vectors_of(things: list[int]) -> NDArray[np.float32]:
    """One corner for each thing, so that clusters of meaning are the things."""
    return np.eye(8, dtype=np.float32)[things]


def mapped(rows: list[tuple[int, str, tuple[str, ...]]], task: Task = TASK) -> Coverage:
    seeds = [seed(number, *row) for number, row in enumerate(rows, 1)]
    found = coverage_of(seeds, task, vectors_of([thing for thing, _, _ in rows]))
    assert found is not None
    return found


def even(each: int = 10) -> list[tuple[int, str, tuple[str, ...]]]:
    return [
        (thing, label, ()) for thing in range(5) for label in ("late", "broken") for _ in range(each // 2)
    ]


def named(coverage: Coverage, thing: int) -> int:
    """Place of the cluster that is about a thing."""
    return next(n for n, cluster in enumerate(coverage.clusters) if THINGS[thing] in cluster.words)


def told(coverage: Coverage) -> list[tuple[str, str]]:
    return [(finding.code, finding.what) for finding in gaps(coverage)]


def test_every_seed_is_in_one_cell_of_its_label_and_its_cluster() -> None:
    coverage = mapped([(0, "late", ()), *even(20)])
    assert sum(cell.seeds for cell in coverage.cells) == 101
    assert sum(cluster.seeds for cluster in coverage.clusters) == 101
    rows = [row for cell in coverage.cells for row in cell.rows]
    assert sorted(rows) == sorted(f"seeds.jsonl:{n}" for n in range(1, 102))
    assert coverage.labels == ("late", "broken")


def test_clusters_are_described_by_their_words_and_their_medoid() -> None:
    coverage = mapped(even(20))
    for cluster in coverage.clusters:
        thing = next(word for word in cluster.words if word in THINGS)
        assert cluster.name.startswith(thing)
        assert f"My {thing} number" in cluster.text
        assert cluster.medoid in cluster.rows


def test_the_same_seeds_make_the_same_map() -> None:
    assert mapped(even()) == mapped(even())


def test_few_seeds_have_no_map_and_neither_have_equal_ones() -> None:
    rows = [seed(n, n % 5, "late") for n in range(LEAST_SEEDS)]
    vectors = vectors_of([n % 5 for n in range(LEAST_SEEDS)])
    assert coverage_of(rows[1:], TASK, vectors[1:]) is None
    assert coverage_of(rows, TASK, vectors) is not None
    assert coverage_of(rows, TASK, np.ones((LEAST_SEEDS, 8), np.float32)) is None


def test_tags_have_rows_of_their_own_and_only_the_frequent_ones() -> None:
    tags = [(f"t{n % (MOST_TAGS + 2)}",) for n in range(50)]
    coverage = mapped([(t, label, tag) for (t, label, _), tag in zip(even(), tags, strict=True)])
    assert len(coverage.tags) == MOST_TAGS
    counts = coverage.counts()
    for label in coverage.labels:
        for cluster in range(len(coverage.clusters)):
            tagged = sum(counts.get((label, tag, cluster), 0) for tag in coverage.tags)
            assert tagged <= counts.get((label, "", cluster), 0)


def test_a_single_seed_is_thin_and_named() -> None:
    single = mapped([row for row in even(20) if row[:2] != (2, "late")] + [(2, "late", ())])
    assert thin_cells(mapped(even(20))) == set()
    assert thin_cells(single) == {("late", named(single, 2))}
    (finding,) = [f for f in gaps(single) if "single seed" in f.what]
    assert (finding.code, finding.severity, finding.rows) == ("thin", "info", ("seeds.jsonl:91",))
    assert "'late' has a single seed about 'grinder" in finding.what


def test_a_small_cluster_is_thin() -> None:
    coverage = mapped([row for row in even(40) if row[0] != 3] + [(3, "late", ()), (3, "broken", ())])
    assert any(
        code == "thin" and "only 2 of 162 seeds are about 'invoice" in what for code, what in told(coverage)
    )


def test_a_label_is_missed_where_it_comes_close_and_has_none() -> None:
    """Seeds of `late` lie between two things, all in the cluster of the first."""
    rows = [(0, "late", ())] * 20 + [(1, "broken", ())] * 20 + [(2, "broken", ())] * 20
    vectors = vectors_of([thing for thing, _, _ in rows])
    vectors[:20] += np.float32(0.3) * np.eye(8, dtype=np.float32)[1]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seeds = [seed(number, *row) for number, row in enumerate(rows, 1)]
    coverage = coverage_of(seeds, TASK, vectors)
    assert coverage is not None
    assert {label for label, _ in missing_cells(coverage)} <= {"late", "broken"}
    occupied = {(cell.label, cell.cluster) for cell in coverage.cells}
    assert not missing_cells(coverage) & occupied
    (finding,) = [f for f in gaps(coverage) if f.code == "missing" and f.what.startswith("'late'")]
    assert "has no seed about 'parcel" in finding.what
    assert finding.severity == "info"
    assert finding.rows[0] in {seeds[place].source for place in range(20, 40)}


def test_a_tag_that_a_label_lacks_is_missing_and_one_that_it_nearly_lacks_is_thin() -> None:
    def tagged(broken: int) -> list[Finding]:
        tags = {"late": 20, "broken": broken}
        rows = []
        for thing, label, _ in even(20):
            tags[label] -= 1
            rows.append((thing, label, ("edge",) if tags[label] >= 0 else ()))
        return [f for f in gaps(mapped(rows)) if f.what.startswith("of 'broken'")]

    (missing,) = tagged(0)
    assert (missing.code, missing.rows) == ("missing", ())
    assert missing.what == "of 'broken' none tagged 'edge', where 10 would be the same share as elsewhere"
    (thin,) = tagged(2)
    assert (thin.code, len(thin.rows)) == ("thin", 2)
    assert tagged(10) == []


def test_a_task_without_labels_has_a_map_of_one_row() -> None:
    seeds = [
        Example(
            fields={"instruction": f"About {THINGS[n % 5]} {n}", "input": "", "output": "x"}, source=str(n)
        )
        for n in range(50)
    ]
    coverage = coverage_of(seeds, ALPACA, vectors_of([n % 5 for n in range(50)]))
    assert coverage is not None
    assert coverage.labels == ("",)
    assert thin_cells(coverage) == missing_cells(coverage) == set()
    assert "all seeds" in picture(coverage)


def test_several_labels_count_in_each() -> None:
    fields = [
        {"name": "text", "role": "input"},
        {"name": "topics", "role": "output", "type": "multilabel", "labels": ["late", "broken"]},
    ]
    task = Task.from_config(
        {
            "name": "t",
            "instructions": "x",
            "fields": fields,
            "prompt_template": "{text}",
            "completion_template": "{topics}",
        }
    )
    seeds = [
        Example(fields={"text": f"{THINGS[n % 5]} {n}", "topics": ["late", "broken"]}, source=str(n))
        for n in range(50)
    ]
    coverage = coverage_of(seeds, task, vectors_of([n % 5 for n in range(50)]))
    assert coverage is not None
    assert sum(cell.seeds for cell in coverage.cells) == 100


@settings(max_examples=20)
@given(st.lists(st.integers(0, 4), min_size=LEAST_SEEDS, max_size=120))
def test_any_seeds_are_counted_once(things: list[int]) -> None:
    assume(len(set(things)) > 1)
    seeds = [seed(n, thing, ("late", "broken")[n % 2]) for n, thing in enumerate(things)]
    coverage = coverage_of(seeds, TASK, vectors_of(things))
    assert coverage is not None
    assert 2 <= len(coverage.clusters) <= MOST_CLUSTERS
    assert sum(cell.seeds for cell in coverage.cells) == len(things)
    assert all(cluster.seeds for cluster in coverage.clusters)
    list(gaps(coverage))
    ET.fromstring(picture(coverage))


class TestThePicture:
    def test_has_a_title_for_itself_and_for_every_cell(self) -> None:
        coverage = mapped(even())
        root = ET.fromstring(picture(coverage))
        assert root.get("role") == "img"
        assert set((root.get("aria-labelledby") or "").split()) == {
            child.get("id") for child in root if child.tag in (f"{SVG}title", f"{SVG}desc")
        }
        titles = [group.findtext(f"{SVG}title") or "" for group in root.iter(f"{SVG}g")]
        assert len(titles) == len(coverage.labels) * len(coverage.clusters)
        assert sum(int(title.split(": ")[-1].split(" ")[0]) for title in titles) == 50

    def test_text_is_escaped_and_without_what_xml_cannot_hold(self) -> None:
        hostile = '<script>alert("x")</script> & \x1b[31m \x00 ]]>'
        seeds = [
            Example(fields={"text": f"{hostile} {THINGS[n % 5]}", "label": "late"}, source=f"<a&b>.jsonl:{n}")
            for n in range(50)
        ]
        coverage = coverage_of(seeds, TASK, vectors_of([n % 5 for n in range(50)]))
        assert coverage is not None
        root = ET.fromstring(picture(coverage))
        assert not list(root.iter(f"{SVG}script"))
        assert any('<script>alert("x")</script> &' in (text.text or "") for text in root.iter(f"{SVG}text"))

    def test_marks_thin_and_missing_cells(self) -> None:
        coverage = mapped([row for row in even(20) if row[:2] != (2, "late")] + [(2, "late", ())])
        root = ET.fromstring(picture(coverage))
        marked = [g for g in root.iter(f"{SVG}g") if any("thin" in (r.get("class") or "") for r in g)]
        assert len(marked) == 1
        assert "(thin)" in (marked[0].findtext(f"{SVG}title") or "")

    def test_is_written_whole_or_not_at_all(self, tmp_path: Path) -> None:
        coverage = mapped(even())
        write_picture(coverage, tmp_path / "map.svg")
        assert (tmp_path / "map.svg").read_text(encoding="utf-8") == picture(coverage)
        with pytest.raises(SeedgateError, match="writing failed"):
            write_picture(coverage, tmp_path / "nowhere" / "map.svg")
        assert [path.name for path in tmp_path.iterdir()] == ["map.svg"]

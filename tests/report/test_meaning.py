"""Coverage in meaning: approved rows in the seeds' clusters, as facts and on the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from seedgate.cli.overview import text_of
from seedgate.errors import ServiceError
from seedgate.records import Example
from seedgate.report import page_of, report_facts, write_page
from seedgate.report.meaning import meaning
from seedgate.seeds import Meanings
from seedgate.seeds.coverage import clusters_of
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing, example
from tests.finetune.worlds import FRAMES, texts
from tests.report.reading import ReadPage
from tests.report.test_in_browser import CONTRASTS, LEAST_CONTRAST, SIZES, browser, opened

__all__ = ["browser"]

FAR = "The mitochondrion is the powerhouse of the cell, and glaciers carve fjords."
ADDED = FRAMES[0].format("shipment")


@pytest.fixture
def mapped(make_workspace: Callable[..., Workspace]) -> Reviewing:
    """67 seeds, 60 of them of delivery and billing, seven about birds; four rows approved, one rejected."""
    frames = FRAMES[:6]
    seeds = [
        *(each for each in texts(frames, slice(0, 5)) if each.fields["label"] != "account"),
        *(Example(fields={"text": text, "label": "account"}) for text in BIRDS),
    ]
    seeds = [each.model_copy(update={"source": f"seeds.jsonl:{n}"}) for n, each in enumerate(seeds, 1)]
    policy = {"verified_seeds": 12, "min_eval": 6, "semantic_leak": 0.99}
    reviewing = Reviewing(make_workspace(folder="mapped", seeds=seeds, settings={"policy": policy}))
    ids = [reviewing.candidate(example(*each)) for each in ROWS]
    reviewing.approve(*ids[:-1])
    reviewing.verdicts({ids[-1]: "reject"})
    return reviewing


BIRDS = [
    f"A {bird} sang in the old oak at dawn."
    for bird in ("robin", "wren", "finch", "lark", "nightingale", "starling", "warbler")
]
ROWS = [
    (ADDED, "delivery"),
    ("A blackbird sang in the old oak at dawn.", "account"),
    ("A thrush sang in the old oak at dawn.", "account"),
    (FAR, "billing"),
    ("A sparrow sang in the old oak at dawn.", "account"),
]


def test_approved_rows_are_counted_where_the_nearest_seeds_are(mapped: Reviewing) -> None:
    found = report_facts(mapped.ws)["meaning"]
    birds = next(each for each in found["clusters"] if "sang" in each["text"])
    assert (birds["seeds"], birds["approved"]) == (7, 2)  # the rejected one is not among them
    assert sum(each["seeds"] for each in found["clusters"]) == 67
    assert (found["rows"], found["outside"]) == (4, 1)  # neither mail nor birds
    assert sum(each["approved"] for each in found["clusters"]) == 3


def test_the_clusters_are_those_of_the_map(mapped: Reviewing) -> None:
    from seedgate.seeds import verified_seeds

    seeds = list(verified_seeds(mapped.ws)[0].values())
    clusters = clusters_of(seeds, mapped.ws.task, Meanings.for_workspace(mapped.ws).vectors(seeds))
    assert clusters is not None
    counted = [each["seeds"] for each in report_facts(mapped.ws)["meaning"]["clusters"]]
    assert counted == [int((clusters.belongs == place).sum()) for place in range(len(clusters.middles))]


def test_thin_is_what_the_check_of_seeds_calls_thin(mapped: Reviewing) -> None:
    found = report_facts(mapped.ws)["meaning"]
    clusters = found["clusters"]
    for when, rows in (
        ("before", [each["seeds"] for each in clusters]),
        ("after", [each["seeds"] + each["approved"] for each in clusters]),
    ):
        thin = [each[f"thin_{when}"] for each in clusters]
        assert thin == [count <= 0.25 * sum(rows) / len(rows) for count in rows]
        assert found["thin"][when] == sum(thin)


def test_a_cluster_gets_thin_when_all_else_grows(mapped: Reviewing) -> None:
    more = [
        mapped.candidate(example(f"What became of my courier number {n}?", "delivery")) for n in range(120)
    ]
    mapped.approve(*more)
    facts = report_facts(mapped.ws)
    (smallest,) = [each for each in facts["meaning"]["clusters"] if each["thin_after"]]
    assert (smallest["seeds"], smallest["approved"], smallest["thin_before"]) == (6, 0, False)
    assert facts["meaning"]["thin"] == {"before": 0, "after": 1}
    rows = {row[0]: row[4] for row in ReadPage(page_of(facts)).table("Rows by cluster of meaning")[1:]}
    assert rows[smallest["name"]] == "after only"


def test_without_a_map_it_says_why(tiny_workspace: Workspace) -> None:
    found = report_facts(tiny_workspace)
    assert found["meaning"]["clusters"] == []
    assert "Of fewer than 40 verified seeds there is no map of meaning." in page_of(found)
    assert "map of meaning" not in text_of(found)


def test_a_model_that_cannot_be_reached_costs_this_part_only(mapped: Reviewing, monkeypatch: Any) -> None:
    def away(*_: Any) -> Any:
        raise ServiceError("no answer from the embeddings' server")

    facts = report_facts(mapped.ws)
    monkeypatch.setattr(Meanings, "vectors", away)
    facts |= meaning(mapped.ws, {})
    assert "What texts mean cannot be computed: no answer from the embeddings&#39; server." in page_of(facts)


def test_page_and_text_say_what_the_facts_say(mapped: Reviewing) -> None:
    facts = report_facts(mapped.ws)
    found = facts["meaning"]
    rows = ReadPage(page_of(facts)).table("Rows by cluster of meaning")
    assert [(row[0], int(row[2]), int(row[3])) for row in rows[1:-1]] == [
        (each["name"], each["seeds"], each["approved"]) for each in found["clusters"]
    ]
    assert (rows[-1][0], rows[-1][3]) == ("outside all clusters", "1")
    assert found["said"] in page_of(facts)
    assert found["said"] in text_of(facts)


def test_words_of_seeds_are_text_and_never_markup(mapped: Reviewing) -> None:
    facts = report_facts(mapped.ws)
    facts["meaning"]["clusters"][0]["name"] = "</th><script>x</script>\u202e"
    page = page_of(facts)
    assert "script" not in {tag for tag, _ in ReadPage(page).tags}
    assert "\u202e" not in page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(
    browser: Browser,
    mapped: Reviewing,
    tmp_path: Path,
    scheme: str,
    size: str,
) -> None:
    facts = report_facts(mapped.ws)
    facts["meaning"]["clusters"][0]["name"] = "Donaudampfschifffahrtsgesellschaft" * 3
    path = tmp_path / "report.html"
    write_page(facts, path)
    page, wrong = opened(browser, path, scheme, SIZES[size])
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.get_by_role("heading", name="In meaning").is_visible()
    assert page.evaluate(CONTRASTS % LEAST_CONTRAST) == []
    assert wrong == []
    page.context.close()

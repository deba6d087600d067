"""The shipped example keeps its promises: counts, balance, variety, and no leak between seeds and evaluation.

Self-contained on purpose: it computes its own similarities by brute force, so a fault in the filters of the
package cannot hide a near-duplicate in the data those filters are demonstrated on.
"""

import hashlib
import json
import re
import statistics
import unicodedata
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "seeds" / "examples"
FOLDER = EXAMPLES / "support_desk"
SIZES = {"seeds.jsonl": 200, "eval.jsonl": 160}
LABELS = {
    "late_delivery",
    "damaged_item",
    "wrong_item",
    "refund_request",
    "billing_problem",
    "cancel_subscription",
    "change_subscription",
    "change_order",
    "account_access",
    "product_question",
}
REASONS = (
    "wrong label",
    "wrong fact",
    "off-topic",
    "unnatural",
    "duplicate",
    "format",
    "unsafe",
    "personal data",
    "other",
)
PERSONAL = {
    "e-mail": r"\S+@\S+\.\w",
    "link": r"https?://|www\.",
    "phone": r"\+?\d[\d ().-]{5,}\d",
    "card": r"(?:\d[ -]?){12,}",
    "full name": r"\b(?:Mr|Mrs|Ms|Miss|Dr)\.? [A-Z]",
}

Row = dict[str, Any]


def read(name: str) -> list[Row]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


ROWS = {name: read(name) for name in SIZES}
TEXTS: list[str] = [row["text"] for rows in ROWS.values() for row in rows]
each_file = pytest.mark.parametrize("name", SIZES)


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)*", text.casefold())


def grams(text: str, size: int = 5) -> set[str]:
    folded = text.casefold()
    return {folded[i : i + size] for i in range(max(1, len(folded) - size + 1))}


def jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b)


def content_id(row: Row) -> str:
    """Hash what makes an example: its fields, not its tags."""
    fields = {"label": row["label"], "text": unicodedata.normalize("NFC", row["text"])}
    return hashlib.sha256(json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@each_file
def test_every_row_has_a_text_a_label_and_one_tag(name: str) -> None:
    for number, row in enumerate(ROWS[name], 1):
        assert set(row) == {"text", "label", "tags"}, f"{name}:{number}"
        assert row["tags"] in (["core"], ["edge"]), f"{name}:{number}"


@each_file
def test_the_ten_labels_are_balanced_in_the_file_and_in_every_ten_lines(name: str) -> None:
    labels = [row["label"] for row in ROWS[name]]
    assert len(labels) == SIZES[name]
    assert Counter(labels) == dict.fromkeys(LABELS, SIZES[name] // 10)
    for start in range(0, len(labels), 10):
        assert set(labels[start : start + 10]) == LABELS, f"{name}:{start + 1}"


@each_file
def test_about_a_fifth_is_edge_and_every_label_has_some(name: str) -> None:
    edge = Counter(row["label"] for row in ROWS[name] if row["tags"] == ["edge"])
    assert 0.18 <= edge.total() / SIZES[name] <= 0.22
    assert set(edge) == LABELS
    assert min(edge.values()) >= 3


@each_file
def test_lengths_vary_from_a_few_words_to_a_short_paragraph(name: str) -> None:
    counts = [len(row["text"].split()) for row in ROWS[name]]
    assert min(counts) == 3
    assert 30 <= max(counts) <= 45
    assert statistics.stdev(counts) >= 6
    assert len(set(counts)) >= 25


def test_openings_vary() -> None:
    firsts = Counter(words(text)[0] for text in TEXTS)
    assert firsts.most_common(1)[0][1] <= len(TEXTS) // 10, firsts.most_common(5)
    starts = Counter(tuple(words(text)[:4]) for text in TEXTS)
    assert [start for start, count in starts.items() if count > 1] == []


def test_no_content_appears_twice_in_or_across_the_files() -> None:
    ids = [content_id(row) for rows in ROWS.values() for row in rows]
    assert len(set(ids)) == len(ids)
    assert len({text.casefold() for text in TEXTS}) == len(TEXTS)


def test_no_two_texts_are_near_duplicates_by_character_five_grams() -> None:
    pairs = combinations([(text, grams(text)) for text in TEXTS], 2)
    assert [(a, b) for (a, x), (b, y) in pairs if jaccard(x, y) > 0.35] == []


def test_no_two_texts_of_more_than_four_words_share_most_of_their_words() -> None:
    longer = [(text, set(words(text))) for text in TEXTS if len(words(text)) > 4]
    assert [(a, b) for (a, x), (b, y) in combinations(longer, 2) if jaccard(x, y) > 0.5] == []


def test_the_similarity_measures_see_a_near_duplicate() -> None:
    a, b = "Where is the kettle I ordered last week?", "where is the kettle I ordered last month?"
    assert jaccard(grams(a), grams(b)) > 0.35
    assert jaccard(set(words(a)), set(words(b))) > 0.5
    assert jaccard(grams("stop"), grams("stop")) == 1


def test_texts_are_normalised_and_hold_nothing_invisible() -> None:
    for text in TEXTS:
        assert unicodedata.normalize("NFC", text) == text
        assert text == " ".join(text.split(" ")).strip()
        # Cc, Cf, Zl, Zp and odd spaces would not show on the review page.
        hidden = [c for c in text if unicodedata.category(c)[0] in "CZ" and c != " "]
        assert hidden == [], text


@pytest.mark.parametrize("kind", PERSONAL)
def test_texts_hold_no_personal_data(kind: str) -> None:
    assert [text for text in TEXTS if re.search(PERSONAL[kind], text)] == []


def test_the_personal_data_patterns_see_what_they_name() -> None:
    found = {
        "e-mail": "write to me@shop.example",
        "link": "see https://shop.example",
        "phone": "call 0123 456 7890",
        "card": "it is 4000 1234 5678 9010",
        "full name": "ask Mrs Miller",
    }
    assert all(re.search(PERSONAL[kind], text) for kind, text in found.items())


def test_the_guidelines_name_every_label_and_reason_on_one_page() -> None:
    text = (FOLDER / "guidelines.md").read_text(encoding="utf-8")
    for label in LABELS:
        assert f"- **{label}**: " in text
    for reason in REASONS:
        assert f"- **{reason}**: " in text
    for decision in ("Approve", "Edit", "Reject"):
        assert f"- **{decision}** " in text
    assert len(text.split()) <= 560


@each_file
def test_the_readme_states_the_counts_that_the_files_have(name: str) -> None:
    tags = Counter(row["tags"][0] for row in ROWS[name])
    (line,) = [
        line
        for line in (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
        if f"| `{name}`" in line
    ]
    per_label = SIZES[name] // 10
    assert line.endswith(f"| {SIZES[name]} ({per_label} per label) | {tags['core']} | {tags['edge']} |")


def test_the_example_row_in_the_readme_is_a_seed() -> None:
    (line,) = [
        line
        for line in (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("    {")
    ]
    assert json.loads(line) in ROWS["seeds.jsonl"]

"""Attacks in what models and reviewers write: text that hides, markup that runs, JSON that says two things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.reviewing import Reviewer

from seedgate.canonical import content_hash, strict_loads
from seedgate.errors import InputError
from seedgate.finetune import release
from seedgate.records import Example
from seedgate.review import pull, push
from seedgate.review.record_view import record_fields
from seedgate.review.visible import show, unshow
from seedgate.seeds.reading import read_examples
from seedgate.workspace import Workspace
from tests.attacks.marking import attack
from tests.attacks.tampering import answer_all, released_texts
from tests.finetune.reviewing import Reviewing, example
from tests.review.scenarios import CARD, PUMP, outcomes

MakeWorkspace = Callable[..., Workspace]


def shown(text: str) -> str:
    """What the page gets, which must lead back to the text."""
    out = show(text)
    assert unshow(out) == text
    return out


class TestHiding:
    @pytest.mark.parametrize(
        "text", ["a <b>bold</b> claim", "a <!-- not so --> claim", "<style>*{display:none}</style>x"]
    )
    @attack(
        "content hides in tags or comments, which the page would drop",
        outcome="refused",
        by="G2: shown escaped",
    )
    def test_tags(self, text: str) -> None:
        assert not set("<>") & set(shown(text))

    @pytest.mark.parametrize("text", ["&lt;b&gt;", "&amp;lt;", "&#x200B;", "&nbsp;"])
    @attack(
        "content hides in entities, which the page would decode", outcome="refused", by="G2: shown escaped"
    )
    def test_entities(self, text: str) -> None:
        assert shown(text).startswith("&amp;")

    @pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u061c"])
    @attack("bidirectional controls turn the text round", outcome="refused", by="G2: shown as marks")
    def test_bidirectional(self, mark: str) -> None:
        assert f"⟦U+{ord(mark):04X}⟧" in shown(f"pay {mark}me")

    @pytest.mark.parametrize(
        "mark", ["\u200b", "\u2060", "\ufeff", "\u00ad", "\U000e0041", "\u3164", "\u180e", "\x00", "\x1b"]
    )
    @attack(
        "zero-width, tag, filler or control characters carry a message that nobody sees",
        outcome="refused",
        by="G2: shown as marks",
    )
    def test_invisible(self, mark: str) -> None:
        assert f"⟦U+{ord(mark):04X}⟧" in shown(f"a{mark}b")

    @attack(
        "variation selectors outside emoji carry bytes that nobody sees",
        outcome="refused",
        by="G2: shown as marks",
    )
    def test_variation_selectors(self) -> None:
        assert "⟦U+FE01⟧" in shown("a\ufe01b")
        assert "⟦U+E0101⟧" in shown("a\U000e0101b")

    @attack(
        "a text imitates the marks for what is invisible",
        outcome="refused",
        by="G2: its own bracket becomes a mark",
    )
    def test_imitated_marks(self) -> None:
        assert shown("a⟦U+200B⟧b") != shown("a\u200bb")

    @attack(
        "white space at the ends of a text is part of what is trained",
        outcome="refused",
        by="G2: shown as marks",
    )
    def test_edges(self) -> None:
        assert shown("  a ") == "⟦U+0020⟧⟦U+0020⟧a⟦U+0020⟧"

    @attack(
        "the wrong part of a long text lies beyond what fits on the screen",
        outcome="documented",
        by="controls that are cut off or wrong at their end; the length filter; the browser tests show the whole text",
    )
    def test_beyond_the_fold(self, review_workspace: MakeWorkspace) -> None:
        long = "Where is my parcel?" + "\n" * 60 + "Ignore what I said before."
        ws = review_workspace(one_reviewer=True, rows={long: "delivery"})
        answer_all(ws, "anna")
        assert outcomes(ws, long) == ["approved"]

    @attack(
        "letters are replaced by those of another script that look the same",
        outcome="documented",
        by="a spelling or script check of the release's rows; the reviewer sees no difference",
    )
    def test_look_alikes(self, review_workspace: MakeWorkspace) -> None:
        text = "Where is my раrсеl, the one from Monday?"
        ws = review_workspace(one_reviewer=True, rows={text: "delivery"})
        answer_all(ws, "anna")
        assert outcomes(ws, text) == ["approved"]


class TestRunning:
    @pytest.mark.parametrize(
        "text",
        [
            "<script>fetch('//x')</script>",
            "</script><script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "{{constructor.constructor('alert(1)')()}}",
            "${alert(1)} #{1+1} <%= 1 %>",
            "![x](http://x/y.png) [click](javascript:alert(1))",
            "<object data=x></object><embed src=x>",
            "<svg/onload=alert(1)>",
        ],
    )
    @attack(
        "script, templates or Markdown in a model's text run in the page",
        outcome="refused",
        by="plain fields, escaped; the browser tests look",
    )
    def test_markup(self, review_workspace: MakeWorkspace, text: str) -> None:
        ws = review_workspace(one_reviewer=True)
        spec = record_fields(ws.task, ws.task.validate_fields({"text": text, "label": "billing"}), None)
        assert not set("<>") & set(show(spec["text"]))

    @pytest.mark.parametrize(
        "text", ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "\t=1"]
    )
    @attack(
        "a spreadsheet's formula in a row runs where the release is opened",
        outcome="refused",
        by="no export is made that a spreadsheet opens: rows are in Parquet only, none is in the card",
    )
    def test_formulas(self, reviewing: Reviewing, text: str) -> None:
        reviewing.approve(reviewing.candidate(example(text + " and more words", "billing")))
        made = release(reviewing.ws)
        assert {path.suffix for path in made.path.iterdir()} == {".parquet", ".md", ".json"}
        assert text not in (made.path / "README.md").read_text()

    @attack(
        "a reviewer's or signer's name breaks out of the card",
        outcome="refused",
        by="names are escaped in the card",
    )
    def test_names_in_the_card(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        reviewing.approve(id_, reviewer="<script>alert(1)</script>\n# Approved by all")
        card = (release(reviewing.ws).path / "README.md").read_text()
        assert "<script>" not in card
        assert "\n# Approved by all" not in card


class TestSpellings:
    @attack(
        "one content is spelt so that it has two ids: key order, spaces, composed letters",
        outcome="refused",
        by="the id is the hash of canonical JSON",
    )
    def test_two_ids(self) -> None:
        spelt = [
            strict_loads('{"text": "caf\\u00e9", "label": "a"}'),
            strict_loads('{"label":"a","text":"cafe\\u0301"}'),
        ]
        assert len({content_hash(each) for each in spelt}) == 1

    @pytest.mark.parametrize(
        "line",
        [
            '{"text": "one", "text": "two", "label": "billing"}',
            '{"text": NaN, "label": "billing"}',
            '{"text": 1e999, "label": "billing"}',
            '{"text": ' + "9" * 5000 + ', "label": "billing"}',
            '{"text": ' + "[" * 100_000 + "]" * 100_000 + ', "label": "billing"}',
            '{"text": "\\ud800 lone", "label": "billing"}',
            '{"text": "fine", "label": "billing", "more": "hidden"}',
            '{"text": "fine", "label": "Billing\\u200b"}',
        ],
        ids=["key twice", "NaN", "infinity", "huge integer", "deep", "surrogate", "field more", "label"],
    )
    @attack(
        "JSON that readers understand differently: keys twice, NaN, huge integers, deep nesting, surrogates",
        outcome="refused",
        by="a strict reader, naming the line",
    )
    def test_strict_reading(self, tiny_workspace: Workspace, line: str) -> None:
        tiny_workspace.seeds_path.write_text(line + "\n")
        with pytest.raises(InputError, match=r"line 1|:1"):
            read_examples(str(tiny_workspace.seeds_path), tiny_workspace.task)

    @attack(
        "an oversized text is generated or planted, to hide in or to exhaust",
        outcome="refused",
        by="the schema's and the length filter's bounds",
    )
    def test_oversized(self, reviewing: Reviewing) -> None:
        from seedgate.generator.filters.chain import FilterChain

        chain = FilterChain.for_workspace(reviewing.ws)
        assert chain.check(Example(fields={"text": "word " * 200_000, "label": "billing"})) is not None

    @attack(
        "an edit smuggles a stored row, or an evaluation row, in as a correction",
        outcome="refused",
        by="G5: a correction passes every filter again",
    )
    def test_a_smuggling_edit(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={CARD: "account", PUMP: "delivery"})
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(
                CARD, "edit", corrected_text="When will the teapot get here?", corrected_label="billing"
            )
            anna.answer(PUMP, "edit", corrected_label="billing", corrected_text=CARD)
        assert pull(ws).dropped >= 1
        assert "When will the teapot get here?" not in released_texts(release(ws).path)

    @attack(
        "a correction holds hidden characters that the page's box does not show",
        outcome="refused",
        by="G5: the filters that generation has",
    )
    def test_hidden_in_a_correction(self, review_workspace: MakeWorkspace) -> None:
        ws = review_workspace(one_reviewer=True, rows={CARD: "account"})
        push(ws, cycle=1)
        with Reviewer(ws, "anna") as anna:
            anna.answer(CARD, "edit", corrected_text=CARD + "\u202e\u200b", corrected_label="billing")
        pull(ws)
        assert not any("\u202e" in text for text in released_texts(release(ws).path))


class TestCaches:
    @attack(
        "a pickle is planted where something is cached on disk",
        outcome="refused",
        by="nothing here reads pickles; training keeps its rows in memory",
    )
    def test_no_pickles(self) -> None:
        root = Path(__file__).parents[2]
        code = [
            path
            for room in ("core", "seeds", "generator", "review", "finetune")
            for path in (root / room).rglob("*.py")
        ]
        assert len(code) > 100
        readers = ("import pickle", "joblib", "torch.load(", "import shelve", "import marshal")
        assert [path for path in code if any(name in path.read_text() for name in readers)] == []

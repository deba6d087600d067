"""What a reviewer is shown and asked, for each kind of field."""

from __future__ import annotations

from typing import Any

import pytest

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError
from seedgate.review.record_view import dataset_spec, record_fields, seen_hash, spec_hash, suggestions
from seedgate.review.visible import show
from seedgate.task import Task

CLASSIFICATION = Task.from_config(
    {
        "preset": "classification",
        "name": "desk",
        "labels": {"refund": "wants money back", "delivery": "asks where it is"},
    }
)
INSTRUCTION = Task.from_config({"preset": "instruction", "name": "help"})
TAGGING = Task.from_config(
    {
        "name": "tags",
        "instructions": "Tag it.",
        "fields": [
            {"name": "text", "role": "input"},
            {"name": "topics", "role": "output", "type": "multilabel", "labels": ["a, b", "c", "d"]},
        ],
        "prompt_template": "{text}",
        "completion_template": "{topics}",
    }
)
ROW = {"text": "Where is <my> refund?", "label": "refund"}


def stored(texts: dict[str, str]) -> dict[str, str]:
    return {name: show(text) for name, text in texts.items()}


class TestTheRecord:
    def test_shows_the_fields_what_the_label_means_and_the_nearest_seed(self) -> None:
        texts = record_fields(CLASSIFICATION, ROW, {"text": "Refund me!", "label": "refund"})
        assert texts == {
            "text": "Where is <my> refund?",
            "label": "refund",
            "meaning": "refund: wants money back",
            "nearest_seed": "Text: Refund me!\nLabel: refund",
        }

    def test_says_in_what_words_it_differs_from_the_nearest_seed(self) -> None:
        texts = record_fields(CLASSIFICATION, ROW, {"text": "Where is my parcel?", "label": "delivery"})
        assert texts["nearest_seed"] == (
            "Text: Where is my parcel?\nLabel: delivery  (here: refund)\n\n"
            "What differs: Where is [my parcel? → <my> refund?]"
        )

    def test_has_the_example_first(self) -> None:
        names = [field.name for field in dataset_spec(CLASSIFICATION, "Read.").fields]
        assert names == ["text", "label", "meaning", "nearest_seed", "why_here"]

    def test_has_no_nearest_seed_where_none_is_like_it(self) -> None:
        assert "nearest_seed" not in record_fields(CLASSIFICATION, ROW, None)

    @pytest.mark.parametrize(
        ("task", "fields"),
        [
            (CLASSIFICATION, ROW),
            (INSTRUCTION, {"instruction": "Say hello.", "input": "", "output": "Hello\n\nthere"}),
            (INSTRUCTION, {"instruction": "Add.", "input": "1\n2", "output": "⟦empty⟧"}),
            (TAGGING, {"text": "x", "topics": ["a, b", "c"]}),
            (TAGGING, {"text": "x", "topics": []}),
        ],
    )
    def test_shows_just_this_example(self, task: Task, fields: dict[str, Any]) -> None:
        texts = stored(record_fields(task, fields, None))
        assert seen_hash(task, fields, texts) == content_hash(fields)
        first = next(iter(texts))
        assert seen_hash(task, fields, texts | {first: "something else"}) != content_hash(fields)

    def test_counts_as_the_same_after_what_argilla_may_do_to_a_text(self) -> None:
        fields = {"text": "caf\u00e9\u00a0au lait", "label": "refund"}
        texts = stored(record_fields(CLASSIFICATION, fields, None))
        assert seen_hash(CLASSIFICATION, fields, texts | {"text": "café au lait\n"}) == content_hash(fields)

    def test_is_refused_when_it_hides_something(self) -> None:
        texts = stored(record_fields(CLASSIFICATION, ROW, None))
        with pytest.raises(InputError):
            seen_hash(CLASSIFICATION, ROW, texts | {"text": "Where is <my> refund?"})
        with pytest.raises(InputError, match="no text in field 'label'"):
            seen_hash(CLASSIFICATION, ROW, {"text": texts["text"]})

    @pytest.mark.parametrize(
        "fields", [{"text": "x", "label": "unknown"}, {"text": "x"}, {**ROW, "more": "y"}]
    )
    def test_is_not_made_of_what_is_no_example(self, fields: dict[str, Any]) -> None:
        with pytest.raises(InputError):
            record_fields(CLASSIFICATION, fields, None)


class TestTheQuestions:
    def test_come_in_the_order_in_which_one_decides(self) -> None:
        names = [question.name for question in dataset_spec(CLASSIFICATION, "Read.").questions]
        assert names == ["decision", "reasons", "corrected_label", "corrected_text", "comment"]

    def test_require_nothing_but_the_decision(self) -> None:
        required = [q.name for q in dataset_spec(INSTRUCTION, "Read.").questions if q.required]
        assert required == ["decision"]

    def test_are_pre_filled_but_for_the_decision(self) -> None:
        assert suggestions(CLASSIFICATION, ROW) == {
            "corrected_text": ROW["text"],
            "corrected_label": "refund",
        }
        fields = {"instruction": "Say\u200b it.", "input": "", "output": "It."}
        assert suggestions(INSTRUCTION, fields) == {
            "corrected_instruction": "Say⟦U+200B⟧ it.",
            "corrected_output": "It.",
        }

    def test_say_what_a_label_means(self) -> None:
        (question,) = [
            q for q in dataset_spec(CLASSIFICATION, "Read.").questions if q.name == "corrected_label"
        ]
        assert [(o.value, o.description) for o in question.options] == [
            ("refund", "wants money back"),
            ("delivery", "asks where it is"),
        ]

    def test_hash_to_another_schema_when_a_label_is_added(self) -> None:
        more = Task.from_config(
            {"preset": "classification", "name": "desk", "labels": ["refund", "delivery", "x"]}
        )
        assert spec_hash(dataset_spec(CLASSIFICATION, "a")) == spec_hash(dataset_spec(CLASSIFICATION, "b"))
        assert spec_hash(dataset_spec(CLASSIFICATION, "a")) != spec_hash(dataset_spec(more, "a"))

    def test_do_not_say_of_a_seed_what_is_true_of_candidates_only(self) -> None:
        asked, seeds = (dataset_spec(CLASSIFICATION, "Read.", each) for each in ("candidates", "seeds"))
        assert [q.name for q in seeds.questions] == [q.name for q in asked.questions]
        assert "Is this seed right?" in str(seeds)
        assert "why_here" in str(asked)
        assert not any(word in str(seeds) for word in ("filters", "generation", "why_here"))


class TestWhatDoesNotFit:
    def test_guidelines_that_are_too_long(self) -> None:
        with pytest.raises(ConfigError, match="at most 10000"):
            dataset_spec(CLASSIFICATION, "x" * 10_001)

    def test_a_label_that_is_too_long(self) -> None:
        task = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b" * 201]})
        with pytest.raises(ConfigError, match="200 characters"):
            dataset_spec(task, "Read.")

    def test_a_field_name_that_the_page_needs(self) -> None:
        table = TAGGING.model_dump(mode="json", exclude={"preset"})
        table["fields"][0]["name"] = "meaning"
        table["prompt_template"] = "{meaning}"
        with pytest.raises(ConfigError, match="taken by the review page"):
            dataset_spec(Task.from_config(table), "Read.")

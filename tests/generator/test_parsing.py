"""Parsing: which items a completion has, and what is cut off."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from seedgate.generator.clients.base import Choice
from seedgate.generator.parsing import Item, parse_chat, parse_list

FIXED = {"label": "late_delivery"}


def continued(text: str, finish_reason: str | None = "stop") -> list[Item]:
    """The items of a list that goes on at 6."""
    return parse_list(
        Choice(0, text, finish_reason),
        first=6,
        field="text",
        heading="Late delivery",
        headings={"late delivery", "billing"},
        fixed=FIXED,
    )


def texts(items: list[Item]) -> list[str | None]:
    return [item.fields["text"] if item.fields else None for item in items]


def reasons(items: list[Item]) -> list[str | None]:
    return [item.drop.reason if item.drop else None for item in items]


class TestList:
    def test_each_numbered_line_is_an_item_with_the_fixed_fields(self) -> None:
        items = continued(" It is late.\n7. Late delivery: Where is it?\n8. Late delivery: Gone.")
        assert texts(items) == ["It is late.", "Where is it?", "Gone."]
        assert [item.number for item in items] == [0, 1, 2]
        assert items[0].fields == {"label": "late_delivery", "text": "It is late."}

    def test_a_line_without_its_label_counts(self) -> None:
        assert texts(continued(" It is late.\n7. Where is it?")) == ["It is late.", "Where is it?"]

    def test_the_list_ends_at_the_first_line_that_is_not_the_next_number(self) -> None:
        assert texts(continued(" It is late.\nThanks for reading.\n7. Late delivery: No.")) == ["It is late."]
        assert texts(continued(" It is late.\n9. Late delivery: No.")) == ["It is late."]

    def test_the_last_item_of_a_completion_cut_by_its_length_is_dropped_as_truncated(self) -> None:
        items = continued(" It is late.\n7. Late delivery: Where is", "length")
        assert texts(items) == ["It is late.", None]
        assert reasons(items) == [None, "truncated"]

    def test_an_aborted_completion_counts_as_cut(self) -> None:
        assert reasons(continued(" It is late.", None)) == ["truncated"]

    def test_what_was_cut_after_the_list_had_ended_takes_no_item_along(self) -> None:
        assert texts(continued(" It is late.\n\nAs you can see, thi", "length")) == ["It is late."]

    def test_an_item_under_another_label_is_dropped(self) -> None:
        items = continued(" Billing: You charged me.\n7. Billing: Twice!\n8. Cancellation: Stop.")
        assert reasons(items) == ["other_label", "other_label", "other_label"]

    def test_a_colon_of_its_own_stays(self) -> None:
        assert texts(continued(" One question: where is it?")) == ["One question: where is it?"]

    def test_an_empty_completion_is_one_dropped_item(self) -> None:
        assert reasons(continued("")) == ["empty"]
        assert reasons(continued(" It is late.\n7.")) == [None, "empty"]

    def test_quotation_marks_around_the_whole_text_go_and_others_stay(self) -> None:
        assert texts(continued(' "It is late."')) == ["It is late."]
        assert texts(continued(' "Soon", you said, "soon"')) == ['"Soon", you said, "soon"']

    @given(st.text(), st.sampled_from(["stop", "length", None]))
    def test_any_text_gives_at_least_one_item_and_each_is_kept_or_dropped(
        self, text: str, finish_reason: str | None
    ) -> None:
        items = continued(text, finish_reason)
        assert items
        assert all((item.fields is None) != (item.drop is None) for item in items)


class TestChat:
    def test_an_object_is_the_item_with_its_texts_trimmed(self) -> None:
        (item,) = parse_chat(Choice(0, '{"text": " It is late.\\n"}', "stop"), fixed=FIXED)
        assert item.fields == {"text": "It is late.", "label": "late_delivery"}

    def test_what_is_no_object_is_dropped(self) -> None:
        for text in ("[1]", "Sure! {}", '{"text": "a", "text": "b"}', "", '{"n": NaN}'):
            assert reasons(parse_chat(Choice(0, text, "stop"), fixed=FIXED)) == ["json"]

    def test_an_answer_cut_by_its_length_is_truncated_even_if_it_parses(self) -> None:
        assert reasons(parse_chat(Choice(0, "{}", "length"), fixed=FIXED)) == ["truncated"]

    def test_the_model_cannot_change_what_was_fixed(self) -> None:
        answer = json.dumps({"text": "It is late.", "label": "billing"})
        assert reasons(parse_chat(Choice(0, answer, "stop"), fixed=FIXED)) == ["fixed"]

"""How an answer is read, from the page and from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from seedgate.review.answers import read_answer
from seedgate.review.record_view import suggestions
from tests.review.test_record_view import CLASSIFICATION, INSTRUCTION, ROW, TAGGING

HELP = {"instruction": "Say it.", "input": "loud", "output": "IT."}


def page(task: Any, fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the page sends: the pre-filled values with changes; None where a box was emptied."""
    sent = suggestions(task, fields) | changes
    return {name: value for name, value in sent.items() if value is not None}


def test_an_untouched_page_corrects_nothing() -> None:
    answer = read_answer(CLASSIFICATION, ROW, page(CLASSIFICATION, ROW, decision="approve"))
    assert (answer.decision, answer.corrected, answer.problem) == ("approve", ROW, None)


@pytest.mark.parametrize(
    "text", ["Where is\u00a0<my> refund?", "Where is <my> refund?\r\n", "Where is <my> refund? "]
)
def test_what_the_page_does_to_a_text_is_no_correction(text: str) -> None:
    answer = read_answer(
        CLASSIFICATION, ROW, page(CLASSIFICATION, ROW, decision="approve", corrected_text=text)
    )
    assert answer.corrected == ROW


def test_an_invisible_character_can_be_kept_or_deleted() -> None:
    fields = {"text": "Where\u200b is it?", "label": "refund"}
    kept = read_answer(CLASSIFICATION, fields, page(CLASSIFICATION, fields, decision="approve"))
    assert kept.corrected == fields
    gone = page(CLASSIFICATION, fields, decision="edit", corrected_text="Where is it?")
    assert read_answer(CLASSIFICATION, fields, gone).corrected == {"text": "Where is it?", "label": "refund"}


def test_corrections_are_taken_with_everything_around_them_trimmed() -> None:
    values = page(
        CLASSIFICATION, ROW, decision="edit", corrected_text=" Refund,\u00a0please.\n", reasons=["format"]
    )
    answer = read_answer(CLASSIFICATION, ROW, values | {"comment": " so "})
    assert answer.corrected == {"text": "Refund, please.", "label": "refund"}
    assert (answer.reasons, answer.comment) == (("format",), "so")


def test_a_decision_alone_says_nothing_about_the_fields() -> None:
    assert read_answer(CLASSIFICATION, ROW, {"decision": "approve"}).corrected == ROW
    assert read_answer(CLASSIFICATION, ROW, {"decision": "reject"}).corrected == ROW


def test_with_edit_an_emptied_box_is_a_correction_where_a_field_may_be_empty() -> None:
    emptied = page(INSTRUCTION, HELP, decision="edit", corrected_input=None)
    assert read_answer(INSTRUCTION, HELP, emptied).corrected == HELP | {"input": ""}
    tags = {"text": "x", "topics": ["c"]}
    bare = page(TAGGING, tags, decision="edit", corrected_topics=None)
    assert read_answer(TAGGING, tags, bare).corrected == {"text": "x", "topics": []}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (None, "no decision"),
        ({}, "no decision"),
        ({"decision": "maybe"}, "no decision"),
        ({"decision": ["approve"]}, "no decision"),
        ({"decision": "edit"}, "the correction of 'text' is empty"),
        ({"decision": "edit", "corrected_text": "x"}, "no label is chosen"),
        ({"decision": "edit", "corrected_text": "x", "corrected_label": "sofa"}, "unknown label"),
        ({"decision": "edit", "corrected_text": "x" * 601, "corrected_label": "refund"}, "601 characters"),
        ({"decision": "edit", "corrected_text": 3, "corrected_label": "refund"}, "is no text"),
        ({"decision": "approve", "corrected_label": ["refund"]}, "malformed"),
    ],
)
def test_what_cannot_be_understood_says_so(values: dict[str, Any] | None, problem: str) -> None:
    answer = read_answer(CLASSIFICATION, ROW, values)
    assert answer.corrected is None
    assert answer.problem is not None
    assert answer.problem.startswith("malformed")
    assert problem in answer.problem


def test_the_order_in_which_labels_were_ticked_is_no_correction() -> None:
    tags = {"text": "x", "topics": ["c", "d"]}
    answer = read_answer(TAGGING, tags, page(TAGGING, tags, decision="approve", corrected_topics=["d", "c"]))
    assert answer.corrected == tags


def test_reasons_that_are_no_list_are_none() -> None:
    assert read_answer(CLASSIFICATION, ROW, {"decision": "reject", "reasons": "other"}).reasons == ()

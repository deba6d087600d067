"""JSON and chats on the review page: shown in full, corrected as text, read back strictly."""

from __future__ import annotations

import json
import random
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from seedgate.canonical import content_hash
from seedgate.records import Example
from seedgate.review.answers import read_answer
from seedgate.review.corruptions import Source, corrupt, corruptions_of
from seedgate.review.record_view import dataset_spec, record_fields, seen_hash, shows_just, suggestions
from seedgate.review.visible import show
from seedgate.seeds import output_of, text_of
from seedgate.shown import Message
from seedgate.task import Input, Output, Task
from tests.core.test_shown import JSON, chats

SCHEMA = {"total": "number", "buyer": "string?", "seller": "string?", "paid": "boolean?"}
BILLS = Task.from_config({"preset": "extraction", "name": "bills", "schema": SCHEMA})
TALKS = Task.from_config({"preset": "chat", "name": "talks", "max_chars": 40_000})
ANYTHING = Task.from_config(
    {
        "preset": "extraction",
        "name": "any",
        "schema": {
            "type": "object",
            "properties": {
                "said": {"type": "string"},
                "n": {"type": "number"},
                "list": {"type": "array", "items": {"type": "string"}},
            },
        },
    }
)
SAYS = "Ann Lee owes Bob 12.50 for 3 lamps."
BILL = BILLS.validate_fields(
    {"text": SAYS, "data": {"total": 12.5, "seller": "Bob", "buyer": "Ann Lee", "paid": False}}
)
TALK = TALKS.validate_fields(
    {
        "messages": [
            {"role": "user", "content": "Is it 3?"},
            {"role": "assistant", "content": "It is 3, says Zoe.\nUser: no"},
        ]
    }
)


def page(task: Task, fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return suggestions(task, fields) | changes


def test_json_is_shown_with_its_names_in_order_one_per_line() -> None:
    assert record_fields(BILLS, BILL, None)["data"].splitlines() == [
        "{",
        '  "buyer": "Ann Lee",',
        '  "paid": false,',
        '  "seller": "Bob",',
        '  "total": 12.5',
        "}",
    ]


def test_a_chat_is_shown_as_a_transcript_in_which_every_further_line_is_marked() -> None:
    shown = record_fields(TALKS, TALK, None)["messages"]
    assert shown == "User: Is it 3?\nAssistant: It is 3, says Zoe.\n| User: no"


@pytest.mark.parametrize("task", [BILLS, TALKS])
def test_the_correction_is_a_text_and_says_how_it_is_read(task: Task) -> None:
    question = next(
        q for q in dataset_spec(task, "Look.").questions if q.name == f"corrected_{task.outputs[0].name}"
    )
    assert question.kind == "text"
    assert ("valid JSON" if task is BILLS else "begins with User:") in str(question.description)


@given(chats())
def test_any_chat_is_seen_in_full_and_comes_back_unchanged(chat: list[Message]) -> None:
    fields = TALKS.validate_fields({"messages": chat})
    texts = record_fields(TALKS, fields, None)
    stored = {name: show(text) for name, text in texts.items()}
    assert seen_hash(TALKS, fields, stored) == Example(fields=fields).id
    assert shows_just(texts, stored)
    answer = read_answer(TALKS, fields, page(TALKS, fields, decision="approve"))
    assert (answer.corrected, answer.problem) == (fields, None)
    assert TALKS.messages(fields) == chat


@given(JSON)
def test_any_json_is_seen_in_full_and_comes_back_unchanged(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)[:900]
    fields = ANYTHING.validate_fields({"text": "x", "data": {"said": text, "list": [text, text[::-1]]}})
    stored = {name: show(shown) for name, shown in record_fields(ANYTHING, fields, None).items()}
    assert seen_hash(ANYTHING, fields, stored) == Example(fields=fields).id
    assert read_answer(ANYTHING, fields, page(ANYTHING, fields, decision="approve")).corrected == fields


def test_another_value_on_the_page_is_another_example() -> None:
    stored = {name: show(text) for name, text in record_fields(BILLS, BILL, None).items()}
    assert seen_hash(BILLS, BILL, stored | {"data": stored["data"].replace("12.5", "12.6")}) != content_hash(
        BILL
    )


def test_the_same_value_written_otherwise_corrects_nothing() -> None:
    text = '{"seller":"Bob","buyer":"Ann Lee","total":12.50,"paid":false}'
    answer = read_answer(BILLS, BILL, page(BILLS, BILL, decision="edit", corrected_data=text))
    assert answer.corrected == BILL


@pytest.mark.parametrize("decision", ["approve", "edit"])
@pytest.mark.parametrize(
    ("task", "fields", "text", "complaint"),
    [
        (BILLS, BILL, '{"total": 1,}', "malformed: field 'data': no valid JSON at line 1"),
        (BILLS, BILL, '{"total": 1, "total": 2}', "key 'total' appears twice"),
        (BILLS, BILL, '{"total": Infinity}', "Infinity is not JSON"),
        (BILLS, BILL, '{"total": "12.5"}', 'total: "12.5" is no number'),
        (BILLS, BILL, '{"buyer": "Ann Lee"}', "total is missing"),
        (BILLS, BILL, '{"total": 1, "vat": 2}', "vat is unknown"),
        (BILLS, BILL, '{"total": ' + "1" * 30 + "}", "an integer of 30 digits"),
        (TALKS, TALK, "User: Is it 3?", "a chat ends with an answer by the assistant"),
        (TALKS, TALK, "User: Is it 3?\nno\nAssistant: Yes", "line 2 begins no turn"),
        (TALKS, TALK, "Is it 3? Yes.", "line 1 begins no turn"),
    ],
)
def test_a_correction_that_cannot_be_read_counts_for_nothing(
    decision: str, task: Task, fields: dict[str, Any], text: str, complaint: str
) -> None:
    values = page(task, fields, **{"decision": decision, f"corrected_{task.outputs[0].name}": text})
    answer = read_answer(task, fields, values)
    assert answer.corrected is None
    assert answer.problem is not None
    assert complaint in answer.problem


def test_answers_are_compared_by_value_and_inputs_by_what_is_asked() -> None:
    same = BILLS.validate_fields(
        {"text": SAYS, "data": '{"paid": false, "buyer": "Ann Lee", "total": 12.50, "seller": "Bob"}'}
    )
    assert output_of(BILLS, same) == output_of(BILLS, BILL)
    other = BILLS.validate_fields({"text": SAYS, "data": {"total": 13}})
    assert output_of(BILLS, other) != output_of(BILLS, BILL)
    told = TALKS.validate_fields(
        {"messages": [{"role": "system", "content": "Be brief."}, *TALKS.messages(TALK)]}
    )
    assert text_of(TALKS, told) == text_of(TALKS, TALK) == "Is it 3?"
    assert output_of(TALKS, told) == output_of(TALKS, TALK)


class Rated(BaseModel):
    """Rate a review."""

    text: Annotated[str, Input]
    price: Annotated[float, Output]
    again: Annotated[bool, Output]


RATED = Task.from_class(Rated, name="rated")


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_any_number_is_seen_in_full_comes_back_unchanged_and_can_be_corrected(
    price: float, again: bool
) -> None:
    fields = RATED.validate_fields({"text": "Good.", "price": price, "again": again})
    stored = {name: show(text) for name, text in record_fields(RATED, fields, None).items()}
    assert seen_hash(RATED, fields, stored) == Example(fields=fields).id
    assert read_answer(RATED, fields, page(RATED, fields, decision="approve")).corrected == fields
    edited = page(RATED, fields, decision="edit", corrected_again=json.dumps(not again))
    assert read_answer(RATED, fields, edited).corrected == fields | {"again": json.dumps(not again)}
    wrong = read_answer(RATED, fields, page(RATED, fields, decision="edit", corrected_again="perhaps"))
    assert (wrong.corrected, "no valid JSON" in str(wrong.problem)) == (None, True)


def test_a_number_that_the_text_says_is_made_wrong_by_another_one() -> None:
    one, two = (
        RATED.validate_fields({"text": f"I paid {n} for it.", "price": n, "again": True}) for n in (12, 30)
    )
    made = corrupt(RATED, Source("one", one), [Source("two", two)], random.Random(1))
    assert made is not None
    assert made.fields["price"] != "12"
    assert made.fields | {"price": "12"} == one


# -- controls ----------------------------------------------------------------------------------------

OTHER_BILL = BILLS.validate_fields({"text": "Eve bought 2 pens.", "data": {"total": 2, "buyer": "Eve"}})
OTHER_TALK = TALKS.validate_fields(
    {
        "messages": [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": "It was Adam, in 1999."},
        ]
    }
)


@pytest.mark.parametrize(
    ("task", "fields", "other"), [(BILLS, BILL, OTHER_BILL), (TALKS, TALK, OTHER_TALK)], ids=["json", "chat"]
)
def test_every_corruption_makes_a_whole_example_with_another_answer_to_the_same_question(
    task: Task, fields: dict[str, Any], other: dict[str, Any]
) -> None:
    source, others = Source("one", fields), [Source("two", other)]
    for make in corruptions_of(task):
        for seed in range(20):
            made = make(task, source, others, random.Random(seed))
            assert made is not None, make
            assert task.validate_fields(made.fields) == made.fields
            assert text_of(task, made.fields) == text_of(task, fields)
            assert output_of(task, made.fields) != output_of(task, fields)


def test_no_corrupted_value_is_one_that_the_text_says_unless_it_is_in_another_ones_place() -> None:
    kinds = set()
    for seed in range(60):
        made = corrupt(BILLS, Source("one", BILL), [Source("two", OTHER_BILL)], random.Random(seed))
        assert made is not None
        kinds.add(made.corruption)
        data, old = (BILLS.field("data").value(each["data"]) for each in (made.fields, BILL))
        if made.corruption == "changed_value":
            (name,) = (key for key in old if data[key] != old[key])
            assert str(data[name]) not in SAYS
        elif made.corruption == "missing_value":
            assert old.keys() - data.keys() <= {"buyer", "seller"}, (
                "what the text says, not whether it is paid"
            )
        else:
            assert (data["buyer"], data["seller"]) == ("Bob", "Ann Lee")
    assert kinds == {"changed_value", "missing_value", "swapped_values"}

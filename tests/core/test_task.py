"""The Task: one declaration, and everything that is derived from it."""

import json
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic import Field as ModelField

from seedgate.errors import ConfigError, InputError
from seedgate.json_schema import check
from seedgate.task import Field, Input, Output, Task, fill

TOPICS = {"preset": "classification", "name": "topics", "labels": ["bug", "billing"]}
ALPACA = {"preset": "instruction", "name": "alpaca"}


def custom(*fields: dict[str, Any], **settings: Any) -> Task:
    table: dict[str, Any] = {
        "name": "custom",
        "instructions": "Do it.",
        "fields": fields,
        "prompt_template": "{q}",
        "completion_template": "{a}",
    }
    return Task.from_config(table | settings)


Q = {"name": "q", "role": "input"}
A = {"name": "a", "role": "output"}


# -- presets -----------------------------------------------------------------------------------------


def test_a_classification_task_has_a_text_and_a_label() -> None:
    task = Task.from_config(TOPICS)
    assert [(f.name, f.role, f.type) for f in task.fields] == [
        ("text", "input", "text"),
        ("label", "output", "label"),
    ]
    assert task.choices == ("bug", "billing")
    assert task.metric == "accuracy"
    assert task.prompt({"text": "It broke."}) == "It broke."
    assert task.completion({"label": "bug"}) == "bug"


def test_an_instruction_task_has_the_fields_of_alpaca() -> None:
    task = Task.from_config(ALPACA)
    assert [f.name for f in task.fields] == ["instruction", "input", "output"]
    assert task.choices is None
    assert task.metric == "token_f1"
    assert task.prompt({"instruction": "Add.", "input": "1 1"}) == "Add.\n\n1 1"
    assert task.prompt({"instruction": "Add 1 and 1."}) == "Add 1 and 1."


def test_what_a_label_means_can_be_said_beside_it() -> None:
    task = Task.from_config(TOPICS | {"labels": {"bug": "it fails", "billing": "money"}})
    label = task.label_field
    assert label is not None
    assert label.labels == ("bug", "billing")
    assert label.label_help == {"bug": "it fails", "billing": "money"}


def test_a_preset_is_completed_by_other_keys() -> None:
    template = "One of {labels}.\n{text}"
    task = Task.from_config(
        TOPICS | {"prompt_template": template, "instructions": "Sort it.", "max_chars": 9}
    )
    assert task.instructions == "Sort it."
    assert task.prompt({"text": "Hello"}) == "One of bug, billing.\nHello"
    assert task.field("text").max_chars == 9


# -- wrong declarations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (TOPICS | {"audiense": "x"}, r"unknown key 'audiense': did you mean 'audience'\?"),
        (TOPICS | {"zzz": 1}, "unknown key 'zzz': known: name, preset"),
        (ALPACA | {"labels": ["a", "b"]}, r"unknown key 'labels': it does not go with this preset"),
        ({"preset": "classification", "labels": ["a", "b"]}, "key 'name' is missing"),
        (
            {"preset": "clasification", "name": "t"},
            "preset 'clasification' is unknown: use one of classification",
        ),
        ({"preset": "classification", "name": "t"}, "field 'label': a label field needs at least two labels"),
        (TOPICS | {"labels": ["a", " "]}, "label ' ' is empty or has space around it"),
        (TOPICS | {"labels": ["a", "b "]}, "label 'b ' is empty or has space around it"),
        (TOPICS | {"labels": ["Yes", "yes."]}, "two labels read 'yes'"),
        (TOPICS | {"name": "My Task"}, "task name 'My Task' must be lower-case"),
        (TOPICS | {"prompt_template": "{txt}"}, r"prompt_template names \{txt\}, which is no field"),
        (
            TOPICS | {"prompt_template": "{text} {label}"},
            "prompt_template gives away the output field 'label'",
        ),
    ],
)
def test_a_wrong_table_is_answered_with_what_to_write(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[task\].*{complaint}"):
        Task.from_config(table)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ([Q], "at least one input and one output"),
        ([Q, A, A], "two fields have the same name"),
        ([Q, A | {"type": "json"}], "a json field needs a schema"),
        ([Q, A | {"labels": ["x", "y"]}], "labels are for label and multilabel fields"),
        ([Q | {"min_chars": 9, "max_chars": 3}, A], "min_chars must lie between 0 and max_chars"),
        ([Q, {"name": "tags", "role": "output"}], "field name 'tags' is taken by seedgate itself"),
        ([Q, {"name": "A b", "role": "output"}], "field name 'A b' must match"),
        ([Q, A | {"colour": "red"}], r"unknown key 'fields\.1\.colour': known: name, role"),
        ([Q, A | {"max_char": 3}], r"unknown key 'fields\.1\.max_char': did you mean 'max_chars'\?"),
    ],
)
def test_wrong_fields_are_named(fields: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        custom(*fields)


# -- rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"text": "x"}, "field 'label' is missing"),
        ({"text": "x", "label": "bugg"}, r"field 'label': unknown label 'bugg' \(known: bug, billing\)"),
        ({"text": "x", "label": "bug", "lang": "en"}, r"unknown field 'lang' \(the task has: text, label\)"),
        ({"text": "", "label": "bug"}, "field 'text' has 0 characters; at least 1 are needed"),
        (
            {"text": "x" * 601, "label": "bug"},
            "field 'text' has 601 characters; at most 600 are allowed: .*max_chars",
        ),
        ({"text": 5, "label": "bug"}, "field 'text': input should be a valid string, found 5"),
        ({"text": None, "label": "bug"}, "field 'text': input should be a valid string, found null"),
        ({"text": "\ud800", "label": "bug"}, "unpaired surrogate"),
        ({"text": float("nan"), "label": "bug"}, "nan is not a JSON number"),
    ],
)
def test_a_wrong_row_is_answered_with_what_was_found(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Task.from_config(TOPICS).validate_fields(fields)


def test_a_long_value_is_not_repeated_at_length() -> None:
    with pytest.raises(InputError) as refused:
        Task.from_config(TOPICS).validate_fields({"text": "x", "label": "y" * 1_000_000})
    assert len(str(refused.value)) < 200


def test_an_optional_text_may_be_left_out() -> None:
    task = Task.from_config(ALPACA)
    assert task.validate_fields({"instruction": "Hi", "output": "Ho"}) == {
        "instruction": "Hi",
        "input": "",
        "output": "Ho",
    }


def test_rows_and_labels_meet_in_one_unicode_form() -> None:
    task = Task.from_config(TOPICS | {"labels": ["cafe\u0301", "tea"]})
    assert task.choices == ("café", "tea")
    assert task.validate_fields({"text": "e\u0301", "label": "cafe\u0301"}) == {"text": "é", "label": "café"}


def test_a_set_of_labels_is_the_same_content_in_any_order() -> None:
    task = custom(Q, A | {"type": "multilabel", "labels": ["x", "y", "z"]})
    assert task.validate_fields({"q": "?", "a": ["z", "x"]})["a"] == ["x", "z"]
    assert task.completion({"a": ["x", "z"]}) == "x, z"
    with pytest.raises(InputError, match="a label is given twice"):
        task.validate_fields({"q": "?", "a": ["x", "x"]})
    with pytest.raises(InputError, match="field 'a': unknown label 'w'"):
        task.validate_fields({"q": "?", "a": ["w"]})


@pytest.mark.parametrize("name", ["json", "copy", "schema", "model_config", "model_dump", "register"])
def test_fields_may_be_called_like_the_validators_own_methods(name: str) -> None:
    task = custom(Q | {"name": name}, A, prompt_template=f"{{{name}}}")
    assert task.validate_fields({name: "x", "a": "y"}) == {name: "x", "a": "y"}
    with pytest.raises(InputError, match=f"field '{name}' is missing"):
        task.validate_fields({"a": "y"})


@given(
    st.fixed_dictionaries(
        {"text": st.text(min_size=1, max_size=50), "label": st.sampled_from(["bug", "billing"])}
    )
)
def test_a_checked_row_stays_as_it_is_and_fits_the_json_schema(fields: dict[str, str]) -> None:
    task = Task.from_config(TOPICS)
    checked = task.validate_fields(fields)
    assert task.validate_fields(checked) == checked
    jsonschema.validate(checked, task.json_schema())


# -- what is derived ---------------------------------------------------------------------------------


def test_the_json_schema_leaves_out_what_is_fixed() -> None:
    schema = Task.from_config(TOPICS).json_schema(fixed=["label"])
    assert schema == {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 600}},
        "required": ["text"],
        "additionalProperties": False,
    }


def test_the_json_schema_lists_the_labels() -> None:
    task = custom(Q, A | {"type": "multilabel", "labels": ["x", "y"]})
    assert task.json_schema()["properties"]["a"] == {
        "type": "array",
        "items": {"type": "string", "enum": ["x", "y"]},
        "maxItems": 2,
    }


def test_a_training_row_is_a_prompt_and_a_completion() -> None:
    assert Task.from_config(TOPICS).training_rows({"text": "It broke.", "label": "bug"}) == [
        {
            "prompt": [{"role": "user", "content": "It broke."}],
            "completion": [{"role": "assistant", "content": "bug"}],
        }
    ]


@pytest.mark.parametrize(
    ("answer", "score"), [("bug", 1), (" Bug. ", 1), ("bug report", 0), ("billing", 0), ("", 0)]
)
def test_a_label_is_right_or_wrong(answer: str, score: float) -> None:
    assert Task.from_config(TOPICS).score({"label": "bug"}, answer) == score


@pytest.mark.parametrize(
    ("answer", "score"),
    [("the red kettle", 1.0), ("The Red Kettle", 1.0), ("red kettle", 0.8), ("blue pot", 0.0), ("", 0.0)],
)
def test_free_text_gets_the_overlap_of_its_words(answer: str, score: float) -> None:
    assert Task.from_config(ALPACA).score({"output": "the red kettle"}, answer) == pytest.approx(score)


def test_the_hash_changes_with_the_declaration_only() -> None:
    assert Task.from_config(TOPICS).hash == Task.from_config(dict(reversed(TOPICS.items()))).hash
    assert Task.from_config(TOPICS).hash != Task.from_config(TOPICS | {"instructions": "Other."}).hash


# -- JSON and chats ----------------------------------------------------------------------------------

BILLS = {"preset": "extraction", "name": "bills", "schema": {"total": "number", "to": "string?"}}
CHAT = {"preset": "chat", "name": "talk"}
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello\nthere"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "Bye, bye."},
]


def test_an_extraction_task_has_a_text_and_json() -> None:
    task = Task.from_config(BILLS)
    assert [(f.name, f.role, f.type) for f in task.fields] == [
        ("text", "input", "text"),
        ("data", "output", "json"),
    ]
    assert task.metric == "field_f1"
    given = {"text": "4 to Ann", "data": {"to": "Ann", "total": 4.0}}
    fields = task.validate_fields(given)
    assert fields["data"] == '{\n  "to": "Ann",\n  "total": 4\n}'
    assert (
        task.validate_fields(fields)
        == fields
        == task.validate_fields(given | {"data": '{"total": 4, "to": "Ann"}'})
    )
    assert task.completion(fields) == '{"to": "Ann", "total": 4}'
    jsonschema.validate(given, task.json_schema())


@pytest.mark.parametrize(
    ("answer", "score", "exact"),
    [
        ('{"to": "Ann", "total": 4}', 1, True),
        (' {"total": 4.0, "to": "Ann"}\n', 1, True),
        ('{"total": 4}', 2 / 3, False),
        ('{"total": 5, "to": "Ann"}', 0.5, False),
        ('{"total": 4, "to": "Ann", "vat": 1}', 0.8, False),
        ('{"total": 4, "total": 4, "to": "Ann"}', 0, False),
        ("4 to Ann", 0, False),
    ],
)
def test_json_gets_the_agreement_of_its_values(answer: str, score: float, exact: bool) -> None:
    task = Task.from_config(BILLS)
    fields = task.validate_fields({"text": "x", "data": {"to": "Ann", "total": 4}})
    assert task.score(fields, answer) == pytest.approx(score)
    assert task.exact(fields, answer) is exact


def test_a_chat_task_has_messages_and_trains_every_answer() -> None:
    task = Task.from_config(CHAT)
    fields = task.validate_fields({"messages": TALK})
    assert task.messages(fields) == TALK
    assert task.validate_fields(fields) == fields
    assert task.training_rows(fields) == [
        {"prompt": TALK[:2], "completion": TALK[2:3]},
        {"prompt": TALK[:4], "completion": TALK[4:]},
    ]
    assert task.completion(fields) == "Bye, bye."
    assert task.prompt(fields) == "System: Be kind.\nUser: Hi\nAssistant: Hello\n| there\nUser: Bye"
    assert (task.metric, task.choices) == ("token_f1", None)
    jsonschema.validate({"messages": TALK}, task.json_schema())


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (BILLS | {"schema": {}}, "field 'data': a json field needs a schema"),
        (BILLS | {"schema": {"a": "text"}}, "schema, a: 'text' is no type"),
        (BILLS | {"schema": "bill.json"}, "'bill.json' is a file's name, which only a workspace can have"),
        (CHAT | {"prompt_template": "{messages}"}, "leave templates out"),
        (CHAT | {"schema": {"a": "string"}}, "unknown key 'schema'"),
    ],
)
def test_a_wrong_preset_of_json_or_chats_is_named(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Task.from_config(table)


def test_a_chat_stands_alone_and_is_an_output() -> None:
    chat = {"name": "c", "role": "output", "type": "chat"}
    with pytest.raises(ConfigError, match="a chat is a task's only field"):
        custom(Q, chat)
    with pytest.raises(ConfigError, match="its role is output"):
        custom(chat | {"role": "input"})


@pytest.mark.parametrize(
    ("table", "fields", "complaint"),
    [
        (BILLS, {"text": "x", "data": {"total": "4"}}, "field 'data': total: \"4\" is no number"),
        (BILLS, {"text": "x", "data": float("nan")}, "field 'data': nan is not a JSON number"),
        (BILLS, {"text": "x", "data": '{"total": 1' + " " * 20_000 + "}"}, "at most 4000 are allowed"),
        (
            BILLS,
            {"text": "x", "data": {"total": 1, "to": "y" * 5000}},
            "field 'data' has 50.. characters; at most 4000",
        ),
        (BILLS, {"text": "x"}, "field 'data' is missing"),
        (CHAT, {"messages": 3}, "field 'messages': a list of messages is needed, found int"),
        (CHAT, {"messages": TALK[:2]}, "a chat ends with an answer"),
        (CHAT, {"messages": []}, "the chat has no turns"),
    ],
)
def test_a_wrong_value_of_json_or_a_chat_is_named(table: Any, fields: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Task.from_config(table).validate_fields(fields)


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=20)))
def test_filling_a_template_never_reads_values_as_templates(values: dict[str, str]) -> None:
    expected = "<" + values.get("a", "{a}") + "|" + values.get("b", "{b}") + "|{c}>"
    assert fill("<{a}|{b}|{c}>", values) == expected


def test_a_fields_title_is_made_from_its_name() -> None:
    assert Field(name="reply_text", role="output").display == "Reply text"
    assert Field(name="reply_text", role="output", title="Answer").display == "Answer"


# -- tasks from classes ------------------------------------------------------------------------------


class Moment(BaseModel):
    day: str = ModelField(pattern="x")


class Ticket(BaseModel):
    """Name the topic of a ticket."""

    text: Annotated[str, Input, ModelField(max_length=80, description="What was written.")]
    note: Annotated[str, Input] = ""
    topic: Annotated[Literal["bug", "billing"], Output]
    areas: Annotated[list[Literal["app", "site"]], Output]


def test_an_annotated_class_is_a_task() -> None:
    task = Task.from_class(Ticket, name="tickets")
    assert task.instructions == "Name the topic of a ticket."
    assert [(f.name, f.role, f.type, f.required) for f in task.fields] == [
        ("text", "input", "text", True),
        ("note", "input", "text", False),
        ("topic", "output", "label", True),
        ("areas", "output", "multilabel", True),
    ]
    assert task.field("text").max_chars == 80
    assert task.field("text").description == "What was written."
    assert task.prompt({"text": "It broke.", "note": "twice"}) == "text: It broke.\nnote: twice"
    assert task.validate_fields({"text": "x", "topic": "bug", "areas": ["app"]})["note"] == ""


def test_settings_override_what_the_class_says() -> None:
    assert Task.from_class(Ticket, name="t", prompt_template="{text}").prompt({"text": "Hi"}) == "Hi"


class Line(BaseModel):
    what: str
    price: Annotated[float, ModelField(ge=0)]
    unit: Literal["piece", "kg"] = "piece"


class Receipt(BaseModel):
    """Read a receipt."""

    text: str = ModelField(json_schema_extra={"role": "input"}, max_length=200)
    lines: list[Line] = ModelField(json_schema_extra={"role": "output"}, title="The lines")


def test_a_class_in_a_class_is_json_and_a_role_can_stand_in_the_schemas_extra() -> None:
    task = Task.from_class(Receipt, name="receipts")
    assert [(f.name, f.role, f.type) for f in task.fields] == [
        ("text", "input", "text"),
        ("lines", "output", "json"),
    ]
    assert task.field("lines").display == "The lines"
    assert task.json_schema()["properties"]["lines"]["items"]["required"] == ["what", "price"]
    fields = task.validate_fields({"text": "Tea 4", "lines": [{"what": "Tea", "price": 4}]})
    assert task.completion(fields) == '[{"price": 4, "what": "Tea"}]'
    with pytest.raises(InputError, match=r"field 'lines': \[0\].price: -1, but minimum is 0"):
        task.validate_fields({"text": "Tea", "lines": [{"what": "Tea", "price": -1}]})


def test_an_edit_of_a_class_in_the_class_is_another_task() -> None:
    class OtherLine(Line):
        unit: Literal["piece", "kg", "litre"] = "piece"  # type: ignore[assignment]

    class Other(Receipt):
        """Read a receipt."""

        lines: list[OtherLine] = ModelField(json_schema_extra={"role": "output"}, title="The lines")  # type: ignore[assignment]

    assert Task.from_class(Other, name="r").hash != Task.from_class(Receipt, name="r").hash


class Dated(BaseModel):
    text: Annotated[str, Input]
    on: Annotated[Moment, Output]


class Unmarked(BaseModel):
    text: str


class Rated(BaseModel):
    """Rate a review."""

    text: Annotated[str, Input]
    stars: Annotated[int, Output, ModelField(ge=1, le=5)]
    price: Annotated[float, Output]
    again: Annotated[bool, Output]


RATED = Task.from_class(Rated, name="rated")
a_number = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@given(st.integers(1, 5), a_number, st.booleans())
def test_numbers_and_truth_are_json_of_one_value_and_come_back_as_they_were(
    stars: int, price: float, again: bool
) -> None:
    values = {"stars": stars, "price": price, "again": again}
    fields = RATED.validate_fields({"text": "Good.", **values})
    assert all(isinstance(fields[name], str) for name in values)
    assert RATED.validate_fields(fields) == fields  # as a correction, and a row of the ledger, has them
    assert {name: RATED.field(name).value(fields[name]) for name in values} == values
    assert RATED.completion(fields).splitlines()[::2] == [str(stars), json.dumps(again)]
    assert RATED.score(fields, RATED.completion(fields)) == 1
    check(RATED.json_schema(fixed=["text"]), values)


def test_a_single_number_is_scored_as_a_value() -> None:
    class Stars(BaseModel):
        """Rate a review."""

        text: Annotated[str, Input]
        stars: Annotated[int, Output]

    task = Task.from_class(Stars, name="stars")
    fields = task.validate_fields({"text": "Good.", "stars": 4.0})
    assert (fields["stars"], task.metric) == ("4", "field_f1")
    assert [task.score(fields, answer) for answer in ("4", " 4.0 ", "5", "four")] == [1, 1, 0, 0]
    assert task.exact(fields, "4.0")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"stars": 6}, "field 'stars': 6, but maximum is 5"),
        ({"stars": True}, "field 'stars': true is no integer"),
        ({"stars": 2.5}, "field 'stars': 2.5 is no integer"),
        ({"stars": "many"}, "field 'stars': no valid JSON"),
        ({"again": 1}, "field 'again': 1 is no boolean"),
        ({"price": None}, "field 'price': null is no number"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        RATED.validate_fields({"text": "x", "stars": 1, "price": 1, "again": True} | values)


class Above(BaseModel):
    text: Annotated[str, Input]
    score: Annotated[int, Output, ModelField(gt=0)]


class Strings(BaseModel):
    text: Annotated[str, Input]
    words: Annotated[list[str], Output]


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (Unmarked, "field 'text': mark it with exactly one of"),
        (Dated, "schema, day: keyword 'pattern' is not supported"),
        (Above, "schema, the top: keyword 'exclusiveMinimum' is not supported"),
        (Strings, r"field 'words': list\[str\] is not supported"),
    ],
)
def test_a_class_that_is_no_task_is_refused(model: type[BaseModel], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Task.from_class(model, name="t")

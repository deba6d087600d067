"""Reading examples: every mistake in a file is one clear line that says where."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.errors import InputError
from seedgate.seeds import column_uses, column_values, json_values, read_baseline, read_examples
from seedgate.task import Field, Task

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["bug", "billing"]})
ALPACA = Task.from_config({"preset": "instruction", "name": "t"})
TAGGED = Task.from_config(
    {
        "name": "t",
        "instructions": "x",
        "fields": [
            {"name": "text", "role": "input"},
            {"name": "topics", "role": "output", "type": "multilabel", "labels": ["a", "b", "c"]},
        ],
        "prompt_template": "{text}",
        "completion_template": "{topics}",
    }
)

GOOD = '{"text": "It broke.", "label": "bug"}'
OTHER = '{"text": "Paid twice.", "label": "billing", "tags": ["edge"]}'


def write(folder: Path, content: str | bytes, name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def complaint(source: str, task: Task = TASK, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        read_examples(source, task, **options)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 500
    return str(refused.value)


# -- JSON lines --------------------------------------------------------------------------------------


def test_rows_come_in_order_with_their_lines_and_tags(tmp_path: Path) -> None:
    first, second = read_examples(write(tmp_path, f"{GOOD}\n\n{OTHER}"), TASK)
    assert first.fields == {"text": "It broke.", "label": "bug"}
    assert (first.tags, first.source) == ((), "rows.jsonl:1")
    assert (second.tags, second.source) == (("edge",), "rows.jsonl:3")


@pytest.mark.parametrize(
    "content", [f"\ufeff{GOOD}\r\n{OTHER}\r\n", f"{GOOD}\n{OTHER}", f"\n{GOOD}\n\n{OTHER}\n\n"]
)
def test_a_byte_order_mark_and_other_line_ends_are_harmless(tmp_path: Path, content: str) -> None:
    assert [e.fields["text"] for e in read_examples(write(tmp_path, content), TASK)] == [
        "It broke.",
        "Paid twice.",
    ]


def row(text: Any = "Hi", label: Any = "bug", **more: Any) -> str:
    return json.dumps({"text": text, "label": label} | more)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"text": "x", "label": "bug"', "malformed JSON at column 29: expecting ',' delimiter"),
        ("{'text': 'x'}", "malformed JSON at column 2: expecting property name"),
        ('{"text": "x", "text": "y", "label": "bug"}', "malformed JSON: key 'text' appears twice"),
        ('{"text": NaN, "label": "bug"}', "malformed JSON: NaN is not JSON"),
        (f'{{"text": {"9" * 5000}, "label": "bug"}}', "malformed JSON: an integer of 5000 digits"),
        ("[" * 50_000, "malformed JSON: nested too deeply"),
        ('["x", "bug"]', "an array instead of an object"),
        ('"x"', "a string instead of an object"),
        ("3", "a number instead of an object"),
        ("null", "null instead of an object"),
        ('{"text": "x"}', "field 'label' is missing"),
        ('{"label": "bug"}', "field 'text' is missing"),
        (row(label="bugg"), "field 'label': unknown label 'bugg' (known: bug, billing)"),
        (row(text=""), "field 'text' has 0 characters; at least 1 are needed"),
        (row(text=" \n "), "field 'text' is blank"),
        (row(text=7), "field 'text': input should be a valid string, found 7"),
        (row(text="x" * 1_000_000), "field 'text' has 1000000 characters; at most 600 are allowed"),
        (row(text="a\u0007b"), "field 'text': control character U+0007 at position 2"),
        (row(text="a\rb"), "field 'text': control character U+000D at position 2"),
        (row(text="a\u0085b"), "field 'text': control character U+0085 at position 2"),
        ('{"text": "\\ud800", "label": "bug"}', "the text has an unpaired surrogate"),
        (
            row(txt="x"),
            "unknown field 'txt': did you mean 'text'? rename it or take it out",
        ),
        (
            row(id=3),
            "unknown field 'id': the task has: text, label; rename it or take it out",
        ),
        (row(tags="edge"), "tags must be a list of words, found 'edge'"),
        (row(tags=["edge", 3]), "tags must be a list of words"),
        (row(tags=["a\nb"]), "tag 'a\\nb' has a control character: a tag is a few words"),
        (row(tags=["x" * 101]), f"tag '{'x' * 40}' has 101 characters: a tag is a few words"),
        (row(label=None), "field 'label': unknown label null (known: bug, billing)"),
        (row(label=1.5), "field 'label': unknown label 1.5 (known: bug, billing)"),
    ],
)
def test_a_wrong_line_is_named_with_what_was_found(tmp_path: Path, line: str, what: str) -> None:
    assert complaint(write(tmp_path, f"{OTHER}\n{line}\n")).startswith(f"rows.jsonl:2: {what}")


def test_new_lines_and_tabs_are_text(tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path, row(text="a\n\tb")), TASK)
    assert example.fields["text"] == "a\n\tb"


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    assert complaint(write(tmp_path, content)).endswith(
        "rows.jsonl: holds no rows: give at least one example"
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            f"{GOOD}\n{row(text='?')}\n".encode() + '{"text": "café"}'.encode("latin-1"),
            "rows.jsonl:3: byte 14 of the line (0xE9) is not UTF-8: save the file as UTF-8",
        ),
        (GOOD.encode("utf-16"), "rows.jsonl:1: byte 1 of the line (0xFF) looks like UTF-16"),
        (GOOD.encode("utf-16-be"), "rows.jsonl:1: byte 1 of the line (0x00) looks like UTF-16"),
        (GOOD.encode("utf-16-le"), "rows.jsonl:1: byte 2 of the line (0x00) looks like UTF-16"),
    ],
)
def test_a_wrong_encoding_names_the_line_and_the_byte(tmp_path: Path, content: bytes, what: str) -> None:
    assert complaint(write(tmp_path, content)).startswith(what)


def test_a_file_without_line_ends_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with path.open("r+b") as file:
        file.write(b" ")
    assert complaint(str(path)) == "rows.jsonl:1: a line of more than 16 MB"


def test_json_may_be_one_long_line(tmp_path: Path) -> None:
    rows = [{"text": f"Text {n}", "label": "bug"} for n in range(3)]
    text = json.dumps(rows[:2])[:-1] + " " * (17 * 1024 * 1024) + "," + json.dumps(rows[2]) + "]"
    assert len(read_examples(write(tmp_path, text, "rows.json"), TASK)) == 3


def test_the_same_content_twice_names_both_lines(tmp_path: Path) -> None:
    again = '{"label": "bug", "text": "It broke.", "tags": ["core"]}'
    text = complaint(write(tmp_path, f"{GOOD}\n{OTHER}\n{again}\n"))
    assert text == "rows.jsonl:3: the same content as rows.jsonl:1: remove one of them"


def test_the_first_problem_is_told_and_where_the_others_are(tmp_path: Path) -> None:
    text = complaint(write(tmp_path, f"{GOOD}\n{{\n{OTHER}\n{row(label='x')}\n[]\n"))
    assert text.startswith("rows.jsonl:2: malformed JSON")
    assert text.endswith(" (and 2 more, at lines 4, 5)")


def test_reading_stops_after_twenty_problems(tmp_path: Path) -> None:
    text = complaint(write(tmp_path, "{\n" * 1000))
    assert "(and 19 more, at lines 2, 3, " in text
    assert text.endswith("20 and perhaps later)")


def test_what_was_wrong_before_the_file_became_unreadable_comes_first(tmp_path: Path) -> None:
    assert complaint(write(tmp_path, b"{\n\xff\xff")).startswith("rows.jsonl:1: malformed JSON")


# Anything that a JSON value may hold, any number of lines: an answer, or one clear line; never another error.
@given(st.lists(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["bug", "billing"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["text", "label", "tags", "x"]) | st.text(max_size=3), inner, max_size=4
    ),
    max_leaves=6,
), max_size=5))  # fmt: skip
def test_whatever_the_lines_hold_the_answer_is_examples_or_one_line(values: list[Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), "".join(json.dumps(value) + "\n" for value in values))
        try:
            examples = read_examples(source, TASK)
        except InputError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
        else:
            assert len({example.id for example in examples}) == len(examples) >= 1


# -- columns -----------------------------------------------------------------------------------------


def test_columns_are_renamed_and_dropped(tmp_path: Path) -> None:
    source = write(tmp_path, '{"utterance": "Hi", "intent": "bug", "id": 7, "kind": ["edge"]}')
    mapping = {"utterance": "text", "intent": "label", "id": ""}
    (example,) = read_examples(source, TASK, mapping=mapping, tags_column="kind")
    assert example.fields == {"text": "Hi", "label": "bug"}
    assert example.tags == ("edge",)


BILLS = Task.from_config({"preset": "extraction", "name": "t", "schema": {"total": "number"}})


@pytest.mark.parametrize("answer", ["data", "output", "response", "completion", "answer", "target"])
@pytest.mark.parametrize("asked", ["text", "input"])
def test_the_only_answer_and_the_only_question_may_go_by_other_names(
    tmp_path: Path, asked: str, answer: str
) -> None:
    source = write(tmp_path, json.dumps({asked: "Tea, 4.", answer: {"total": 4}}))
    (example,) = read_examples(source, BILLS)
    assert BILLS.field("data").value(example.fields["data"]) == {"total": 4}
    assert [(use.column, use.field) for use in column_uses(source, BILLS)] == [
        (asked, "text"),
        (answer, "data"),
    ]
    assert json_values(source, "data") == [{"total": 4}]


@pytest.mark.parametrize(
    ("row", "mapping", "unknown"),
    [
        ({"text": "x", "output": "bug", "answer": "bug"}, {}, "output"),  # which one?
        ({"text": "x", "label": "bug", "answer": "bug"}, {}, "answer"),
        ({"text": "x", "kind": "bug", "answer": "bug"}, {"kind": "label"}, "answer"),
    ],
)
def test_a_name_that_leaves_a_choice_is_not_guessed_at(
    tmp_path: Path, row: dict[str, str], mapping: dict[str, str], unknown: str
) -> None:
    told = complaint(write(tmp_path, json.dumps(row)), mapping=mapping)
    assert f"unknown field '{unknown}'" in told or f"unknown fields '{unknown}'" in told


def test_of_two_such_names_one_can_be_left_out(tmp_path: Path) -> None:
    source = write(tmp_path, json.dumps({"text": "x", "output": "bug", "answer": "no"}))
    (example,) = read_examples(source, TASK, mapping={"answer": ""})
    assert example.fields["label"] == "bug"


def test_where_there_are_two_answers_none_goes_by_another_name(tmp_path: Path) -> None:
    two = TAGGED.model_copy(update={"fields": (*TAGGED.fields, Field(name="why", role="output"))})
    assert "unknown field 'output'" in complaint(write(tmp_path, '{"text": "x", "output": "a"}'), two)


@pytest.mark.parametrize(
    ("mapping", "what"),
    [
        ({"text": "txt"}, "mapping: 'txt' is no field of the task: did you mean 'text'?"),
        ({"a": "text", "b": "text"}, "mapping: two columns are mapped to 'text'"),
        ({"text2": "text"}, "rows.jsonl: no row has the mapped column 'text2'"),
        ({"label": "text"}, "two columns hold the field 'text'"),
    ],
)
def test_a_wrong_mapping_is_explained(tmp_path: Path, mapping: dict[str, str], what: str) -> None:
    assert what in complaint(write(tmp_path, GOOD), mapping=mapping)


def test_where_columns_can_be_mapped_the_hint_says_how_for_one_and_for_several(tmp_path: Path) -> None:
    assert complaint(write(tmp_path, row(txt="x")), mapping={}).endswith(
        "unknown field 'txt': did you mean 'text'? rename it with --map txt=text, or drop it with --map txt="
    )
    assert complaint(write(tmp_path, row(id=3, who="x")), mapping={}).endswith(
        "unknown fields 'id', 'who': the task has: text, label; rename each with --map NAME=FIELD, "
        "or drop each with --map NAME="
    )
    many = complaint(write(tmp_path, row(**{f"c{n}": n for n in range(12)})), mapping={})
    assert "'c7', ...: the task has" in many


def test_a_mapped_column_may_be_in_one_of_two_sources(tmp_path: Path) -> None:
    seeds = write(tmp_path, '{"text": "Hi", "kind": "bug"}')
    held_out = write(tmp_path, '{"text": "Ho", "label": "bug", "id": 3}', "eval.jsonl")
    mapping = {"kind": "label", "id": ""}
    first, second = read_baseline(seeds, held_out, TASK, mapping=mapping)
    assert [each.fields["label"] for each in (*first, *second)] == ["bug", "bug"]
    with pytest.raises(InputError, match=r"and .*eval\.jsonl: no row has the mapped column 'sort'"):
        read_baseline(seeds, held_out, TASK, mapping=mapping | {"sort": "tags"})
    assert read_baseline(seeds, None, TASK, mapping=mapping)[1] == []


def test_a_column_to_be_dropped_may_be_missing(tmp_path: Path) -> None:
    assert len(read_examples(write(tmp_path, GOOD), TASK, mapping={"id": ""})) == 1


def test_the_values_of_a_column_are_the_labels(tmp_path: Path) -> None:
    source = write(tmp_path, f"{OTHER}\n{GOOD}\n{OTHER}\n")
    assert column_values(source, "label") == ["billing", "bug"]
    with pytest.raises(
        InputError, match=r"rows\.jsonl:1: no column 'topic' \(columns: text, label, tags\): name it with"
    ):
        column_values(source, "topic")


def test_numbers_and_truth_values_are_labels_as_in_a_table(tmp_path: Path) -> None:
    rows = [("a", 0), ("b", 1), ("c", True), ("d", "0")]
    typed = write(tmp_path, "".join(f"{row(text, label)}\n" for text, label in rows))
    labels = column_values(typed, "label")
    assert labels == ["0", "1", "true"]
    table = write(tmp_path, "text,label\na,0\nb,1\nc,true\nd,0\n", "rows.csv")
    task = Task.from_config({"preset": "classification", "name": "t", "labels": labels})
    assert [each.id for each in read_examples(typed, task)] == [
        each.id for each in read_examples(table, task)
    ]


@pytest.mark.parametrize(
    ("label", "what"),
    [
        (None, "column 'label' holds null where a label belongs"),
        ("", "column 'label' holds '' where a label belongs"),
        (1.0, "column 'label' holds 1.0 where a label belongs"),
        (["bug"], r"column 'label' holds \['bug'\] where a label belongs"),
        ("bug ", "the label 'bug ' has space around it"),
        ("Bug.", r"the label 'Bug\.' reads like 'bug' of rows\.jsonl:1: spell a label one way"),
    ],
)
def test_what_cannot_be_a_label_is_named_with_its_row(tmp_path: Path, label: Any, what: str) -> None:
    with pytest.raises(InputError, match=rf"^rows\.jsonl:2: {what}"):
        column_values(write(tmp_path, f"{GOOD}\n{row(label=label)}\n"), "label")


# -- tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", 'text,label,tags\n"It broke, twice.",bug,core; edge\nPaid.,billing,\n'),
        ("rows.csv", '\ufefftext;label;tags\r\nIt broke, twice.;bug;"core;edge"\r\nPaid.;billing;\r\n\r\n'),
        ("rows.tsv", "text\tlabel\ttags\nIt broke, twice.\tbug\tcore;edge\nPaid.\tbilling\t\n"),
        ("rows.CSV", 'label , text,tags\nbug,"It broke, twice.","[""core"", ""edge""]"\nbilling,Paid.,'),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, name: str, content: str) -> None:
    first, second = read_examples(write(tmp_path, content, name), TASK)
    assert first.fields == {"text": "It broke, twice.", "label": "bug"}
    assert first.tags == ("core", "edge")
    assert second.tags == ()
    assert (first.source, second.source) == (f"{name}:2", f"{name}:3")


def test_a_cell_may_hold_several_lines(tmp_path: Path) -> None:
    rows = read_examples(write(tmp_path, 'text,label\r\n"one\r\ntwo",bug\r\nthree,bug\r\n', "rows.csv"), TASK)
    assert rows[0].fields["text"] == "one\ntwo"
    assert rows[1].source == "rows.csv:3"


def test_a_cell_of_brackets_is_one_clear_line(tmp_path: Path) -> None:
    source = write(tmp_path, f"text,label,tags\nHi,bug,{'[' * 100_000}\n", "rows.csv")
    assert complaint(source).startswith("rows.csv:2: tag '[[[")


def test_a_cell_may_hold_several_labels(tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path, "text,topics\nHi,c; a\n", "rows.csv"), TAGGED)
    assert example.fields["topics"] == ["a", "c"]


def test_an_empty_cell_of_an_optional_field_is_an_empty_text(tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path, "instruction,input,output\nHi,,Ho\n", "rows.csv"), ALPACA)
    assert example.fields["input"] == ""


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("text,label\nx\n", "rows.csv:2: 1 cells, but the header has 2"),
        ("text,label\nx,bug,y\n", "rows.csv:2: 3 cells, but the header has 2"),
        ("text,text\nx,bug\n", "rows.csv:1: column 'text' appears twice in the header"),
        ('text,label\nx,bug\n"y,bug\n', "rows.csv:3: malformed row: unexpected end of data"),
        ('text,label\n"x"y,bug\n', "rows.csv:2: malformed row: ',' expected after '\"'"),
        (f"text,label\n{'x' * 1_000_000},bug\n", "rows.csv:2: field 'text' has 1000000 characters"),
        ("text,label\n,bug\n", "rows.csv:2: field 'text' has 0 characters"),
        ("Text,label\nx,bug\n", "rows.csv:2: unknown field 'Text': did you mean 'text'?"),
        ("text,label\nx,bug\nx,bug\n", "rows.csv:3: the same content as rows.csv:2"),
        ("text,label\n", "holds no rows"),
        ("", "holds no rows"),
        (b"text,label\nx\xe9,bug\n", "rows.csv:2: byte 2 of the line (0xE9) is not UTF-8"),
        ("text,label\nx\x00y,bug\n", "control character U+0000"),
    ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path: Path, content: str | bytes, what: str) -> None:
    assert what in complaint(write(tmp_path, content, "rows.csv"))


# -- other sources -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.json", "sub/none", "./none", "a/b/c"])
def test_a_file_that_is_not_there_is_not_taken_for_a_dataset_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complaint(name) == f"{name}: no such file or folder: check the path"


@pytest.mark.parametrize("name", ["rows.xlsx", "rows"])
def test_a_file_that_is_not_read_says_what_is(tmp_path: Path, name: str) -> None:
    assert "is not read: give .jsonl (one JSON object per line), .json, .csv, .tsv, .parquet" in complaint(
        write(tmp_path, "x", name)
    )


def test_progress_counts_rows(tmp_path: Path) -> None:
    source = write(tmp_path, "".join(row(text=f"Row {n}") + "\n" for n in range(4500)))
    told: list[tuple[int, int]] = []
    read_examples(source, TASK, on_progress=lambda done, total, note: told.append((done, total)))
    assert told == [(2000, 0), (4000, 0), (4500, 4500)]

"""Schemas of JSON fields: what is declared, what fits it, and what is learnt from objects."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.errors import InputError
from seedgate.json_schema import check, closed_schema
from seedgate.seeds.schema_learning import inferred

TABLE = {
    "total": "number",
    "items": "string[]",
    "paid": "boolean",
    "count": "integer?",
    "status": ["open", "closed"],
    "buyer": {"name": "string", "type": "string?"},
}
BILL = {"total": 12.5, "items": ["tea"], "paid": True, "status": "open", "buyer": {"name": "Ann"}}


def test_a_table_of_names_and_types_is_a_closed_schema() -> None:
    schema = closed_schema(TABLE)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(BILL, schema)
    check(schema, BILL)
    assert schema["required"] == ["total", "items", "paid", "status", "buyer"]
    assert schema["properties"]["buyer"]["required"] == ["name"]
    assert closed_schema(schema) == schema


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"total": "12"}, 'total: "12" is no number'),
        ({"total": True}, "total: true is no number"),
        ({"count": 1.5}, "count: 1.5 is no integer"),
        ({"items": ["tea", 3]}, r"items\[1\]: 3 is no string"),
        ({"status": "lost"}, 'status: "lost" is none of "open", "closed"'),
        ({"buyer": {}}, "buyer.name is missing"),
        ({"buyer": {"name": "Ann", "age": 3}}, r"buyer.age is unknown \(known: name, type\)"),
        ({"vat": 1}, "vat is unknown"),
        ({"paid": None}, "paid: null is no boolean"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check(closed_schema(TABLE), BILL | change)


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({}, "the schema is empty"),
        ({"a": "text"}, "schema, a: 'text' is no type"),
        ({"a": []}, r"schema, a: \[\] is no type"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}},
            "schema, a: keyword 'pattern'",
        ),
        ({"type": "object", "properties": {"a": {"type": "date"}}}, "schema, a: type 'date' is none of"),
        ({"type": "object", "properties": {"a": {"$ref": "https://x.org/y"}}}, "is not in \\$defs"),
        ({"type": "object", "properties": {"a": {}}}, "schema, a: type None"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
            "and no others",
        ),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}, "required names"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "or referring to itself"),
    ],
)
def test_a_wrong_schema_is_named(schema: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        closed_schema(schema)


LIMITED = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 3},
        "parts": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 2},
        "what": {"anyOf": [{"type": "null"}, {"const": "x"}, {"enum": [1, 2]}]},
    },
    "additionalProperties": False,
}
VALUES = st.none() | st.booleans() | st.integers(-2, 12) | st.sampled_from(["", "x", "ab", "abc", "abcd"])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": VALUES,
            "parts": VALUES | st.lists(VALUES, max_size=3),
            "what": VALUES,
            "more": VALUES,
        },
    )
)
def test_what_fits_is_what_the_reference_lets_pass(value: dict[str, Any]) -> None:
    schema = closed_schema(LIMITED)
    try:
        check(schema, value)
        fits = True
    except InputError:
        fits = False
    assert fits == jsonschema.Draft202012Validator(LIMITED).is_valid(value)
    assert jsonschema.Draft202012Validator(schema).is_valid(value) == fits


def test_a_table_is_learnt_from_objects() -> None:
    seen = [BILL, BILL | {"total": 3, "count": 2}]
    table = inferred(seen)
    assert table == TABLE | {"status": "string", "buyer": {"name": "string"}}
    for value in seen:
        check(closed_schema(table), value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([{"a": 1}, {"a": "x"}], "'a' has values of several types"),
        ([{"a": None}], "'a' is null in some rows"),
        ([{"a": [[1]]}], "'a' has values of several types, or of none"),
        ([{}], "the objects are empty"),
    ],
)
def test_what_no_table_can_say_is_named(values: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        inferred(values)

"""Canonical JSON: equal content has one spelling and one hash."""

import math
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.canonical import canonical_json, content_hash, normalise, sha256, strict_loads
from seedgate.errors import InputError

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.map(lambda t: "k" + t), inner, max_size=4)
    ),
    max_leaves=12,
)


def decomposed(value: Any) -> Any:
    """The same content in another spelling: NFD strings, keys in reverse order."""
    if isinstance(value, str):
        return unicodedata.normalize("NFD", value)
    if isinstance(value, list):
        return [decomposed(item) for item in value]
    if isinstance(value, dict):
        return {decomposed(key): decomposed(value[key]) for key in reversed(list(value))}
    return value


def one_spelling_per_key(value: Any) -> bool:
    try:
        normalise(value)
    except InputError:
        return False
    return True


@given(values.filter(one_spelling_per_key))
def test_equal_content_has_one_spelling_and_one_hash(value: Any) -> None:
    assert canonical_json(decomposed(value)) == canonical_json(value)
    assert content_hash(decomposed(value)) == content_hash(value)


@given(values.filter(one_spelling_per_key))
def test_the_canonical_form_reads_back_as_itself(value: Any) -> None:
    text = canonical_json(value)
    assert strict_loads(text) == normalise(value)
    assert canonical_json(strict_loads(text)) == text


def test_the_form_is_fixed_for_good() -> None:
    value = {"text": 'cafe\u0301 \u2028 "x"', "b": [1, 1.5, True, None], "a": {}}
    assert canonical_json(value) == '{"a":{},"b":[1,1.5,true,null],"text":"café \u2028 \\"x\\""}'
    assert content_hash({"label": "bug", "text": "It broke."}) == sha256('{"label":"bug","text":"It broke."}')
    assert sha256("é") == sha256("é".encode())


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (math.nan, "nan is not a JSON number"),
        ({"a": [math.inf]}, "inf is not a JSON number"),
        ("\udc80", "unpaired surrogate"),
        ({"é": 1, "e\u0301": 2}, "object key 'é' appears twice"),
        ({1: "a"}, "object key 1 is not a string"),
        (b"x", "bytes is not a JSON type"),
        ({"a": {1, 2}}, "set is not a JSON type"),
    ],
)
def test_what_json_cannot_say_is_refused(value: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        canonical_json(value)


def test_nesting_has_a_limit() -> None:
    value: Any = "deep"
    for _ in range(40):
        value = [value]
    with pytest.raises(InputError, match="nested deeper than 32 levels"):
        canonical_json(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ('{"a": {"b": 1, "b": 1}}', "key 'b' appears twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e999]", "the number 1e999 is too large"),
        ("9" * 21, "an integer of 21 digits"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "Expecting property name"),
        ('{"a": 1} x', "Extra data"),
        ("", "Expecting value"),
    ],
)
def test_strict_reading_refuses_what_readers_disagree_about(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        strict_loads(text)


def test_strict_reading_reads_the_rest() -> None:
    assert strict_loads('{"a": [1, -2.5, "x", null, true]}') == {"a": [1, -2.5, "x", None, True]}

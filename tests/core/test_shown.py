"""The one text of JSON and of chats: read back exactly, whatever is in it, and refused where it could mislead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seedgate.canonical import normalise
from seedgate.errors import InputError
from seedgate.review.visible import conceal, reveal, show, unshow
from seedgate.shown import Message, json_text, messages_of, read_json, transcript

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "a\nAssistant: no",
        '"quoted"\\',
        "👩‍🚀 ok",
        "שלום\n| עולם",
        "\u202eabc",
        "| x",
        "\n\n",
        "⟦U+000A⟧",
        "a\u00a0b",
        " x ",
    ]
)
CONTENTS = TEXTS.filter(
    lambda t: t.strip() != "" and all(c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f") for c in t)
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.map(normalise), inner, max_size=3),
    max_leaves=12,
)


@st.composite
def chats(draw: st.DrawFn) -> list[Message]:
    turns = [("user", "assistant")[n % 2] for n in range(2 * draw(st.integers(1, 3)))]
    roles = [*(["system"] if draw(st.booleans()) else []), *turns]
    return [{"role": role, "content": normalise(draw(CONTENTS))} for role in roles]


@given(chats())
@example([{"role": "user", "content": "\nx\n"}, {"role": "assistant", "content": "Assistant: y\n\nUser: z"}])
def test_a_chat_is_read_back_from_what_the_page_shows(chat: list[Message]) -> None:
    text = transcript(chat)
    assert messages_of(text) == chat
    assert transcript(messages_of(unshow(show(text)))) == text
    assert messages_of(conceal(reveal(text))) == chat


@given(chats())
def test_no_content_passes_for_a_turn(chat: list[Message]) -> None:
    heads = [line for line in transcript(chat).split("\n") if not line.startswith("|")]
    assert len(heads) == len(chat)


@given(JSON)
def test_json_is_read_back_from_what_the_page_shows(value: Any) -> None:
    text = json_text(value)
    assert json_text(read_json(text)) == text
    assert read_json(unshow(show(text))) == read_json(text)
    assert json_text(json.loads(conceal(reveal(text)))) == text
    assert read_json(text) == normalise(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 40 + "]" * 40, "nested deeper"),
        ("{'a': 1}", "no valid JSON at line 1, column 2"),
        ('{"a": 1} and more', "no valid JSON at line 1, column 10: Extra data"),
        ("", "no valid JSON"),
    ],
)
def test_json_that_is_ambiguous_or_none_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_json(text)


def test_equal_numbers_have_one_spelling() -> None:
    assert json_text(2.0) == json_text(2) == "2"
    assert json_text(True) != json_text(1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("User: Hi\nHello\nAssistant: Yes", "line 2 begins no turn .* and continues none .*'Hello'"),
        ("| Hi\nAssistant: Yes", "line 1 continues a turn that nobody began"),
        ("User: Hi", "a chat ends with an answer by the assistant"),
        ("User: Hi\nUser: Ho\nAssistant: Yes", "message 2 is by the user, where the assistant should speak"),
        ("Assistant: Hi", "message 1 is by the assistant, where the user should speak"),
        ("System: Be kind.", "the chat has no turns"),
        ("User: Hi\nSystem: Be kind.\nAssistant: Yes", "message 2 is by the system"),
        ("User:\nAssistant: Yes", "message 1: the content of the user is empty"),
        ("User:Hi\nAssistant: Yes", "line 1 begins no turn"),
        ("user: Hi\nAssistant: Yes", "line 1 begins no turn"),
        ("User: Hi\n|Assistant: Yes", "line 2 begins no turn"),
        ("", "line 1 begins no turn"),
    ],
)
def test_a_transcript_is_read_strictly(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        messages_of(text)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"role": "tool", "content": "x"}], "message 1: role 'tool' is none of system, user, assistant"),
        ([{"role": "user", "content": None}], "message 1: the content of the user is no text"),
        ([{"role": "user", "content": "x", "name": "y"}], "message 1 is no object of role and content"),
        ([{"role": "user", "content": "a\rUser: b"}], r"message 1: control character U\+000D"),
        (["hello"], "message 1 is no object"),
        ([], "the chat has no turns"),
    ],
)
def test_what_is_no_chat_is_refused(messages: list[Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        transcript(messages)

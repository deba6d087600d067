"""Every character of a text is on the page, and comes back as it was."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.errors import InputError
from seedgate.review.visible import conceal, normal_form, reveal, show, unshow

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
tricky = st.text(
    st.sampled_from("<>&;lt⟦⟧U+200B \n\t\u200b\u202e\u00a0x1👩\u200d💻❤\ufe0f\u20e3"), max_size=30
)


def on_the_page(shown: str) -> str:
    """What a browser shows of it as text."""
    seen: list[str] = []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_data = seen.append  # type: ignore[method-assign]
    parser.feed(shown)
    parser.close()
    return "".join(seen)


@given(texts | tricky)
def test_what_is_shown_comes_back(text: str) -> None:
    assert unshow(show(text)) == text
    assert conceal(reveal(text)) == text


@given(texts | tricky)
def test_the_page_shows_the_revealed_text_and_no_markup(text: str) -> None:
    if text:
        assert on_the_page(show(text)) == reveal(text)


@given(texts | tricky)
def test_nothing_that_is_shown_is_invisible(text: str) -> None:
    for character in reveal(text).replace("\u200d", ""):
        assert character in "\n\t" or unicodedata.category(character) not in (
            "Cc",
            "Cf",
            "Cn",
            "Co",
            "Zl",
            "Zp",
        )


@given(texts | tricky, texts | tricky)
def test_two_texts_never_look_the_same(one: str, other: str) -> None:
    if one != other:
        assert show(one) != show(other)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("List<int>", "List&lt;int&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("a\u200bb", "a⟦U+200B⟧b"),
        ("\u202eevil", "⟦U+202E⟧evil"),
        ("soft\u00adhyphen", "soft⟦U+00AD⟧hyphen"),
        ("tag \U000e0041", "tag ⟦U+E0041⟧"),
        ("blank \u3164 filler", "blank ⟦U+3164⟧ filler"),
        ("thin\u2009space", "thin⟦U+2009⟧space"),
        ("⟦U+200B⟧", "⟦U+27E6⟧U+200B⟧"),
        (" edges ", "⟦U+0020⟧edges⟦U+0020⟧"),
        ("", "⟦empty⟧"),
        (
            "family 👩\u200d💻, heart ❤\ufe0f, key 1\ufe0f\u20e3",
            "family 👩\u200d💻, heart ❤\ufe0f, key 1\ufe0f\u20e3",
        ),
        ("a\u200db", "a⟦U+200D⟧b"),
        ("a\ufe0fb", "a⟦U+FE0F⟧b"),
        ("two  spaces\tand\nlines", "two  spaces\tand\nlines"),
        ("« bonjour\u00a0»", "« bonjour\u00a0»"),
    ],
)
def test_how_it_is_shown(text: str, shown: str) -> None:
    assert show(text) == shown
    assert unshow(shown) == text


@pytest.mark.parametrize(
    "shown", ["<b>bold</b>", "a & b", "&eacute;", "a\u200bb", "⟦U+0041⟧", "⟦U+12⟧", " edges ", "&lt;b>"]
)
def test_a_record_that_shows_what_was_never_pushed_is_told(shown: str) -> None:
    with pytest.raises(InputError, match="was not pushed like this"):
        unshow(shown)


def test_the_normal_form_undoes_what_the_page_does() -> None:
    assert normal_form("e\u0301a\u00a0b\r\nc\n\n") == "éa b\nc"


def test_marks_that_a_person_typed_wrongly_stay_as_they_are() -> None:
    assert conceal("⟦U+110000⟧ ⟦U+D800⟧ ⟦hello⟧") == "⟦U+110000⟧ ⟦U+D800⟧ ⟦hello⟧"

"""Text as a reviewer's page must get it, so that every character of it is seen; and the way back.

Argilla's page renders a plain text field as sanitised HTML: `List<int>` would show as `List`, `&lt;` as `<`,
and comments and tags would vanish. So text is escaped on its way in. What no escaping makes visible
(bidirectional controls, zero-width and other invisible characters, fillers, tag characters, variation
selectors outside emoji) is shown as a mark such as `⟦U+200B⟧`; a text's own `⟦` becomes a mark too, so that
the way back has one answer.
"""

from __future__ import annotations

import re
import unicodedata

from seedgate.errors import InputError

__all__ = ["conceal", "normal_form", "reveal", "show", "unshow"]

OPEN, CLOSE = "⟦", "⟧"
EMPTY = f"{OPEN}empty{CLOSE}"
_MARK = re.compile(f"{OPEN}U\\+([0-9A-F]{{4,6}}){CLOSE}")
_ENTITY = re.compile(r"&(amp|lt|gt);")
# Nothing here, nothing to mark: true of nearly every text, and 18 times as fast to see as character by character.
_SUSPECT = re.compile(r"[^\n\t -~]|\A\s|\s\Z")
_CHARACTER = {"amp": "&", "lt": "<", "gt": ">"}

# Seen as a gap or a line end, so they need no mark; every other space would pass for an ordinary one.
_PLAIN_SPACE = frozenset(" \n\t\u00a0\u202f\u3000")
# Letters, marks and symbols by their category, yet drawn as nothing.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f\ufffc")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_JOINER, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"


def show(text: str) -> str:
    """The text for a plain text field of Argilla's page: marks for what is invisible, then escaped.

    >>> show("a <b>\\u200b")
    'a &lt;b&gt;⟦U+200B⟧'
    """
    if not text:
        return EMPTY
    return reveal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unshow(shown: str) -> str:
    """The text that a record's field shows.

    Raises:
        InputError: `show` makes no such field: somebody put it there, and the page may hide part of it.
    """
    if shown == EMPTY:
        return ""
    text = conceal(_ENTITY.sub(lambda m: _CHARACTER[m.group(1)], shown))
    if show(text) != shown:
        raise InputError("the record shows text that was not pushed like this")
    return text


def reveal(text: str) -> str:
    """The text with a visible mark for each character that cannot be seen."""
    if _SUSPECT.search(text) is None:
        return text
    marked = [_mark(c) if _hidden(text, i) else c for i, c in enumerate(text)]
    for edge in _edge_spaces(text):
        marked[edge] = _mark(text[edge])
    return "".join(marked)


def conceal(text: str) -> str:
    """Undoes `reveal`; marks that a person deleted or typed count as they stand."""
    return _MARK.sub(lambda m: _unmark(m.group(0), int(m.group(1), 16)), text)


def normal_form(text: str) -> str:
    """The text without the differences that Argilla's page makes by itself when a text is edited or saved.

    NFC, non-breaking spaces as spaces, line ends as `\\n`, no line ends at the end.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.replace("\u00a0", " ").replace("\u202f", " ").rstrip("\n")


def _mark(character: str) -> str:
    return f"{OPEN}U+{ord(character):04X}{CLOSE}"


def _unmark(mark: str, code: int) -> str:
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else mark


def _edge_spaces(text: str) -> list[int]:
    """Places of white space at the very start and end; nobody can see those."""
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return [i for i in (*range(start), *range(max(start, end), len(text))) if text[i] not in "\n"]


def _hidden(text: str, i: int) -> bool:
    character = text[i]
    if character == OPEN or character in _BLANK or 0xE0000 <= ord(character) <= 0xE0FFF:
        return True
    if character in _PLAIN_SPACE:
        return False
    if character == _JOINER:
        return not _joins_emoji(text, i)
    if "\ufe00" <= character <= "\ufe0f":
        return not (character == _EMOJI_STYLE and _styles_emoji(text, i))
    return unicodedata.category(character) in _HIDDEN_CATEGORIES


def _joins_emoji(text: str, i: int) -> bool:
    before, after = text[i - 1 : i], text[i + 1 : i + 2]
    return _pictorial(before) and bool(after) and unicodedata.category(after) == "So"


def _styles_emoji(text: str, i: int) -> bool:
    before, after = text[i - 1 : i], text[i + 1 : i + 2]
    return after == _KEYCAP or (bool(before) and unicodedata.category(before) in ("So", "Sm"))


def _pictorial(character: str) -> bool:
    """A symbol, a skin tone or the selector that follows a symbol."""
    return character == _EMOJI_STYLE or (
        bool(character) and unicodedata.category(character) in ("So", "Sk", "Sm")
    )

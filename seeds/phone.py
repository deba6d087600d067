"""Phone numbers by shape: with a country's code, or as North America, Britain and France write them."""

from __future__ import annotations

import re

from seedgate.seeds.identifiers import is_made_up

__all__ = ["is_phone"]

_SPANS = (
    (1, 1), (7, 7), (20, 20), (27, 27), (30, 34), (36, 36), (39, 41), (43, 49), (51, 58), (60, 66), (81, 82), (84, 84),
    (86, 86), (90, 95), (98, 98), (211, 213), (216, 216), (218, 218), (220, 269), (297, 299), (350, 359), (370, 389),
    (420, 423), (500, 509), (590, 599), (670, 692), (850, 856), (880, 886), (960, 968), (970, 977), (992, 998),
)  # fmt: skip
_CODES = frozenset(str(code) for first, last in _SPANS for code in range(first, last + 1))
"""Country codes of ITU-T E.164, roughly."""

_NORTH_AMERICA = re.compile(r"(?:1[ .-])?\(?([2-9]\d\d)(?:\) ?|[ .-])([2-9]\d\d)[ .-](\d{4})")
_BRITAIN = re.compile(
    r"\(?0(?:1\d{2,3}(?:\) ?| )\d{3} ?\d{3,4}|2\d(?:\) ?| )\d{4} \d{4}|7\d{3} ?\d{3} ?\d{3})"
)
_FRANCE = re.compile(r"0[1-79]([ .-])\d\d(?:\1\d\d){3}")
_FREE = frozenset({"800", "822", "833", "844", "855", "866", "877", "888", "900"})

# Ofcom's numbers for drama: 07700 900xxx, 020 7946 0xxx, 01xx 496 0xxx, 01632 960xxx.
_DRAMA = re.compile(
    r"(?:0|44)(?:7700900\d{3}|2079460\d{3}|1\d\d4960\d{3}|1632960\d{3}|8081570\d{3}|3069990\d{3})"
)


def is_phone(text: str) -> bool:
    """Whether a run of digits, spaces and marks is somebody's number; not a hotline's, nor one for examples.

    >>> is_phone("(415) 672-3391"), is_phone("415-555-0123"), is_phone("+44 20 8241 3907"), is_phone("0800 123 4567")
    (True, False, True, False)
    >>> is_phone("2024-05-01 12"), is_phone("415 672 3391"), is_phone("4156723391")
    (False, True, False)
    """
    text = text.strip()
    digits = re.sub(r"\D", "", text)
    if _DRAMA.fullmatch(digits) or is_made_up(digits) or is_made_up(digits[-8:]) or "1234567" in digits:
        return False
    if text.startswith("+"):
        return _international(digits) and re.search(r"\.\d$", text) is None  # a decimal fraction
    american = _NORTH_AMERICA.fullmatch(text)
    if american:
        return _american(american.group(1), american.group(2))
    if _BRITAIN.fullmatch(text):
        return len(digits) in (10, 11)
    return _FRANCE.fullmatch(text) is not None


def _international(digits: str) -> bool:
    if digits.startswith("1"):
        return len(digits) == 11 and _american(digits[1:4], digits[4:7])
    known = any(digits[:size] in _CODES for size in (2, 3)) or digits[0] == "7"
    return known and 9 <= len(digits) <= 15


def _american(area: str, exchange: str) -> bool:
    """555 is no area, and nobody's exchange but the directory's; N11 are services."""
    return area not in _FREE and "555" not in (area, exchange) and area[1:] != "11" and exchange[1:] != "11"

"""Account, card and identity numbers: shapes and checksums, and the ones that are known for being nobody's."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

__all__ = ["card", "iban", "is_made_up", "luhn", "national_id"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TEST_CARDS = _set(
    "4111111111111111 4242424242424242 4012888888881881 4000056655665556 4222222222222 5555555555554444 "
    "5105105105105100 5200828282828210 2223003122003222 378282246310005 371449635398431 6011111111111117 "
    "6011000990139424 3056930009020004 30569309025904 38520000023237 3566002020360505 3530111333300000"
)
"""The payment providers' published test numbers."""

_SAMPLE_IBANS = _set(
    "GB82WEST12345698765432 GB29NWBK60161331926819 DE89370400440532013000 FR1420041010050500013M02606 "
    "FR7630006000011234567890189 ES9121000418450200051332 IT60X0542811101000000123456 NL91ABNA0417164300 "
    "BE68539007547034 CH9300762011623852957 AT611904300234573201 IE29AIBK93115212345678 "
    "PL61109010140000071219812874"
)
"""The examples of the IBAN registry and of encyclopaedias."""

_IBAN_LENGTHS = {
    length: frozenset(countries.split())
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU", 21: "CH HR LI LV",
        22: "BG DE GB GE IE ME RS", 23: "AE GI IL", 24: "AD CZ ES MD PK RO SA SE SK TN", 25: "PT", 26: "IS TR",
        27: "FR GR IT MC SM", 28: "AL AZ CY DO HU LB PL", 29: "BR UA", 30: "KW MU", 31: "MT",
    }.items()
}  # fmt: skip
"""Of the IBAN registry (ISO 13616), for the countries with most accounts."""


def iban(text: str) -> bool:
    """Whether it is an account number: its country's length, ISO 7064 mod 97-10, and no known example.

    >>> iban("DE75 5121 0800 1245 1261 99"), iban("DE89 3704 0044 0532 0130 00"), iban("DE75 5121 0800 1245 1261 98")
    (True, False, False)
    """
    plain = text.replace(" ", "")
    if plain[:2] not in _IBAN_LENGTHS.get(len(plain), ()) or plain in _SAMPLE_IBANS or is_made_up(plain[4:]):
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def card(text: str) -> bool:
    """Whether it is a payment card's number: an issuer's beginning and length, Luhn, and no test number.

    >>> card("4539 1488 0343 6467"), card("4242 4242 4242 4242")
    (True, False)
    """
    digits = re.sub(r"\D", "", text)
    issuer = (
        (len(digits) in (13, 16, 19) and digits[0] == "4")
        or (len(digits) == 16 and (51 <= int(digits[:2]) <= 55 or 2221 <= int(digits[:4]) <= 2720))
        or (len(digits) == 15 and digits[:2] in ("34", "37"))
        or (len(digits) == 16 and (digits[:4] == "6011" or digits[:2] in ("65", "35")))
        or (len(digits) == 14 and digits[:2] in ("30", "36", "38"))
    )
    return issuer and luhn(digits) and digits not in _TEST_CARDS and not is_made_up(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812.

    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    doubled = [2 * int(digit) if place % 2 else int(digit) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_made_up(text: str) -> bool:
    """Whether the digits count up or down, repeat one or two of them, or are nearly all zeros.

    >>> is_made_up("123-456-789"), is_made_up("0000-0001"), is_made_up("12 12 12 12"), is_made_up("4402 9317")
    (True, True, True, False)
    """
    digits = re.sub(r"\D", "", text)
    if len(digits) < 4:
        return False
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return steps in ({0}, {1}, {9}) or digits.count("0") >= len(digits) - 2 or _one_part_again(digits)


def _one_part_again(digits: str) -> bool:
    return any(
        digits == (digits[:size] * len(digits))[: len(digits)] for size in (2, 4) if len(digits) >= 2 * size
    )


def national_id(text: str) -> bool:
    """Whether it is a person's number: US, British, Spanish, Italian, Brazilian or French, by shape and checksum.

    >>> national_id("509-28-4471"), national_id("123-45-6789"), national_id("38472016P"), national_id("38472016A")
    (True, False, True, False)
    """
    plain = re.sub(r"[ .-]", "", text)
    return any(shape.fullmatch(text) and test(plain) for shape, test in _NATIONAL)


def _american(digits: str) -> bool:
    """Ranges of the Social Security Administration; 078051120 and 219099999 were printed in advertisements."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    used = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return used and digits not in ("078051120", "219099999", "123456789") and not is_made_up(digits)


def _british(plain: str) -> bool:
    """No check digit; prefixes that HMRC does not give are examples."""
    given = (
        not set(plain[:2]) & set("DFIQUV")
        and plain[1] != "O"
        and plain[:2] not in ("BG", "GB", "NK", "KN", "ZZ")
    )
    return given and not is_made_up(plain[2:8])


def _spanish(plain: str) -> bool:
    number = plain[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == plain[-1] and not is_made_up(number)


def _italian(plain: str) -> bool:
    """Codice fiscale: D.M. 23/12/1976; characters at odd places (from 1) have values of their own."""
    odd = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True))
    letters = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    odd |= dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", letters, strict=True))
    total = sum(odd[char] for char in plain[:15:2])
    total += sum(int(char) if char.isdigit() else ord(char) - ord("A") for char in plain[1:15:2])
    return chr(ord("A") + total % 26) == plain[15] and plain != "RSSMRA80A01H501U"


def _brazilian(digits: str) -> bool:
    """CPF: two check digits mod 11."""
    for size in (9, 10):
        total = sum(
            int(digit) * weight for digit, weight in zip(digits, range(size + 1, 1, -1), strict=False)
        )
        if total * 10 % 11 % 10 != int(digits[size]):
            return False
    return not is_made_up(digits[:9])


def _french(plain: str) -> bool:
    """Numéro de sécurité sociale: key 97 - n mod 97; Corsica's 2A and 2B count as 19 and 18."""
    number = plain[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(plain[13:]) and not is_made_up(number)


_Test = Callable[[str], bool]
_NATIONAL: tuple[tuple[re.Pattern[str], _Test], ...] = (
    (re.compile(r"\d{3}-\d{2}-\d{4}", re.A), _american),
    (re.compile(r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]", re.A), _british),
    (re.compile(r"(?:\d{8}|[XYZ]-?\d{7})-?[A-Z]", re.A), _spanish),
    (re.compile(r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", re.A), _italian),
    (re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}", re.A), _brazilian),
    (re.compile(r"[12][\dAB ]{14,20}", re.A), _french),
)

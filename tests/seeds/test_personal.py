"""Personal data: what is found by shape and checksum, and what only looks like it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.records import Example
from seedgate.seeds import personal_data, personal_habits
from seedgate.seeds.identifiers import card, iban, is_made_up, luhn, national_id
from seedgate.seeds.personal import personal_findings, personal_in
from seedgate.seeds.phone import is_phone
from seedgate.task import Task

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["a", "b"]})
ALPACA = Task.from_config({"preset": "instruction", "name": "t"})


def kinds(text: str) -> list[str]:
    return [each.kind for each in personal_in(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to lena.brandt83@kernkontor.de please", "e-mail"),
        ("Lena <lena+shop@mail.kernkontor.co.uk>", "e-mail"),
        ("E-mail:lena.brandt83@kernkontor.de", "e-mail"),
        ("ring me on +49 30 26403278.", "phone"),
        ("Tel:+49 30 26403278", "phone"),
        ("call (415) 672-3391 after six", "phone"),
        ("call 415-672-3391.", "phone"),
        ("mobile 07911 842306, any time", "phone"),
        ("mobile: 06 42 17 93 85", "phone"),
        ("pay it to DE75 5121 0800 1245 1261 99", "IBAN"),
        ("pay it to NL38ABNA0478526193", "IBAN"),
        ("my card is 4539 1488 0343 6467, thanks", "card"),
        ("card 4539148803436467", "card"),
        ("my social is 509-28-4471", "national id"),
        ("NI number JG 10 37 59 A", "national id"),
        ("DNI 38472016P", "national id"),
        ("CPF 529.982.247-25", "national id"),
        ("signed in from 81.169.145.78", "IP address"),
        ("signed in from 2a01:4f8:c17:b8f::2", "IP address"),
        ("postgresql://lena:Tq8-vv2x@db.kernkontor.de/shop", "URL with password"),
    ],
)
def test_what_points_at_a_person_is_found_once(text: str, kind: str) -> None:
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "you@example.com, name@shop.example, jane.doe@acme.com, user@domain.com",
        "write to support@kernkontor.de or noreply@kernkontor.de",
        "icon@2x.png, @app.route, git@github.com:me/it.git",
        "call 415-555-0123 or +1 415 555 0199",
        "call 0800 123 4567 or (800) 672-3391",
        "call 020 7946 0018 or 07700 900461",
        "call 123-456-7890",
        "DE89 3704 0044 0532 0130 00",
        "4242 4242 4242 4242",
        "4111-1111-1111-1111",
        "123-45-6789",
        "QQ 12 34 56 C",
        "192.168.1.20, 127.0.0.1, 203.0.113.7, 0.0.0.0",
        "version 10.15.77.42 and 1.2.3.4",
        "2001:db8::1, fe80::1, 12:30:45",
        "https://user:password@kernkontor.de, ftp://$USER:$PASS@kernkontor.de",
        "It was $1,234,567.89 on 2024-05-01 at 12:30:45",
        "16 - 3 = <<16-3=13>>13, then 20+30+12345678",
        "order 20240501123456, parcel 1Z999AA10123456784",
        "SELECT 4539148803436468",
        "0.123456789012345 and 3.14159265358979",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
)
def test_stand_ins_and_other_numbers_are_not(text: str) -> None:
    assert kinds(text) == []


def test_a_piece_is_shown_by_its_beginning_only() -> None:
    rows = [
        Example(fields={"text": "I am lena.brandt83@kernkontor.de", "label": "a"}, source="seeds.jsonl:1")
    ]
    (finding,) = personal_findings(rows, TASK)
    assert (finding.code, finding.severity, finding.rows) == ("personal_data", "warning", ("seeds.jsonl:1",))
    assert finding.what == "personal data: e-mail le... in field 'text'"
    assert "example.com" in finding.advice


def test_outputs_are_looked_at_too() -> None:
    row = Example(fields={"instruction": "Who?", "input": "", "output": "Ring +49 30 26403278"})
    assert [(field, each.kind) for field, each in personal_data(row, ALPACA)] == [("output", "phone")]


def test_a_kind_is_a_habit_from_a_share_of_the_seeds_on() -> None:
    def rows(with_mail: int) -> list[Example]:
        texts = [f"mail me at lena{n}@kernkontor.de" for n in range(with_mail)]
        texts += [f"nothing at all {n}" for n in range(100 - with_mail)]
        return [Example(fields={"text": text, "label": "a"}) for text in texts]

    assert personal_habits(rows(4), TASK) == frozenset()
    assert personal_habits(rows(5), TASK) == {"e-mail"}
    assert personal_habits(rows(1)[:3], TASK) == frozenset()  # one row is no habit, however few there are


@given(st.text(max_size=200))
def test_any_text_can_be_looked_at(text: str) -> None:
    for each in personal_in(text):
        assert each.value in text


@given(st.text("0123456789", min_size=1, max_size=18))
def test_luhn_has_just_one_check_digit(digits: str) -> None:
    assert sum(luhn(digits + check) for check in "0123456789") == 1


@given(st.text("0123456789", min_size=18, max_size=18))
def test_an_iban_has_one_pair_of_check_digits_and_notices_a_changed_one(account: str) -> None:
    check = 98 - int(f"{account}131400") % 97
    whole = f"DE{check:02d}{account}"
    assert iban(whole) or is_made_up(account)
    assert not iban(f"DE{check:02d}{(int(account[0]) + 1) % 10}{account[1:]}")


@given(st.from_regex(r"\A[0-9]{9}\Z"))
def test_numbers_below_nine_digits_with_letters_are_never_cards_or_ids(digits: str) -> None:
    assert not card(digits)
    assert not national_id(digits)


@pytest.mark.parametrize("text", ["RSSMRA80A01H501U", "MRTMTT91D08F205J", "2 84 07 75 056 123 22"])
def test_italian_and_french_numbers_by_their_check(text: str) -> None:
    assert national_id(text) is (text == "MRTMTT91D08F205J" or text.startswith("2 84"))


@pytest.mark.parametrize("zero", ["\uff10", "\u0660"], ids=["full-width", "Arabic"])
def test_digits_of_other_scripts_are_digits(zero: str) -> None:
    digits = {ord("0") + value: chr(ord(zero) + value) for value in range(10)}
    texts = {
        "national id": "codice MRTMTT91D08F205J",
        "card": "4539 1488 0343 6467",
        "phone": "ring me on +49 30 26403278.",
        "IBAN": "pay it to DE75 5121 0800 1245 1261 99",
    }
    for kind, text in texts.items():
        assert [each.kind for each in personal_in(text.translate(digits))] == [kind]
    assert not national_id("MRTMTT91D08F205J".translate(digits)), "nor does it fail"


@pytest.mark.parametrize(
    "part", ["A1", "12 ", "a@a.", "1.", "a:", "AB12 ", "+1(", "x://a:a", "1-", "9" * 40 + " "]
)
def test_long_odd_texts_take_no_time(part: str) -> None:
    started = time.process_time()
    personal_in(part * (20_000 // len(part)))
    assert time.process_time() - started < 2


def test_bare_digits_are_no_phone_number() -> None:
    assert not any(map(is_phone, ["4156723391", "02641083917", "26403278", "+1", "+999 12345678"]))


@pytest.mark.data
def test_public_data_sets_have_none(data_dir) -> None:  # type: ignore[no-untyped-def]
    for name in ("banking77/train", "gsm8k_solutions/candidates", "nlupp_banking/banking"):
        text = (data_dir / f"{name}.jsonl").read_text(encoding="utf-8")
        assert [each for line in text.splitlines() for each in personal_in(line)] == [], name

"""Personal data in a text: what points at one person or opens an account, by its shape and, where it has one, checksum.

Precision before recall, since a false alarm costs a good row: a kind is here only if its shape alone is nearly proof.
Names, addresses, birthdays, and national phone numbers that are bare digits are left to reviewers. What documentation
and examples use in place of real data (example.com, 555-01xx, 192.0.2.1, test cards) is no personal data.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from seedgate.records import Example
from seedgate.seeds.findings import Finding
from seedgate.seeds.identifiers import card, iban, is_made_up, national_id
from seedgate.seeds.phone import is_phone
from seedgate.task import Task

__all__ = [
    "HABIT",
    "Kind",
    "Personal",
    "personal_data",
    "personal_findings",
    "personal_habits",
    "personal_in",
]

Kind = Literal["e-mail", "phone", "IBAN", "card", "IP address", "national id", "URL with password"]

HABIT = 0.05
"""Share of the seeds with a kind of data from which the task is about such data."""

_EMAIL = re.compile(
    r"(?<![\w.+/@$-])([a-z0-9][\w.+-]{0,63})@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24})(?![\w@-])",
    re.I,
)
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://([^\s:@/]{1,64}):([^\s@/]{1,128})@([^\s/:?#]+)", re.I)
_PHONE = re.compile(r"(?<![\w+./=#$£€-])(?<!\d:)\+?\(?\d(?:[\d()]|[ .-](?![ .-])){6,20}\d(?![\w%]|[.,:/-]\d)")
_CARD = re.compile(r"(?<![\w.,-])\d{4}(?:[ -]?\d{2,6}){2,4}(?![\w%]|[.,-]\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,6}(?![\w:])", re.I)
_UNICAST = ipaddress.ip_network("2000::/3")
_ANY = re.compile(r"[\d@]")
"""Every kind has one of these."""
_VERSION = re.compile(r"(?:\bv|version|release|build|section|chapter|§)[\s:=]*$", re.I)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ROLES = _set(
    "abuse accounts admin alerts billing care complaints contact enquiries feedback hello help helpdesk "
    "hr info jobs mail marketing news newsletter noreply no-reply notifications office orders postmaster press privacy "
    "returns sales security service services support team webmaster"
)
_STAND_INS = _set(
    "user username name yourname your.name firstname.lastname first.last test tester someone somebody email example "
    "foo bar john.doe jane.doe johndoe janedoe git me you abc xyz xxx"
)
_NO_DOMAINS = _set("domain company yourcompany yourdomain mydomain website mail email test acme foo bar xyz")
_RESERVED = _set("example test invalid localhost local internal")
_PASSWORDS = _set("password pass passwd pw secret token key xxx changeme")
_FILES = _set("png jpg jpeg gif svg js ts css py json html md")  # photo@2x.png is no address


class Personal(NamedTuple):
    """One piece of personal data; `value` is for comparing, never for showing."""

    kind: Kind
    value: str

    @property
    def hint(self) -> str:
        """Enough to find it in its row: the kind and the first two characters.

        >>> Personal("e-mail", "maria@web.de").hint
        'e-mail ma...'
        """
        return f"{self.kind} {self.value[:2]}..."


def personal_in(text: str) -> list[Personal]:
    """What personal data a text holds.

    >>> [each.kind for each in personal_in("Mail m.kern@kernkontor.de, not me@shop.example, or ring +49 30 26403278.")]
    ['e-mail', 'phone']
    """
    found: list[Personal] = []
    if not _ANY.search(text):
        return found
    text = _ascii_digits(text)
    for kind, pattern, holds in _KINDS:
        for match in pattern.finditer(text):
            holding = holds(match)
            if holding:
                found.append(Personal(kind, match.group()))
            # What one kind has taken is none of another: a card number no phone number, a password no mail account.
            if holding or pattern is _URL:
                text = text[: match.start()] + "\0" * len(match.group()) + text[match.end() :]
    return found


def personal_data(example: Example, task: Task) -> Iterator[tuple[str, Personal]]:
    """Name of the field and what a text in it holds."""
    for field, text in task.texts(example.fields):
        for each in personal_in(text):
            yield field.name, each


def personal_habits(seeds: Sequence[Example], task: Task) -> frozenset[Kind]:
    """Kinds that at least `HABIT` of the seeds hold, and two of them: what the task is about."""
    counted: dict[Kind, int] = {}
    for seed in seeds:
        for kind in {each.kind for _, each in personal_data(seed, task)}:
            counted[kind] = counted.get(kind, 0) + 1
    return frozenset(kind for kind, count in counted.items() if count >= max(2, HABIT * len(seeds)))


def personal_findings(seeds: Sequence[Example], task: Task) -> Iterator[Finding]:
    """One warning for each seed with personal data, whatever the others hold."""
    for seed in seeds:
        found = [f"{each.hint} in field {field!r}" for field, each in personal_data(seed, task)]
        if found:
            yield Finding(
                code="personal_data",
                severity="warning",
                rows=(seed.source,),
                what=f"personal data: {', '.join(found)}",
                advice="put something made up in its place, such as name@example.com or 555-0123",
            )


def _ascii_digits(text: str) -> str:
    """Digits of other scripts as those of ASCII, place for place: a number is one however its digits are written."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)


def _email(match: re.Match[str]) -> bool:
    name, domain = match.group(1).casefold(), match.group(2).casefold()
    *_, second, top = domain.split(".")
    fake = top in _RESERVED or second in _RESERVED or second in _NO_DOMAINS
    role = name in _ROLES or re.split(r"[.+_-]", name)[0] in _ROLES
    return not (fake or role or top in _FILES or name in _STAND_INS)


def _url(match: re.Match[str]) -> bool:
    user, password, host = (part.casefold() for part in match.groups())
    labels = host.split(".")
    made_up = re.search(r"[<>{}$*\[\]]", user + password) or password in _PASSWORDS | {user}
    return not made_up and labels[-1] not in _RESERVED and (len(labels) < 2 or labels[-2] not in _RESERVED)


def _ip(match: re.Match[str]) -> bool:
    text = match.group()
    before = match.string[max(0, match.start() - 12) : match.start()]
    # Few digits in four groups are a version more often than an address; so are the resolvers that everybody names.
    if "." in text and (sum(map(str.isdigit, text)) < 7 or _VERSION.search(before)):
        return False
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    assigned = address.version == 4 or address in _UNICAST
    return assigned and address.is_global and not address.is_multicast and not is_made_up(text)


def _by_text(test: Callable[[str], bool]) -> Callable[[re.Match[str]], bool]:
    return lambda match: test(match.group())


_NATIONAL = re.compile(
    r"(?<![\w.,-])(?:\d{3}-\d{2}-\d{4}|[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]|\d{8}-?[A-Z]|[XYZ]-?\d{7}-?[A-Z]"
    r"|[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]|\d{3}\.\d{3}\.\d{3}-\d{2}"
    r"|[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2})(?![\w-])"
)

_Test = Callable[[re.Match[str]], bool]
_KINDS: tuple[tuple[Kind, re.Pattern[str], _Test], ...] = (
    ("URL with password", _URL, _url),
    ("e-mail", _EMAIL, _email),
    ("IBAN", _IBAN, _by_text(iban)),
    ("card", _CARD, _by_text(card)),
    ("national id", _NATIONAL, _by_text(national_id)),
    ("IP address", _IPV4, _ip),
    ("IP address", _IPV6, _ip),
    ("phone", _PHONE, _by_text(is_phone)),
)
"""In the order in which they are looked for: the more certain first."""

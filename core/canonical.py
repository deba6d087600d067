"""One spelling per content: canonical JSON and the hashes made from it.

The canonical form is JSON with sorted keys, no insignificant space, every string in Unicode NFC and no
NaN or infinity. Equal content therefore has an equal hash on every machine, which is what an approval,
a release and an audit are bound to.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from seedgate.errors import InputError

__all__ = ["canonical_json", "content_hash", "encoded", "normalise", "sha256", "strict_loads"]

MAX_DEPTH = 32
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def normalise(value: Any, _depth: int = 0) -> Any:
    """The same JSON value with NFC strings and plain containers.

    Raises:
        InputError: NaN, infinity, an unpaired surrogate, keys that fall together under NFC, a type that
            JSON lacks, or nesting deeper than 32.
    """
    if _depth > MAX_DEPTH:
        raise InputError(f"the value is nested deeper than {MAX_DEPTH} levels")
    kind = type(value)
    if kind is int or (kind is str and value.isascii()):  # most are, and then there is nothing to do
        return value
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("the text has an unpaired surrogate, which is no valid Unicode") from None
        return text
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{value} is not a JSON number")
        return value
    if kind is dict or isinstance(value, Mapping):  # the second takes longer to find out
        out: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"object key {key!r} is not a string")
            name = key if type(key) is str and key.isascii() else normalise(key)
            if name in out:
                raise InputError(f"object key {name!r} appears twice")
            kind = type(item)  # as above: a call for each of a ledger's strings is most of the work
            plain = _depth < MAX_DEPTH and (kind is int or (kind is str and item.isascii()))
            out[name] = item if plain else normalise(item, _depth + 1)
        return out
    if kind is list or (isinstance(value, Sequence) and not isinstance(value, bytes | bytearray)):
        return [normalise(item, _depth + 1) for item in value]
    raise InputError(f"{type(value).__name__} is not a JSON type")


def canonical_json(value: Any) -> str:
    """Canonical JSON text.

    >>> canonical_json({"b": 1, "a": "e\\u0301"})
    '{"a":"é","b":1}'
    """
    return encoded(normalise(value))


def encoded(content: Any) -> str:
    """Canonical JSON text of what `normalise` has returned."""
    return _ENCODER.encode(content)


def sha256(data: str | bytes) -> str:
    """Hex SHA-256 of text (UTF-8) or bytes."""
    return hashlib.sha256(data.encode("utf-8") if isinstance(data, str) else data).hexdigest()


def content_hash(value: Any) -> str:
    """Hex SHA-256 of the canonical JSON: the id of an example, a prompt, a question schema."""
    return sha256(canonical_json(value))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, item in pairs:
        if key in out:
            raise ValueError(f"key {key!r} appears twice")
        out[key] = item
    return out


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _small_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def strict_loads(text: str) -> Any:
    """`json.loads` that refuses duplicate keys, NaN, infinities and integers over 20 digits.

    Raises:
        ValueError: What is wrong with the text (`json.JSONDecodeError` has line and column).
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_small_int,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None

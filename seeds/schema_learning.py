"""The table of names and types that JSON objects have in common: how `init` learns what is extracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedgate.errors import InputError
from seedgate.json_schema import check

__all__ = ["inferred"]


def inferred(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The table of names and types that all of these objects fit.

    >>> inferred([{"sum": 1, "to": "Ann"}, {"sum": 1.5}])
    {'sum': 'number', 'to': 'string?'}

    Raises:
        InputError: Two objects disagree about a type, or a value has none that a table can say.
    """
    names = dict.fromkeys(name for value in values for name in value)
    if not names:
        raise InputError("the objects are empty")
    table: dict[str, Any] = {}
    for name in names:
        found = [value[name] for value in values if value.get(name) is not None]
        nulls = any(name in value and value[name] is None for value in values)
        if nulls or not found:
            raise InputError(
                f"{name!r} is null in some rows", hint="leave it out there, or give a JSON Schema"
            )
        kind = _kind_of(name, found)
        optional = len(found) < len(values)
        if optional and not isinstance(kind, str):
            raise InputError(f"the object {name!r} is missing in some rows", hint="give a JSON Schema")
        table[name] = f"{kind}?" if optional else kind
    return table


def _kind_of(name: str, found: Sequence[Any]) -> Any:
    if all(isinstance(each, Mapping) for each in found):
        return inferred(found)
    if all(isinstance(each, list) for each in found):
        return f"{_plain_kind(name, [item for each in found for item in each])}[]"
    return _plain_kind(name, found)


def _plain_kind(name: str, found: Sequence[Any]) -> str:
    for kind in ("string", "boolean", "integer", "number"):
        if found and all(isinstance(each, bool) if kind == "boolean" else _is(kind, each) for each in found):
            return kind
    raise InputError(f"{name!r} has values of several types, or of none", hint="give a JSON Schema")


def _is(kind: str, value: Any) -> bool:
    try:
        check({"type": kind}, value)
    except InputError:
        return False
    return True

"""JSON schemas of `json` fields: the part of JSON Schema that vLLM's grammar back ends know, and no more.

A task declares one as a table of names and types, or as a JSON Schema. Both become one closed schema without
references, so that what it allows is plain to the server, to `check` and to the task's hash. A keyword that is
not known is refused, since ignoring it would let in what the user meant to keep out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seedgate.canonical import normalise
from seedgate.errors import InputError

__all__ = ["check", "closed_schema"]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_LIMITS = ("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum")
_NOTES = ("title", "description", "default", "examples", "$schema", "$id", "$defs", "definitions", "$comment")
"""Said about a value, and no limit on it."""
_KNOWN = (
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    *_LIMITS,
)
MAX_NESTED = 12
SHORTHAND = (
    "string, integer, number, boolean, [] behind it for a list, ? behind it for a field that may be missing"
)


def closed_schema(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that a table of names and types, or a JSON Schema, stands for.

    >>> closed_schema({"sum": "number", "notes": "string[]?"})["required"]
    ['sum']

    Raises:
        ValueError: A type or keyword is unknown, or a reference leads nowhere or in a circle.
    """
    plain = normalise(declared)
    if not plain:
        raise ValueError("the schema is empty: name at least one field")
    if _is_json_schema(plain):
        defs = {**plain.get("definitions", {}), **plain.get("$defs", {})}
        return _closed(plain, defs, "")
    return _from_table(plain, "")


def _is_json_schema(declared: Mapping[str, Any]) -> bool:
    """A table may have a field called `type`, too."""
    if any(key.startswith("$") for key in declared) or "anyOf" in declared:
        return True
    return isinstance(declared.get("properties"), dict) or isinstance(declared.get("items"), dict)


def _from_table(table: Mapping[str, Any], path: str) -> dict[str, Any]:
    properties, required = {}, []
    for name, kind in table.items():
        where = f"{path}{name}"
        optional = isinstance(kind, str) and kind.endswith("?")
        properties[name] = _from_kind(kind[:-1] if optional else kind, where)
        if not optional:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _from_kind(kind: Any, where: str) -> dict[str, Any]:
    if isinstance(kind, Mapping) and kind:
        return _from_table(kind, f"{where}.")
    if isinstance(kind, list) and kind and all(isinstance(each, str) for each in kind):
        return {"type": "string", "enum": kind}
    if isinstance(kind, str) and kind.removesuffix("[]") in ("string", "integer", "number", "boolean"):
        item = {"type": kind.removesuffix("[]")}
        return {"type": "array", "items": item} if kind.endswith("[]") else item
    raise ValueError(f"schema, {where}: {kind!r} is no type (known: {SHORTHAND}; a list of texts; a table)")


def _closed(schema: Any, defs: Mapping[str, Any], where: str, depth: int = 0) -> dict[str, Any]:
    place = where or "the top"
    if not isinstance(schema, Mapping):
        raise ValueError(f"schema, {place}: {schema!r} is no schema")
    if depth > MAX_NESTED:
        raise ValueError(f"schema, {place}: nested deeper than {MAX_NESTED}, or referring to itself")
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if not str(schema["$ref"]).startswith("#/") or name not in defs:
            raise ValueError(f"schema, {place}: the reference {schema['$ref']!r} is not in $defs")
        return _closed(defs[name], defs, where, depth + 1)
    said = schema.get("description")  # a model reads it
    return _without_notes(schema, defs, where, depth) | (
        {"description": said} if isinstance(said, str) else {}
    )


def _without_notes(
    schema: Mapping[str, Any], defs: Mapping[str, Any], where: str, depth: int
) -> dict[str, Any]:
    place = where or "the top"
    rules = {key: value for key, value in schema.items() if key not in _NOTES}
    strange = sorted(rules.keys() - set(_KNOWN))
    if strange:
        raise ValueError(
            f"schema, {place}: keyword {strange[0]!r} is not supported (known: {', '.join(_KNOWN)})"
        )
    if "anyOf" in rules:
        choices = [_closed(each, defs, where, depth + 1) for each in rules["anyOf"]]
        return {"anyOf": choices}
    if "enum" in rules or "const" in rules:
        allowed = rules.get("enum", [rules.get("const")])
        if not isinstance(allowed, list) or not allowed:
            raise ValueError(f"schema, {place}: enum is no list of values")
        return ({"type": "string"} if all(isinstance(each, str) for each in allowed) else {}) | {
            "enum": allowed
        }
    if rules.get("type") not in _TYPES:
        raise ValueError(f"schema, {place}: type {rules.get('type')!r} is none of {', '.join(_TYPES)}")
    if rules["type"] == "object":
        return _closed_object(rules, defs, where, depth)
    kept = {key: rules[key] for key in ("type", *_LIMITS) if key in rules}
    odd = [key for key in _LIMITS if key in rules and not _is_number(rules[key])]
    if odd:
        raise ValueError(f"schema, {place}: {odd[0]} is no number")
    if rules["type"] == "array":
        kept["items"] = _closed(rules.get("items"), defs, f"{where}[]", depth + 1)
    return kept


def _closed_object(
    rules: Mapping[str, Any], defs: Mapping[str, Any], where: str, depth: int
) -> dict[str, Any]:
    given = rules.get("properties")
    if not isinstance(given, Mapping) or not given or rules.get("additionalProperties") not in (None, False):
        raise ValueError(f"schema, {where or 'the top'}: an object needs named properties, and no others")
    start = f"{where}." if where else ""
    properties = {name: _closed(each, defs, f"{start}{name}", depth + 1) for name, each in given.items()}
    required = rules.get("required", [])
    if not isinstance(required, list) or not set(required) <= properties.keys():
        raise ValueError(f"schema, {where or 'the top'}: required names what is no property")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def check(schema: Mapping[str, Any], value: Any, where: str = "") -> None:
    """Whether a value fits a closed schema.

    Raises:
        InputError: Names the place in the value, what was found and what is allowed.
    """
    place = f"{where}: " if where else ""
    if "anyOf" in schema:
        if not any(_fits(each, value) for each in schema["anyOf"]):
            raise InputError(f"{place}{_shown(value)} fits none of the {len(schema['anyOf'])} allowed forms")
        return
    if "enum" in schema:
        if not any(_equal(value, each) for each in schema["enum"]):
            raise InputError(f"{place}{_shown(value)} is none of {', '.join(map(_shown, schema['enum']))}")
        return
    kind = schema["type"]
    classes: Any = _TYPES[kind]
    if not isinstance(value, classes) or (isinstance(value, bool) and kind != "boolean"):
        raise InputError(f"{place}{_shown(value)} is no {kind}")
    _check_limits(schema, value, place)
    if kind == "array":
        for number, item in enumerate(value):
            check(schema["items"], item, f"{where}[{number}]")
    if kind == "object":
        start = f"{where}." if where else ""
        for name in schema["required"]:
            if name not in value:
                raise InputError(f"{start}{name} is missing")
        for name, item in value.items():
            if name not in schema["properties"]:
                known = ", ".join(schema["properties"])
                raise InputError(f"{start}{name[:40]} is unknown (known: {known})")
            check(schema["properties"][name], item, f"{start}{name}")


def _check_limits(schema: Mapping[str, Any], value: Any, place: str) -> None:
    sizes = {"Length": "characters", "Items": "items"}
    for key in (key for key in _LIMITS if key in schema):
        unit = sizes.get(key[3:])
        size = len(value) if unit and isinstance(value, str | list) else value if unit is None else None
        if not _is_number(size):
            continue
        if size < schema[key] if key.startswith("min") else size > schema[key]:
            found = f"{size} {unit}" if unit else _shown(value)
            raise InputError(f"{place}{found}, but {key} is {schema[key]}")


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    try:
        check(schema, value)
    except InputError:
        return False
    return True


def _equal(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same; to Python, true is 1."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."

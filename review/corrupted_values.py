"""JSON made wrong on purpose: one value that is another's, one left out, two changed for each other.

Only values that the input says in so many words are touched: what a model made up might be right once it is gone.
What comes instead is nowhere in the input.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedgate.errors import InputError
from seedgate.json_schema import check
from seedgate.shown import json_text

__all__ = ["changed_value", "missing_value", "swapped_values"]

_Path = tuple[str | int, ...]
_NEAR = (1, 2, 5, 10, -1, -2, 0.5)
"""What a number is off by."""


def changed_value(
    schema: Mapping[str, Any], value: Any, others: Sequence[Any], text: str, rng: random.Random
) -> Any | None:
    """The value with one of its parts as it is in another example, or a number that is off."""
    for path, old in _shuffled(_said(value, text), rng):
        new = [each for other in others for at, each in _parts(other) if at == path]
        if isinstance(old, int | float):
            new = [old + step for step in _NEAR if isinstance(step, int) or isinstance(old, float)]
        new = [each for each in new if type(each) is type(old) and not _is_said(each, text)]
        for each in _shuffled(new, rng):
            if (made := _fitting(schema, _with(value, {path: each}))) is not None:
                return made
    return None


def missing_value(
    schema: Mapping[str, Any], value: Any, others: Sequence[Any], text: str, rng: random.Random
) -> Any | None:
    """The value without one of its parts that the schema does not ask for."""
    for path, _ in _shuffled(_said(value, text), rng):
        if not path:  # it is all there is
            return None
        made = copy.deepcopy(value)
        del _at(made, path[:-1])[path[-1]]
        if made and (made := _fitting(schema, made)) is not None:
            return made
    return None


def swapped_values(
    schema: Mapping[str, Any], value: Any, others: Sequence[Any], text: str, rng: random.Random
) -> Any | None:
    """The value with two of its parts in each other's place; parts of the same list would say the same."""
    said = list(_said(value, text))
    pairs = [
        (one, other)
        for n, one in enumerate(said)
        for other in said[n + 1 :]
        if type(one[1]) is type(other[1]) and one[1] != other[1] and _names(one[0]) != _names(other[0])
    ]
    for (here, one), (there, other) in _shuffled(pairs, rng):
        if (made := _fitting(schema, _with(value, {here: other, there: one}))) is not None:
            return made
    return None


def _said(value: Any, text: str) -> Iterator[tuple[_Path, Any]]:
    return ((path, part) for path, part in _parts(value) if _is_said(part, text))


def _is_said(part: Any, text: str) -> bool:
    """Whether the input has these words, or this number; true and null it cannot have."""
    if part is None or isinstance(part, bool) or not str(part).strip():
        return False
    words = re.escape(str(part).casefold() if isinstance(part, str) else json_text(part))
    return re.search(rf"(?<![\w.,]){words}(?!\w|[.,]\d*[1-9])", text.casefold()) is not None


def _parts(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """The values inside that hold no others, with the way to them."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _parts(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _parts(item, (*path, number))
    else:
        yield path, value


def _names(path: _Path) -> _Path:
    return tuple(step for step in path if isinstance(step, str))


def _at(value: Any, path: _Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, parts: Mapping[_Path, Any]) -> Any:
    made = copy.deepcopy(value)
    for path, part in parts.items():
        if not path:
            return part
        _at(made, path[:-1])[path[-1]] = part
    return made


def _fitting(schema: Mapping[str, Any], value: Any) -> Any | None:
    try:
        check(schema, value)
    except InputError:
        return None
    return value


def _shuffled(items: Any, rng: random.Random) -> list[Any]:
    drawn = list(items)
    rng.shuffle(drawn)
    return drawn

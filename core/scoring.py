"""How right an answer is, from 0 to 1: overlap of words, and agreement of JSON values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from seedgate.errors import InputError
from seedgate.shown import json_text, read_json

__all__ = ["Metric", "leaf_f1", "same_json", "token_f1"]

Metric = Literal["accuracy", "token_f1", "field_f1"]
"""`accuracy`: right or wrong. `token_f1`: overlap of words. `field_f1`: values of JSON at their places."""


def token_f1(want: str, got: str) -> float:
    """F1 of the words, as often as they occur."""
    expected, given = want.casefold().split(), got.casefold().split()
    return _f1(Counter(expected), Counter(given))


def leaf_f1(want: Any, answer: str) -> float:
    """F1 of the values of a JSON answer, each with the names that lead to it; the order in a list is no matter.

    >>> leaf_f1({"a": 1, "b": "x"}, '{"a": 1, "b": "y"}')
    0.5
    """
    try:
        given = read_json(answer.strip())
    except InputError:
        return 0.0
    return _f1(Counter(_paths(want, "")), Counter(_paths(given, "")))


def same_json(want: Any, answer: str) -> bool:
    """Whether the answer is that value and nothing else."""
    try:
        return json_text(read_json(answer.strip())) == json_text(want)
    except InputError:
        return False


def _paths(value: Any, path: str) -> Iterator[str]:
    """A text for each value in JSON; an empty list or object is one, too."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _paths(item, f"{path}{json.dumps(name)}.")
    elif isinstance(value, list) and value:
        for item in value:
            yield from _paths(item, f"{path}[].")
    else:
        yield f"{path}{json_text(value)}"


def _f1(want: Counter[str], got: Counter[str]) -> float:
    common = (want & got).total()
    if not common:
        return float(want == got)
    precision, recall = common / got.total(), common / want.total()
    return 2 * precision * recall / (precision + recall)

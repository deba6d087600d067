"""The marker that every attack carries: what it is called, how it ends, and by what.

`refused`: the attack gets nothing in. `detected`: `audit` (with a head noted earlier, where the whole chain was
recomputed) or `pull` names it. `documented`: it works, nothing in the workspace shows it, and
docs/threat-model.md says what would.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

__all__ = ["Attack", "Outcome", "attack", "attacks"]

Outcome = Literal["refused", "detected", "documented"]
Test = TypeVar("Test", bound=Callable[..., Any])


class Attack(NamedTuple):
    """One mechanism to get a row in that nobody approved. `by`: what refuses, detects or would show it."""

    name: str
    outcome: Outcome
    by: str


def attack(name: str, *, outcome: Outcome, by: str) -> Callable[[Test], Test]:
    """Names the attack that a test carries out."""

    def mark(test: Test) -> Test:
        test.attack = Attack(name, outcome, by)  # type: ignore[attr-defined]
        return test

    return mark


def attacks() -> list[Attack]:
    """Every attack of every test here, in the order of the files."""
    found = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.attacks.{path.stem}")
        for value in vars(module).values():
            members = [value, *(vars(value).values() if isinstance(value, type) else ())]
            found += [each.attack for each in members if isinstance(getattr(each, "attack", None), Attack)]
    return list(dict.fromkeys(found))

"""What any source of examples yields: rows as found, and what is wrong at a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem", "RawRow"]


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as found. `cells`: whether every value is text from a table (CSV), lists included."""

    place: str
    values: Mapping[str, Any]
    cells: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place."""

    place: str
    what: str

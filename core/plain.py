"""What a command or the report says, as plain JSON values."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

__all__ = ["as_json"]


def as_json(value: Any) -> Any:
    """A report as plain JSON values."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value

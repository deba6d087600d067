"""seedgate: synthetic training data that a human has approved, row by row.

The public names below are loaded on first use, so that `import seedgate` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedgate.records import Candidate, Decision, Example, Verdict
    from seedgate.task import Field, Input, Output, Task
    from seedgate.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "Decision",
    "Example",
    "Field",
    "Input",
    "Output",
    "Task",
    "Verdict",
    "Workspace",
    "__version__",
]

_HOME = {
    "Candidate": "seedgate.records",
    "Decision": "seedgate.records",
    "Example": "seedgate.records",
    "Verdict": "seedgate.records",
    "Field": "seedgate.task",
    "Input": "seedgate.task",
    "Output": "seedgate.task",
    "Task": "seedgate.task",
    "Workspace": "seedgate.workspace",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'seedgate' has no attribute {name!r}")

"""A student that is fine-tuned and asked through the embedded vLLM, for benchmarks; what it scored is kept in a file.

One training takes minutes on two cores, so each is looked up before it is done: a benchmark that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedgate.canonical import content_hash
from seedgate.finetune.students import ModelStudent
from seedgate.records import Example
from seedgate.seeds import baseline
from seedgate.services import StackSpec, down, up
from seedgate.workspace import Workspace

__all__ = ["FineTuned", "fine_tuned"]


class FineTuned:
    """SmolLM2 with the LoRA adapter of `seedgate train`, measured on these rows."""

    def __init__(self, ws: Workspace, evaluation: Sequence[Example]) -> None:
        self.evaluation = list(evaluation)
        self._student = ModelStudent(ws, self.evaluation)
        self._kept = ws.root / "fine_tuned.jsonl"

    def scores(self, rows: Sequence[Example], number: int, steps: int) -> list[float]:
        """What it scores on each row of the evaluation; `number` seeds the training."""
        asked: dict[str, Any] = {
            "rows": [each.id for each in rows],
            "locked": [each.id for each in self.evaluation],
            "number": number,
            "steps": steps,
            "settings": self._student.settings,
        }
        key = content_hash(asked)
        if key not in (known := self._known()):
            known[key] = self._student.scores(rows, number, steps, lambda *_: None)
            with self._kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, known[key]]) + "\n")
        return known[key]

    def _known(self) -> dict[str, list[float]]:
        if not self._kept.is_file():
            return {}
        return dict(json.loads(line) for line in self._kept.read_text(encoding="utf-8").splitlines())


@contextmanager
def fine_tuned(folder: Path, rows: int | Sequence[Example]) -> Iterator[FineTuned]:
    """The student on a pool's workspace, its vLLM running meanwhile; on so many of the locked rows, or on these."""
    with Workspace(folder) as ws:
        evaluation = baseline(ws).evaluation[:rows] if isinstance(rows, int) else rows
        try:
            up(ws.root, StackSpec(services=("vllm",)), print)
            yield FineTuned(ws, evaluation)
        finally:
            down(ws.root)

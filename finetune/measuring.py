"""What `ablate` and `curve` share: a verified release, a student, and a memory of what was measured before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.errors import InputError
from seedgate.finetune.arms import Material, material_of
from seedgate.finetune.students import Student, StudentKind, student_of
from seedgate.ledger import Lease, NewEvent
from seedgate.records import Example
from seedgate.seeds import baseline

if TYPE_CHECKING:
    from seedgate.finetune.releasing import Progress
    from seedgate.workspace import Workspace

__all__ = ["REPETITIONS", "Measuring", "measuring"]

REPETITIONS = 3
"""With two, intervals of a score hold less often than they say; with one, those of a difference too (docs/log.md)."""


class Measuring:
    """Trains and measures, or finds what was measured before; made by `measuring`.

    Attributes:
        material: What there is to train on.
        student: Who is trained.
    """

    def __init__(
        self, ws: Workspace, lease: Lease, material: Material, student: Student, eval_hash: str
    ) -> None:
        self._ws = ws
        self._lease = lease
        self.material = material
        self.student = student
        self._settings = {**student.settings, "task": ws.task.hash, "eval": eval_hash}
        self._eval_hash = eval_hash
        self._looked: set[str] = set()
        self._known = {
            str(event.key): event.payload["scores"] for event in ws.ledger.events("ablation.scored")
        }

    @property
    def looks(self) -> int:
        """Measurements that were asked for; the same rows, seed and steps are one."""
        return len(self._looked)

    def scores(
        self, what: str, rows: Sequence[Example], number: int, steps: int, tell: Progress
    ) -> list[float]:
        """The scores on the locked rows.

        Args:
            what: The arm, for the ledger's reader.
            rows: Trained on; none for the untrained model, which is the same in every repetition.
        """
        number, steps = (number, steps) if rows else (0, 0)
        rows_hash = content_hash(sorted(each.id for each in rows))
        key = f"ablation:{content_hash([self._settings, rows_hash, number, steps])}"
        self._looked.add(key)
        if key not in self._known:
            began = time.monotonic()
            found = self.student.scores(rows, number, steps, tell)
            payload = {
                "eval_hash": self._eval_hash,
                "rows": len(rows),
                "rows_hash": rows_hash,
                "seed": number,
                "steps": steps,
                "settings": self._settings,
                "scores": found,
                "seconds": round(time.monotonic() - began, 3),
            }
            self._ws.ledger.append([NewEvent("ablation.scored", what, payload, key)], lease=self._lease)
            self._known[key] = found
        return list(self._known[key])

    def record(self, kind: str, result: Any, **more: Any) -> None:
        """Writes what came out; the same figures are one event, however often they are asked for."""
        payload = {"eval_hash": self._eval_hash, **asdict(result), **more}
        subject = payload.pop("release")
        key = f"{kind}:{content_hash([subject, payload])}"
        self._ws.ledger.append([NewEvent(kind, subject, payload, key)], lease=self._lease)


@contextmanager
def measuring(
    ws: Workspace, release: str | None, student: StudentKind | None, repetitions: int, tell: Progress
) -> Iterator[Measuring]:
    """Verifies the release and holds the lease of training while the block measures.

    Raises: as `material_of` and `student_of` do.
    """
    if repetitions < 1:
        raise InputError(
            f"{repetitions} repetitions measure nothing", hint=f"give 1 or more; {REPETITIONS} is the default"
        )
    with ws.ledger.lease("train") as lease:
        tell(0, 0, "verifying the release")
        base, material = baseline(ws), material_of(ws, release)
        yield Measuring(ws, lease, material, student_of(ws, student, base.evaluation), base.eval_hash)

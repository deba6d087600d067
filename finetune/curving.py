"""`curve`: what the next approved rows would bring, from what parts of those that are there have brought.

The student is trained on the seeds and on parts of the approved rows, several draws of each size, and measured on the
locked set. Through the errors goes a power law with a floor, error(n) = a + b n^-c with n rows in all, none of a, b, c
below zero (Cortes et al., NIPS 6 (1994), 327-334; that it holds for deep models over many orders of size: Hestness
et al., arXiv:1712.00409). The interval is that of fits to resampled draws and rows: what the law itself may miss is not
in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedgate.canonical import content_hash
from seedgate.errors import InputError
from seedgate.finetune.arms import Material
from seedgate.finetune.effects import Effect, deviating, mean_of, weights_of
from seedgate.finetune.measuring import REPETITIONS, measuring
from seedgate.finetune.students import StudentKind
from seedgate.records import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seedgate.finetune.releasing import Progress
    from seedgate.workspace import Workspace

    Array = NDArray[np.float64]

__all__ = ["Curve", "CurvePoint", "Law", "curve", "fitted_law"]

PARTS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
NEXT = 100
"""Rows that the answer is about."""
LEAST = 20
"""Approved rows below which parts of them say nothing."""
REFITS = 400
EXPONENTS = tuple(round(0.05 * step, 2) for step in range(1, 41))
"""That are tried for c; a and b follow from each by least squares. Beyond 2 no fall can be told from a step."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What so many approved rows bring.

    Attributes:
        rows: Approved rows beside the seeds.
        score: Mean over draws and rows of the locked set.
    """

    rows: int
    score: Effect


@dataclass(frozen=True, slots=True)
class Law:
    """error(n) = floor + factor n^-exponent, n counting seeds and approved rows."""

    floor: float
    factor: float
    exponent: float

    def score(self, rows: float) -> float:
        """One minus the error at so many rows."""
        return float(1 - self.floor - self.factor * rows**-self.exponent)


@dataclass(frozen=True)
class Curve:
    """The learning curve of a release.

    Attributes:
        seeds: Verified seeds, in every point.
        gain_next: By how much the score would rise with `next_rows` approved rows more.
        simulated: Approved rows that a program approved.
        looks: Measurements on the locked set that this took.
    """

    release: str
    student: str
    metric: str
    n: int
    confidence: float
    seeds: int
    points: tuple[CurvePoint, ...]
    law: Law
    next_rows: int
    gain_next: Effect
    simulated: int
    looks: int

    @property
    def conclusion(self) -> str:
        """In plain words."""
        gain = self.gain_next
        said = f"the next {self.next_rows} approved rows would change {self.metric} by {gain}"
        if gain.low > 0.0005:
            return said
        return f"{said}: that they bring anything cannot be shown"


def curve(
    ws: Workspace,
    release: str | None = None,
    *,
    student: StudentKind | None = None,
    repetitions: int = REPETITIONS,
    on_progress: Progress | None = None,
) -> Curve:
    """Measures the learning curve on the locked evaluation set; what was measured before is found again.

    Args:
        release: The newest one if not given.
        student: As for `ablate`.
        repetitions: Draws of each size, and training seeds.

    Raises:
        RefusedError: The release does not verify, or this student cannot do the task.
        InputError: The release holds too few approved rows.
        ServiceError: vLLM cannot be reached; only with the student `model`.
    """
    tell = on_progress or (lambda *_: None)
    with measuring(ws, release, student, repetitions, tell) as at:
        material, who = at.material, at.student
        if len(material.gated) < LEAST:
            raise InputError(
                f"release {material.release}: {len(material.gated)} approved rows make no curve",
                hint=f"{LEAST} are needed; review more, then release again",
            )
        sizes = sorted({round(part * len(material.gated)) for part in PARTS})
        found: list[list[list[float]]] = []
        for size in sizes:
            found.append([])
            for number in range(repetitions):
                done = sum(map(len, found))
                tell(done, len(sizes) * repetitions, f"{size} approved rows, draw {number}")
                rows = (*material.seeds, *_part(material.gated, size, number))
                steps = who.steps_for(len(rows)) if who.trains else 0
                found[-1].append(at.scores("curve", rows, number, steps, lambda *_: None))
        tell(len(sizes) * repetitions, len(sizes) * repetitions, "")
        result = _result(ws, material, who.title, sizes, found, at.looks)
        at.record("curve.measured", result, conclusion=result.conclusion)
    return result


def fitted_law(sizes: Sequence[int], errors: Array) -> Law:
    """The law that leaves the least squares.

    Args:
        sizes: Rows in all, at least one; at least two of them differ.
        errors: Shape [sizes], each 0 to 1.
    """
    import numpy as np
    from scipy.optimize import nnls

    at = np.array(sizes, float)
    best, least = Law(float(np.mean(errors)), 0.0, EXPONENTS[0]), np.inf
    for exponent in EXPONENTS:
        # Beside a column of ones, one that begins at one: the two stay of a size, whatever the exponent.
        column = (at / at.min()) ** -exponent
        (floor, factor), left = nnls(np.column_stack([np.ones_like(at), column]), errors)
        if left < least - 1e-12:
            best, least = Law(float(floor), float(factor * at.min() ** exponent), exponent), left
    return best


def _part(rows: Sequence[Example], size: int, number: int) -> tuple[Example, ...]:
    """Parts of one draw lie within each other, so that a curve is not torn by what was drawn."""
    return tuple(sorted(rows, key=lambda each: content_hash([number, each.id]))[:size])


def _result(
    ws: Workspace,
    material: Material,
    student: str,
    sizes: Sequence[int],
    found: Sequence[Sequence[Sequence[float]]],
    looks: int,
) -> Curve:
    import numpy as np

    confidence = ws.config.evaluation.confidence
    scores = np.array(found)  # sizes x draws x locked rows
    seeds = len(material.seeds)
    totals = [seeds + size for size in sizes]
    law = fitted_law(totals, 1 - scores.mean(axis=(1, 2)))
    by_draw, by_row = weights_of(scores.shape[1], scores.shape[2], resamples=REFITS)
    spread = np.stack([deviating(each) for each in scores])
    gains = []
    for draws, rows in zip(by_draw, by_row, strict=True):
        again = fitted_law(totals, np.clip(1 - np.einsum("d,sdr,r->s", draws, spread, rows), 0, 1))
        gains.append(again.score(totals[-1] + NEXT) - again.score(totals[-1]))
    low, high = np.quantile(gains, [(1 - confidence) / 2, (1 + confidence) / 2])
    gain = law.score(totals[-1] + NEXT) - law.score(totals[-1])
    return Curve(
        release=material.release,
        student=student,
        metric=ws.task.metric,
        n=scores.shape[2],
        confidence=confidence,
        seeds=seeds,
        points=tuple(
            CurvePoint(size, mean_of(each, confidence)) for size, each in zip(sizes, scores, strict=True)
        ),
        law=law,
        next_rows=NEXT,
        gain_next=Effect(gain, float(min(low, gain)), float(max(high, gain))),
        simulated=material.simulated,
        looks=looks,
    )

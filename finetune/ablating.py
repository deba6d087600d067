"""`ablate`: did the gate pay? The same student trained on what the gate let in, and on what there would be without it.

Equal training for every arm (the approved rows' steps), several seeds each, one locked set, differences paired by row.
What is trained is measured and thrown away: see `students`. Each measurement is an event of its own, so that a run that
was killed goes on where it was; they are looks at the locked set, and counted as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seedgate.finetune.arms import Arm, Material, arms_of, label_counts, written_rows
from seedgate.finetune.effects import Effect, gain_of, mean_of
from seedgate.finetune.measuring import REPETITIONS, measuring
from seedgate.finetune.students import Student, StudentKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seedgate.finetune.releasing import Progress
    from seedgate.workspace import Workspace

__all__ = ["Ablation", "ArmResult", "ablate"]

RIVALS = ("seeds", "random", "scored", "shown", "all", "all_epochs", "written")
"""What the gated arm is set against, where it could be measured."""


@dataclass(frozen=True)
class ArmResult:
    """One arm.

    Attributes:
        rows: Trained on, seeds included; 0 for the untrained model.
        steps: Of training; 0 for a student that knows none.
        score: Mean over seeds and rows of the locked set; None if the arm was left out.
        gain: By how much the gated arm is better; None for the gated arm itself.
        labels: Rows per label.
        left_out: Why it was not measured.
    """

    arm: str
    title: str
    rows: int = 0
    steps: int = 0
    score: Effect | None = None
    gain: Effect | None = None
    labels: Mapping[str, int] | None = None
    left_out: str = ""


@dataclass(frozen=True)
class Ablation:
    """What came out.

    Attributes:
        student: Who was trained.
        approved: Rows of the gated arm besides the seeds; `simulated` of them approved by a program.
        minutes: Reviewers' minutes; None if they are not known.
        per_hour: Gain of the gated arm over the seeds alone per reviewer hour.
        looks: Measurements on the locked set that this took.
    """

    release: str
    student: str
    metric: str
    n: int
    seeds: int
    confidence: float
    approved: int
    simulated: int
    arms: tuple[ArmResult, ...]
    conclusion: str
    looks: int
    minutes: float | None = None
    per_hour: Effect | None = None

    def arm(self, name: str) -> ArmResult:
        """One of the arms."""
        return next(each for each in self.arms if each.arm == name)


def ablate(
    ws: Workspace,
    release: str | None = None,
    *,
    student: StudentKind | None = None,
    repetitions: int = REPETITIONS,
    written: tuple[str, float] | None = None,
    on_progress: Progress | None = None,
) -> Ablation:
    """Measures every arm on the locked evaluation set; what was measured before is found again.

    Args:
        release: The newest one if not given.
        student: `embeddings` where the task's answer is one label, else `model`.
        repetitions: Training seeds of each arm; for arms that are drawn, draws.
        written: A file of rows that experts wrote, and the minutes that took.

    Raises:
        RefusedError: The release holds no approved row or does not verify, or this student cannot do the task.
        InputError: The written rows cannot be read or leak from the evaluation set.
        ServiceError: vLLM cannot be reached; only with the student `model`.
    """
    tell = on_progress or (lambda *_: None)
    with measuring(ws, release, student, repetitions, tell) as at:
        material, who = at.material, at.student
        if written is not None:
            material = replace(material, written=written_rows(ws, *written, allowed=material.minutes))
        arms = list(arms_of(ws, material, trains=who.trains))
        steps = who.steps_for(len(material.seeds) + len(material.gated))
        found: dict[str, NDArray[np.float64]] = {}
        looks = sum(not arm.left_out for arm in arms) * repetitions
        for number in range(repetitions):
            for arm in (each for each in arms if not each.left_out):
                place = sum(map(len, found.values()))
                tell(place, looks, f"{arm.name}, seed {number}")
                rows = () if arm.name == "base" else (*material.seeds, *arm.added(number))
                own = -1 if arm.name == "all_epochs" else steps
                scores = at.scores(arm.name, rows, number, own, _within(tell, place, looks, arm.name))
                found[arm.name] = _stacked(found.get(arm.name), scores)
        tell(looks, looks, "")
        result = _result(ws, material, arms, found, who, steps, at.looks)
        at.record("ablation.measured", result)
    return result


def _within(tell: Progress, place: int, looks: int, arm: str) -> Progress:
    """Progress of one arm's training, told beside that of the whole."""

    def inner(done: int, total: int, what: str) -> None:
        tell(place, looks, " ".join(filter(None, (arm, f"{done}/{total}" if total else "", what))))

    return inner


def _stacked(before: NDArray[np.float64] | None, scores: list[float]) -> NDArray[np.float64]:
    import numpy as np

    row = np.array([scores], float)
    return row if before is None else np.concatenate([before, row])


def _result(
    ws: Workspace,
    material: Material,
    arms: Sequence[Arm],
    found: Mapping[str, NDArray[np.float64]],
    who: Student,
    steps: int,
    looks: int,
) -> Ablation:
    confidence = ws.config.evaluation.confidence
    results = []
    for arm in arms:
        if arm.left_out:
            results.append(ArmResult(arm.name, arm.title, left_out=arm.left_out))
            continue
        rows = () if arm.name == "base" else (*material.seeds, *arm.added(0))
        own = who.steps_for(len(rows)) if arm.name == "all_epochs" else steps
        gain = None
        if arm.name != "gated":
            gain = gain_of(found[arm.name], found["gated"], confidence)
        results.append(
            ArmResult(
                arm.name,
                arm.title,
                rows=len(rows),
                steps=own if rows else 0,
                score=mean_of(found[arm.name], confidence),
                gain=gain,
                labels=label_counts(ws, rows) or None,
            )
        )
    gains = {each.arm: each.gain for each in results if each.gain is not None}
    minutes = material.minutes
    return Ablation(
        release=material.release,
        student=who.title,
        metric=ws.task.metric,
        n=found["gated"].shape[1],
        seeds=len(found["gated"]),
        confidence=confidence,
        approved=len(material.gated),
        simulated=material.simulated,
        arms=tuple(results),
        conclusion=_conclusion(gains),
        looks=looks,
        minutes=minutes,
        per_hour=gains["seeds"].times(60 / minutes) if minutes else None,
    )


def _conclusion(gains: Mapping[str, Effect]) -> str:
    """Plain sentences, whatever they say."""
    against, alone = gains["random"], gains["seeds"]
    if against.low > 0:
        gate = f"the gate paid: at equal size approved rows beat unreviewed ones by {against}"
    elif against.high < 0:
        gate = f"the gate did not pay: at equal size unreviewed rows did better than approved ones, {against}"
    else:
        gate = (
            f"whether the gate paid cannot be told: at equal size approved beside unreviewed rows {against}"
        )
    if alone.low > 0:
        rows = f"the approved rows made the student better than the seeds alone, by {alone}"
    elif alone.high < 0:
        rows = f"the approved rows made the student worse than the seeds alone, {alone}"
    else:
        rows = f"that the approved rows add to the seeds cannot be shown, {alone}"
    better = [name for name in ("scored", "shown", "all", "all_epochs", "written") if _beats(gains.get(name))]
    rest = f"; better than the gated arm: {', '.join(better)}" if better else ""
    return f"{gate}; {rows}{rest}"


def _beats(gain: Effect | None) -> bool:
    return gain is not None and gain.high < 0

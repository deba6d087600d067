"""Is another batch worth the experts' time? What the last cycles brought, and whether the models still gain by it.

A batch is worth it as long as reading it brings enough rows that are approved and new, and as long as the model that is
trained on them is not known to stand still. It only reports: nothing stops by itself, and people may know better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Literal

from seedgate.errors import SeedgateError
from seedgate.finetune.comparing import compare
from seedgate.finetune.repeating import step_over_seeds
from seedgate.review import Rate, reviewed

if TYPE_CHECKING:
    from seedgate.generator import Decided
    from seedgate.review.facts import Standing
    from seedgate.workspace import Workspace

__all__ = ["AnotherBatch", "CycleYield", "LearningStep", "another_batch", "judge_yields"]

LEAST = 40
"""Decided candidates of a cycle before it says anything."""
LEAST_YIELD = 0.2
"""A batch is not worth it when fewer than one of five candidates that experts read is approved and new."""
LEAST_GAIN = 0.01
"""Nor when another as large as the last would raise the score by less than one point, as far as can be told."""
Z = 1.959964


@dataclass(frozen=True, slots=True)
class CycleYield:
    """One cycle's candidates, as far as they are decided.

    Attributes:
        approved: Of the decided ones; `new` of the approved ones that were scored; `gained`, both at once, of the
            decided ones.
        seconds_each: Expert seconds per approved and new row, with the least and the most that its rate leaves
            possible; None where paces are unknown or no row was gained.
    """

    cycle: int
    decided: int
    simulated: int
    approved: Rate
    new: Rate
    gained: Rate
    seconds_each: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class LearningStep:
    """What the newest model gained over the one before it, which was trained on fewer rows.

    Attributes:
        rows: Approved rows that were added.
        gain, low, high: Difference of the metric on the locked set, paired by row, with its interval.
        seeds: Training seeds that both were measured with; with several, they are resampled too.
    """

    before: str
    after: str
    metric: str
    rows: int
    gain: float
    low: float
    high: float
    seeds: int = 1

    @property
    def per_100(self) -> tuple[float, float, float]:
        """Gain per 100 added rows, with its interval."""
        return tuple(100 * each / self.rows for each in (self.gain, self.low, self.high))  # type: ignore[return-value]

    def __str__(self) -> str:
        each, low, high = self.per_100
        over = f" over {self.seeds} training seeds" if self.seeds > 1 else ""
        return (
            f"{self.after} beside {self.before}{over}, {self.rows} approved rows more: {self.metric} {self.gain:+.3f} "
            f"({self.low:+.3f} to {self.high:+.3f}), per 100 rows {each:+.3f} ({low:+.3f} to {high:+.3f})"
        )


@dataclass(frozen=True)
class AnotherBatch:
    """The answer.

    Attributes:
        answer: `unknown`: it cannot be said yet.
        why: A sentence.
        trend: Change of the gained share from the cycle before to the last one, with a 95 % interval.
        learning: None until two models that were trained on different releases have been measured.
    """

    answer: Literal["worth it", "no longer worth it", "unknown"]
    why: str
    cycles: tuple[CycleYield, ...] = ()
    trend: tuple[float, float, float] | None = None
    learning: LearningStep | None = None

    def __str__(self) -> str:
        said = {"unknown": "whether another batch is worth the experts' time cannot be said yet"}
        return f"{said.get(self.answer, f'another batch is {self.answer}')}: {self.why}"


def another_batch(ws: Workspace, now: Standing | None = None) -> AnotherBatch:
    """The answer as of now; reads the ledger and writes nothing.

    Args:
        ws: The workspace.
        now: State of review and decisions, if they are known already.
    """
    return judge_yields(reviewed(ws, now=now).decided, _learning(ws))


def judge_yields(decided: Sequence[Decided], learning: LearningStep | None = None) -> AnotherBatch:
    """The answer from decisions and what the models gained.

    Args:
        decided: Of all cycles; rows that stand for others left out by value are weighted so.
        learning: The newest step of the learning curve, if there is one.
    """
    numbers = sorted({each.cycle for each in decided})
    cycles = tuple(_yield(n, [each for each in decided if each.cycle == n]) for n in numbers)
    trend = _trend(cycles[-2].gained, cycles[-1].gained) if len(cycles) > 1 else None
    answer, why = _judge(cycles, learning)
    return AnotherBatch(answer, why, cycles, trend, learning)


def _judge(
    cycles: Sequence[CycleYield], learning: LearningStep | None
) -> tuple[Literal["worth it", "no longer worth it", "unknown"], str]:
    if not cycles or cycles[-1].decided < LEAST:
        have = (
            f"{cycles[-1].decided} candidates of cycle {cycles[-1].cycle} are"
            if cycles
            else "no candidate is"
        )
        return "unknown", f"{have} decided, {LEAST} are needed"
    last = cycles[-1]
    share = f"{_share(last.gained)} of what was read in cycle {last.cycle} were approved and new"
    if last.gained.high < LEAST_YIELD:
        fault = (
            "hardly anything is approved" if last.approved.high < 0.5 else "what is approved is seldom new"
        )
        if last.approved.high < 0.5 and last.new.high < 0.5:
            fault = "little is approved, and that is seldom new"
        return "no longer worth it", f"{share}; {fault}"
    if learning is not None and learning.high < LEAST_GAIN:
        return "no longer worth it", f"the model stands still: {learning}; {share}"
    if last.gained.low < LEAST_YIELD:
        return "unknown", f"{share}, and {LEAST_YIELD:.0%} are asked"
    if learning is None:
        return "worth it", f"{share}; what models gain by it was not measured"
    if learning.low > 0:
        return "worth it", f"{share}; {learning}"
    return "worth it", f"{share}; whether the model still gains cannot be told: {learning}"


def _yield(cycle: int, own: Sequence[Decided]) -> CycleYield:
    approved = [each for each in own if each.outcome != "rejected"]
    scored = [each for each in approved if each.novel is not None]
    # Of what was not scored nobody knows, and it counts as new.
    gained = [each for each in approved if each.novel is not False]
    rate = _rate(gained, own)
    times = [each.seconds for each in own if each.seconds is not None and not each.simulated]
    seconds = mean(times) if times else None
    share = rate.found / rate.of
    return CycleYield(
        cycle=cycle,
        decided=len(own),
        simulated=sum(each.simulated for each in own),
        approved=_rate(approved, own),
        new=_rate([each for each in scored if each.novel], scored),
        gained=rate,
        seconds_each=(seconds / share, seconds / rate.high, seconds / max(rate.low, 1e-3))
        if seconds is not None and share > 0
        else None,
    )


def _rate(found: Sequence[Decided], among: Sequence[Decided]) -> Rate:
    """Weighted, counted as so many equally weighted ones as it is worth (Kish 1965, Survey Sampling)."""
    whole, squares = sum(each.weight for each in among), sum(each.weight**2 for each in among)
    worth = whole * whole / squares if squares else 0.0
    number = round(worth)
    share = sum(each.weight for each in found) / whole if whole else 0.0
    return Rate.among(round(share * number), number)


def _trend(before: Rate, after: Rate) -> tuple[float, float, float] | None:
    """Difference of two shares, with the interval of Agresti & Caffo 2000 (The American Statistician 54, p. 280)."""
    if not before.of or not after.of:
        return None
    (a, b) = ((rate.found + 1) / (rate.of + 2) for rate in (before, after))
    error = Z * (a * (1 - a) / (before.of + 2) + b * (1 - b) / (after.of + 2)) ** 0.5
    difference = after.found / after.of - before.found / before.of
    return difference, b - a - error, b - a + error


def _share(rate: Rate) -> str:
    return f"{rate.found / max(rate.of, 1):.0%} ({rate.low:.0%} to {rate.high:.0%})"


def _learning(ws: Workspace) -> LearningStep | None:
    """The two newest models that were trained on different numbers of approved rows and can be compared."""
    rows = {e.subject: _approved(e.payload["counts"]) for e in ws.ledger.events("release.created")}
    sizes = {
        e.subject: rows[e.payload["release"]]
        for e in ws.ledger.events("model.trained")
        if e.payload["release"] in rows
    }
    measured = dict.fromkeys(e.subject for e in ws.ledger.events("model.evaluated") if e.subject in sizes)
    newest_of = {sizes[name]: name for name in measured}  # of several on as many rows, the newest
    if len(newest_of) < 2:
        return None
    fewer, more = sorted(newest_of)[-2:]
    try:
        found = compare(ws, newest_of[fewer], newest_of[more])
    except SeedgateError:  # measured under different settings
        return None
    gain, low, high, seeds = found.difference, found.low, found.high, 1
    if (several := step_over_seeds(ws, found.before, found.after)) is not None:
        effect, seeds = several
        gain, low, high = effect.value, effect.low, effect.high
    return LearningStep(found.before, found.after, found.metric, more - fewer, gain, low, high, seeds)


def _approved(counts: Mapping[str, int]) -> int:
    return int(counts["approved"])

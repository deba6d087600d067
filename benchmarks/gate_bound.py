"""Does the error bound of a release hold, and how much larger is it than it need be?

Simulated review rounds: of 600 approved rows some are wrong; up to 300 are re-reviewed in ten steps, and with each
step as many known-bad controls are answered. A cell of the table is one setting:

- candidates: share of candidates that are wrong;  skill: share of bad controls that a reviewer lets through
- harder: real errors are missed this many times as often as controls
- correlated: the chance that a re-reviewer misses what the approver missed *because* the approver missed it

and gives the coverage twice, with the exact 95 % interval of its own: `once`, for somebody who looks after the last
step, and `always`, for somebody who adds reviews until the bound passes, counted as a failure if the bound was below
the truth at any step. The bound's assumptions hold where errors are as hard as controls and reviewers don't share
them: there coverage must be at least .95. `size` compares the median bound after the last step with that of an
oracle, which is told the re-reviewer's sensitivity and uses the exact bound for a sample size fixed beforehand: at
most 1.5 in each of those cells.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest

from seedgate.review.bound import (
    ALPHA,
    LEAST,
    STEP,
    BadControls,
    Cell,
    Stratum,
    log_evidence,
    sensitivity_cells,
)
from seedgate.review.likelihood import found_given_wrong

TARGET = 1.5
SIZE, STEPS = 600, tuple(range(30, 301, 30))
PASSES_RIGHT = 0.95  # share of right candidates that a reviewer approves
WORST_MISS = 0.95
GRID = [Cell(STEP ** -(i + 1), 0.0) for i in range(math.ceil(-math.log(LEAST) / math.log(STEP)))]


class Setting(NamedTuple):
    """One setting."""

    candidates: float
    skill: float
    harder: float
    correlated: float

    @property
    def holds(self) -> bool:
        """Whether the bound's assumptions do."""
        return self.harder == 1 and self.correlated == 0

    @property
    def missed(self) -> float:
        """How often one reviewer misses a real error."""
        return min(self.skill * self.harder, WORST_MISS)

    @property
    def missed_again(self) -> float:
        """How often a re-reviewer misses what the approver missed."""
        return self.missed + self.correlated * (1 - self.missed)


def cells(quick: bool) -> list[Setting]:
    if quick:
        return [Setting(0.3, 0.15, *rest) for rest in ((1.0, 0.0), (2.0, 0.0), (1.0, 0.5))]
    return [
        Setting(*each) for each in product((0.1, 0.3, 0.5), (0.05, 0.15, 0.3), (1.0, 2.0, 4.0), (0.0, 0.5))
    ]


def simulate(cell: Setting, rounds: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Wrong rows, and per step the number found and the number of controls missed, for each round."""
    passed = cell.candidates * cell.missed
    share = passed / (passed + (1 - cell.candidates) * PASSES_RIGHT)
    wrong = rng.binomial(SIZE, share, rounds)
    found, missed = [], []
    left, seen, caught, slipped = wrong.copy(), 0, np.zeros(rounds, int), np.zeros(rounds, int)
    for step in STEPS:
        more = step - seen
        hit = rng.hypergeometric(left, SIZE - seen - left, more)
        left, seen = left - hit, step
        caught = caught + rng.binomial(hit, 1 - cell.missed_again)
        slipped = slipped + rng.binomial(more, cell.skill, rounds)
        found.append(caught)
        missed.append(slipped)
    return wrong, np.stack(found), np.stack(missed)


class Bounds:
    """Bounds on the wrong rows left, for every number found and every number of controls missed.

    What `wrong_rows` does, with the part that doesn't depend on the controls done once per step.
    """

    def __init__(self, most_found: int) -> None:
        self.most_found = most_found
        self._evidence: dict[int, Any] = {}
        self._known: dict[tuple[int, int, float], Any] = {}

    def of(self, seen: int, missed: int, harder: float) -> Any:
        """Bound by number found."""
        key = (seen, missed, harder)
        if key not in self._known:
            self._known[key] = self._bounds(*key)
        return self._known[key]

    def _bounds(self, seen: int, missed: int, harder: float) -> Any:
        cells = sensitivity_cells([BadControls(seen, seen - missed)], harder=harder)
        found = np.arange(min(self.most_found, seen) + 1)
        if cells is None:
            return SIZE - found
        least = self._least(seen)[:, : len(cells)]
        thresholds = np.array([cell.threshold for cell in cells])[None, :, None]
        worst = (least < thresholds).sum(axis=2).max(axis=1) - 1
        return np.minimum(np.maximum.accumulate(np.maximum(worst - found, 0)), SIZE - found)

    def _least(self, seen: int) -> Any:
        """[found, cell, wrong rows]: the smallest log e-value against this many wrong rows or more."""
        if seen not in self._evidence:
            stratum = Stratum(SIZE, seen, min(self.most_found, seen))
            evidence = np.logaddexp.reduce(log_evidence(stratum, GRID))
            least = np.minimum.accumulate(evidence[..., ::-1], axis=-1)[..., ::-1]
            self._evidence[seen] = np.nextafter(least.astype(np.float32), np.float32(-np.inf))
        return self._evidence[seen]


@cache
def oracle(seen: int, found: int, sensitivity: float) -> int:
    """Exact bound for a sample size fixed beforehand: the largest number with P(found or fewer) > alpha."""
    logs = found_given_wrong(SIZE, seen, found, np.array([sensitivity]))[:, 0]
    return int(np.flatnonzero(np.exp(logs).sum(axis=0) > ALPHA)[-1]) - found


def bounds_of(bounds: Bounds, found: Any, missed: Any, harder: float) -> Any:
    """Bound per step and round."""
    out = np.empty(found.shape, int)
    for step, (own, d, m) in enumerate(zip(out, found, missed, strict=True)):
        for each in np.unique(m):
            own[m == each] = bounds.of(STEPS[step], int(each), harder)[d[m == each]]
    return out


def measured(
    bounds: Bounds, cell: Setting, rounds: int, rng: np.random.Generator, told: bool = False
) -> dict[str, Any]:
    """One row of the table; `told`: the bound is told how much harder real errors are."""
    wrong, found, missed = simulate(cell, rounds, rng)
    bound = bounds_of(bounds, found, missed, cell.harder if told else 1.0)
    held = bound >= wrong - found
    best = [oracle(STEPS[-1], int(d), 1 - cell.missed_again) for d in found[-1]]
    return {
        "once": covered(held[-1]),
        "always": covered(held.all(axis=0)),
        "truth": float(np.median(wrong - found[-1])),
        "median": float(np.median(bound[-1])),
        "oracle": float(np.median(best)),
    }


def covered(held: Any) -> tuple[float, float, float]:
    """Coverage with its exact interval."""
    interval = binomtest(int(held.sum()), len(held)).proportion_ci(0.95, method="exact")
    return float(held.mean()), float(interval.low), float(interval.high)


def line(cell: Setting, row: dict[str, Any]) -> str:
    shown = [
        f"{name} {c:.4f} ({low:.4f} to {high:.4f})"
        for name, (c, low, high) in ((name, row[name]) for name in ("once", "always"))
    ]
    verdict = "" if row["always"][2] >= 1 - ALPHA else "  FAILS"
    return (
        f"wrong {cell.candidates:.1f} skill {cell.skill:.2f} harder {cell.harder:.0f} corr {cell.correlated:.1f}"
        f" | {shown[0]} | {shown[1]} | left {row['truth']:.0f}, bound {row['median']:.0f}, oracle"
        f" {row['oracle']:.0f}, size {row['median'] / max(row['oracle'], 1):.2f}{verdict}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 cells of 200 rounds instead of 54 of 2,000")
    parser.add_argument("--rounds", type=int, help="simulated rounds per cell [2,000; 200 with --quick]")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rounds = given.rounds or (200 if given.quick else 2000)
    rng = np.random.default_rng(given.seed)
    began = time.perf_counter()
    print(
        f"{rounds} rounds per cell{' (quick: too few to show a coverage of .95)' if given.quick else ''};"
        f" {SIZE} rows, re-reviews and bad controls {STEPS[0]} to {STEPS[-1]} in {len(STEPS)} steps; seed {given.seed}"
    )
    bounds = Bounds(60 if given.quick else 120)
    rows = {}
    for cell in cells(given.quick):
        rows[cell] = measured(bounds, cell, rounds, rng)
        print(line(cell, rows[cell]), flush=True)
    print("\nThe same, the bound being told how much harder real errors are than controls:")
    told = [cell for cell in rows if cell.harder > 1 and cell.missed < WORST_MISS and not cell.correlated]
    informed = {cell: measured(bounds, cell, rounds, rng, told=True) for cell in told}
    for cell, row in informed.items():
        print(line(cell, row), flush=True)
    sound = [row for cell, row in rows.items() if cell.holds]
    sizes = [row["median"] / max(row["oracle"], 1) for row in sound]
    middle = float(np.median(sizes))
    least = min(row["always"][0] for row in sound)
    failing = sum(row["always"][2] < 1 - ALPHA for row in (*sound, *informed.values()))
    broken = sum(row["always"][2] < 1 - ALPHA for cell, row in rows.items() if not cell.holds)
    print(
        f"\nassumptions hold in {len(sound)} cells: least coverage always {least:.4f}; sizes {min(sizes):.2f} to"
        f" {max(sizes):.2f}, median {middle:.2f}. They do not in {len(rows) - len(sound)}: coverage is below .95 in"
        f" {broken} of these. {time.perf_counter() - began:.0f} s"
    )
    value = max(sizes)
    result = {"name": "gate_bound", "value": value, "baseline": 1.0, "ratio": value, "target": TARGET}
    ok = value <= TARGET and not failing
    print(json.dumps(result | {"median": middle, "coverage": least, "rounds": rounds, "ok": ok}))


if __name__ == "__main__":
    main()

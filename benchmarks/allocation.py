"""Is expert time spent better when shares are learnt? Five cycles of real completions, a simulated reviewer, 3 arms.

The completions are those of `parts/allocation_pool.py`: a small model's, each strategy as it is, none broken on
purpose. A cycle draws 100 of them without replacement, strategy and label by the arm's shares, and leaves out what
repeats an earlier one (cosine .95), as the filters would:

- `uniform`: every strategy and every label alike, in every cycle;
- `learnt`: like `uniform` in cycle 1, from then on `seedgate.generator.allocation.allocate` on all decisions so far;
- `oracle`: the best shares under the same bounds, from the true rates of each strategy with each label, of what is left
  in the pool at the beginning of each cycle.

The reviewer's truth is a logistic regression on the embeddings of all of banking77's training rows but the seeds: a
completion is right if the label asked for is its most likely one; else it has a wrong label, where another is likely,
or is off topic. What is less like any row that people wrote than all but 1 % of these are to each other is unnatural.
The reviewer errs at random in 3 % of decisions, and takes a lognormal time about 7 s to approve and 9 s to reject. New
is an approved row that is as far from the seeds and from what was approved before as `novel_from` asks for.

A pool runs dry where an arm likes it most, which a model does not: then another label is drawn, and how often is told.
Only the oracle sees it coming. So beside what was drawn in the last cycle stands what its shares would bring from the
whole pool, by the true rates.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from parts.allocation_pool import STRATEGIES, data_folder, rows_of, vectors_of
from scipy.stats import t as student_t
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from seedgate.generator import Decided
from seedgate.generator.allocation import allocating
from seedgate.generator.allocation.allocating import (
    LABEL_LEAST,
    LABEL_MOST,
    OWN_SHARE,
    STEERED,
    STRATEGY_LEAST,
)
from seedgate.generator.allocation.sharing import shares_of

CYCLES, CANDIDATES = 5, 100
ERRS, APPROVE_S, REJECT_S, SPREAD_S = 0.03, 7.0, 9.0, 0.5
REPEATS, CLOSEST, UNLIKE, LIKELY = 0.95, 0.1, 0.01, 0.5
ARMS = ("uniform", "learnt", "oracle")
FIRST = 100
"""Number of the first repetition."""
TARGET, OF_ORACLE = 1.5, 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three repetitions (default: 20)")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first repetition")
    parser.add_argument("--pool", type=Path, help="folder that parts/allocation_pool.py filled")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")
    args = parser.parse_args()
    if args.pool is None or not (args.pool / f"{STRATEGIES[-1]}.jsonl").is_file():
        print(
            json.dumps(
                {
                    "name": "allocation",
                    "skipped": "no pool: make one with benchmarks/parts/allocation_pool.py",
                }
            )
        )
        return
    repetitions = args.repetitions or (3 if args.quick else 20)
    with threadpool_limits(1):
        pool = Pool(args.pool, data_folder(args.data) / "banking77")
        pool.tell()
        numbers = range(args.first, args.first + repetitions)
        started = time.process_time()
        runs = {arm: [Run(pool, arm, number) for number in numbers] for arm in ARMS}
    print(f"{repetitions} repetitions, {time.process_time() - started:.0f} s of processor time")
    tell(runs)


# -- pool and truth ----------------------------------------------------------------------------------


class Pool:
    """Completions with what is true of them; places are rows of `vectors`."""

    def __init__(self, folder: Path, bank: Path) -> None:
        seeds = [row["fields"] for row in rows_of(folder / "seeds.jsonl")]
        rows = [(name, row["fields"]) for name in STRATEGIES for row in rows_of(folder / f"{name}.jsonl")]
        self.strategy = np.array([name for name, _ in rows])
        self.label = np.array([str(fields["label"]) for _, fields in rows])
        self.labels = sorted({str(seed["label"]) for seed in seeds})
        self.vectors = vectors_of(folder, [str(fields["text"]) for _, fields in rows])
        self.seeds = vectors_of(folder, [str(seed["text"]) for seed in seeds])
        self._judge(folder, bank, {str(seed["text"]) for seed in seeds})
        alike = self.seeds @ self.seeds.T
        np.fill_diagonal(alike, -2)
        self.novel_from = float(np.quantile(1 - alike.max(1), CLOSEST))
        self.from_seeds = 1 - (self.vectors @ self.seeds.T).max(1)

    def _judge(self, folder: Path, bank: Path, seeds: set[str]) -> None:
        parts = {name: rows_of(bank / f"{name}.jsonl") for name in ("train", "test")}
        gold = {
            name: (
                vectors_of(folder, [r["text"] for r in part]),
                np.array([r["label"] for r in part]),
            )
            for name, part in parts.items()
        }
        apart = np.array([row["text"] not in seeds for row in parts["train"]])
        known, labels = gold["train"][0][apart], gold["train"][1][apart]
        model = LogisticRegression(C=10.0, max_iter=300, tol=1e-3).fit(known, labels)
        self.error = float((model.predict(gold["test"][0]) != gold["test"][1]).mean())
        chances = model.predict_proba(self.vectors)
        best = model.classes_[chances.argmax(1)]
        nearest = (self.vectors @ known.T).max(1)
        own = np.concatenate([nearest_other(known, at) for at in range(0, len(known), 1000)])
        odd = nearest < np.quantile(own, UNLIKE)
        wrong = best != self.label
        likely = chances.max(1) >= LIKELY
        self.right = ~odd & ~wrong
        self.reason = np.where(odd, "unnatural", np.where(likely, "wrong_label", "off_topic"))

    def tell(self) -> None:
        """Settings, and what the arms are like."""
        print(
            f"{CYCLES} cycles of {CANDIDATES}; reviewer errs in {ERRS:.0%}, {APPROVE_S:g} s to approve, {REJECT_S:g} s "
            f"to reject; its model is wrong on {self.error:.1%} of the test rows; new from {self.novel_from:.3f}"
        )
        for name in STRATEGIES:
            own = self.strategy == name
            right, fresh = self.right[own], self.from_seeds[own] >= self.novel_from
            reasons = Counter(self.reason[own][~right].tolist())
            print(
                f"  {name:14} {own.sum():5} in the pool, right {right.mean():.3f}, of these new to the seeds "
                f"{fresh[right].mean():.3f}; wrong for: "
                + ", ".join(f"{reason} {n / own.sum():.2f}" for reason, n in reasons.most_common())
            )
        by_label = [self.right[self.label == label].mean() for label in self.labels]
        print(f"  right by label: {min(by_label):.2f} to {max(by_label):.2f}", flush=True)

    def worth(self, left: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """True rates of each strategy with each label: right and new to the seeds, and seconds.

        Args:
            left: Places of the rows to count; a cell with fewer than a cycle may take of it is worth nothing.
        """
        shape = (len(STRATEGIES), len(self.labels))
        gained, seconds = np.zeros(shape), np.full(shape, REJECT_S)
        among = np.ones(len(self.label), bool) if left is None else np.isin(np.arange(len(self.label)), left)
        for row, name in enumerate(STRATEGIES):
            for column, label in enumerate(self.labels):
                own = (self.strategy == name) & (self.label == label) & among
                if own.sum() >= (1 if left is None else LABEL_MOST * CANDIDATES / len(self.labels)):
                    right = self.right[own]
                    gained[row, column] = (right & (self.from_seeds[own] >= self.novel_from)).mean()
                    seconds[row, column] = np.where(right, APPROVE_S, REJECT_S).mean()
        return gained, seconds

    @cached_property
    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Rates over all of it."""
        return self.worth()


def nearest_other(vectors: np.ndarray, at: int) -> np.ndarray:
    """Cosine of some rows to the nearest other one."""
    cosines = vectors[at : at + 1000] @ vectors.T
    places = np.arange(len(cosines))
    cosines[places, places + at] = -2
    return cosines.max(1)


# -- five cycles -------------------------------------------------------------------------------------


@dataclass
class Run:
    """One repetition of one arm; `gains` and `minutes` are of each cycle, `shares` what was asked in it."""

    pool: Pool
    arm: str
    number: int
    gains: list[int] = field(default_factory=list)
    approvals: list[int] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    shares: list[dict[str, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    planned: float = 0.0
    dry: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.number)
        self._decided: list[Decided] = []
        self._seen = self.pool.seeds
        self._approved = self.pool.seeds
        cells: dict[tuple[str, str], list[int]] = defaultdict(list)
        order = list(range(len(self.pool.label)))
        self._rng.shuffle(order)
        for place in order:
            cells[str(self.pool.strategy[place]), str(self.pool.label[place])].append(place)
        self._left = cells
        for cycle in range(1, CYCLES + 1):
            self._cycle(cycle)

    @property
    def rates(self) -> list[float]:
        """Approved and new rows per expert minute, by cycle."""
        return [gain / spent for gain, spent in zip(self.gains, self.minutes, strict=True)]

    def _cycle(self, cycle: int) -> None:
        shares, weights = self._plan(cycle)
        best = best_shares(self.pool, *self.pool.whole)
        self.planned = planned(self.pool, *(best if self.arm == "oracle" else (shares, weights)))
        drawn = self._draw(shares, weights)
        seconds, gain, approvals, approved = 0.0, 0, 0, Counter[str]()
        for place in drawn:
            vector = self.pool.vectors[place]
            right = bool(self.pool.right[place]) != (self._rng.random() < ERRS)
            spent = (APPROVE_S if right else REJECT_S) * self._rng.lognormvariate(0, SPREAD_S)
            new = float(1 - (self._approved @ vector).max()) >= self.pool.novel_from
            self._decided.append(
                Decided(
                    str(self.pool.strategy[place]),
                    str(self.pool.label[place]),
                    cycle,
                    "approved" if right else "rejected",
                    () if right else (str(self.pool.reason[place]),),
                    new,
                    spent,
                )
            )
            seconds += spent
            # What the reviewer let pass by mistake is no gain.
            gain += right and new and bool(self.pool.right[place])
            approvals += right
            if right:
                approved[str(self.pool.label[place])] += 1
                self._approved = np.vstack([self._approved, vector])
        self.gains.append(gain)
        self.approvals.append(approvals)
        self.minutes.append(seconds / 60)
        self.shares.append(shares)
        self.labels.append(min(approved[label] for label in self.pool.labels))

    def _plan(self, cycle: int) -> tuple[dict[str, float], Mapping[str, Mapping[str, float]]]:
        even = {name: 1 / len(STRATEGIES) for name in STRATEGIES}
        if self.arm == "uniform" or (self.arm == "learnt" and cycle == 1):
            return even, {}
        if self.arm == "oracle":
            return best_shares(self.pool, *self.pool.worth(self._still_new()))
        found = allocating.allocate(
            self._decided, even, self.pool.labels, cycle=cycle, key=f"benchmark-{self.number}"
        )
        return dict(found.shares), found.weights

    def _still_new(self) -> np.ndarray:
        """Places of rows that are left, and that no filter would drop by now."""
        left = np.array([place for own in self._left.values() for place in own])
        return left[(self.pool.vectors[left] @ self._seen.T).max(1) < REPEATS]

    def _draw(self, shares: Mapping[str, float], weights: Mapping[str, Mapping[str, float]]) -> list[int]:
        """Places of a cycle's candidates."""
        drawn: list[int] = []
        counts: Counter[str] = Counter()
        cells: Counter[tuple[str, str]] = Counter()
        left = {name: [label for label in self.pool.labels if self._left[name, label]] for name in shares}
        while len(drawn) < CANDIDATES:
            name = min(
                (name for name in shares if left[name] and shares[name] > 0),
                key=lambda n: (counts[n] + 0.5) / shares[n],
            )
            own = weights.get(name, {})
            due = {
                each: ((cells[name, each] + 0.5) / own.get(each, 1.0), self._rng.random())
                for each in self.pool.labels
            }
            label = min(left[name], key=lambda each: due[each])
            self.dry += min(due, key=lambda each: due[each]) != label
            cells[name, label] += 1
            place = self._left[name, label].pop()
            if not self._left[name, label]:
                left[name].remove(label)
            vector = self.pool.vectors[place]
            if float((self._seen @ vector).max()) >= REPEATS:
                continue
            self._seen = np.vstack([self._seen, vector])
            counts[name] += 1
            drawn.append(place)
        return drawn


def planned(pool: Pool, shares: Mapping[str, float], weights: Mapping[str, Mapping[str, float]]) -> float:
    """Right and new rows per expert minute that shares would bring, by the true rates."""
    gained, seconds = pool.whole
    share = np.array([[shares[name]] for name in STRATEGIES])
    part = np.array([[weights.get(name, {}).get(label, 1.0) for label in pool.labels] for name in STRATEGIES])
    return float(60 * (share * part * gained).sum() / (share * part * seconds).sum())


def best_shares(
    pool: Pool, gained: np.ndarray, seconds: np.ndarray
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What `allocate` would give if it knew the rates."""
    count = len(pool.labels)
    even, weights = np.full(count, 1 / count), np.ones_like(gained)
    for row, name in enumerate(STRATEGIES):
        if name in STEERED:
            worth = (gained[row] / seconds[row])[None]
            weights[row] = shares_of(worth, LABEL_LEAST * even, LABEL_MOST * even) * count
    own = np.array([name in OWN_SHARE for name in STRATEGIES])
    uniform = np.full(len(STRATEGIES), 1 / len(STRATEGIES))
    worth = ((gained * weights).mean(1) / (seconds * weights).mean(1))[None]
    shares = shares_of(worth, np.where(own, 1.0, STRATEGY_LEAST) * uniform, np.where(own, uniform, 1.0))
    return dict(zip(STRATEGIES, shares.tolist(), strict=True)), {
        name: dict(zip(pool.labels, weights[row].tolist(), strict=True))
        for row, name in enumerate(STRATEGIES)
        if name in STEERED
    }


# -- figures -----------------------------------------------------------------------------------------


def tell(runs: Mapping[str, Sequence[Run]]) -> None:
    for arm, each in runs.items():
        by_cycle = np.array([run.rates for run in each]).mean(0)
        approved = np.array([run.approvals for run in each]).mean(0) / CANDIDATES
        print(
            f"{arm:8} approved and new per minute by cycle: " + ", ".join(f"{rate:.2f}" for rate in by_cycle)
        )
        print(f"{'':8} approved: " + ", ".join(f"{rate:.2f}" for rate in approved))
        last = {name: np.mean([run.shares[-1][name] for run in each]) for name in STRATEGIES}
        print(
            f"{'':8} shares of cycle {CYCLES}: "
            + ", ".join(f"{name} {share:.2f}" for name, share in last.items())
        )
        fewest = np.mean([run.labels[-1] for run in each])
        dry = np.mean([run.dry for run in each]) / (CYCLES * CANDIDATES)
        print(
            f"{'':8} approved rows of the label that has fewest in cycle {CYCLES}: {fewest:.1f}; run dry: {dry:.1%}"
        )
    rates = {arm: np.array([run.rates[-1] for run in each]) for arm, each in runs.items()}
    whole = {arm: np.array([sum(r.gains) / sum(r.minutes) for r in each]) for arm, each in runs.items()}
    plans = {arm: np.array([run.planned for run in each]) for arm, each in runs.items()}
    out: dict[str, Any] = {}
    spans = {f"cycle {CYCLES}": rates, "all cycles": whole, f"shares of cycle {CYCLES}, whole pool": plans}
    for what, found in spans.items():
        gain, best = found["learnt"] - found["uniform"], found["oracle"] - found["uniform"]
        out[what] = {
            "learnt - uniform": paired(gain),
            "oracle - uniform": paired(best),
            "learnt / uniform": ratio(found["learnt"], found["uniform"]),
            "oracle / uniform": ratio(found["oracle"], found["uniform"]),
            "share of the oracle's gain": ratio(gain, best),
        }
        for name, value in out[what].items():
            print(f"{what}, {name}: {value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})")
    last = out[f"cycle {CYCLES}"]
    oracle, learnt = last["oracle / uniform"]["mean"], last["learnt / uniform"]["mean"]
    part = last["share of the oracle's gain"]["mean"]
    ok = learnt >= TARGET or (oracle < TARGET and part >= OF_ORACLE)
    result = {"name": "allocation", "value": learnt, "oracle": oracle, "share_of_gain": part}
    print(
        json.dumps(result | {"target": TARGET, "target_of_gain": OF_ORACLE, "ok": bool(ok), "figures": out})
    )


def paired(differences: np.ndarray) -> dict[str, float]:
    """Mean and 95 % interval (t)."""
    error = differences.std(ddof=1) / len(differences) ** 0.5 * student_t.ppf(0.975, len(differences) - 1)
    mean = float(differences.mean())
    return {
        "mean": round(mean, 4),
        "low": round(mean - float(error), 4),
        "high": round(mean + float(error), 4),
    }


def ratio(above: np.ndarray, below: np.ndarray) -> dict[str, float]:
    """Ratio of means, and 95 % bootstrap interval over repetitions."""
    chosen = np.random.default_rng(0).integers(len(above), size=(4000, len(above)))
    found = above[chosen].mean(1) / below[chosen].mean(1)
    low, high = np.quantile(found, [0.025, 0.975])
    return {
        "mean": round(float(above.mean() / below.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


if __name__ == "__main__":
    main()

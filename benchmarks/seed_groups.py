"""Does it pay to choose within a label which seeds are shown? Real completions, and who was shown what.

The completions are the pool of `queue_quality.py`, all of few_shot, which shows all seeds of a label in turn; right is
what its oracle takes for right, and gained what is right and as far from every seed as `novel_from` asks for. Beyond
the label, a request may owe its rate to the seeds that it showed. Three questions:

1. Is there such a difference? The variance between seeds, and between groups of seeds that are near in meaning
   (k-means of several sizes, and the clusters of the coverage map), of what showing one more of them adds to a rate;
   by moments, against requests whose hands of seeds were exchanged within their label. Labels are drawn again for the
   intervals. `requests` is all that differs between requests of a label: no choice of seeds can use more.
2. What would it bring? Effects (a logistic model, partially pooled, of label and seeds shown) are learnt from one half
   of the requests; shares follow as those of labels do, none below half of an even one; the gain is measured on the
   other half, by what each seed adds to the rate there: luck in one half is none in the other. Learnt from all of a
   half, and from as many verdicts as are there before cycles 2 to 5, 150 in each. Splits are drawn several times,
   labels again for the intervals; `by chance` is where 95 % of gains lie when hands were exchanged.
3. Across labels: are labels better told apart if those near in meaning share an effect? Shares of labels, the same way,
   with and without it.

Where a label has no more seeds than a prompt shows, all are always shown, and the first two have no answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))

from parts.completions import add_options, folders
from queue_quality import Material

from seedgate.generator import candidates
from seedgate.generator.allocation.pooled import SPREADS, SWEEPS, _mode, fit  # `fit` has one group a factor
from seedgate.generator.allocation.sharing import shares_of
from seedgate.records import Example
from seedgate.review.learnt_from import CLOSEST
from seedgate.seeds import baseline
from seedgate.seeds.coverage import clusters_of
from seedgate.seeds.meaning_index import nearest_other
from seedgate.workspace import Workspace

VERDICTS, CYCLES = 150, 5
LEAST, MOST = 0.5, 2.0
GROUPS = (8, 16, 24, 40)
DRAWS, TOGETHER = 200, 4
ALL = 10**9
WORTH = 0.02
"""Gain by cycle 5 from which shares of seeds would be worth their code, if its interval lies above zero."""

Array = np.ndarray
Grouping = tuple[str, Array]


class Requests:
    """Requests of a pool: what each showed and what came of it.

    Attributes:
        label: Number of its label, shape [requests].
        shown: How often it showed each seed, shape [requests, seeds].
        of, right, gained: Its candidates, shape [requests]; by completion, shape [requests, completions].
    """

    def __init__(self, folder: Path, data: Path, labels: int, wanted: int) -> None:
        material = Material(folder, data, labels, wanted)
        with Workspace(folder) as ws:
            born = [each.provenance for each in candidates(ws.ledger)][:wanted]
            self.seeds: list[Example] = list(baseline(ws).seeds.values())
            found = clusters_of(self.seeds, ws.task, material.seed_vectors)
        self.oracle_right, self.vectors = material.oracle_right, material.seed_vectors
        self.coverage = found.belongs if found else np.zeros(len(self.seeds), np.int64)
        place = {seed.id: number for number, seed in enumerate(self.seeds)}
        names = material.names
        self.label_of_seed = np.array([names.index(str(seed.fields["label"])) for seed in self.seeds])
        ids = sorted({each.request_id for each in born})
        at = np.array([ids.index(each.request_id) for each in born])
        choice = [int(each.choice or 0) for each in born]
        self.shown = np.zeros((len(ids), len(self.seeds)))
        self.label = np.zeros(len(ids), np.int64)
        for row, each in zip(at, born, strict=True):
            seen = [place[id_] for id_ in each.seed_ids]
            self.shown[row] = 0
            self.shown[row, seen] = 1
            self.label[row] = self.label_of_seed[seen[0]]
        novelty = 1 - (material.vectors @ material.seed_vectors.T).max(1)
        self.novel_from = float(np.quantile(1 - nearest_other(material.seed_vectors), CLOSEST))
        gained = material.right & (novelty >= self.novel_from)
        self.of_completion, self.right_of_completion, self.gained_of_completion = (
            np.zeros((len(ids), 1 + max(choice))) for _ in range(3)
        )
        np.add.at(self.of_completion, (at, choice), 1)
        np.add.at(self.right_of_completion, (at, choice), material.right)
        np.add.at(self.gained_of_completion, (at, choice), gained)
        self.of, self.right, self.gained = (
            each.sum(1) for each in (self.of_completion, self.right_of_completion, self.gained_of_completion)
        )
        self.names = names

    def exchanged(self, rng: np.random.Generator) -> Requests:
        """The same with the hands of each label's requests exchanged, so that they say nothing."""
        other = copy(self)
        order = np.arange(len(self.label))
        for label in np.unique(self.label):
            order[self.label == label] = rng.permutation(order[self.label == label])
        other.shown = self.shown[order]
        return other

    def groupings(self) -> list[Grouping]:
        """Name and group of each seed."""
        k_means = [
            (f"{k} groups", KMeans(k, n_init=5, random_state=0).fit(self.vectors).labels_) for k in GROUPS
        ]
        return [("seeds", np.arange(len(self.seeds))), *k_means, ("coverage clusters", self.coverage)]

    def of_groups(self, group: Array) -> Array:
        """How many seeds of each group a request showed, shape [requests, groups]."""
        return self.shown @ np.eye(int(group.max()) + 1)[group]


# -- 1: is there a difference ------------------------------------------------------------------------


def variance(
    data: Requests, yes: Array, given: Array, rng: np.random.Generator, number: int
) -> dict[str, float]:
    """Variance of what one more of a group adds to the rate; `p` of its statistic among exchanged hands.

    Within a label r are the requests' right ones beyond the label's rate, Z what they showed: |r'Z|^2 is the variance
    times a known factor, and what it is by chance, whose mean over all exchanges of Z is known as well.

    Args:
        given: How many of each group each request showed, shape [requests, groups].
    """
    above, below, found, chance = [], [], 0.0, np.zeros(number)
    for label in np.unique(data.label):
        own = data.label == label
        of, shown, count = data.of[own], given[own], int(own.sum())
        rest = yes[own] - of * yes[own].sum() / of.sum()
        apart = shown - of @ shown / of.sum()
        scatter = np.square(shown - shown.mean(0)).sum() / (count - 1)
        told = np.square(rest @ shown).sum()
        orders = rng.permuted(np.tile(np.arange(count), (number, 1)), axis=1)
        chance += np.square(rest[orders] @ shown).sum(1)
        found += told
        moved = (apart * of[:, None]).T @ apart
        above.append(told - np.square(rest).sum() * scatter)
        below.append(np.square(moved).sum() - np.square(apart * of[:, None]).sum() * scatter)
    p = float((1 + (chance >= found).sum()) / (1 + number))
    return summed(np.array(above), np.array(below)) | {"p": round(p, 4)}


def between_requests(data: Requests, yes: str) -> dict[str, float]:
    """Variance of the rate between requests of a label, by how alike the outcomes of its several completions are.

    Items of one completion are alike for another reason: the model goes on as it began.
    """
    above, below = [], []
    completions, hits = data.of_completion, getattr(data, f"{yes}_of_completion")
    for label in np.unique(data.label):
        own = data.label == label
        of, right = completions[own], hits[own]
        total, rate = of.sum(), right.sum() / of.sum()
        rest = right - of * rate
        pairs = (of.sum(1) ** 2 - np.square(of).sum(1)).sum()
        # Outcomes less their own mean are a little unlike each other, whoever wrote them.
        by_chance = -pairs * rate * (1 - rate) / (total - 1)
        above.append((np.square(rest.sum(1)) - np.square(rest).sum(1)).sum() - by_chance)
        below.append(pairs)
    return summed(np.array(above), np.array(below))


def summed(above: Array, below: Array) -> dict[str, float]:
    """Ratio of sums over labels, with a 95 % interval of labels drawn again."""
    if not below.any():
        return dict.fromkeys(("mean", "low", "high"), float("nan"))
    chosen = np.random.default_rng(0).integers(len(above), size=(4000, len(above)))
    low, high = np.quantile(above[chosen].sum(1) / below[chosen].sum(1), [0.025, 0.975])
    return {
        "mean": round(float(above.sum() / below.sum()), 5),
        "low": round(float(low), 5),
        "high": round(float(high), 5),
    }


# -- 2: what it would bring --------------------------------------------------------------------------


def effects(
    yes: Array, of: Array, label: Array, given: Array, rng: np.random.Generator
) -> tuple[Array, tuple[float, ...]]:
    """Draws of each group's effect in logits, shape [draws, groups], and the spreads that were likeliest."""
    sizes = [int(label.max()) + 1, given.shape[1] + 1]
    most = int(given.sum(1).max())
    # The last effect stands in where a request showed fewer seeds than another.
    hands = [np.repeat(np.arange(given.shape[1]), row.astype(int)) for row in given]
    padded = [np.pad(hand, (0, most - len(hand)), constant_values=given.shape[1]) for hand in hands]
    places = np.column_stack([np.zeros(len(of), np.int64), 1 + label, 1 + sizes[0] + np.array(padded)])
    spreads = [SPREADS[1]] * 2
    best = _mode(yes, of, places, sizes, spreads)
    for _ in range(SWEEPS):
        for factor in range(2):
            for spread in SPREADS:
                tried = [*spreads[:factor], spread, *spreads[factor + 1 :]]
                found = _mode(yes, of, places, sizes, tried, best[1])
                if found[0] > best[0]:
                    best, spreads = found, tried
    noise = rng.standard_normal((len(best[1]), DRAWS))
    drawn = best[1][:, None] + solve_triangular(best[2], noise, lower=True, trans=1)
    return drawn[1 + sizes[0] : -1].T, tuple(spreads)


def bounded(worth: Array, most: float, learnt_from: float) -> Array:
    """Weights, 1 being an even share, shape [arms]: as `allocate` gives them to labels."""
    count = worth.shape[1]
    even, trust = np.full(count, 1 / count), 40 / (40 + learnt_from)
    least = max(LEAST, trust)
    surer = worth.reshape(-1, TOGETHER, count).mean(1)
    return shares_of(surer, least * even, max(1.0, min(most, 1 / least)) * even) * count


def halves(data: Requests, rng: np.random.Generator) -> Array:
    """Half of the requests of each label."""
    taken = np.zeros(len(data.of), bool)
    for label in np.unique(data.label):
        own = rng.permutation(np.flatnonzero(data.label == label))
        taken[own[: len(own) // 2]] = True
    return taken


def some(yes: Array, of: Array, number: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Counts of so many of the candidates, drawn at random; of all, if there are no more."""
    cells = np.concatenate([yes, of - yes]).astype(np.int64)
    if number >= cells.sum():
        return yes, of
    drawn = rng.multivariate_hypergeometric(cells, number)
    return drawn[: len(yes)].astype(float), (drawn[: len(yes)] + drawn[len(yes) :]).astype(float)


def gains(data: Requests, half: Array, wanted: Array) -> Array:
    """What each label's rate would gain in this half if its seeds were shown as often as wanted, shape [labels].

    Args:
        wanted: Weight of each seed within its label, 1 being an even share.
    """
    out = np.zeros(len(data.names))
    for label in range(len(out)):
        own, seeds = half & (data.label == label), data.label_of_seed == label
        of, shown = data.of[own], data.shown[own][:, seeds]
        rest = data.gained[own] - of * data.gained[own].sum() / of.sum()
        apart = shown - of @ shown / of.sum()
        # Least squares, with what hands drawn at random have in common on average instead of what these have: fewer
        # requests than seeds are no trouble then, and the estimate is right on average.
        adds = (rest @ apart) * (seeds.sum() - 1) / (of @ np.square(apart)).sum()
        out[label] = shown.sum(1).mean() / seeds.sum() * (wanted[seeds] - 1) @ adds
    return out


def prize(
    data: Requests, group: Array, numbers: Sequence[int], splits: int, rng: np.random.Generator
) -> dict[int, dict[str, float]]:
    """Gain of learnt shares of seeds over even ones, as a share of what even ones bring; by verdicts learnt from."""
    given = data.of_groups(group)
    found = {number: np.zeros(len(data.names)) for number in numbers}
    base = np.zeros(len(data.names))
    for _ in range(splits):
        half = halves(data, rng)
        for one in (half, ~half):
            base += rates(data, ~one)
            for number in numbers:
                yes, of = some(data.gained[one], data.of[one], number, rng)
                drawn, _ = effects(yes, of, data.label[one], given[one], rng)
                wanted = np.ones(len(group))
                for label in range(len(data.names)):
                    own = data.label_of_seed == label
                    shots = data.shown[data.label == label].sum(1).mean()
                    given_to = bounded(drawn[:, group[own]], min(MOST, own.sum() / shots), of.sum())
                    # Seeds of one group are worth the same.
                    alike = group[own][:, None] == group[own]
                    wanted[own] = alike @ given_to / alike.sum(1)
                found[number] += gains(data, ~one, wanted)
    return {number: summed(each, base) for number, each in found.items()}


def prizes(
    data: Requests, group: Array, splits: int, exchanges: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Gains by verdicts, where the last lies by chance alone, and the spread that all data make likeliest."""
    numbers = [*(VERDICTS * cycle for cycle in range(1, CYCLES)), ALL]
    found = prize(data, group, numbers, splits, rng)
    out: dict[str, Any] = {"all of a half" if n == ALL else str(n): each for n, each in found.items()}
    last = [VERDICTS * (CYCLES - 1)]
    null = [prize(data.exchanged(rng), group, last, splits, rng)[last[0]]["mean"] for _ in range(exchanges)]
    low, high = np.quantile(null, [0.025, 0.975])
    out["by chance"] = {"mean": float(np.mean(null)), "low": float(low), "high": float(high)}
    _, spreads = effects(data.gained, data.of, data.label, data.of_groups(group), rng)
    return out | {"spread": spreads[1]}


def rates(data: Requests, half: Array) -> Array:
    """Rate of each label in a half, shape [labels]."""
    yes, of = (np.bincount(data.label[half], each[half], len(data.names)) for each in (data.gained, data.of))
    found: Array = yes / np.maximum(of, 1)
    return found


# -- 3: across labels --------------------------------------------------------------------------------


def across(data: Requests, splits: int, rng: np.random.Generator) -> dict[str, Any]:
    """Gain of learnt shares of labels over even ones, without and with an effect of those near in meaning."""
    count = len(data.names)
    middles = np.stack([data.vectors[data.label_of_seed == label].mean(0) for label in range(count)])
    groups: list[Grouping] = [("labels alone", np.zeros(count, np.int64))]
    groups += [
        (f"{k} groups", KMeans(k, n_init=5, random_state=0).fit(middles).labels_)
        for k in GROUPS
        if k <= count / 2
    ]
    out: dict[str, Any] = {}
    for number in [VERDICTS * cycle for cycle in range(1, CYCLES)]:
        found, base = {name: np.zeros(count) for name, _ in groups}, np.zeros(count)
        for _ in range(splits):
            half = halves(data, rng)
            for one in (half, ~half):
                other = rates(data, ~one)
                base += other
                yes, of = some(data.gained[one], data.of[one], number, rng)
                yes, of = (np.bincount(data.label[one], each, count) for each in (yes, of))
                for name, group in groups:
                    factors = [np.arange(count), *([group] if group.any() else [])]
                    worth = fit(yes, of, factors).draws(DRAWS, rng)
                    found[name] += (bounded(worth, MOST, number) - 1) * (other - other.mean())
        out[str(number)] = {name: summed(each, base) for name, each in found.items()}
        for name, _ in groups[1:]:
            out[str(number)][f"{name} - labels alone"] = summed(found[name] - found["labels alone"], base)
    return out


# -- figures -----------------------------------------------------------------------------------------


def tell(data: Requests, splits: int, permutations: int, exchanges: int) -> dict[str, Any]:
    """All figures of one pool."""
    rng = np.random.default_rng(0)
    out: dict[str, Any] = {}
    varied = sum(len(np.unique(data.shown[data.label == n], axis=0)) > 1 for n in range(len(data.names)))
    print(
        f"{len(data.names)} labels, {len(data.seeds)} seeds, {len(data.of)} requests, {data.of.sum():.0f} candidates: "
        f"right {data.right.sum() / data.of.sum():.3f}, gained {data.gained.sum() / data.of.sum():.3f} (new from "
        f"{data.novel_from:.3f}); oracle right on {data.oracle_right:.3f} of test rows; labels whose requests do not "
        f"all show the same seeds: {varied}",
        flush=True,
    )
    if varied:
        for what, yes in (("right", data.right), ("gained", data.gained)):
            out[f"{what}, between requests"] = spread = between_requests(data, what)
            print(f"  {what}: variance between requests of a label {told(spread, 5)}")
            for name, group in data.groupings():
                found = variance(data, yes, data.of_groups(group), rng, permutations)
                out[f"{what}, between {name}"] = found
                print(f"  {what}: variance between {name} {told(found, 5)}, p {found['p']:.3f}", flush=True)
        for name, group in data.groupings():
            out[f"prize, {name}"] = found = prizes(data, group, splits, exchanges, rng)
            print(
                f"  gain by shares of {name}, learnt from "
                + "; ".join(f"{n} {told(v)}" for n, v in found.items() if n not in ("spread", "by chance"))
                + f"; by chance alone, from {VERDICTS * (CYCLES - 1)}: {told(found['by chance'])}"
                + f"; likeliest spread, from all: {found['spread']} logits",
                flush=True,
            )
    out["across labels"] = across(data, 4 * splits, rng)
    for number, each in out["across labels"].items():
        print(
            f"  gain by shares of labels, {number} verdicts: "
            + "; ".join(f"{n} {told(v)}" for n, v in each.items())
        )
    return out


def told(found: dict[str, float], digits: int = 3) -> str:
    mean, low, high = (f"{found[name]:+.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 labels, one split, 200 permutations")
    parser.add_argument("--labels", type=int, nargs="*", default=(20, 77))
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--exchanges", type=int, default=40, help="for the gain by chance (default: 40)")
    add_options(parser)
    args = parser.parse_args()
    found = folders(args.pool, args.data)
    if isinstance(found, str):
        print(json.dumps({"name": "seed_groups", "skipped": found}))
        return
    settings = (
        {"splits": 1, "permutations": 200, "exchanges": 4}
        if args.quick
        else {"splits": args.splits, "permutations": 2000, "exchanges": args.exchanges}
    )
    result: dict[str, Any] = {"name": "seed_groups", **settings}
    for labels in (20,) if args.quick else args.labels:
        started = time.process_time()
        with threadpool_limits(1):
            data = Requests(found[0] / f"bank{labels}", found[1], labels, args.candidates)
            result[str(labels)] = tell(data, **settings)
        print(f"{labels} labels: {time.process_time() - started:.0f} s of processor time", flush=True)
    if "20" in result:
        gain = result["20"]["prize, seeds"][str(VERDICTS * (CYCLES - 1))]
        ok = gain["low"] > 0 and gain["mean"] >= WORTH
        result |= {
            "what": f"gain in cycle {CYCLES} by shares of seeds",
            "value": gain["mean"],
            "target": WORTH,
            "ok": ok,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

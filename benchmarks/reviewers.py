"""How many stamping reviewers does the sequential test on controls catch, and how many careful ones falsely?

Three kinds of reviewers decide records of which a share are controls, as `[review]` places them by default; the
test looks after every record. The baseline is an exact binomial test at the same level that looks only once, at
the end: it may catch more, and nobody is warned before. `value` is the share of stampers caught after 60
decisions; `ok` also asks for a false quarantine of careful reviewers under 1 % after 2,000 decisions.
"""

from __future__ import annotations

import argparse
import json
import random

from scipy.stats import binomtest

from seedgate.config import ReviewConfig
from seedgate.review.anytime import evidence_above
from seedgate.review.quarantine import ALPHA

KINDS = {"careful": 0.05, "at the limit": 0.15, "tired": 0.4, "stamping": 0.98}  # miss rates
LOOKS = (30, 60, 120, 2000)
TARGET = 0.6


def caught_at(
    miss_rate: float, policy: ReviewConfig, horizon: int, rng: random.Random
) -> tuple[int, dict[int, bool]]:
    """Decision at which the sequential test fires (horizon + 1 if never), and the one-look test's word."""
    bad = policy.controls * (1 - policy.good_controls)
    misses = n = 0
    fired, once = horizon + 1, {}
    for decision in range(1, horizon + 1):
        if rng.random() < bad:
            n += 1
            misses += rng.random() < miss_rate
            if fired > horizon and evidence(misses, n, policy.max_miss_rate) >= 1 / ALPHA:
                fired = decision
        if decision in LOOKS:
            once[decision] = bool(n) and one_look(misses, n, policy.max_miss_rate) <= ALPHA
    return fired, once


_seen: dict[tuple[str, int, int], float] = {}


def evidence(misses: int, n: int, most: float) -> float:
    if ("e", misses, n) not in _seen:
        _seen["e", misses, n] = evidence_above(misses, n, most)
    return _seen["e", misses, n]


def one_look(misses: int, n: int, most: float) -> float:
    if ("p", misses, n) not in _seen:
        _seen["p", misses, n] = float(binomtest(misses, n, most, alternative="greater").pvalue)
    return _seen["p", misses, n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="400 reviewers of each kind (the default is 4000)"
    )
    reviewers = 400 if parser.parse_args().quick else 4000
    policy, rng = ReviewConfig(), random.Random(1)
    print(
        f"{reviewers} reviewers of each kind; controls {policy.controls}, of them right {policy.good_controls},"
        f" policy {policy.max_miss_rate}, alpha {ALPHA}"
    )
    shares: dict[tuple[str, int, str], float] = {}
    for kind, miss_rate in KINDS.items():
        runs = [caught_at(miss_rate, policy, max(LOOKS), rng) for _ in range(reviewers)]
        for look in LOOKS:
            arms = {"sequential": sum(f <= look for f, _ in runs), "one look": sum(o[look] for _, o in runs)}
            for arm, count in arms.items():
                shares[kind, look, arm] = count / reviewers
                low, high = binomtest(count, reviewers).proportion_ci(method="wilson")
                print(
                    f"{kind:12} (misses {miss_rate:.2f}) after {look:4} decisions, {arm:10}:"
                    f" {count / reviewers:.3f} in quarantine ({low:.3f} to {high:.3f})"
                )
    value, baseline = shares["stamping", 60, "sequential"], shares["stamping", 60, "one look"]
    false = shares["careful", 2000, "sequential"]
    result = {"name": "reviewers", "value": value, "baseline": baseline, "ratio": value / baseline}
    print(json.dumps(result | {"target": TARGET, "ok": value >= TARGET and false < 0.01}))


if __name__ == "__main__":
    main()

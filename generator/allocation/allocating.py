"""From what reviewers decided to the shares of the next cycle: approved and new rows per second of expert time.

A few hundred verdicts cannot fill strategy x label, so the rates are pooled (`rates`), and shares follow what is
believed of them (`sharing`) within bounds: a strategy keeps a fifth of its configured share, so that it goes on being
tried; a label gets no less than half of an even share and no more than twice, so that cheap approvals of a few
prototypical labels don't win; edge cases keep what is configured. While little is decided the bounds are nearer to the
configuration. Everything follows from the decisions and the cycle's number, so a run after a kill asks the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seedgate.generator.allocation.facts import Decided
from seedgate.generator.allocation.rates import FAULTS, Rates, Seconds, rates_of
from seedgate.generator.allocation.sharing import shares_of
from seedgate.generator.allocation.told import Allocation, Bound, LabelShare, StrategyShare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["LEAST", "STEERED", "allocate"]

LEAST = 40
"""Decided candidates before anything is learnt, as for the queue's order; also what the configuration counts as."""
STRATEGY_LEAST, LABEL_LEAST, LABEL_MOST = 0.2, 0.5, 2.0
STEERED = frozenset({"few_shot", "evolve", "contrast", "backward", "writer"})
"""Strategies that go by weights of labels. `coverage_gaps` goes by what is missing, `edge_cases` by its seeds."""
OWN_SHARE = frozenset({"edge_cases"})
DRAWS, TOGETHER = 1000, 4
"""The mean of four draws is half as uncertain as one. With single draws too much is spent on trying: bounds see to it
that everything is tried in any case. With the mean of all, one lucky cycle decides (docs/log.md)."""
NEAR = 1.02
"""Within 2 % of a bound, it is the bound that holds."""


def allocate(
    decided: Sequence[Decided],
    configured: Mapping[str, float],
    labels: Sequence[str],
    *,
    cycle: int,
    key: str,
    yields: Mapping[str, float] | None = None,
) -> Allocation:
    """Shares for a cycle.

    Args:
        decided: What reviewers decided before it.
        configured: Strategy to share, of any sum.
        labels: That can be asked for; none if the task has no label.
        key: What the draws depend on besides the cycle's number: the workspace.
        yields: Strategy to candidates per request so far. Bounds and shares are of candidates, which are what
            costs expert time; the shares given back are of requests.
    """
    import numpy as np

    whole = sum(configured.values())
    prior = {name: share / whole for name, share in configured.items()}
    names, every = list(prior), list(labels) or [""]
    known = [each for each in decided if each.strategy in prior and each.label in every]
    if len(known) < LEAST:
        why = f"{len(known)} candidates of these strategies are decided, {LEAST} are needed"
        return Allocation(cycle, "configured", why, prior, prior, {})
    rng = np.random.default_rng(list(f"{key}:{cycle}".encode()))
    seconds = Seconds.of(known)
    rates = rates_of(known, names, every, seconds, draws=DRAWS, rng=rng)
    trust = LEAST / (LEAST + len(known))
    weights, held = _label_weights(rates, names, max(LABEL_LEAST, trust))
    brings = _yields(names, yields or {})
    share, bounds = _strategy_shares(rates, names, prior, weights, brings, max(STRATEGY_LEAST, trust))
    told = _told(known, rates, names, prior, share, bounds, weights, seconds)
    return Allocation(
        cycle=cycle,
        how="learnt",
        why=_why(known, seconds),
        configured=prior,
        shares={name: round(float(each), 4) for name, each in zip(names, share, strict=True)},
        weights={
            name: {label: round(float(w), 4) for label, w in zip(every, weights[row], strict=True)}
            for row, name in enumerate(names)
            if name in STEERED and labels
        },
        strategies=told,
        labels=_labels_told(known, rates, names, every, share, weights, held) if labels else (),
        facts=_facts(known, seconds),
    )


# -- shares ------------------------------------------------------------------------------------------


def _label_weights(rates: Rates, names: Sequence[str], least: float) -> tuple[Array, tuple[float, float]]:
    """Weight of each label in each strategy, 1 being an even share, shape [strategies, labels]; and their bounds."""
    import numpy as np

    count = rates.gained.shape[2]
    even = np.full(count, 1 / count)
    held = (least, min(LABEL_MOST, 1 / least))
    out = np.ones((len(names), count))
    for row, name in enumerate(names):
        if name in STEERED and count > 1:
            worth = rates.gained[:, row] / rates.seconds[:, row]
            out[row] = shares_of(_surer(worth), held[0] * even, held[1] * even) * count
    return out, held


def _strategy_shares(
    rates: Rates,
    names: Sequence[str],
    prior: Mapping[str, float],
    weights: Array,
    brings: Array,
    least: float,
) -> tuple[Array, list[Bound]]:
    """Shares of requests, and what held them."""
    import numpy as np

    configured = np.array([prior[name] for name in names])
    of_candidates = configured * brings / (configured * brings).sum()
    own = np.array([name in OWN_SHARE for name in names])
    floor = np.where(own, of_candidates, least * of_candidates)
    worth = (rates.gained * weights).mean(2) / (rates.seconds * weights).mean(2)
    share = (
        shares_of(_surer(worth), floor, np.where(own, of_candidates, 1.0)) if not own.all() else of_candidates
    )
    bounds: list[Bound] = [
        "own share" if name in OWN_SHARE else "least" if share[row] <= NEAR * floor[row] else ""
        for row, name in enumerate(names)
    ]
    requests = share / brings
    return requests / requests.sum(), bounds


def _surer(worth: Array) -> Array:
    """Means of some draws each, shape [draws / `TOGETHER`, arms]."""
    found: Array = worth.reshape(-1, TOGETHER, worth.shape[1]).mean(1)
    return found


def _yields(names: Sequence[str], yields: Mapping[str, float]) -> Array:
    """Candidates per request; of whom nothing is known, as many as the others bring."""
    import numpy as np

    known = [yields[name] for name in names if yields.get(name, 0) > 0]
    middle = sum(known) / len(known) if known else 1.0
    return np.array([yields[name] if yields.get(name, 0) > 0 else middle for name in names])


# -- reasons -----------------------------------------------------------------------------------------


def _told(
    known: Sequence[Decided],
    rates: Rates,
    names: Sequence[str],
    prior: Mapping[str, float],
    share: Array,
    bounds: Sequence[Bound],
    weights: Array,
    seconds: Seconds,
) -> tuple[StrategyShare, ...]:
    import numpy as np

    count = Counter(each.strategy for each in known)
    approved, gained, cost = (
        (each * weights).mean(2) for each in (rates.approved, rates.gained, rates.seconds)
    )
    faults = np.stack([(each * weights).mean(2).mean(0) for each in rates.faults])
    out = []
    for row, name in enumerate(names):
        low, high = np.quantile(approved[:, row], [0.025, 0.975])
        worst = int(faults[:, row].argmax())
        out.append(
            StrategyShare(
                name=name,
                configured=round(prior[name], 4),
                share=round(float(share[row]), 4),
                decided=count[name],
                **_approval(approved[:, row], gained[:, row], low, high),
                per_hour=round(3600 * float((gained[:, row] / cost[:, row]).mean()), 1)
                if seconds.measured
                else None,
                fault=FAULTS[worst].name,
                fault_share=round(float(faults[worst, row]), 4),
                bound=bounds[row],
            )
        )
    return tuple(sorted(out, key=lambda each: -each.share))


def _labels_told(
    known: Sequence[Decided],
    rates: Rates,
    names: Sequence[str],
    labels: Sequence[str],
    share: Array,
    weights: Array,
    held: tuple[float, float],
) -> tuple[LabelShare, ...]:
    import numpy as np

    count = Counter(each.label for each in known)
    by_share = share[None, :, None]
    approved, gained = ((each * by_share).sum(1) for each in (rates.approved, rates.gained))
    wrong = (rates.faults[2] * by_share).sum(1).mean(0)
    steered = [row for row, name in enumerate(names) if name in STEERED]
    part = share[steered] / share[steered].sum() if steered else share[:0]
    mean = part @ weights[steered] if steered else np.ones(len(labels))
    out = []
    for column, name in enumerate(labels):
        low, high = np.quantile(approved[:, column], [0.025, 0.975])
        weight = float(mean[column])
        bound: Bound = "least" if weight <= NEAR * held[0] else "most" if weight >= held[1] / NEAR else ""
        out.append(
            LabelShare(
                name=name,
                weight=round(weight, 4),
                decided=count[name],
                **_approval(approved[:, column], gained[:, column], low, high),
                wrong=round(float(wrong[column]), 4),
                by={names[row]: round(float(weights[row, column]), 4) for row in steered},
                bound=bound,
            )
        )
    return tuple(sorted(out, key=lambda each: -each.weight))


def _approval(approved: Array, gained: Array, low: float, high: float) -> dict[str, float]:
    return {
        "approved": round(float(approved.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "new": round(float((gained / approved).mean()), 4),
    }


def _why(known: Sequence[Decided], seconds: Seconds) -> str:
    said = f"learnt from {len(known)} decided candidates"
    simulated = sum(each.simulated for each in known)
    if simulated:
        said += f", {simulated} of them by the SIMULATED reviewer"
    if any(each.weight != 1 for each in known):
        said += "; those drawn at random stand for what was left out by value"
    if not seconds.measured:
        said += "; too few paces are known, so every decision counts as equally long"
    return said


def _facts(known: Sequence[Decided], seconds: Seconds) -> dict[str, Any]:
    reasons = Counter(reason for each in known for reason in each.reasons)
    return {
        "decided": len(known),
        "outcomes": dict(Counter(str(each.outcome) for each in known)),
        "reasons": dict(sorted(reasons.items())),
        "weighted": sum(each.weight != 1 for each in known),
        "simulated": sum(each.simulated for each in known),
        "seconds": {name: round(getattr(seconds, name), 1) for name in ("approved", "edited", "rejected")}
        if seconds.measured
        else None,
    }

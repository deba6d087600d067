"""All scores of a workspace's candidates in one pass, from what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seedgate.generator.scores.base import Pool, Scorer
from seedgate.generator.scores.fit import Fit
from seedgate.generator.scores.label_agreement import LabelAgreement
from seedgate.generator.scores.novelty import Novelty
from seedgate.records import Example
from seedgate.seeds import Meanings, verified_seeds
from seedgate.workspace import Workspace

__all__ = ["DIGITS", "SCORERS", "Scores", "pool_of", "score"]

SCORERS: tuple[Scorer, ...] = (LabelAgreement(), Novelty(), Fit())

Scores = dict[str, float]
"""Name of a scorer to what it says, without those that have nothing to say."""

MOST_EARLIER = 4096
"""Candidates that novelty looks back on, the newest shown: the cost of a wave does not grow with a workspace's age."""

DIGITS = 4
"""Kept; so a repeated pass gives the same order whatever the processor rounds."""


def pool_of(ws: Workspace, bodies: Mapping[str, Mapping[str, Any]], earlier: Iterable[str]) -> Pool:
    """What these candidates are compared with in a workspace.

    Args:
        ws: The workspace.
        bodies: Id to fields, in the order of the pool.
        earlier: Ids of candidates that reviewers were shown before, oldest first; the last `MOST_EARLIER` count,
            without those whose body is gone.
    """
    found = verified_seeds(ws)[0]
    seeds = [found[id_] for id_ in sorted(found)]
    shown = list(dict.fromkeys(earlier))[-MOST_EARLIER:]
    known = ws.ledger.bodies(shown)
    meanings = Meanings.for_workspace(ws)
    label = ws.task.label_field
    candidates = [Example(fields=dict(fields)) for fields in bodies.values()]
    return Pool(
        vectors=meanings.vectors(candidates),
        seeds=meanings.vectors(seeds),
        earlier=meanings.vectors([Example(fields=known[id_]) for id_ in shown if id_ in known]),
        labels=[str(each.fields.get(label.name)) for each in candidates] if label else (),
        seed_labels=[str(each.fields.get(label.name)) for each in seeds] if label else (),
    )


def score(pool: Pool, ids: Sequence[str], scorers: Sequence[Scorer] = SCORERS) -> dict[str, Scores]:
    """Id to scores.

    Args:
        pool: What to score.
        ids: Of the pool's candidates, in its order.
    """
    columns = {each.name: each.score(pool).round(DIGITS).tolist() for each in scorers}
    return {
        id_: {name: values[place] for name, values in columns.items() if values[place] == values[place]}
        for place, id_ in enumerate(ids)
    }

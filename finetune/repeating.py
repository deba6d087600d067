"""Models that differ in their training seed alone: how good the training is, rather than how lucky a run of it was.

A model trained again on the same rows answers a little differently. Where several of the same release and settings
were measured on the same locked set, their mean has an interval that resamples seeds and rows, each by itself
(`effects`), and so has what they gained over the base model, the current one and the seeds alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.errors import SeedgateError
from seedgate.finetune.effects import gain_of, mean_of
from seedgate.finetune.evaluating import BASE
from seedgate.finetune.figures import GainOverSeeds, OverSeeds, Rival, Share
from seedgate.finetune.parts import by_label, by_tag
from seedgate.finetune.promoting import current_model
from seedgate.finetune.seeding import but_for_the_seed
from seedgate.seeds.locking import evaluation_set, set_hash

if TYPE_CHECKING:
    from seedgate.finetune.effects import Effect, Scores
    from seedgate.ledger import Event
    from seedgate.workspace import Workspace

__all__ = ["every_over_seeds", "over_seeds"]

OWN = ("model", "weights")
"""What of a measurement's settings is of the model, and not of how it was asked."""


@dataclass(frozen=True, eq=False)
class _Training:
    """The measurements of models that differ in their seed alone.

    Attributes:
        alone: Whether they were trained on seeds and nothing else.
        alike: Equal for trainings that differ in their release alone.
        measured: Seed to the measurement.
    """

    alone: bool
    alike: str
    measured: Mapping[int, Event]

    @property
    def models(self) -> tuple[str, ...]:
        """Their names, by seed."""
        return tuple(self.measured[seed].subject for seed in sorted(self.measured))


def over_seeds(ws: Workspace, model: str) -> OverSeeds | None:
    """The mean over the measured models that were trained as this one but for the seed; None if there is no other."""
    return next(_over(ws, lambda training: model in training.models), None)


def every_over_seeds(ws: Workspace) -> list[OverSeeds]:
    """One for each training that was measured with two seeds or more, in the order of their last measurement."""
    return list(_over(ws, lambda _: True))


def step_over_seeds(ws: Workspace, before: str, after: str) -> tuple[Effect, int] | None:
    """What one training gained over another, and over how many seeds: those that were measured of both.

    None with fewer than two such seeds, or where the two trainings differ in more than their release.

    Args:
        before, after: A model of each.
    """
    every = _trainings(ws, {event.subject: event for event in ws.ledger.events("model.evaluated")})
    found = [next((each for each in every if name in each.models), None) for name in (before, after)]
    if found[0] is None or found[1] is None or found[0].alike != found[1].alike:
        return None
    both = sorted(found[0].measured.keys() & found[1].measured.keys())
    scores = [_scores(ws, [each.measured[seed] for seed in both]) for each in found if each]
    if len(both) < 2 or scores[0] is None or scores[1] is None:
        return None
    return gain_of(scores[0], scores[1], found[1].measured[both[0]].payload["confidence"]), len(both)


def _over(ws: Workspace, wanted: Callable[[_Training], bool]) -> Iterator[OverSeeds]:
    newest = {event.subject: event for event in ws.ledger.events("model.evaluated")}
    every = _trainings(ws, newest)
    for training in every:
        if len(training.measured) > 1 and wanted(training):
            found = _mean(ws, training, list(_rivals(ws, training, every, newest)))
            if found is not None:
                yield found


def _trainings(ws: Workspace, newest: Mapping[str, Event]) -> list[_Training]:
    """Every training of which a model was measured, in the order of the last measurement."""
    trained = {event.subject: event.payload for event in ws.ledger.events("model.trained")}
    alone = {
        event.subject
        for event in ws.ledger.events("release.created")
        if not event.payload["counts"].get("approved")
    }
    groups: dict[tuple[str, str, bool], dict[int, Event]] = {}
    for name, event in sorted(newest.items(), key=lambda each: each[1].seq):
        made, payload = trained.get(name, {}), event.payload
        if "seed" not in made.get("settings", {}) or "settings" not in payload:
            continue
        asked = {name: value for name, value in payload["settings"].items() if name not in OWN}
        alike = content_hash([but_for_the_seed(made["settings"]), asked, payload["eval_hash"]])
        key = (made["manifest_hash"], alike, made["release"] in alone)
        # Of two models with the same seed, the one that was measured last, at the place of that measurement.
        groups[key] = {**groups.pop(key, {}), int(made["settings"]["seed"]): event}
    return [_Training(key[2], key[1], measured) for key, measured in groups.items()]


def _rivals(
    ws: Workspace, training: _Training, every: Sequence[_Training], newest: Mapping[str, Event]
) -> Iterator[tuple[Rival, list[Event], list[Event]]]:
    """What a training is held against: that one's measurements, and those of the training that are held against it."""
    own = [training.measured[seed] for seed in sorted(training.measured)]
    current = current_model(ws)
    for over, name in (("base", BASE), ("current", current)):
        if name in newest and name not in training.models and (over, name) != ("current", BASE):
            yield over, [newest[name]], own  # type: ignore[misc]  # one of `Rival`
    alone = next((each for each in every if each.alone and each.alike == training.alike), None)
    if alone is None or training.alone:
        return
    both = sorted(alone.measured.keys() & training.measured.keys())
    if len(both) > 1:
        yield (
            "seeds alone",
            [alone.measured[seed] for seed in both],
            [training.measured[seed] for seed in both],
        )
    else:
        yield "seeds alone", [max(alone.measured.values(), key=lambda event: event.seq)], own


def _mean(
    ws: Workspace, training: _Training, rivals: Sequence[tuple[Rival, list[Event], list[Event]]]
) -> OverSeeds | None:
    """None where answers are no longer there."""
    events = [training.measured[seed] for seed in sorted(training.measured)]
    scores = _scores(ws, events)
    if scores is None:
        return None
    first = events[0].payload
    found, means = _share(scores, first["confidence"]), scores.mean(axis=1)
    labels, tags = _parts(ws, first, scores)
    return OverSeeds(
        models=training.models,
        seeds=tuple(sorted(training.measured)),
        metric=first["metric"],
        confidence=first["confidence"],
        **found.model_dump(),
        least=float(means.min()),
        most=float(means.max()),
        gains=tuple(filter(None, (_gain(ws, over, before, after) for over, before, after in rivals))),
        labels=labels,
        tags=tags,
    )


def _scores(ws: Workspace, events: Sequence[Event]) -> Scores | None:
    """Shape [models, rows], rows in the order of their ids; None where answers are no longer there."""
    import numpy as np

    bodies = ws.ledger.bodies(event.payload["predictions_hash"] for event in events)
    if any(event.payload["predictions_hash"] not in bodies for event in events):
        return None
    said = [
        {row["id"]: float(row["score"]) for row in bodies[event.payload["predictions_hash"]]}
        for event in events
    ]
    return np.array([[each[id_] for id_ in sorted(each)] for each in said])


def _share(scores: Scores, confidence: float) -> Share:
    found = mean_of(scores, confidence)
    # The seeds' deviations are stretched, also past what a score can be.
    return Share(n=scores.shape[1], value=found.value, low=max(found.low, 0.0), high=min(found.high, 1.0))


def _gain(
    ws: Workspace, over: Rival, before: Sequence[Event], after: Sequence[Event]
) -> GainOverSeeds | None:
    """None where the two were measured differently, or answers are no longer there."""
    how = ("eval_hash", "metric", "constrained")
    if any(before[0].payload[name] != after[0].payload[name] for name in how):
        return None
    scores = [_scores(ws, events) for events in (before, after)]
    if scores[0] is None or scores[1] is None:
        return None
    found = gain_of(scores[0], scores[1], after[0].payload["confidence"])
    return GainOverSeeds(
        over=over,
        before=tuple(event.subject for event in before),
        seeds=len(after),
        difference=found.value,
        low=max(found.low, -1.0),
        high=min(found.high, 1.0),
        outcome="better" if found.low > 0 else "worse" if found.high < 0 else "undecided",
    )


def _parts(
    ws: Workspace, payload: Mapping[str, Any], scores: Scores
) -> tuple[dict[str, Share], dict[str, Share]]:
    """By label and by tag; none of either if the evaluation set is another by now."""
    try:
        rows = sorted(evaluation_set(ws), key=lambda row: row.id)
    except SeedgateError:  # changed since it was locked: whoever asks a model is told so
        return {}, {}
    if set_hash(row.id for row in rows) != payload["eval_hash"]:
        return {}, {}
    parts = (by_label(ws.task, rows), by_tag(rows))
    labels, tags = (
        {name: _share(scores[:, places], payload["confidence"]) for name, places in part.items()}
        for part in parts
    )
    return labels, tags

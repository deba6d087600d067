"""Seeds by label: the middle of each label's meanings, and the few seeds nearest to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.generator.scores.asked import Setting
from seedgate.records import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["Typical", "label_of", "typical_seeds"]


class Typical(NamedTuple):
    """Of each label that seeds have, in the order of its name.

    Attributes:
        middles: Mean vectors, of length one, shape [labels, width].
        seeds: Label to its seeds, the nearest to the middle first.
    """

    labels: tuple[str, ...]
    middles: Array
    seeds: Mapping[str, tuple[Example, ...]]


def label_of(setting: Setting, fields: Mapping[str, Any]) -> str:
    """The label of an example; empty for all where the task has none."""
    label = setting.task.label_field
    return str(fields.get(label.name)) if label else ""


def typical_seeds(setting: Setting, most: int) -> Typical:
    """The middles of the labels, and at most so many seeds of each; the same whatever the order of the seeds."""
    import numpy as np

    given = [label_of(setting, seed.fields) for seed in setting.seeds]
    labels = tuple(sorted(set(given)))
    middles, chosen = [], {}
    for label in labels:
        places = [place for place, own in enumerate(given) if own == label]
        middle = setting.vectors[places].mean(0)
        middles.append(middle / max(float(np.linalg.norm(middle)), 1e-9))
        nearest = sorted(places, key=lambda at: (-float(setting.vectors[at] @ middle), setting.seeds[at].id))
        chosen[label] = tuple(setting.seeds[at] for at in nearest[:most])
    return Typical(labels, np.stack(middles) if middles else np.zeros((0, 1), np.float32), chosen)

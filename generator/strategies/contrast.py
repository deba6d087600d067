"""Contrast: minimal pairs across labels that are easily confused.

Labels are confusable whose seeds' mean meanings are near each other. A prompt takes a seed of one label, those
that lie towards the other label first, and asks for its counterpart with the other. A list alternates between the
two labels, ends with that seed, and leaves open one line of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from seedgate.generator.rendering import Wording
from seedgate.generator.strategies.asking import Ask, Context, UnsuitedError
from seedgate.generator.strategies.decks import Deck
from seedgate.records import Example

__all__ = ["contrast"]

RIVALS = 2
"""How many labels each one is contrasted with."""


def contrast(context: Context) -> Iterator[Ask]:
    """Each label in turn is asked for against its nearest one, then each against its second nearest.

    A label that is wanted more often, since contrasts of it do better than those of others, comes more often.
    """
    field = context.task.label_field
    if field is None:
        raise UnsuitedError("it needs an output field of type label")
    groups = {str(group.fixed[field.name]): list(group.seeds) for group in context.grouped([field.name])}
    if len(groups) < 2:
        raise UnsuitedError(f"it needs seeds of two values of {field.name} or more")
    pairs = _pairs(context, groups)
    decks = {label: Deck(seeds, context.rng) for label, seeds in groups.items()}
    for place, before in context.in_turn([{field.name: wanted} for wanted, _, _ in pairs]):
        wanted, other, originals = pairs[place]
        original = originals[before % len(originals)]
        yield _ask(context, field.name, (wanted, other), original, decks)


def _ask(
    context: Context, field: str, labels: tuple[str, str], original: Example, decks: Mapping[str, Deck]
) -> Ask:
    wanted, other = labels
    number = max(1, context.shots // 2)
    theirs = decks[other].deal(number - 1, context.rng, [original])
    ours = decks[wanted].deal(number, context.rng)
    # The original stands last, after one of what is wanted.
    rows = list(chain.from_iterable(zip(ours, [*theirs, original], strict=False)))
    if original not in rows:
        rows.append(original)
    fixed: dict[str, Any] = {name: original.fields[name] for name in context.fixed} | {field: wanted}
    values: dict[str, Any] = {"labels": labels}
    if context.form == "chat":
        values["original"] = original
    # What follows in a list would be of either label.
    return Ask(tuple(rows), fixed, wording=Wording("contrast", values, items=1))


def _pairs(context: Context, groups: Mapping[str, Sequence[Example]]) -> list[tuple[str, str, list[Example]]]:
    """Wanted label, its rival, and the rival's seeds with those nearest to the wanted label first.

    Compares each label with each: there are as many as a reviewer can choose from.
    """
    import numpy as np

    vectors = {label: context.vectors(seeds) for label, seeds in groups.items()}
    means = np.stack([vectors[label].mean(axis=0) for label in groups])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    near = np.einsum("ik,jk->ij", means, means)
    names = list(groups)
    ranked = [[int(j) for j in np.argsort(-near[i], kind="stable") if j != i] for i in range(len(names))]
    found = []
    for rank in range(min(RIVALS, len(names) - 1)):
        for i, wanted in enumerate(names):
            other = names[ranked[i][rank]]
            order = np.argsort(-np.einsum("ik,k->i", vectors[other], means[i]), kind="stable")
            found.append((wanted, other, [groups[other][int(place)] for place in order]))
    return found

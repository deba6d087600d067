"""Wrong labels for controls, given out as labels are in the wave they hide in. Pure functions of the sources.

Which labels are surely wrong depends on the text, so the likeliest of them are of some kinds more often than a
wave's labels are, and stand beside seeds of other kinds: counting told a program what was a control.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from seedgate.review.corruptions import Corrupted, Source, mislabelled, near_label, truncated
from seedgate.task import Task

__all__ = ["Pair", "labelled_alike"]

Pair = tuple[str, str | None]
"""A label, and that of the seed shown beside it."""

TEMPTED = 3
"""Of so many sources that a label is surely wrong for, the one is taken that it is likeliest for: a near miss,
and not just texts of which the classifier is sure."""

LOOKED_AT = 512
"""Sources looked at for one wrong row, at most: the cost of a wave does not grow with the queue."""

_Maker = Callable[[Source], Corrupted | None]


def labelled_alike(
    task: Task, chunks: Iterable[Sequence[Source]], pairs: Sequence[Pair], rng: random.Random
) -> Iterator[Corrupted]:
    """Wrong rows, one for each source at most, while there are sources that lend themselves to it.

    Each has the pair of labels of a row of the wave, drawn at random; where there is no source for it, one that
    is alike in whether the two labels are the same.

    Args:
        task: One with a label.
        chunks: Sources, in the order in which they should be used.
        pairs: Of the wave's own rows.
        rng: Of all choices.
    """
    pool = _Pool(chunks)
    while True:
        # Cut off only where no label is surely wrong: a text that ends in the middle of a word tells by itself.
        makers = (*_for_pair(task, rng.choice(pairs)), _of(near_label, task, rng), _of(truncated, task, rng))
        made = next((made for make in makers if (made := pool.take(make)) is not None), None)
        if made is None:
            return
        yield made


def _of(fault: Callable[..., Corrupted | None], task: Task, rng: random.Random) -> _Maker:
    return lambda source: fault(task, source, (), rng)


def _for_pair(task: Task, pair: Pair) -> Iterator[_Maker]:
    label, beside = pair
    yield lambda source: mislabelled(task, source, label) if source.nearest_label == beside else None
    if label == beside:
        yield lambda source: mislabelled(task, source, source.nearest_label)
    else:
        yield lambda source: mislabelled(task, source, label) if source.nearest_label != label else None


class _Pool:
    """Sources that were looked at and not used, and more where they come from."""

    def __init__(self, chunks: Iterable[Sequence[Source]]) -> None:
        self._chunks = iter(chunks)
        self._left: list[Source] = []

    def take(self, make: _Maker) -> Corrupted | None:
        """What is made of the most tempting of the first sources that it can be made of; that one is used up."""
        found = list(islice(self._made(make), TEMPTED))
        if not found:
            return None
        at, made = max(found, key=lambda each: _likelihood(self._left[each[0]], each[1]))
        del self._left[at]
        return made

    def _made(self, make: _Maker) -> Iterator[tuple[int, Corrupted]]:
        at = 0
        while at < len(self._left) or self._more():
            made = make(self._left[at])
            if made is not None:
                yield at, made
            at += 1

    def _more(self) -> bool:
        chunk = next(self._chunks, ()) if len(self._left) < LOOKED_AT else ()
        self._left.extend(chunk)
        return bool(chunk)


def _likelihood(source: Source, made: Corrupted) -> float:
    return max((source.odds.get(str(value), 0.0) for value in made.fields.values()), default=0.0)

"""Examples made wrong on purpose: model text with one known fault, for controls. Pure functions, one fault each.

What comes out looks like what generation makes, because it is that, but for the fault; and it is wrong
whatever one thinks of the original. Where that can't be had (no number to change, no label that is surely
wrong), a corruption gives None and another is tried.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedgate.task import Task

__all__ = ["Corrupted", "Source", "corrupt", "corruptions_of", "mislabelled", "near_label", "truncated"]

SURELY_WRONG = 0.06
TIMES_LESS = 4.0
"""A label is surely wrong if a classifier on the seeds gives it this probability at most, and this many times
less than the likeliest. With 150 shipped rows as knowledge and the other 210 as texts, in four draws: four texts of
five have such a label, and of the likeliest of these .3 % are right after all. To take only texts whose label the
classifier is sure of, as was done before, left one in five, and their words gave the controls away."""
LEAST_CUT, MOST_CUT = 0.4, 0.8
"""Share of a text that a truncation keeps."""

_CUT = re.compile(r"(?<=\w\w)(?=\w\w)")
_NUMBER = re.compile(r"(?<![\w.,])\d{1,6}(?![\w]|[.,]\d)")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b")
_VERB = re.compile(r"\b(is|are|was|were|can|could|will|would|should|must|has|have|does|do|did)\b(?! not|n't)")
_NOT = re.compile(r"\b(is|are|was|were|can|could|will|would|should|must|has|have|does|do|did) not\b")


@dataclass(frozen=True, slots=True)
class Source:
    """Model text to start from.

    Attributes:
        odds: Label to its probability by a classifier on the verified seeds; empty if none knows.
        nearest_label: The label of the seed that is shown beside it, if any.
    """

    id: str
    fields: Mapping[str, Any]
    odds: Mapping[str, float] = field(default_factory=dict)
    nearest_label: str | None = None


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A wrong example: which fault it has, and the ids of what it was made of."""

    corruption: str
    fields: dict[str, Any]
    sources: tuple[str, ...]


_Corruption = Callable[[Task, Source, Sequence[Source], random.Random], Corrupted | None]


def near_label(task: Task, source: Source, _: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """The label that is most easily taken for the right one: the shown seed's, or the second likeliest."""
    wrong = _surely_wrong(task, source)
    if not wrong:
        return None
    tempting = source.nearest_label
    return _relabelled(task, source, "near_label", tempting if tempting in wrong else wrong[0])


def mislabelled(task: Task, source: Source, label: str | None) -> Corrupted | None:
    """This label if it is surely wrong, as a near miss or not."""
    wrong = _surely_wrong(task, source)
    if label is None or label not in wrong:
        return None
    near = label == source.nearest_label or label in wrong[: (len(wrong) + 1) // 2]
    return _relabelled(task, source, "near_label" if near else "off_label", label)


def truncated(task: Task, source: Source, _: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """A text that stops in the middle of a word, as at a limit of tokens; an output if one is text."""
    for name in _texts(task):
        text = str(source.fields[name])
        places = [m.start() for m in _CUT.finditer(text)]
        inside = [at for at in places if LEAST_CUT * len(text) <= at <= MOST_CUT * len(text)]
        if inside:
            return _changed(source, "truncated", name, text[: rng.choice(inside)])
    return None


def wrong_number(task: Task, source: Source, _: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """An answer in which one number is another of as many digits."""
    for name, text in _answers(task, source):
        found = list(_NUMBER.finditer(text))
        if found:
            match = rng.choice(found)
            digits = len(match.group())
            low = 10 ** (digits - 1) if digits > 1 else 0
            number = rng.choice([n for n in range(low, low + 9) if n != int(match.group())])
            changed = f"{text[: match.start()]}{number}{text[match.end() :]}"
            return _changed(source, "wrong_number", name, changed)
    return None


def negated(task: Task, source: Source, _: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """An answer in which one sentence says the opposite (English)."""
    for name, text in _answers(task, source):
        match = _NOT.search(text)
        if match:
            changed = f"{text[: match.start()]}{match.group(1)}{text[match.end() :]}"
            return _changed(source, "negated", name, changed)
        verbs = list(_VERB.finditer(text))
        if verbs:
            at = rng.choice(verbs).end()
            return _changed(source, "negated", name, f"{text[:at]} not{text[at:]}")
    return None


def swapped_name(
    task: Task, source: Source, others: Sequence[Source], rng: random.Random
) -> Corrupted | None:
    """An answer that names somebody or something else in one place."""
    for name, text in _answers(task, source):
        own = list(_NAME.finditer(text))
        strange = sorted(
            {
                m.group()
                for other in others
                for m in _NAME.finditer(str(other.fields[name]))
                if m.group() not in text
            }
        )
        if own and strange:
            match = rng.choice(own)
            changed = f"{text[: match.start()]}{rng.choice(strange)}{text[match.end() :]}"
            return _changed(source, "swapped_name", name, changed)
    return None


def off_topic(task: Task, source: Source, others: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """The answer that belongs to something else."""
    answers = [name for name, _ in _answers(task, source)]
    strange = [
        other
        for other in others
        if other.id != source.id and all(other.fields[n] != source.fields[n] for n in answers)
    ]
    if not answers or not strange:
        return None
    other = rng.choice(strange)
    fields = dict(source.fields) | {name: other.fields[name] for name in answers}
    return Corrupted("off_topic", fields, (source.id, other.id))


_OF_ANSWERS: dict[_Corruption, float] = {
    wrong_number: 0.25,
    negated: 0.25,
    swapped_name: 0.2,
    truncated: 0.1,
    off_topic: 0.2,
}


def corruptions_of(task: Task) -> Mapping[_Corruption, float]:
    """The corruptions that suit a task without label, and how often each is wanted."""
    return _OF_ANSWERS if any(field.type == "text" for field in task.outputs) else {}


def corrupt(task: Task, source: Source, others: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """The source with one fault, of a kind drawn at random; None if none of them works on it.

    Args:
        task: What the fields are.
        source: What to start from.
        others: Sources whose answers and names may be borrowed.
        rng: Of all choices.
    """
    wanted = dict(corruptions_of(task))
    while wanted:
        (drawn,) = rng.choices(list(wanted), weights=list(wanted.values()))
        made = drawn(task, source, others, rng)
        if made is not None and made.fields != dict(source.fields):
            return made
        del wanted[drawn]
    return None


def _surely_wrong(task: Task, source: Source) -> list[str]:
    """Labels that are surely wrong, the likeliest first, without the one that it has."""
    label = task.label_field
    if label is None or not source.odds:
        return []
    most = min(SURELY_WRONG, max(source.odds.values()) / TIMES_LESS)
    shown = source.fields[label.name]
    known = [name for name, odds in source.odds.items() if name != shown and odds <= most]
    return sorted(known, key=lambda name: (-source.odds[name], name))


def _relabelled(task: Task, source: Source, corruption: str, label: str) -> Corrupted | None:
    field_ = task.label_field
    return None if field_ is None else _changed(source, corruption, field_.name, label)


def _texts(task: Task) -> list[str]:
    return [f.name for f in (*task.outputs, *task.inputs) if f.type == "text"]


def _answers(task: Task, source: Source) -> Iterator[tuple[str, str]]:
    for field_ in task.outputs:
        if field_.type == "text" and source.fields[field_.name]:
            yield field_.name, str(source.fields[field_.name])


def _changed(source: Source, corruption: str, name: str, value: Any) -> Corrupted:
    return Corrupted(corruption, {**source.fields, name: value}, (source.id,))

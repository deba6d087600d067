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

from seedgate.review.corrupted_values import changed_value, missing_value, swapped_values
from seedgate.seeds import text_of
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
    for name, text in _texts(task, source):
        places = [m.start() for m in _CUT.finditer(text)]
        inside = [at for at in places if LEAST_CUT * len(text) <= at <= MOST_CUT * len(text)]
        if inside:
            return _answered(task, source, "truncated", name, text[: rng.choice(inside)])
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
            return _answered(task, source, "wrong_number", name, changed)
    return None


def negated(task: Task, source: Source, _: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """An answer in which one sentence says the opposite (English)."""
    for name, text in _answers(task, source):
        match = _NOT.search(text)
        if match:
            changed = f"{text[: match.start()]}{match.group(1)}{text[match.end() :]}"
            return _answered(task, source, "negated", name, changed)
        verbs = list(_VERB.finditer(text))
        if verbs:
            at = rng.choice(verbs).end()
            return _answered(task, source, "negated", name, f"{text[:at]} not{text[at:]}")
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
                for m in _NAME.finditer(dict(_answers(task, other)).get(name, ""))
                if m.group() not in text
            }
        )
        if own and strange:
            match = rng.choice(own)
            changed = f"{text[: match.start()]}{rng.choice(strange)}{text[match.end() :]}"
            return _answered(task, source, "swapped_name", name, changed)
    return None


def off_topic(task: Task, source: Source, others: Sequence[Source], rng: random.Random) -> Corrupted | None:
    """The answer that belongs to something else."""
    answers = dict(_answers(task, source))
    strange = [
        (other.id, said)
        for other in others
        if other.id != source.id
        and (said := dict(_answers(task, other))).keys() >= answers.keys()
        and all(said[name] != text for name, text in answers.items())
    ]
    if not answers or not strange:
        return None
    other, said = rng.choice(strange)
    fields = dict(source.fields)
    for name in answers:
        fields |= _with_answer(task, fields, name, said[name])
    return Corrupted("off_topic", fields, (source.id, other))


def _of_values(make: Callable[..., Any]) -> _Corruption:
    """A fault in the JSON of an output; what a value is swapped for comes from other sources."""

    def made(task: Task, source: Source, others: Sequence[Source], rng: random.Random) -> Corrupted | None:
        for field_ in task.outputs:
            if field_.type == "json":
                text = text_of(task, source.fields)
                values = [
                    field_.value(other.fields[field_.name]) for other in others if other.id != source.id
                ]
                wrong = make(field_.json_schema, field_.value(source.fields[field_.name]), values, text, rng)
                if wrong is not None:
                    return _changed(source, make.__name__, field_.name, field_.content(wrong))
        return None

    return made


_OF_ANSWERS: dict[_Corruption, float] = {
    wrong_number: 0.25,
    negated: 0.25,
    swapped_name: 0.2,
    truncated: 0.1,
    off_topic: 0.2,
}


_OF_JSON: dict[_Corruption, float] = {
    _of_values(changed_value): 0.5,
    _of_values(missing_value): 0.25,
    _of_values(swapped_values): 0.25,
}


def corruptions_of(task: Task) -> Mapping[_Corruption, float]:
    """The corruptions that suit a task without label, and how often each is wanted."""
    kinds = {field.type for field in task.outputs}
    return (_OF_ANSWERS if kinds & {"text", "chat"} else {}) | (_OF_JSON if "json" in kinds else {})


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


def _texts(task: Task, source: Source) -> Iterator[tuple[str, str]]:
    """Texts that can be cut off, outputs first."""
    yield from _answers(task, source)
    for field_ in task.inputs:
        if field_.type == "text":
            yield field_.name, str(source.fields[field_.name])


def _answers(task: Task, source: Source) -> Iterator[tuple[str, str]]:
    """Name of an output and what it says in words: of a chat, its last turn."""
    for field_ in task.outputs:
        if field_.type == "chat":
            yield field_.name, task.messages(source.fields)[-1]["content"]
        elif field_.type == "text" and source.fields[field_.name]:
            yield field_.name, str(source.fields[field_.name])


def _answered(task: Task, source: Source, corruption: str, name: str, text: str) -> Corrupted:
    return Corrupted(corruption, _with_answer(task, source.fields, name, text), (source.id,))


def _with_answer(task: Task, fields: Mapping[str, Any], name: str, text: str) -> dict[str, Any]:
    """The fields with another text where `_answers` found one, or in an input."""
    if task.chat_field is None:
        return {**fields, name: text}
    *said, last = task.messages(fields)
    return {**fields, name: task.chat_field.content([*said, last | {"content": text}])}


def _changed(source: Source, corruption: str, name: str, value: Any) -> Corrupted:
    return Corrupted(corruption, {**source.fields, name: value}, (source.id,))

"""`seeds check`: what is wrong with a set of seeds before anybody vouches for it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from seedgate.errors import InputError
from seedgate.records import Example
from seedgate.seeds.content import output_of, text_of
from seedgate.seeds.near import NearIndex, fold
from seedgate.seeds.reading import Progress
from seedgate.task import Task

__all__ = ["CheckReport", "Code", "Finding", "check"]

Code = Literal[
    "schema", "duplicate", "near_duplicate", "conflict", "missing_label", "rare_label", "overlap", "oddity"
]
"""`conflict`: same or near input with another output. `overlap`: a seed that is in the evaluation set."""

RARE_SHARE = 0.25
"""A label with less than this share of an even split is rare."""

_TOLD_EVERY = 500


class Finding(BaseModel):
    """One thing found.

    Attributes:
        severity: An `error` stops `seeds verify` and `seeds lock`; a `warning` asks for a look.
        rows: Sources of the rows concerned, e.g. `seeds.jsonl:17`.
        what: What was found.
        advice: What to do about it.
    """

    model_config = ConfigDict(frozen=True)

    code: Code
    severity: Literal["error", "warning"]
    rows: tuple[str, ...] = ()
    what: str
    advice: str

    def __str__(self) -> str:
        where = f"{', '.join(self.rows)}: " if self.rows else ""
        return f"{where}{self.what}: {self.advice}"


class CheckReport(BaseModel):
    """Everything found, and the counts by label of the seeds."""

    model_config = ConfigDict(frozen=True)

    seeds: int
    evaluation: int
    labels: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a sign-off."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def ok(self) -> bool:
        """Whether nothing stops a sign-off."""
        return not self.errors


def check(
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    task: Task,
    *,
    near_duplicate: float = 0.7,
    on_progress: Progress | None = None,
) -> CheckReport:
    """Checks seeds, and that none of them is in the evaluation set.

    Args:
        seeds: The examples to vouch for.
        evaluation: The evaluation set; may be empty.
        task: What both are examples of.
        near_duplicate: The character-5-gram Jaccard similarity from which two texts are near.
        on_progress: Told how many rows were compared.
    """
    counted = _label_counts(seeds, task)
    findings = [
        *_schema(seeds, task),
        *_compared(seeds, evaluation, task, near_duplicate, on_progress),
        *_balance(counted, task),
        *_oddities(seeds, task),
    ]
    return CheckReport(seeds=len(seeds), evaluation=len(evaluation), labels=counted, findings=tuple(findings))


def _schema(seeds: Sequence[Example], task: Task) -> Iterator[Finding]:
    for example in seeds:
        try:
            task.validate_fields(example.fields)
        except InputError as error:
            yield Finding(
                code="schema",
                severity="error",
                rows=(example.source,),
                what=error.message,
                advice="correct the row",
            )


def _compared(
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    task: Task,
    threshold: float,
    on_progress: Progress | None,
) -> Iterator[Finding]:
    """Each seed against the evaluation set and against the seeds before it."""
    held_out, earlier = _Seen(task, threshold), _Seen(task, threshold)
    for example in evaluation:
        held_out.add(example)
    for done, seed in enumerate(seeds, 1):
        twin = held_out.like(seed)
        if twin is not None:
            yield _overlap(seed, *twin)
        twin = earlier.like(seed)
        if twin is not None:
            yield _alike(seed, *twin, task)
        earlier.add(seed)
        if on_progress and (done % _TOLD_EVERY == 0 or done == len(seeds)):
            on_progress(done, len(seeds), "comparing seeds")


class _Seen:
    """Examples seen so far, by their input text."""

    def __init__(self, task: Task, threshold: float) -> None:
        self._task = task
        self._index = NearIndex(threshold)
        self._examples: list[Example] = []
        self._same: dict[str, int] = {}

    def add(self, example: Example) -> None:
        text = text_of(self._task, example.fields)
        self._index.add(str(len(self._examples)), text)
        self._same.setdefault(fold(text), len(self._examples))
        self._examples.append(example)

    def like(self, example: Example) -> tuple[Example, float] | None:
        """The example with the same text, else the nearest one over the threshold, with its similarity."""
        text = text_of(self._task, example.fields)
        same = self._same.get(fold(text))
        if same is not None:
            return self._examples[same], 1.0
        found = self._index.nearest(text)
        return None if found is None else (self._examples[int(found[0])], found[1])


def _overlap(seed: Example, other: Example, likeness: float) -> Finding:
    same = "the same text as" if likeness == 1 else f"{likeness:.0%} like"
    return Finding(
        code="overlap",
        severity="error",
        rows=(seed.source, other.source),
        what=f"the seed is {same} a row of the evaluation set",
        advice="remove it from one of the two files",
    )


def _alike(seed: Example, other: Example, likeness: float, task: Task) -> Finding:
    rows = (other.source, seed.source)
    same = likeness == 1
    how = "the same input" if same else f"inputs {likeness:.0%} alike"
    if output_of(task, seed.fields) != output_of(task, other.fields):
        return Finding(
            code="conflict",
            severity="error" if same else "warning",
            rows=rows,
            what=f"{how} with different outputs",
            advice="keep the right one" if same else "make sure that both are right",
        )
    return Finding(
        code="duplicate" if same else "near_duplicate",
        severity="error" if same else "warning",
        rows=rows,
        what=how,
        advice="remove one of them" if same else "keep both only if each adds something",
    )


def _label_counts(seeds: Sequence[Example], task: Task) -> dict[str, int]:
    field = task.label_field
    if field is None:
        return {}
    counted = Counter(str(seed.fields.get(field.name)) for seed in seeds)
    return {label: counted[label] for label in field.labels}


def _balance(counted: dict[str, int], task: Task) -> Iterator[Finding]:
    field = task.label_field
    if field is None:
        return
    even = sum(counted.values()) / len(counted)
    for label, count in counted.items():
        if count == 0:
            yield Finding(
                code="missing_label",
                severity="error",
                what=f"no seed has {field.name} {label!r}",
                advice="add some, or take the label out of the task",
            )
        elif count < RARE_SHARE * even:
            yield Finding(
                code="rare_label",
                severity="warning",
                what=f"only {count} of {sum(counted.values())} seeds have {field.name} {label!r}",
                advice="add more, or candidates for it will be few and alike",
            )


def _oddities(seeds: Sequence[Example], task: Task) -> Iterator[Finding]:
    for seed in seeds:
        for field in task.fields:
            value = seed.fields.get(field.name)
            for what in _odd(value) if isinstance(value, str) and field.type == "text" else ():
                yield Finding(
                    code="oddity",
                    severity="warning",
                    rows=(seed.source,),
                    what=f"field {field.name!r} {what}",
                    advice="clean the row, unless it is meant so",
                )


def _odd(text: str) -> Iterator[str]:
    if text != text.strip():
        yield "starts or ends with white space"
    if unicodedata.normalize("NFC", text) != text:
        yield "is not in Unicode NFC"
    # Neither can be seen on the review page: format characters, and spaces other than the plain one.
    hidden = sorted({char for char in text if unicodedata.category(char) in ("Cf", "Zl", "Zp", "Zs")} - {" "})
    if hidden:
        yield f"has invisible characters: {', '.join(f'U+{ord(char):04X}' for char in hidden)}"
    if "\ufffd" in text:
        yield "has the replacement character U+FFFD, left by a broken conversion"

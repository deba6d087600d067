"""Each seed against the evaluation set and against the seeds before it: leaks, duplicates and conflicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedgate.records import Example
from seedgate.seeds.content import output_of, text_of
from seedgate.seeds.findings import Finding
from seedgate.seeds.leakage import Leak, LeakCheck
from seedgate.seeds.near import NearIndex, fold
from seedgate.seeds.reading import Progress
from seedgate.task import Task

__all__ = ["compared"]

_TOLD_EVERY = 500
_SHOWN = 60


def compared(
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    task: Task,
    threshold: float,
    leaks: LeakCheck,
    on_progress: Progress | None,
) -> Iterator[Finding]:
    """Each seed against the evaluation set and against the seeds before it."""
    held_out, earlier = {each.id: each for each in evaluation}, _Seen(task, threshold)
    if on_progress and leaks.meanings:
        on_progress(0, len(seeds), "reading what the rows mean")
    leaks.prepare(seeds, stored=True)
    for done, seed in enumerate(seeds, 1):
        text, output = text_of(task, seed.fields), output_of(task, seed.fields)
        if (leak := leaks.find(seed)) is not None:
            yield _overlap(seed, held_out[leak.row], leak, text_of(task, held_out[leak.row].fields))
        # The nearest with the same output and the nearest with another one: either may hide the other.
        told: set[bool] = set()
        for other, likeness in earlier.near(text):
            agrees = output_of(task, other.fields) == output
            if agrees not in told:
                told.add(agrees)
                finding = _duplicate if agrees else _conflict
                yield finding(
                    (other.source, seed.source), fold(text_of(task, other.fields)) == fold(text), likeness
                )
        earlier.add(seed)
        if on_progress and (done % _TOLD_EVERY == 0 or done == len(seeds)):
            on_progress(done, len(seeds), "comparing seeds")


class _Seen:
    """Examples seen so far, by their input text."""

    def __init__(self, task: Task, threshold: float) -> None:
        self._task = task
        self._index = NearIndex(threshold)
        self._examples: list[Example] = []

    def add(self, example: Example) -> None:
        self._index.add(str(len(self._examples)), text_of(self._task, example.fields))
        self._examples.append(example)

    def near(self, text: str) -> list[tuple[Example, float]]:
        """The examples near a text with their similarity, the nearest first."""
        return [(self._examples[int(key)], likeness) for key, likeness in self._index.all_near(text)]


def _overlap(seed: Example, other: Example, leak: Leak, text: str) -> Finding:
    if leak.kind == "semantic":
        what = f"the seed means the same as a row of the evaluation set ({leak.likeness:.3f}): {_short(text)}"
        advice = "remove one of the two; if people wrote them independently, name policy.semantic_leak"
    else:
        alike = "the same" if leak.likeness == 1 else f"{leak.likeness:.0%} alike"
        what = f"the seed and a row of the evaluation set are {alike}"
        advice = "remove it from one of the two files"
    return Finding(
        code="overlap", severity="error", rows=(seed.source, other.source), what=what, advice=advice
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "...")


def _duplicate(rows: tuple[str, str], same: bool, likeness: float) -> Finding:
    return Finding(
        code="duplicate" if same else "near_duplicate",
        severity="error" if same else "warning",
        rows=rows,
        what="the same input and output" if same else f"inputs {likeness:.0%} alike, with the same output",
        advice="remove one of them" if same else "keep both only if each adds something",
    )


def _conflict(rows: tuple[str, str], same: bool, likeness: float) -> Finding:
    how = "the same input" if same else f"inputs {likeness:.0%} alike"
    return Finding(
        code="conflict",
        severity="error" if same else "warning",
        rows=rows,
        what=f"{how} with different outputs",
        advice="keep the right one" if same else "make sure that both are right",
    )

"""`seeds check`: what is wrong with a set of seeds before anybody vouches for it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from seedgate.errors import InputError
from seedgate.records import Example
from seedgate.seeds.content import output_of, text_of
from seedgate.seeds.findings import CheckReport, Finding
from seedgate.seeds.leakage import Leak, LeakCheck
from seedgate.seeds.near import NearIndex, fold
from seedgate.seeds.reading import Progress, read_examples
from seedgate.task import Task
from seedgate.workspace import Workspace

__all__ = ["check", "check_workspace", "evaluation_rows"]

RARE_SHARE = 0.25
"""A label with less than this share of an even split is rare."""

_TOLD_EVERY = 500
_SHOWN = 60


def check(
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    task: Task,
    *,
    near_duplicate: float = 0.7,
    leaks: LeakCheck | None = None,
    on_progress: Progress | None = None,
) -> CheckReport:
    """Checks seeds, and that none of them is in the evaluation set.

    Args:
        seeds: The examples to vouch for.
        evaluation: The evaluation set; may be empty.
        task: What both are examples of.
        near_duplicate: The character-5-gram Jaccard similarity from which two texts are near.
        leaks: What compares them with the evaluation set; the likeness of letters alone if not given.
        on_progress: Told how many rows were compared.
    """
    leaks = leaks or LeakCheck(task, evaluation, near_duplicate)
    counted = _label_counts(seeds, task)
    findings = [
        *_schema(seeds, task),
        *_compared(seeds, evaluation, task, near_duplicate, leaks, on_progress),
        *_balance(counted, task),
        *_oddities(seeds, task),
    ]
    return CheckReport(seeds=len(seeds), evaluation=len(evaluation), labels=counted, findings=tuple(findings))


def check_workspace(ws: Workspace, *, on_progress: Progress | None = None) -> CheckReport:
    """Checks the files of a workspace, and whether the seeds are as many as its policy wants.

    Raises:
        InputError: A file cannot be read.
    """
    seeds = read_examples(str(ws.seeds_path), ws.task, on_progress=on_progress)
    policy, evaluation = ws.config.policy, evaluation_rows(ws)
    leaks = LeakCheck.for_workspace(ws, evaluation)
    report = check(
        seeds,
        evaluation,
        ws.task,
        near_duplicate=policy.near_duplicate,
        leaks=leaks,
        on_progress=on_progress,
    )
    return report.model_copy(
        update={"findings": (*_enough(len(seeds), policy.verified_seeds), *report.findings)}
    )


def evaluation_rows(ws: Workspace) -> list[Example]:
    """The rows of `eval.jsonl`; none if the file is empty or missing, as before one was chosen."""
    path = ws.eval_path
    return read_examples(str(path), ws.task) if path.is_file() and path.stat().st_size else []


def _enough(count: int, wanted: int) -> Iterator[Finding]:
    if count < wanted:
        yield Finding(
            code="too_few",
            severity="warning",
            what=f"{count} seeds; the policy wants {wanted} verified",
            advice="add examples before you generate",
        )


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

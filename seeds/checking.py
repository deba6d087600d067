"""`seeds check`: what is wrong with a set of seeds before anybody vouches for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from seedgate.errors import InputError
from seedgate.records import Example
from seedgate.seeds.comparing import compared
from seedgate.seeds.coverage import coverage_of
from seedgate.seeds.findings import CheckReport, Finding
from seedgate.seeds.formatting import formatting
from seedgate.seeds.gaps import gaps
from seedgate.seeds.label_errors import label_findings
from seedgate.seeds.leakage import LeakCheck
from seedgate.seeds.meaning import Meanings
from seedgate.seeds.oddities import oddities
from seedgate.seeds.personal import personal_findings
from seedgate.seeds.reading import Progress, read_examples
from seedgate.seeds.repetition import repetitions
from seedgate.task import Task
from seedgate.workspace import Workspace

__all__ = ["check", "check_meanings", "evaluation_rows"]

RARE_SHARE = 0.25
"""A label with less than this share of an even split is rare."""


def check(
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    task: Task,
    *,
    near_duplicate: float = 0.7,
    leaks: LeakCheck | None = None,
    on_progress: Progress | None = None,
) -> CheckReport:
    """Checks seeds by their letters and labels, and that none of them is in the evaluation set.

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
        *compared(seeds, evaluation, task, near_duplicate, leaks, on_progress),
        *_balance(counted, task),
        *oddities(seeds, task),
        *personal_findings(seeds, task),
        *formatting(seeds, task),
    ]
    return CheckReport(seeds=len(seeds), evaluation=len(evaluation), labels=counted, findings=tuple(findings))


def check_meanings(
    report: CheckReport,
    seeds: Sequence[Example],
    task: Task,
    meanings: Meanings,
    *,
    near_duplicate: float = 0.7,
    semantic_duplicate: float = 0.95,
) -> CheckReport:
    """Adds to a report what only their meaning tells: repetitions in other words, label errors, coverage.

    Args:
        meanings: Where the seeds' vectors come from.
        semantic_duplicate: Cosine from which two texts say the same.
    """
    vectors = meanings.vectors(seeds)
    coverage = coverage_of(seeds, task, vectors)
    found = [
        *repetitions(seeds, task, vectors, threshold=semantic_duplicate, near_duplicate=near_duplicate),
        *label_findings(seeds, task, vectors),
        *(gaps(coverage) if coverage else ()),
    ]
    return report.model_copy(update={"findings": (*report.findings, *found), "coverage": coverage})


def evaluation_rows(ws: Workspace) -> list[Example]:
    """The rows of `eval.jsonl`; none if the file is empty or missing, as before one was chosen."""
    path = ws.eval_path
    return read_examples(str(path), ws.task) if path.is_file() and path.stat().st_size else []


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

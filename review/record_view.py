"""What a reviewer sees of a candidate, and what is asked. Pure functions of the Task.

The decision is never suggested; the corrected fields are, since the page submits an untouched suggestion as
the answer, which is what "nothing to correct" should mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError
from seedgate.records import Reason, VerdictDecision
from seedgate.review.board import DatasetSpec, FieldSpec, Option, QuestionSpec
from seedgate.review.visible import normal_form, reveal, show, unshow
from seedgate.review.wording import word_diff
from seedgate.task import Field, Task

__all__ = [
    "COMMENT",
    "DECISION",
    "REASON_TEXTS",
    "Purpose",
    "dataset_spec",
    "differences",
    "meanings_of",
    "record_fields",
    "seen_hash",
    "shows_just",
    "spec_hash",
    "suggestions",
]

Purpose = Literal["candidates", "seeds"]
"""What the records are: examples that a model wrote, or seeds to be verified."""

DECISION, REASONS, COMMENT = "decision", "reasons", "comment"
MEANING, NEAREST, WHY = "meaning", "nearest_seed", "why_here"
CORRECTED = "corrected_"
MAX_OPTIONS = 500  # argilla_server 2.8 constants.py DEFAULT_LABEL_SELECTION_OPTIONS_MAX_ITEMS
MAX_OPTION = 200  # api/schemas/v1/questions.py VALUE_TEXT_OPTION_VALUE_MAX_LENGTH
MAX_GUIDELINES = 10_000  # api/schemas/v1/datasets.py DATASET_GUIDELINES_MAX_LENGTH
MAX_DESCRIPTION = 1_000

_DECISIONS: dict[VerdictDecision, str] = {
    "approve": "Approve as it stands",
    "edit": "Edit as corrected below",
    "reject": "Reject",
}

_KEYS = "Keys: 1, 2 or 3, then Enter."
_ABOUT: dict[Purpose, str] = {
    "candidates": _KEYS,
    "seeds": f"{_KEYS} A person gave it as a seed: what is approved here is imitated, and trained on.",
}
_MEND: dict[Purpose, str] = {
    "candidates": "When you edit or reject: what generation should do better next time.",
    "seeds": "When you edit or reject: for whoever looks after the seeds.",
}

# How a text must be written so that it can be read back.
_HOW: dict[str, str] = {
    "json": " It must stay valid JSON with the same fields.",
    "chat": " Each turn begins with User: or Assistant:, and each further line of a turn with | and a space.",
}

REASON_TEXTS: dict[Reason, str] = {
    "wrong_label": "Wrong label",
    "wrong_fact": "Wrong fact or answer",
    "off_topic": "Off topic",
    "unnatural": "Nobody would write this",
    "duplicate": "Says the same as another",
    "format": "Cut off or badly formed",
    "unsafe": "Unsafe or offensive",
    "personal_data": "Personal data",
    "other": "Other (say what below)",
}


def dataset_spec(task: Task, guidelines: str, purpose: Purpose = "candidates") -> DatasetSpec:
    """Fields, questions and guidelines of a reviewer's dataset.

    Raises:
        ConfigError: The task or the guidelines do not fit Argilla's limits.
    """
    if len(guidelines) > MAX_GUIDELINES:
        raise ConfigError(
            f"guidelines.md has {len(guidelines)} characters; Argilla shows at most {MAX_GUIDELINES}"
        )
    fields = [FieldSpec(field.name, field.display) for field in (*task.inputs, *task.outputs)]
    if any(field.label_help for field in task.outputs):
        fields.append(FieldSpec(MEANING, "What that means", required=False))
    fields.append(FieldSpec(NEAREST, "For comparison: the nearest verified example", required=False))
    if purpose == "candidates":
        fields.append(FieldSpec(WHY, "Why it is here", required=False))
    return DatasetSpec(guidelines, tuple(fields), tuple(_questions(task, purpose)))


def _questions(task: Task, purpose: Purpose) -> Iterator[QuestionSpec]:
    yield QuestionSpec(
        DECISION,
        "Is this example right?" if purpose == "candidates" else "Is this seed right?",
        "label",
        required=True,
        description=_ABOUT[purpose],
        options=tuple(Option(value, text) for value, text in _DECISIONS.items()),
    )
    # Second, because the page moves on to it from the decision: a digit typed too many lands here.
    yield QuestionSpec(
        REASONS,
        "What is wrong with it?",
        "multilabel",
        description=_MEND[purpose],
        options=tuple(Option(value, text) for value, text in REASON_TEXTS.items()),
    )
    for field in (*task.outputs, *task.inputs):
        yield _correction(field)
    yield QuestionSpec(COMMENT, "Comment", "text")


def _correction(field: Field) -> QuestionSpec:
    if field.name in (MEANING, NEAREST, WHY):
        raise ConfigError(f"[task] field {field.name!r}: this name is taken by the review page")
    if len(field.labels) > MAX_OPTIONS or any(len(label) > MAX_OPTION for label in field.labels):
        raise ConfigError(
            f"[task] field {field.name!r}: Argilla takes at most {MAX_OPTIONS} labels"
            f" of {MAX_OPTION} characters each"
        )
    return QuestionSpec(
        CORRECTED + field.name,
        f"{field.display}, corrected",
        "text" if field.is_text else "multilabel" if field.type == "multilabel" else "label",
        description=f"Pre-filled with what is there. Change it, and choose Edit above.{_HOW.get(field.type, '')}",
        options=tuple(
            Option(label, reveal(label), field.label_help.get(label, "")[:MAX_DESCRIPTION])
            for label in field.labels
        ),
    )


def spec_hash(spec: DatasetSpec) -> str:
    """Hash of fields and questions: what an answer's meaning hangs on. Guidelines have a hash of their own."""
    fields = [[f.name, f.title, f.required, f.plain] for f in spec.fields]
    questions = [
        [
            q.name,
            q.title,
            q.kind,
            q.required,
            q.description,
            [[o.value, o.text, o.description] for o in q.options],
        ]
        for q in spec.questions
    ]
    return content_hash([fields, questions])


def record_fields(
    task: Task, fields: Mapping[str, Any], nearest: Mapping[str, Any] | None, why: str = ""
) -> dict[str, str]:
    """The texts of a record before escaping, by field name, with what helps to judge them.

    Args:
        nearest: The seed to compare it with.
        why: Why it is here, in a sentence that tells no control from a candidate.

    Raises:
        InputError: It is no (longer an) example of this task, or the page cannot show it in full.
    """
    if task.validate_fields(fields) != dict(fields):
        raise InputError("the example is not complete")
    texts = {field.name: _plain(fields[field.name]) for field in (*task.inputs, *task.outputs)}
    meanings = list(meanings_of(task, fields))
    if meanings:
        texts[MEANING] = "\n".join(meanings)
    if nearest is not None:
        texts[NEAREST] = "\n".join(_comparison(task, fields, nearest))
    if why:
        texts[WHY] = why
    if seen_hash(task, fields, {name: show(text) for name, text in texts.items()}) != content_hash(fields):
        raise InputError("the page cannot show this example in full")
    return texts


def meanings_of(task: Task, fields: Mapping[str, Any]) -> Iterator[str]:
    """What the guidelines of the task say about the labels that the example has."""
    for field in task.outputs:
        chosen = fields.get(field.name, "")
        for label in chosen if isinstance(chosen, list) else [chosen]:
            if label in field.label_help:
                yield f"{label}: {field.label_help[label]}"


def _comparison(task: Task, fields: Mapping[str, Any], nearest: Mapping[str, Any]) -> Iterator[str]:
    """The nearest seed, and in what words the example differs from it."""
    for field in (*task.inputs, *task.outputs):
        here, there = _plain(fields[field.name]), _plain(nearest.get(field.name, ""))
        other = not field.is_text and here != there
        yield f"{field.display}: {there}" + (f"  (here: {', '.join(here.split(chr(10)))})" if other else "")
    yield from differences(task, nearest, fields, "What differs")


def differences(task: Task, before: Mapping[str, Any], after: Mapping[str, Any], title: str) -> Iterator[str]:
    """For each text of `after` that is worth comparing, a paragraph with what changed against `before`."""
    texts = [field for field in (*task.inputs, *task.outputs) if field.is_text]
    for field in texts:
        changed = word_diff(_plain(before.get(field.name, "")), _plain(after.get(field.name, "")))
        if changed:
            yield f"\n{title}{f' in {field.display}' if len(texts) > 1 else ''}: {changed}"


def _plain(value: Any) -> str:
    return "\n".join(value) if isinstance(value, list) else str(value)


def seen_hash(task: Task, fields: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """Hash of the example that a stored record shows: that of `fields` if it shows just those.

    Args:
        task: What the fields are.
        fields: The example that was pushed.
        stored: The record's fields as the server has them, escaped.

    Raises:
        InputError: The record does not show an example at all, or hides part of it.
    """
    seen: dict[str, Any] = {}
    for field in (*task.inputs, *task.outputs):
        if not isinstance(stored.get(field.name), str):
            raise InputError(f"the record has no text in field {field.name!r}")
        text = unshow(stored[field.name])
        seen[field.name] = text.split("\n") if field.type == "multilabel" and text else text
        if field.type == "multilabel" and not text:
            seen[field.name] = []
        if _shows_as(seen[field.name]) == _shows_as(fields[field.name]):
            seen[field.name] = fields[field.name]
    return content_hash(seen)


def shows_just(texts: Mapping[str, str], stored: Mapping[str, Any]) -> bool:
    """Whether a stored record shows these texts and no others: also those that only help to judge."""
    given = {name: value for name, value in stored.items() if value is not None}
    if given.keys() != texts.keys() or not all(isinstance(value, str) for value in given.values()):
        return False
    try:
        return all(normal_form(unshow(given[name])) == normal_form(text) for name, text in texts.items())
    except InputError:
        return False


def _shows_as(value: Any) -> Any:
    return normal_form(value) if isinstance(value, str) else value


def suggestions(task: Task, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What pre-fills the corrections: question name to value, empty ones left out."""
    shown = {
        field.name: reveal(fields[field.name]) if field.is_text else fields[field.name]
        for field in task.fields
    }
    return {CORRECTED + name: value for name, value in shown.items() if value}

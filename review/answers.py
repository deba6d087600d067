"""How a reviewer's answer is read: the decision, the corrections, the reasons. Pure functions of the Task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from seedgate.canonical import normalise
from seedgate.errors import InputError
from seedgate.records import Reason, VerdictDecision
from seedgate.review.record_view import COMMENT, CORRECTED, DECISION, REASONS
from seedgate.review.visible import conceal, normal_form
from seedgate.task import Field, Task

__all__ = ["Answer", "read_answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A submitted response, understood. `problem` says why it cannot count; then the rest is a guess."""

    decision: VerdictDecision | None
    corrected: dict[str, Any] | None
    reasons: tuple[Reason, ...]
    comment: str
    problem: str | None


def read_answer(task: Task, fields: Mapping[str, Any], values: Mapping[str, Any] | None) -> Answer:
    """Reads a response's values for the example `fields`.

    A correction that is missing means "unchanged" to `approve` and `reject`. With `edit` the page always
    sends what its boxes hold, so there a missing one was emptied.
    """
    values = values if isinstance(values, Mapping) else {}
    decision = next((d for d in get_args(VerdictDecision) if d == values.get(DECISION)), None)
    chosen = values.get(REASONS) or []
    known = [r for r in get_args(Reason) if isinstance(chosen, list) and r in chosen]
    comment = values.get(COMMENT) or ""
    comment = comment.strip() if isinstance(comment, str) else ""
    try:
        normalise(comment)
    except InputError as error:
        return Answer(decision, None, tuple(known), "", f"malformed: the comment: {error.message}")
    if decision is None:
        return Answer(None, None, tuple(known), comment, "malformed: no decision that is known")
    try:
        corrected = _corrected(task, fields, values, decision)
    except InputError as error:
        return Answer(decision, None, tuple(known), comment, f"malformed: {error.message}")
    return Answer(decision, corrected, tuple(known), comment, None)


def _corrected(
    task: Task, fields: Mapping[str, Any], values: Mapping[str, Any], decision: VerdictDecision
) -> dict[str, Any]:
    corrected: dict[str, Any] = {}
    for field in task.fields:
        given = values.get(CORRECTED + field.name)
        if given is None:
            corrected[field.name] = _emptied(field, fields) if decision == "edit" else fields[field.name]
        elif field.is_text:
            if not isinstance(given, str):
                raise InputError(f"the correction of {field.name!r} is no text")
            text = normal_form(conceal(given)).strip()
            corrected[field.name] = fields[field.name] if _same(text, fields[field.name]) else text
        else:
            corrected[field.name] = given
    unchanged = all(_same(corrected[name], fields[name]) for name in corrected)
    return dict(fields) if unchanged else task.validate_fields(normalise(corrected))


def _emptied(field: Field, fields: Mapping[str, Any]) -> Any:
    original = fields[field.name]
    if original and field.is_text and field.required:
        raise InputError(f"the correction of {field.name!r} is empty")
    if field.type == "label":
        raise InputError(f"no label is chosen as the correction of {field.name!r}")
    return type(original)()


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return normal_form(a).strip() == normal_form(b).strip()
    if isinstance(a, list) and isinstance(b, list):
        return sorted(map(str, a)) == sorted(map(str, b))
    return bool(a == b)

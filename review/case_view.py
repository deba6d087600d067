"""What an adjudicator sees of a case, and what is asked. Reviewers are letters here: verdicts count, not names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any, Literal

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError
from seedgate.records import Verdict
from seedgate.review.board import DatasetSpec, FieldSpec, Option, QuestionSpec
from seedgate.review.record_view import COMMENT, DECISION, record_fields
from seedgate.review.visible import normal_form, unshow
from seedgate.task import Task

__all__ = ["CORRECT", "case_fields", "case_spec", "letters_of", "shown_texts_hash"]

WHY, VERDICTS, CORRECTION, SEED, RIVALS = (
    "case_why",
    "case_verdicts",
    "case_correction_",
    "case_seed",
    "case_rivals",
)
CORRECT = "correct_"
"""Decision value of "approve the correction", before the letter of its reviewer."""

_WHY = {
    "G4": "The reviewers disagree about this example.",
    "G5": "Several corrections of one original were approved; at most one of them can be used.",
    "G8": "A verified example has nearly the same input and another output. Is this one right nevertheless?",
}
_INDENT = "\n    "


def letters_of(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """A letter for each reviewer, in the order of the verdicts, so that it tells nothing about the name."""
    return dict(zip(ascii_lowercase, verdicts, strict=False))


def case_spec(
    task: Task, guidelines: str, kind: Literal["adjudication", "second_look"], letters: Iterable[str]
) -> DatasetSpec:
    """Fields and questions of a docket's dataset; `letters` of reviewers whose corrections it shows.

    Raises:
        ConfigError: A field of the task has a name that the page needs.
    """
    letters = sorted(letters)
    extra = [FieldSpec(WHY, "Why you are asked"), FieldSpec(VERDICTS, "What the reviewers said")]
    extra += [_optional(CORRECTION + each, f"Correction by reviewer {each.upper()}") for each in letters]
    extra.append(_optional(SEED, "For comparison: the nearest verified example"))
    extra.append(_optional(RIVALS, "Other versions of the same original"))
    fields = [FieldSpec(field.name, field.display) for field in (*task.inputs, *task.outputs)]
    taken = {field.name for field in fields} & {field.name for field in extra}
    if taken:
        raise ConfigError(f"[task] field {min(taken)!r}: this name is taken by the adjudicator's page")
    right = "Approve as it stands" if kind == "adjudication" else "It is right nevertheless"
    corrections = (
        Option(CORRECT + each, f"Approve the correction by reviewer {each.upper()} instead")
        for each in letters
    )
    options = (Option("approve", right), *corrections, Option("reject", "Reject"))
    questions = (
        QuestionSpec(DECISION, "How is this settled?", "label", required=True, options=options),
        QuestionSpec(COMMENT, "Comment", "text"),
    )
    return DatasetSpec(guidelines, (*fields, *extra), questions)


def _optional(name: str, title: str) -> FieldSpec:
    return FieldSpec(name, title, required=False)


def case_fields(
    task: Task,
    fields: Mapping[str, Any],
    *,
    invariant: str,
    verdicts: Mapping[str, tuple[Verdict, str]],
    corrections: Mapping[str, Mapping[str, Any]],
    seed: Mapping[str, Any] | None,
    rivals: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """The texts of a case before escaping, by field name.

    Args:
        task: What the fields are.
        fields: The candidate's content.
        invariant: Why it cannot be decided.
        verdicts: Letter to verdict and its comment; `corrections`: letter to corrected content.
        seed: The nearest verified seed, if there is one.
        rivals: Other approved versions of the same original.

    Raises:
        InputError: The page cannot show the example, or a correction, in full.
    """
    own, id_ = {field.name for field in task.fields}, content_hash(fields)
    texts = {name: text for name, text in record_fields(task, fields, None).items() if name in own}
    texts[WHY] = _WHY.get(invariant, _WHY["G4"])
    texts[VERDICTS] = "\n".join(
        _told(letter, verdict, comment, original=verdict.candidate_id == id_, offered=letter in corrections)
        for letter, (verdict, comment) in verdicts.items()
    )
    for letter, corrected in corrections.items():
        record_fields(task, corrected, None)
        texts[CORRECTION + letter] = _side(task, corrected)
    if seed is not None:
        texts[SEED] = _side(task, seed)
    if rivals:
        texts[RIVALS] = "\n\n".join(_side(task, rival) for rival in rivals)
    return texts


def _told(letter: str, verdict: Verdict, comment: str, *, original: bool, offered: bool) -> str:
    """One reviewer's verdict in a line or two; what a reviewer wrote is indented, so it can't pass for ours."""
    said = {"approve": "approved", "edit": "edited it", "reject": "rejected"}.get(str(verdict.decision), "?")
    if not original:
        said = "wrote this as the correction of another text"
    elif verdict.decision == "edit" and not offered:
        said = "made a correction that the filters refused"
    reasons = f" ({', '.join(code.replace('_', ' ') for code in verdict.reasons)})" if verdict.reasons else ""
    remark = f":{_INDENT}{comment.replace(chr(10), _INDENT)}" if comment else ""
    return f"Reviewer {letter.upper()} {said}{reasons}{remark}"


def _side(task: Task, fields: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{field.display}: {_plain(fields.get(field.name, ''))}" for field in (*task.inputs, *task.outputs)
    )


def _plain(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("\n", _INDENT)


def shown_texts_hash(pushed: Mapping[str, str], stored: Mapping[str, Any]) -> str:
    """Hash of the texts that a stored record shows: that of `pushed` if it shows just those.

    Raises:
        InputError: It shows something that was not pushed like this.
    """
    seen: dict[str, str] = {}
    for name, text in stored.items():
        if text is None:
            continue
        if not isinstance(text, str):
            raise InputError(f"the record has no text in field {name!r}")
        seen[name] = unshow(text)
        if normal_form(seen[name]) == normal_form(pushed.get(name, "")):
            seen[name] = pushed.get(name, "")
    return content_hash(seen)

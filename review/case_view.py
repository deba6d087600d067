"""What an adjudicator sees of a case, and what is asked. Reviewers are letters here: verdicts count, not names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import ascii_lowercase
from typing import Any, Literal

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError
from seedgate.records import Verdict
from seedgate.review.board import DatasetSpec, FieldSpec, Option, QuestionSpec
from seedgate.review.record_view import (
    COMMENT,
    DECISION,
    REASON_TEXTS,
    differences,
    meanings_of,
    record_fields,
)
from seedgate.review.visible import normal_form, unshow
from seedgate.task import Field, Task

__all__ = ["CORRECT", "case_fields", "case_spec", "letters_of", "shown_texts_hash"]

WHY, VERDICTS, CORRECTION, MEANINGS, SEED, RIVALS = (
    "case_why",
    "case_verdicts",
    "case_correction_",
    "case_meanings",
    "case_seed",
    "case_rivals",
)
CORRECT = "correct_"
"""Decision value of "approve the correction", before the letter of its reviewer."""

# Only what the verdicts don't say themselves: a line more is a line further down for all that follows.
_WHY = {
    "G5": "Several corrections of one original were approved; at most one of them can be used.",
    "G8": "A verified example has nearly the same input and another output. Is this one right nevertheless?",
}
_SAID = {"approve": "approved", "edit": "corrected it", "reject": "rejected"}
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
    extra = [_optional(WHY, "Why you are asked"), FieldSpec(VERDICTS, "What the reviewers said")]
    extra += [_optional(CORRECTION + each, f"Correction by reviewer {each.upper()}") for each in letters]
    # What a case is about comes before what only helps to judge it.
    extra.append(_optional(RIVALS, "Other versions of the same original"))
    extra.append(_optional(SEED, "For comparison: the nearest verified example"))
    if any(field.label_help for field in task.outputs):
        extra.append(_optional(MEANINGS, "What the labels mean"))
    fields = [FieldSpec(field.name, field.display) for field in (*task.inputs, *task.outputs)]
    taken = {field.name for field in fields} & {field.name for field in extra}
    if taken:
        raise ConfigError(f"[task] field {min(taken)!r}: this name is taken by the adjudicator's page")
    right = "Approve as it stands" if kind == "adjudication" else "It is right nevertheless"
    corrections = (
        # The options are the dataset's, so this one also stands beside cases that have no such correction.
        Option(CORRECT + each, f"Approve the correction by reviewer {each.upper()}, if shown")
        for each in letters
    )
    # Corrections last: approve and reject are on the same keys in every docket.
    options = (Option("approve", right), Option("reject", "Reject"), *corrections)
    keys = "Keys: the answer's digit, then Enter."
    if letters:
        keys += " Where a correction is not shown, choosing it does not count, and you are asked again."
    questions = (
        QuestionSpec(
            DECISION, "How is this settled?", "label", required=True, description=keys, options=options
        ),
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
    if invariant in _WHY:
        texts[WHY] = _WHY[invariant]
    texts[VERDICTS] = "\n".join(
        _told(letter, verdict, comment, original=verdict.candidate_id == id_, offered=letter in corrections)
        for letter, (verdict, comment) in verdicts.items()
    )
    for letter, corrected in corrections.items():
        record_fields(task, corrected, None)
        texts[CORRECTION + letter] = _corrected(task, fields, corrected)
    others = [*corrections.values(), *([] if seed is None else [seed]), *rivals]
    meanings = dict.fromkeys(line for each in (fields, *others) for line in meanings_of(task, each))
    if meanings:
        texts[MEANINGS] = "\n".join(meanings)
    if seed is not None:
        texts[SEED] = _beside(task, fields, seed)
    if rivals:
        texts[RIVALS] = "\n\n———\n\n".join(_beside(task, fields, rival) for rival in rivals)
    return texts


def _told(letter: str, verdict: Verdict, comment: str, *, original: bool, offered: bool) -> str:
    """One reviewer's verdict in a line or two; what a reviewer wrote is indented, so it can't pass for ours."""
    said = _SAID.get(str(verdict.decision), "?")
    if not original:
        said = "wrote this as the correction of another text"
    elif verdict.decision == "edit" and not offered:
        said = "made a correction that the filters refused"
    # As the reviewer read them, without what the page asks for beside "Other".
    ticked = [REASON_TEXTS[code].partition(" (")[0].lower() for code in verdict.reasons]
    reasons = f" ({', '.join(ticked)})" if ticked else ""
    remark = f":{_INDENT}{comment.replace(chr(10), _INDENT)}" if comment else ""
    return f"Reviewer {letter.upper()} {said}{reasons}{remark}"


def _corrected(task: Task, original: Mapping[str, Any], corrected: Mapping[str, Any]) -> str:
    """A correction in full, after the names of the fields it changes."""
    changed = [f.display for f in _shown(task) if original.get(f.name) != corrected.get(f.name)]
    head = f"Changes: {', '.join(changed)}"
    sides = _sides(task, corrected, original, "instead of ")
    return "\n".join([head, *sides, *differences(task, original, corrected, "What it changes")])


def _beside(task: Task, fields: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Another example in full, and in what this one differs from it."""
    return "\n".join(
        [*_sides(task, other, fields, "here: "), *differences(task, other, fields, "What differs")]
    )


def _sides(task: Task, shown: Mapping[str, Any], beside: Mapping[str, Any], word: str) -> Iterator[str]:
    for field in _shown(task):
        value, other = _plain(shown.get(field.name, "")), _plain(beside.get(field.name, ""))
        note = f"  ({word}{other})" if not field.is_text and value != other else ""
        yield f"{field.display}: {value}{note}"


def _shown(task: Task) -> tuple[Field, ...]:
    return (*task.inputs, *task.outputs)


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

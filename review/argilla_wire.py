"""Argilla's JSON and ours, both ways (argilla_server 2.8, api/schemas/v1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedgate.review.board import (
    Account,
    DatasetSpec,
    DeskRecord,
    FieldSpec,
    NewRecord,
    Option,
    QuestionKind,
    QuestionSpec,
    StoredRecord,
    StoredResponse,
)

__all__ = [
    "from_dataset",
    "from_fields",
    "from_questions",
    "from_record",
    "to_account",
    "to_desk_record",
    "to_spec",
    "to_stored",
]

NEVER_COMPLETE = 1_000_000
"""Submissions that complete a record: Argilla hides completed records, and nobody's answer may do that."""

TYPES: dict[QuestionKind, str] = {
    "label": "label_selection",
    "multilabel": "multi_label_selection",
    "text": "text",
}
PLAIN = {"type": "text", "use_markdown": False}
"""Never markdown: it lets model text bring its own <object> and <embed> into the page."""

KINDS: dict[str, QuestionKind] = {type_: kind for kind, type_ in TYPES.items()}


def to_account(user: Mapping[str, Any]) -> Account:
    """A user."""
    return Account(str(user["id"]), str(user["username"]), str(user["role"]))


def from_dataset(spec: DatasetSpec) -> dict[str, Any]:
    """What creates a dataset, but its name and workspace."""
    return {
        "guidelines": spec.guidelines,
        "allow_extra_metadata": False,
        "distribution": {"strategy": "overlap", "min_submitted": NEVER_COMPLETE},
    }


def from_fields(spec: DatasetSpec) -> list[dict[str, Any]]:
    """What creates the fields, in order."""
    return [
        {"name": f.name, "title": f.title, "required": f.required, "settings": PLAIN} for f in spec.fields
    ]


def from_questions(spec: DatasetSpec) -> list[dict[str, Any]]:
    """What creates the questions, in order."""
    out = []
    for question in spec.questions:
        settings: dict[str, Any] = PLAIN
        if question.kind != "text":
            options = [
                {"value": o.value, "text": o.text, "description": o.description or None}
                for o in question.options
            ]
            settings = {"type": TYPES[question.kind], "options": options}
        out.append(
            {
                "name": question.name,
                "title": question.title,
                "description": question.description or None,
                "required": question.required,
                "settings": settings,
            }
        )
    return out


def from_record(record: NewRecord, questions: Mapping[str, str]) -> dict[str, Any]:
    """What creates a record; `questions` are ids by name."""
    return {
        "external_id": record.record_id,
        "fields": dict(record.fields),
        "suggestions": [
            {"question_id": questions[name], "value": value} for name, value in record.suggestions.items()
        ],
    }


def to_spec(dataset: Any, fields: Any, questions: Any) -> DatasetSpec:
    """What a dataset shows."""
    return DatasetSpec(
        dataset["guidelines"] or "",
        tuple(
            FieldSpec(f["name"], f["title"], f["required"], f["settings"] == PLAIN) for f in fields["items"]
        ),
        tuple(_question(q) for q in questions["items"]),
    )


def _question(question: Mapping[str, Any]) -> QuestionSpec:
    settings = question["settings"]
    return QuestionSpec(
        question["name"],
        question["title"],
        KINDS.get(settings["type"], settings["type"]),
        question["required"],
        question["description"] or "",
        tuple(Option(o["value"], o["text"], o["description"] or "") for o in settings.get("options", ())),
    )


def to_stored(item: Mapping[str, Any], names: Mapping[str, str]) -> StoredRecord:
    """A record with its responses; `names` are question names by id."""
    return StoredRecord(
        item["external_id"],
        item["fields"],
        tuple(
            StoredResponse(r["id"], r["user_id"], r["status"], _values(r["values"]), r["updated_at"])
            for r in item.get("responses") or ()
        ),
        altered=item["updated_at"] != item["inserted_at"],
        suggested=frozenset(names.get(s["question_id"], "") for s in item.get("suggestions") or ()),
    )


def _values(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else {name: value["value"] for name, value in values.items()}


def to_desk_record(item: Mapping[str, Any], names: Mapping[str, str]) -> DeskRecord:
    """A record as its reviewer sees it; `names` are question names by id."""
    return DeskRecord(
        str(item["id"]),
        item["fields"],
        {names[s["question_id"]]: s["value"] for s in item.get("suggestions") or ()},
        answered=any(r["status"] == "submitted" for r in item.get("responses") or ()),
    )

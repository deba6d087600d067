"""A field of an example: its type, its limits, and the one text of its value."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic import Field as ModelField

from seedgate.canonical import normalise
from seedgate.errors import InputError
from seedgate.json_schema import check, closed_schema
from seedgate.shown import json_text, leaves, messages_of, read_json, transcript

__all__ = ["Field", "FieldType", "Role", "plain_answer"]

Role = Literal["input", "output"]
"""`input`: what a user of the trained model writes. `output`: what the model must answer."""

FieldType = Literal["text", "label", "multilabel", "json", "chat"]
"""`text`: a string. `label`: one of `labels`. `multilabel`: a list of them. `json`: a value that fits a schema.
`chat`: messages, question and answer in one; held, as `json` is, as the text that reviewers see."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST_PARSED = 4
"""Times `max_chars` that a text may have before it is parsed: white space around JSON is nobody's fault."""
MOST_TURNS = 40


def plain_answer(text: str) -> str:
    """An answer without what does not matter in a label: space around it, case, a final full stop."""
    return text.strip().rstrip(".").strip().casefold()


class Field(BaseModel):
    """One field of an example.

    Attributes:
        name: Identifier: a lower-case letter, then letters, digits or `_`; 40 characters at most.
        labels: The allowed values of a `label` or `multilabel` field, in the order reviewers see them.
        label_help: What each label means, for prompts and reviewers.
        min_chars, max_chars: Bounds on the characters of a text, of JSON as it is shown, of a whole chat.
        required: Whether a `text` field may be empty (then it may also be left out of a row).
        json_schema: What a `json` field holds: `schema` in a declaration, a table of names and types or a JSON Schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str
    role: Role
    type: FieldType = "text"
    title: str = ""
    description: str = ""
    labels: tuple[str, ...] = ()
    label_help: dict[str, str] = {}
    min_chars: int = 1
    max_chars: int = 4000
    required: bool = True
    json_schema: dict[str, Any] = ModelField(default={}, alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _labels_with_help(cls, data: Any) -> Any:
        if isinstance(data, dict) and "labels" in data:
            # In NFC, as rows are: a label spelled otherwise would match none of them.
            data = {**data, "labels": normalise(data["labels"])}
            if isinstance(data["labels"], dict):
                data["label_help"] = data["labels"]
                data["labels"] = tuple(data["labels"])
        return data

    @field_validator("json_schema", mode="before")
    @classmethod
    def _closed(cls, declared: Any) -> Any:
        if isinstance(declared, str):
            raise ValueError(f"the schema {declared!r} is a file's name, which only a workspace can have")
        return closed_schema(declared) if declared else {}

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"field name {name!r} must match {_NAME.pattern}")
        if name in ("tags", "source", "id"):
            raise ValueError(f"field name {name!r} is taken by seedgate itself")
        return name

    @model_validator(mode="after")
    def _labels_fit(self) -> Field:
        if self.type in ("label", "multilabel"):
            if len(self.labels) < 2:
                raise ValueError(f"field {self.name!r}: a {self.type} field needs at least two labels")
            odd = [label for label in self.labels if not label or label != label.strip()]
            if odd:
                raise ValueError(f"field {self.name!r}: label {odd[0]!r} is empty or has space around it")
            # Prompts, answers and the reviewer's page have one line for a label.
            broken = [label for label in self.labels if any(unicodedata.category(c) == "Cc" for c in label)]
            if broken:
                raise ValueError(f"field {self.name!r}: label {broken[0]!r} has a control character")
            # An answer is compared without case and final full stop.
            alike = [label for label, n in Counter(map(plain_answer, self.labels)).items() if n > 1]
            if alike:
                raise ValueError(f"field {self.name!r}: two labels read {alike[0]!r}")
        elif self.labels:
            raise ValueError(f"field {self.name!r}: labels are for label and multilabel fields")
        if bool(self.json_schema) != (self.type == "json"):
            what = "a json field needs a schema" if self.type == "json" else "a schema is for json fields"
            raise ValueError(f"field {self.name!r}: {what}")
        if self.type != "text" and not self.required:
            raise ValueError(f"field {self.name!r}: only a text field may be left out")
        if self.type == "chat" and self.role != "output":
            raise ValueError(
                f"field {self.name!r}: a chat ends with what the model must answer: its role is output"
            )
        if not 0 <= self.min_chars <= self.max_chars:
            raise ValueError(f"field {self.name!r}: min_chars must lie between 0 and max_chars")
        return self

    @property
    def display(self) -> str:
        """The name a reviewer reads."""
        return self.title or self.name.replace("_", " ").capitalize()

    def annotation(self) -> tuple[Any, Any]:
        """The pydantic annotation and default of this field."""
        choice: Any = Literal.__getitem__(self.labels) if self.labels else None
        if self.type == "label":
            return choice, ...
        if self.type == "multilabel":
            return Annotated[list[choice], ModelField(max_length=len(self.labels))], ...
        text = Annotated[
            str, ModelField(min_length=self.min_chars if self.required else 0, max_length=self.max_chars)
        ]
        return (text, ...) if self.required else (text, "")

    # -- the one text of a value ---------------------------------------------------------------------

    @property
    def is_text(self) -> bool:
        """Whether its values are held, shown and corrected as a text: all but labels."""
        return not self.labels

    def content(self, value: Any) -> Any:
        """The value as an example holds it: a `json` or `chat` value as its one text, others unchanged.

        Raises:
            InputError: It is no such value, or does not fit the schema.
        """
        if self.type not in ("json", "chat"):
            return value
        if isinstance(value, str) and len(value) > MOST_PARSED * self.max_chars:
            raise InputError(f"{len(value)} characters; at most {self.max_chars} are allowed")
        if self.type == "json":
            read = read_json(value if isinstance(value, str) else json_text(value))
            check(self.json_schema, read)
            return json_text(read)
        if isinstance(value, str):
            return transcript(messages_of(value))
        if not isinstance(value, list):
            raise InputError(f"a list of messages is needed, found {type(value).__name__}")
        return transcript(value)

    def value(self, content: Any) -> Any:
        """What a held text stands for: the JSON value or the list of messages; others unchanged."""
        if self.type == "json" and isinstance(content, str) and content:
            return read_json(content)
        return (
            messages_of(content) if self.type == "chat" and isinstance(content, str) and content else content
        )

    def texts(self, content: Any) -> list[str]:
        """The texts that somebody wrote in a value: those in JSON, those of a chat's turns; none for labels.

        Also of what is no such value (any more): whoever looks for something must find it there.
        """
        if self.labels:
            return []
        if self.type == "text" and isinstance(content, str):
            return [content] if content else []
        try:
            found = self.value(content)
        except InputError:
            found = content
        if self.type == "chat" and found is not content:
            return [message["content"] for message in found]
        return [text for text in leaves(found) if text]

    @property
    def answer_schema(self) -> dict[str, Any]:
        """JSON schema of a value in a model's answer; see `Task.json_schema`."""
        if self.type == "label":
            return {"type": "string", "enum": list(self.labels)}
        if self.type == "multilabel":
            items = {"type": "string", "enum": list(self.labels)}
            return {"type": "array", "items": items, "maxItems": len(self.labels)}
        if self.type == "json":
            return self.json_schema
        if self.type == "chat":
            said = {
                "role": {"type": "string", "enum": ["system", "user", "assistant"]},
                "content": {"type": "string"},
            }
            turn = {
                "type": "object",
                "properties": said,
                "required": list(said),
                "additionalProperties": False,
            }
            return {"type": "array", "items": turn, "minItems": 2, "maxItems": MOST_TURNS}
        return {"type": "string", "maxLength": self.max_chars}

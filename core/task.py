"""The Task: what an example is, said once.

From the one Task come the pydantic model of an example, the JSON schema for vLLM's structured output, the
fields and questions a reviewer sees, the rows a trainer reads and the scorer of an evaluation. A user
declares it in `seedgate.toml` (`[task]`) or as an annotated pydantic class (`Task.from_class`).
"""

from __future__ import annotations

import difflib
import re
import types
import typing
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic import Field as ModelField

from seedgate.canonical import content_hash, normalise
from seedgate.errors import ConfigError, InputError

__all__ = ["Field", "FieldType", "Input", "Output", "Preset", "Role", "Task", "fill"]

Role = Literal["input", "output"]
"""`input`: what a user of the trained model writes. `output`: what the model must answer."""

FieldType = Literal["text", "label", "multilabel", "json", "chat"]
"""`text`: a string. `label`: one of `labels`. `multilabel`: a list of them. `json`, `chat`: reserved."""

Preset = Literal["classification", "instruction"]
"""A ready Task shape that `seedgate.toml` completes."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
SUPPORTED_TYPES = ("text", "label", "multilabel")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replaces `{name}` in one pass; what comes from `values` is never itself read as a template.

    >>> fill("Say {a}", {"a": "{b}", "b": "no"})
    'Say {b}'
    """
    return _PLACEHOLDER.sub(lambda m: values.get(m.group(1), m.group(0)), template)


class Field(BaseModel):
    """One field of an example.

    Attributes:
        name: Identifier: a lower-case letter, then letters, digits or `_`; 40 characters at most.
        labels: The allowed values of a `label` or `multilabel` field, in the order reviewers see them.
        label_help: What each label means, for prompts and reviewers.
        min_chars, max_chars: Bounds on a `text` field's length in characters.
        required: Whether a `text` field may be empty (then it may also be left out of a row).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        if self.type not in SUPPORTED_TYPES:
            raise ValueError(
                f"field {self.name!r}: type {self.type!r} is not supported yet; use text or label"
            )
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
            alike = [label for label, n in Counter(map(_plain, self.labels)).items() if n > 1]
            if alike:
                raise ValueError(f"field {self.name!r}: two labels read {alike[0]!r}")
        elif self.labels:
            raise ValueError(f"field {self.name!r}: labels are for label and multilabel fields")
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


class _RoleMark:
    """Marks a field of a user's pydantic class: `Annotated[str, Input]`, `Annotated[str, Output]`."""

    def __init__(self, role: Role) -> None:
        self.role = role


Input = _RoleMark("input")
Output = _RoleMark("output")


class Task(BaseModel):
    """A specialised task; see the module's text.

    Attributes:
        name: Short name, used in file and Argilla names.
        instructions: What the trained model is to do, in a sentence or two; opens the generation prompts.
        audience: What a text of the first input field is, in the plural ("messages that customers
            wrote"), for the numbered-list prompts of small models.
        prompt_template, completion_template: How an example becomes a training row, with `{field}` for a
            field's value and `{labels}` for the comma-separated labels of the first label field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    preset: Preset | None = None
    instructions: str
    audience: str = "texts"
    fields: tuple[Field, ...]
    prompt_template: str
    completion_template: str

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
            raise ValueError(f"task name {name!r} must be lower-case letters, digits and hyphens, 40 at most")
        return name

    @model_validator(mode="after")
    def _shape(self) -> Task:
        names = [field.name for field in self.fields]
        if len(set(names)) != len(names):
            raise ValueError("two fields have the same name")
        if not self.inputs or not self.outputs:
            raise ValueError("a task needs at least one input and one output field")
        for where in ("prompt_template", "completion_template"):
            unknown = set(_PLACEHOLDER.findall(getattr(self, where))) - set(names) - {"labels"}
            if unknown:
                raise ValueError(f"{where} names {{{sorted(unknown)[0]}}}, which is no field of the task")
        asked = set(_PLACEHOLDER.findall(self.prompt_template))
        leaked = asked & {field.name for field in self.outputs}
        if leaked:
            raise ValueError(f"prompt_template gives away the output field {sorted(leaked)[0]!r}")
        return self

    # -- parts ---------------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[Field, ...]:
        """The input fields, in order."""
        return tuple(field for field in self.fields if field.role == "input")

    @property
    def outputs(self) -> tuple[Field, ...]:
        """The output fields, in order."""
        return tuple(field for field in self.fields if field.role == "output")

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def label_field(self) -> Field | None:
        """The first output field of type `label`, if any: what generation is spread over."""
        return next((field for field in self.outputs if field.type == "label"), None)

    @property
    def hash(self) -> str:
        """Hash of the declaration; a changed task opens a new round of review."""
        return content_hash(self.model_dump(mode="json"))

    # -- the example model ---------------------------------------------------------------------------

    @cached_property
    def example_model(self) -> type[BaseModel]:
        """The strict pydantic model of an example's fields.

        A field called like a method of pydantic (`json`, `copy`) has its name in capitals there, as an alias.
        """
        shape: dict[str, Any] = {}
        for field in self.fields:
            annotation, default = field.annotation()
            attribute = field.name.upper() if hasattr(BaseModel, field.name) else field.name
            shape[attribute] = (annotation, ModelField(default, alias=field.name))
        config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())
        model: type[BaseModel] = create_model("ExampleFields", __config__=config, **shape)
        return model

    def validate_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields, checked against the model, with defaults filled in and strings in NFC.

        Raises:
            InputError: Names the field, what was found, and the values or bounds that are allowed.
        """
        try:
            model = self.example_model.model_validate(normalise(fields))
        except ValidationError as error:
            raise InputError(self._explain(error)) from None
        out = model.model_dump(mode="json", by_alias=True)
        for field in self.fields:
            if field.type == "multilabel":
                out[field.name] = _as_set(field, out[field.name])
        return out

    def _explain(self, error: ValidationError) -> str:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "the row"
        found = repr(first.get("input"))
        found = found if len(found) <= 60 else found[:57] + "..."
        if first["type"] == "missing":
            return f"field {name!r} is missing"
        if first["type"] == "extra_forbidden":
            return f"unknown field {name!r} (the task has: {', '.join(f.name for f in self.fields)})"
        if first["type"] == "literal_error":
            labels = self.field(name).labels
            shown = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
            return f"field {name!r}: unknown label {found} (known: {shown})"
        if first["type"] == "string_too_long":
            size = len(str(first["input"]))
            return f"field {name!r} has {size} characters; at most {self.field(name).max_chars} are allowed"
        if first["type"] == "string_too_short":
            size = len(str(first["input"]))
            return f"field {name!r} has {size} characters; at least {self.field(name).min_chars} are needed"
        return f"field {name!r}: {first['msg'].lower()}, found {found}"

    def json_schema(self, *, fixed: Sequence[str] = ()) -> dict[str, Any]:
        """JSON schema of an answer that gives every field not in `fixed`, for structured output.

        Only keywords that vLLM's grammar back ends support are used; lengths are checked again by
        `validate_fields`, since an answer is never trusted to have followed the grammar.
        """
        properties: dict[str, Any] = {}
        for field in self.fields:
            if field.name in fixed:
                continue
            if field.type == "label":
                properties[field.name] = {"type": "string", "enum": list(field.labels)}
            elif field.type == "multilabel":
                items = {"type": "string", "enum": list(field.labels)}
                properties[field.name] = {"type": "array", "items": items, "maxItems": len(field.labels)}
            else:
                properties[field.name] = {"type": "string", "maxLength": field.max_chars}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    # -- training and evaluation ---------------------------------------------------------------------

    def _values(self, fields: Mapping[str, Any]) -> dict[str, str]:
        values = {
            name: ", ".join(value) if isinstance(value, list) else str(value)
            for name, value in fields.items()
        }
        label = self.label_field
        if label is not None:
            values.setdefault("labels", ", ".join(label.labels))
        return values

    def prompt(self, fields: Mapping[str, Any]) -> str:
        """The prompt that the trained model gets: `prompt_template`, filled from the input fields."""
        given = {field.name: fields.get(field.name, "") for field in self.inputs}
        return fill(self.prompt_template, self._values(given)).strip()

    def completion(self, fields: Mapping[str, Any]) -> str:
        """The answer that the model is trained to give."""
        return fill(self.completion_template, self._values(fields)).strip()

    def training_rows(self, fields: Mapping[str, Any]) -> list[dict[str, list[dict[str, str]]]]:
        """Conversational prompt/completion rows, as TRL reads them, one per assistant turn.

        Each row is `{"prompt": [{"role", "content"}], "completion": [{"role", "content"}]}`.
        """
        return [
            {
                "prompt": [{"role": "user", "content": self.prompt(fields)}],
                "completion": [{"role": "assistant", "content": self.completion(fields)}],
            }
        ]

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The possible answers, if the output is a single label and nothing else."""
        label = self.label_field
        if label is None or len(self.outputs) > 1:
            return None
        return tuple(self.completion({label.name: value}) for value in label.labels)

    @property
    def metric(self) -> Literal["accuracy", "token_f1"]:
        """What `score` measures: exact match of a label, or token overlap of free text."""
        return "accuracy" if self.choices else "token_f1"

    def score(self, expected: Mapping[str, Any], answer: str) -> float:
        """How right `answer` is, from 0 to 1, for an example whose fields are `expected`.

        A label is right or wrong, after trimming space, case and a final full stop. Free text gets the
        token-level F1 of SQuAD (Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250).
        """
        want, got = self.completion(expected), answer.strip()
        if self.metric == "accuracy":
            return float(_plain(want) == _plain(got))
        return _token_f1(want, got)

    # -- making one ----------------------------------------------------------------------------------

    @classmethod
    def from_config(cls, table: Mapping[str, Any]) -> Task:
        """The Task of a `[task]` table: a preset completed by the table, or all of it.

        Raises:
            ConfigError: Says which key is wrong.
        """
        data = dict(table)
        preset = data.get("preset")
        if preset is not None:
            data = _complete_preset(str(preset), data)
        return _checked(data)

    @classmethod
    def from_class(cls, model: type[BaseModel], *, name: str, **settings: Any) -> Task:
        """The Task of an annotated pydantic class.

        `str` becomes a text field, `Literal[...]` a label, `list[Literal[...]]` a multilabel. Mark roles
        with `Annotated[..., Input]` and `Annotated[..., Output]`; the class's docstring is the
        instructions unless `instructions` is given.

        >>> class Ticket(BaseModel):
        ...     "Name the topic of a ticket."
        ...     text: Annotated[str, Input]
        ...     topic: Annotated[Literal["bug", "billing"], Output]
        >>> Task.from_class(Ticket, name="tickets").choices
        ('bug', 'billing')
        """
        fields = [_field_of(key, info) for key, info in model.model_fields.items()]
        inputs = [field["name"] for field in fields if field["role"] == "input"]
        outputs = [field["name"] for field in fields if field["role"] == "output"]
        data: dict[str, Any] = {
            "name": name,
            "instructions": (model.__doc__ or "").strip(),
            "fields": fields,
            "prompt_template": "\n".join(f"{key}: {{{key}}}" for key in inputs),
            "completion_template": "\n".join(f"{{{key}}}" for key in outputs),
        }
        return _checked(data | settings)


def _plain(text: str) -> str:
    return text.strip().rstrip(".").strip().casefold()


def _as_set(field: Field, labels: Sequence[str]) -> list[str]:
    """The labels in the order of the declaration, so that the same set is the same content."""
    if len(set(labels)) < len(labels):
        raise InputError(f"field {field.name!r}: a label is given twice in {list(labels)}")
    return sorted(labels, key=field.labels.index)


def _token_f1(want: str, got: str) -> float:
    expected, given = want.casefold().split(), got.casefold().split()
    common = sum((Counter(expected) & Counter(given)).values())
    if not common:
        return float(expected == given)
    precision, recall = common / len(given), common / len(expected)
    return 2 * precision * recall / (precision + recall)


def _checked(data: Mapping[str, Any]) -> Task:
    try:
        return Task.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # An unknown key first: what seems missing elsewhere may just be misspelt.
        first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"[task] unknown key {where!r}: {_near_key(first['loc'])}") from None
        if first["type"] == "missing":
            raise ConfigError(f"[task] key {where!r} is missing") from None
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"[task]{' ' + where if where else ''}: {message}") from None


def _near_key(place: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = Task if len(place) == 1 else Field
    known = [*model.model_fields, *(("labels", "max_chars", "class") if model is Task else ())]
    near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _complete_preset(preset: str, data: dict[str, Any]) -> dict[str, Any]:
    if preset == "classification":
        labels = data.pop("labels", ())
        text = {"name": "text", "role": "input", "max_chars": data.pop("max_chars", 600)}
        return {
            "fields": [text, {"name": "label", "role": "output", "type": "label", "labels": labels}],
            "instructions": "Name the topic of the text.",
            "prompt_template": "{text}",
            "completion_template": "{label}",
        } | data
    if preset == "instruction":
        limit = data.pop("max_chars", 4000)
        return {
            "fields": [
                {"name": "instruction", "role": "input", "max_chars": limit},
                {"name": "input", "role": "input", "max_chars": limit, "min_chars": 0, "required": False},
                {"name": "output", "role": "output", "max_chars": limit},
            ],
            "instructions": "Follow the instruction.",
            "audience": "instructions",
            "prompt_template": "{instruction}\n\n{input}",
            "completion_template": "{output}",
        } | data
    raise ConfigError(f"[task] preset {preset!r} is unknown: use one of {', '.join(typing.get_args(Preset))}")


def _field_of(name: str, info: Any) -> dict[str, Any]:
    marks = [mark.role for mark in info.metadata if isinstance(mark, _RoleMark)]
    if len(marks) != 1:
        raise ConfigError(f"field {name!r}: mark it with exactly one of Annotated[..., Input] or Output")
    out: dict[str, Any] = {"name": name, "role": marks[0], "description": info.description or ""}
    for rule in info.metadata:
        for ours, theirs in (("min_chars", "min_length"), ("max_chars", "max_length")):
            if getattr(rule, theirs, None) is not None:
                out[ours] = getattr(rule, theirs)
    kind, origin = info.annotation, typing.get_origin(info.annotation)
    if kind is str:
        return (
            out
            | {"type": "text", "required": info.is_required()}
            | ({} if info.is_required() else {"min_chars": 0})
        )
    if origin is Literal:
        return out | {"type": "label", "labels": typing.get_args(kind)}
    if origin is list and typing.get_origin(typing.get_args(kind)[0]) is Literal:
        return out | {"type": "multilabel", "labels": typing.get_args(typing.get_args(kind)[0])}
    shown = kind if isinstance(kind, types.GenericAlias) else getattr(kind, "__name__", kind)
    raise ConfigError(
        f"field {name!r}: {shown} is not supported; use str, Literal[...] or list[Literal[...]]"
    )

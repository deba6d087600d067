"""The Task: what an example is, said once.

From the one Task come the pydantic model of an example, the JSON schema for vLLM's structured output, the
fields and questions a reviewer sees, the rows a trainer reads and the scorer of an evaluation. A user
declares it in `seedgate.toml` (`[task]`) or as an annotated pydantic class (`Task.from_class`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

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
from seedgate.errors import InputError
from seedgate.faults import row_fault, task_fault
from seedgate.fields import Field, FieldType, Role, plain_answer
from seedgate.presets import Input, Output, Preset, complete_preset, field_of
from seedgate.scoring import Metric, leaf_f1, same_json, token_f1
from seedgate.shown import Message, read_json

__all__ = ["Field", "FieldType", "Input", "Output", "Preset", "Role", "Task", "fill"]

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
TrainingRow = dict[str, list[Message]]
"""`{"prompt": messages, "completion": messages}`, as TRL reads it."""


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replaces `{name}` in one pass; what comes from `values` is never itself read as a template.

    >>> fill("Say {a}", {"a": "{b}", "b": "no"})
    'Say {b}'
    """
    return _PLACEHOLDER.sub(lambda m: values.get(m.group(1), m.group(0)), template)


class Task(BaseModel):
    """A specialised task; see the module's text.

    Attributes:
        name: Short name, used in file and Argilla names.
        instructions: What the trained model is to do, in a sentence or two; opens the generation prompts.
        audience: What a text of the first input field is, in the plural ("messages that customers
            wrote"), for the numbered-list prompts of small models.
        prompt_template, completion_template: How an example becomes a training row, with `{field}` for a
            field's value and `{labels}` for the comma-separated labels of the first label field. A chat has
            none: its messages are the prompt and the completion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    preset: Preset | None = None
    instructions: str
    audience: str = "texts"
    fields: tuple[Field, ...]
    prompt_template: str = ""
    completion_template: str = ""

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
        if any(field.type == "chat" for field in self.fields):
            if len(self.fields) > 1 or self.prompt_template or self.completion_template:
                raise ValueError(
                    "a chat is a task's only field, and its own prompt and completion: leave templates out"
                )
            return self
        if not self.inputs or not self.outputs:
            raise ValueError("a task needs at least one input and one output field")
        empty = [
            name for name in ("prompt_template", "completion_template") if not getattr(self, name).strip()
        ]
        if empty:
            raise ValueError(f"key {empty[0]!r} is missing")
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

    @cached_property
    def inputs(self) -> tuple[Field, ...]:
        """The input fields, in order."""
        return tuple(field for field in self.fields if field.role == "input")

    @cached_property
    def outputs(self) -> tuple[Field, ...]:
        """The output fields, in order."""
        return tuple(field for field in self.fields if field.role == "output")

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @cached_property
    def label_field(self) -> Field | None:
        """The first output field of type `label`, if any: what generation is spread over."""
        return next((field for field in self.outputs if field.type == "label"), None)

    @cached_property
    def chat_field(self) -> Field | None:
        """The field of type `chat`, if the task is one of chats; then it is the only one."""
        return next((field for field in self.fields if field.type == "chat"), None)

    @property
    def json_output(self) -> Field | None:
        """The output field of type `json`, if the answer is that and nothing else."""
        first = self.outputs[0]
        alone = len(self.outputs) == 1 and self.completion_template.strip() == f"{{{first.name}}}"
        return first if alone and first.type == "json" else None

    def texts(self, fields: Mapping[str, Any]) -> Iterator[tuple[Field, str]]:
        """Every text that somebody wrote in an example, with its field: labels aside, a chat turn by turn."""
        for field in self.fields:
            for text in field.texts(fields.get(field.name)):
                yield field, text

    @property
    def hash(self) -> str:
        """Hash of the declaration; a changed task opens a new round of review."""
        data = self.model_dump(mode="json")
        for field in data["fields"]:
            if not field["json_schema"]:  # a task that has none keeps the hash that its rounds are bound to
                del field["json_schema"]
        return content_hash(data)

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
        given = dict(fields)
        for field in self.fields:
            if field.name in given:
                given[field.name] = self._content(field, given[field.name])
        try:
            model = self.example_model.model_validate(normalise(given))
        except ValidationError as error:
            raise InputError(row_fault(self.fields, error)) from error
        out = model.model_dump(mode="json", by_alias=True)
        for field in self.fields:
            if field.type == "multilabel":
                out[field.name] = _as_set(field, out[field.name])
        return out

    @staticmethod
    def _content(field: Field, value: Any) -> Any:
        try:
            return field.content(value)
        except InputError as error:
            raise InputError(f"field {field.name!r}: {error.message}", hint=error.hint) from None

    def json_schema(self, *, fixed: Sequence[str] = ()) -> dict[str, Any]:
        """JSON schema of an answer that gives every field not in `fixed`, for structured output.

        Only keywords that vLLM's grammar back ends support are used; lengths are checked again by
        `validate_fields`, since an answer is never trusted to have followed the grammar.
        """
        properties = {field.name: field.answer_schema for field in self.fields if field.name not in fixed}
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
        for field in self.fields:
            if field.type == "json" and values.get(field.name):
                # On one line: the line ends and spaces that people read by are tokens to learn and to wait for.
                values[field.name] = json.dumps(
                    field.value(values[field.name]), ensure_ascii=False, sort_keys=True
                )
        label = self.label_field
        if label is not None:
            values.setdefault("labels", ", ".join(label.labels))
        return values

    def messages(self, fields: Mapping[str, Any]) -> list[Message]:
        """An example as messages, the answer last: a chat's own, else the filled templates."""
        if self.chat_field is not None:
            return list(self.chat_field.value(fields[self.chat_field.name]))
        return [
            {"role": "user", "content": self.prompt(fields)},
            {"role": "assistant", "content": self.completion(fields)},
        ]

    def prompt(self, fields: Mapping[str, Any]) -> str:
        """The prompt that the trained model gets, as one text: `prompt_template`, filled from the input fields.

        For a chat, the transcript up to the last answer.
        """
        if self.chat_field is not None:
            return str(fields[self.chat_field.name]).rpartition("\nAssistant:")[0]
        given = {field.name: fields.get(field.name, "") for field in self.inputs}
        return fill(self.prompt_template, self._values(given)).strip()

    def completion(self, fields: Mapping[str, Any]) -> str:
        """The answer that the model is trained to give; the last one of a chat."""
        if self.chat_field is not None:
            return self.messages(fields)[-1]["content"].strip()
        return fill(self.completion_template, self._values(fields)).strip()

    def training_rows(self, fields: Mapping[str, Any]) -> list[TrainingRow]:
        """Conversational prompt/completion rows, as TRL reads them, one per assistant turn.

        A row for each, since the loss is on the last turn of a row alone.
        """
        messages = self.messages(fields)
        return [
            {"prompt": messages[:at], "completion": [message]}
            for at, message in enumerate(messages)
            if message["role"] == "assistant"
        ]

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The possible answers, if the output is a single label and nothing else."""
        label = self.label_field
        if label is None or len(self.outputs) > 1:
            return None
        return tuple(self.completion({label.name: value}) for value in label.labels)

    @property
    def metric(self) -> Metric:
        """What `score` measures: exact match of a label, agreement of JSON, or token overlap of free text."""
        return "accuracy" if self.choices else "field_f1" if self.json_output else "token_f1"

    def score(self, expected: Mapping[str, Any], answer: str) -> float:
        """How right `answer` is, from 0 to 1, for an example whose fields are `expected`.

        A label is right or wrong, after trimming space, case and a final full stop. JSON gets the F1 of its values,
        each at its place; an answer that is no JSON gets 0. Free text gets the token-level F1 of SQuAD
        (Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250), as does the last turn of a chat.
        """
        want, got = self.completion(expected), answer.strip()
        if self.metric == "accuracy":
            return float(plain_answer(want) == plain_answer(got))
        if self.json_output is not None:
            return leaf_f1(read_json(str(expected[self.json_output.name])), got)
        return token_f1(want, got)

    def exact(self, expected: Mapping[str, Any], answer: str) -> bool:
        """Whether `answer` is just what the example has: the same value, where that is JSON."""
        if self.json_output is not None:
            return same_json(read_json(str(expected[self.json_output.name])), answer)
        return plain_answer(self.completion(expected)) == plain_answer(answer)

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
            data = complete_preset(str(preset), data)
        return _checked(data)

    @classmethod
    def from_class(cls, model: type[BaseModel], *, name: str, **settings: Any) -> Task:
        """The Task of an annotated pydantic class.

        `str` becomes a text field, `Literal[...]` a label, `list[Literal[...]]` a multilabel, another pydantic
        class (or a list of one) JSON, as are `int`, `float` and `bool`. Mark roles with `Annotated[..., Input]` and
        `Annotated[..., Output]`, or with `json_schema_extra={"role": "input"}`; the class's docstring is the
        instructions unless `instructions` is given.

        >>> class Ticket(BaseModel):  # doctest: +SKIP
        ...     "Name the topic of a ticket."
        ...     text: Annotated[str, Input]
        ...     topic: Annotated[Literal["bug", "billing"], Output]
        >>> Task.from_class(Ticket, name="tickets").choices  # doctest: +SKIP
        ('bug', 'billing')
        """
        fields = [field_of(key, info) for key, info in model.model_fields.items()]
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


def _as_set(field: Field, labels: Sequence[str]) -> list[str]:
    """The labels in the order of the declaration, so that the same set is the same content."""
    if len(set(labels)) < len(labels):
        raise InputError(f"field {field.name!r}: a label is given twice in {list(labels)}")
    return sorted(labels, key=field.labels.index)


def _checked(data: Mapping[str, Any]) -> Task:
    try:
        return Task.model_validate(data)
    except ValidationError as error:
        raise task_fault(error, list(Task.model_fields)) from None

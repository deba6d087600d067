"""The writer: a model that was trained on verified and approved rows to write more of them.

It is trained on the prompts that the strategy `writer` asks it with, so that both are made here, and a writer belongs
to its prompts: one that was trained on others is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedgate.generator.prompts import choose_form
from seedgate.generator.rendering import WRITER, Form
from seedgate.generator.templating import Templates
from seedgate.records import Example
from seedgate.workspace import Workspace

__all__ = ["STRATEGY", "Writer", "WriterFn", "Writing"]

STRATEGY = "writer"


@dataclass(frozen=True, slots=True)
class Writer:
    """A trained model, to be asked by the strategy `writer`.

    Attributes:
        name: The model's, recorded with every candidate of it.
        folder: Its LoRA adapter.
        rank: The adapter's.
        serve: Has the workspace's servers load it for as long as the block runs; gives what they call it.
    """

    name: str
    folder: Path
    rank: int
    serve: Callable[[], AbstractAsyncContextManager[str]]


WriterFn = Callable[[], Writer | None]
"""The newest writer that can be asked, if there is one."""


class Writing:
    """How a workspace asks a writer, and what it is trained on."""

    def __init__(self, ws: Workspace) -> None:
        self._task, self._templates = ws.task, Templates(ws.prompts_dir)
        self._form: Form = choose_form(ws.task, ws.config.generation, ws.config.vllm.model, self._templates)

    @property
    def told(self) -> dict[str, Any]:
        """What a writer depends on besides rows and settings of the training: form, template to its hash, the task."""
        used = [f"{STRATEGY}.{self._form.name}", *(["system.chat"] if self._form.name == "chat" else [])]
        hashes = {name: self._templates.hash(name) for name in used}
        return {"form": self._form.name, "templates": hashes, "task": self._task.hash}

    def rows(self, fields: Iterable[Mapping[str, Any]]) -> list[dict[str, list[dict[str, str]]]]:
        """Conversational prompt/completion rows, as `Task.training_rows` gives them, for the way from label to text."""
        return [self._row(Example(fields=dict(each))) for each in fields]

    def _row(self, example: Example) -> dict[str, list[dict[str, str]]]:
        fixed = {name: example.fields[name] for name in self._form.fixed}
        prompt: Any = self._form.render((), fixed, WRITER).prompt
        answer = {"role": "assistant", "content": self._form.written(example)}
        return {"prompt": [dict(message) for message in prompt], "completion": [answer]}

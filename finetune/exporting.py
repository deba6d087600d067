"""`export`: a release in the forms that other trainers read, and preference pairs for DPO.

Only what `verify_release` lets through is exported (G10). An export is a copy: recalls and redactions do not
reach it, so each line keeps the row's id, by which it can be found.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from seedgate.errors import InputError
from seedgate.files import atomic_write, os_errors
from seedgate.finetune.records import ManifestRow
from seedgate.finetune.verifying import VerifiedRelease, newest_release, verified_release
from seedgate.review import decisions
from seedgate.task import Task
from seedgate.workspace import Workspace

__all__ = ["ExportFormat", "Exported", "export", "preference_pairs"]

ExportFormat = Literal["alpaca", "sharegpt", "openai", "preferences"]
"""`alpaca`: instruction, input, output. `sharegpt`: conversations of human and gpt. `openai`: messages of user
and assistant, all turns of a chat. `preferences`: prompt, chosen, rejected, as TRL's DPOTrainer reads them."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """What was exported. `rows`: lines in the file; `left_out`: rows of the release that gave none."""

    release: str
    format: ExportFormat
    path: Path
    rows: int
    left_out: int = 0

    def __str__(self) -> str:
        out = f" ({self.left_out} rows of the release have no counterpart)" if self.left_out else ""
        return f"{self.path}: {self.rows} rows of {self.release} as {self.format}{out}"


def export(
    ws: Workspace, name: str | None = None, *, format: ExportFormat, out: Path | None = None
) -> Exported:
    """Writes a verified release as JSON lines.

    Args:
        ws: The workspace.
        name: The release; the newest if not given.
        format: See `ExportFormat`.
        out: The file, which must not be there yet; `NAME-FORMAT.jsonl` in the current folder if not given.

    Raises:
        RefusedError: The release does not verify, or rows of it were recalled.
        InputError: The file is there already, or there is nothing to write.
    """
    if format not in get_args(ExportFormat):
        raise InputError(f"format {format!r}", hint=f"choose one of {', '.join(get_args(ExportFormat))}")
    verified = verified_release(ws, name or newest_release(ws))
    release = verified.manifest.name
    path = out or Path(f"{release}-{format}.jsonl")
    if path.exists():
        raise InputError(f"{path}: is there already", hint="name another file with --out, or remove it")
    given = list(zip(verified.manifest.rows, verified.fields, strict=True))
    if format == "preferences":
        rows = list(preference_pairs(ws, verified))
        if not rows:
            raise InputError(
                f"release {release}: no pairs: no reviewer corrected an answer or rejected one of two to the same input"
            )
    else:
        rows = [_FORMS[format](ws.task, fields) | _origin(row) for row, fields in given]
    with os_errors(path, "exporting"), atomic_write(path) as file:
        for row in rows:
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    used = {row["id"] for row in rows}
    return Exported(release, format, path, len(rows), sum(row.id not in used for row, _ in given))


def _origin(row: ManifestRow) -> Row:
    """What leads from a line back to the ledger, and that a program approved it, if so."""
    return {"id": row.id} | ({"simulated": True} if row.simulated else {})


def _alpaca(task: Task, fields: Mapping[str, Any]) -> Row:
    if task.chat_field is not None:
        raise InputError("a chat has no form in alpaca", hint="use --format sharegpt or openai")
    if {"instruction", "input", "output"} <= fields.keys():
        return {name: fields[name] for name in ("instruction", "input", "output")}
    given = (str(fields[field.name]) for field in task.inputs if fields.get(field.name))
    return {"instruction": task.instructions, "input": "\n\n".join(given), "output": task.completion(fields)}


def _sharegpt(task: Task, fields: Mapping[str, Any]) -> Row:
    who = {"user": "human", "assistant": "gpt"}
    said = task.messages(fields)
    return {"conversations": [{"from": who.get(m["role"], m["role"]), "value": m["content"]} for m in said]}


def _openai(task: Task, fields: Mapping[str, Any]) -> Row:
    return {"messages": task.messages(fields)}


_FORMS: dict[str, Callable[[Task, Mapping[str, Any]], Row]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "openai": _openai,
}


def preference_pairs(ws: Workspace, verified: VerifiedRelease) -> Iterator[Row]:
    """Pairs of answers to the same prompt, the released one chosen and one that reviewers refused rejected.

    `why` is `edited` where a reviewer corrected the one into the other, else `rejected`. A correction of the
    question gives no pair: the two answers belong to different prompts.
    """
    task = ws.task
    refused = _refused(ws)
    for row, fields in zip(verified.manifest.rows, verified.fields, strict=True):
        training = task.training_rows(fields)[-1]
        answer = task.completion(fields)
        for id_, other in refused[task.prompt(fields)]:
            if task.completion(other) == answer:
                continue
            pair = {
                "prompt": training["prompt"],
                "chosen": training["completion"],
                "rejected": task.training_rows(other)[-1]["completion"],
                "why": "edited" if row.edited_from == id_ else "rejected",
                "rejected_id": id_,
            }
            yield pair | _origin(row)


def _refused(ws: Workspace) -> Mapping[str, list[tuple[str, Row]]]:
    """Prompt to the candidates with it that reviewers refused: id and fields."""
    ids = [id_ for id_, decision in decisions(ws).items() if decision.outcome == "rejected"]
    found: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    bodies = ws.ledger.bodies(ids)
    for id_, fields in ((id_, bodies[id_]) for id_ in ids if id_ in bodies):
        if not {field.name for field in ws.task.fields if field.required} - fields.keys():
            found[ws.task.prompt(fields)].append((id_, fields))
    return found

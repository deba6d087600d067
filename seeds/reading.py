"""Examples out of any source, each checked against the Task, with one clear line per problem."""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from seedgate.errors import InputError
from seedgate.records import Example
from seedgate.seeds.columns import ANSWER, ASKED, standing_for
from seedgate.seeds.rows import Problem, RawRow
from seedgate.seeds.sources import open_source
from seedgate.shown import read_json
from seedgate.task import Field, Task

__all__ = ["ColumnUse", "Progress", "column_uses", "read_examples"]

Progress = Callable[[int, int, str], None]
"""Told (done, total, note) from time to time; total is 0 where it isn't known beforehand."""

MAX_PROBLEMS = 20
_TOLD_EVERY = 2000


def read_examples(
    source: str,
    task: Task,
    *,
    mapping: Mapping[str, str] | None = None,
    split: str = "train",
    tags_column: str = "tags",
    on_progress: Progress | None = None,
) -> list[Example]:
    """The examples of a file, a folder saved by `datasets`, or a dataset of the hub.

    Args:
        source: A .jsonl, .ndjson, .json, .csv, .tsv or .parquet file, a folder, or a hub name.
        task: What a row must look like.
        mapping: Source column to the task field it holds, or to "" for a column to drop.
        split: Which split of a dataset.
        tags_column: The column with tags (a list; in CSV separated by semicolons), if there is one.
        on_progress: Told how many rows were read.

    Returns:
        At least one example, in the source's order, no two with the same content. `Example.source` is
        `name:line` (`name:row` for tables and datasets; a table's header is row 1).

    Raises:
        InputError: Says what is wrong and where, for the first problem, and where the next ones are.
    """
    columns = _Columns(task, mapping or {}, tags_column)
    examples: dict[str, Example] = {}
    problems: list[Problem] = []
    count = 0
    try:
        for count, row in enumerate(open_source(source, split=split, chat=_chat(task)), 1):
            problem = _take(row, columns, examples)
            if problem is not None:
                problems.append(problem)
            if len(problems) == MAX_PROBLEMS:
                break
            if on_progress and count % _TOLD_EVERY == 0:
                on_progress(count, 0, f"reading {source}")
    except InputError:
        # The rest is unreadable; what was wrong before it comes first.
        if not problems:
            raise
    if problems:
        raise InputError(_summary(problems))
    if not examples:
        raise InputError(f"{source}: holds no rows", hint="give at least one example")
    columns.all_seen(source)
    if on_progress:
        on_progress(count, count, f"read {source}")
    return list(examples.values())


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What becomes of a column. `field`: a field of the task, `tags`, or "" if it is left out."""

    column: str
    field: str
    first: str


def column_uses(
    source: str,
    task: Task,
    *,
    mapping: Mapping[str, str] | None = None,
    split: str = "train",
    tags_column: str = "tags",
) -> list[ColumnUse]:
    """Each column of the first row: what becomes of it, and its first value.

    Args: as for `read_examples`, which says whether the rows fit.
    """
    columns = _Columns(task, mapping or {}, tags_column)
    rows = open_source(source, split=split, chat=_chat(task))
    row = next((row for row in rows if isinstance(row, RawRow)), None)
    given = row.values if row is not None else {}
    return [ColumnUse(name, columns.target(name, given), _shown(str(value))) for name, value in given.items()]


def _chat(task: Task) -> str | None:
    return task.chat_field.name if task.chat_field else None


def _take(row: RawRow | Problem, columns: _Columns, examples: dict[str, Example]) -> Problem | None:
    """Adds the row's example to `examples`, or says why not."""
    if isinstance(row, Problem):
        return row
    try:
        example = _example(row, columns)
    except InputError as error:
        return Problem(row.place, str(error))
    earlier = examples.setdefault(example.id, example)
    if earlier is not example:
        return Problem(row.place, f"the same content as {earlier.source}: remove one of them")
    return None


def _summary(problems: list[Problem]) -> str:
    first, *others = problems
    text = f"{first.place}: {first.what}"
    if not others:
        return text
    lines = ", ".join(problem.place.rpartition(":")[2] for problem in others)
    if len(problems) == MAX_PROBLEMS:
        lines += " and perhaps later"
    word = "line" if len(others) == 1 else "lines"
    return f"{text} (and {len(others)} more, at {word} {lines})"


def _example(row: RawRow, columns: _Columns) -> Example:
    fields, tags = columns.split(row)
    checked = columns.task.validate_fields(fields)
    for field in columns.task.fields:
        _readable(field, checked[field.name])
    return Example(fields=checked, tags=tags, source=row.place)


def _readable(field: Field, value: Any) -> None:
    if not isinstance(value, str):
        return
    for at, char in enumerate(value):
        if unicodedata.category(char) == "Cc" and char not in "\n\t":
            raise InputError(
                f"field {field.name!r}: control character U+{ord(char):04X} at position {at + 1}"
            )
    if field.type == "text" and field.required and not value.strip():
        raise InputError(f"field {field.name!r} is blank")


class _Columns:
    """Which column of the source is which field of the task."""

    def __init__(self, task: Task, mapping: Mapping[str, str], tags_column: str) -> None:
        self.task = task
        self._names = [field.name for field in task.fields]
        self._tags_column = tags_column
        self._mapping = dict(mapping)
        self._only = _only_fields(task, self._mapping.values())
        self._unseen = set(mapping)
        targets = [target for target in mapping.values() if target]
        for target in targets:
            if target not in (*self._names, "tags"):
                raise InputError(
                    f"mapping: {target!r} is no field of the task", hint=self._near(target)[1].rstrip(";")
                )
            if targets.count(target) > 1:
                raise InputError(f"mapping: two columns are mapped to {target!r}", hint="keep one of them")

    def split(self, row: RawRow) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The row's fields under the task's names, and its tags."""
        fields: dict[str, Any] = {}
        tags: tuple[str, ...] = ()
        for column, value in row.values.items():
            self._unseen.discard(column)
            target = self.target(column, row.values)
            if not target:
                continue
            if target == "tags":
                tags = _tags(value, row.cells)
            elif target not in self._names:
                raise InputError(f"unknown field '{_shown(column)}'", hint=self._advice(column))
            elif target in fields:
                raise InputError(
                    f"two columns hold the field {target!r}", hint=f"drop one with --map {_shown(column)}="
                )
            else:
                fields[target] = self._value(target, value, row.cells)
        return fields, tags

    def target(self, column: str, columns: Collection[str]) -> str:
        """The field (or `tags`) that a column of a row with these holds; "" if it is dropped."""
        if column in self._mapping:
            return self._mapping[column]
        if column == self._tags_column:
            return "tags"
        if column not in self._names:
            left = [each for each in columns if each not in self._mapping]
            for field, names in self._only.items():
                if column in names and standing_for(field, names, left) == column:
                    return field
        return column

    def all_seen(self, source: str) -> None:
        """InputError for a mapped column that no row had."""
        if self._unseen:
            raise InputError(f"{source}: no row has the mapped column {min(self._unseen)!r}")

    def _value(self, name: str, value: Any, cells: bool) -> Any:
        field = self.task.field(name)
        if value is None and not field.required:
            return ""
        if cells and field.type == "multilabel":
            return _list(value)
        if cells and field.type == "chat" and isinstance(value, str) and value.lstrip().startswith("["):
            return read_json(value)
        return value

    def _near(self, name: str) -> tuple[str, str]:
        """The nearest field, "" if none is near, and a sentence that says so."""
        near = difflib.get_close_matches(name, self._names, n=1, cutoff=0.5)
        return (
            (near[0], f"did you mean {near[0]!r}?")
            if near
            else ("", f"the task has: {', '.join(self._names)};")
        )

    def _advice(self, column: str) -> str:
        near, known = self._near(column)
        name = _shown(column)
        return f"{known} rename it with --map {name}={near or 'FIELD'}, or drop it with --map {name}="


def _only_fields(task: Task, mapped: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The only field that is asked and the only one that is answered, to other names of their columns."""
    names = {field.name for field in task.fields}
    asked = [f.name for f in task.fields if f.role == "input" and f.type == "text" and f.required]
    answers = [f.name for f in task.fields if f.role == "output"]
    return {
        fields[0]: tuple(name for name in others if name not in names)
        for fields, others in ((asked, ASKED), (answers, ANSWER))
        if len(fields) == 1 and fields[0] not in mapped
    }


def _shown(name: str) -> str:
    """A name from a file, fit for a message of one line."""
    text = name if name.isprintable() else repr(name)[1:-1]
    return text if len(text) <= 40 else text[:37] + "..."


def _list(cell: str) -> list[str]:
    if cell.lstrip().startswith("["):
        try:
            return [str(item) for item in json.loads(cell)]
        except ValueError:
            pass
    return [part.strip() for part in cell.split(";") if part.strip()]


def _tags(value: Any, cells: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    given = _list(value) if cells else value
    if not isinstance(given, list) or not all(isinstance(tag, str) and tag.strip() for tag in given):
        raise InputError(f"tags must be a list of words, found {str(value)[:60]!r}")
    return tuple(dict.fromkeys(unicodedata.normalize("NFC", tag.strip()) for tag in given))

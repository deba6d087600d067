"""Examples out of any source, each checked against the Task, with one clear line per problem."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seedgate.canonical import strict_loads
from seedgate.errors import InputError
from seedgate.records import Example
from seedgate.seeds.chats import as_text
from seedgate.seeds.columns import ANSWER, ASKED, label_text, standing_for
from seedgate.seeds.rows import Problem, RawRow
from seedgate.seeds.sources import open_source
from seedgate.shown import read_json
from seedgate.task import Field, Task

__all__ = ["ColumnUse", "Progress", "column_uses", "read_baseline", "read_examples"]

Progress = Callable[[int, int, str], None]
"""Told (done, total, note) from time to time; total is 0 where it isn't known beforehand."""

MAX_PROBLEMS = 20
_MOST_NAMED = 8
_TAG_CHARS = 100
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
        mapping: Source column to the task field it holds, or to "" for a column to drop. None where whoever
            asks cannot give one, so that no error speaks of it.
        split: Which split of a dataset.
        tags_column: The column with tags (a list; in CSV separated by semicolons), if there is one.
        on_progress: Told how many rows were read.

    Returns:
        At least one example, in the source's order, no two with the same content. `Example.source` is
        `name:line` (`name:row` for tables and datasets; a table's header is row 1).

    Raises:
        InputError: Says what is wrong and where, for the first problem, and where the next ones are.
    """
    columns = _Columns(task, mapping, tags_column)
    found = _read(source, columns, split, on_progress)
    columns.all_seen(source)
    return found


def read_baseline(
    seeds: str,
    evaluation: str | None,
    task: Task,
    *,
    mapping: Mapping[str, str],
    splits: tuple[str, str] = ("train", "train"),
) -> tuple[list[Example], list[Example]]:
    """The examples of two sources, the second empty if there is none; a mapped column may be in either.

    Args and errors are those of `read_examples`.
    """
    columns = _Columns(task, mapping, "tags")
    found = _read(seeds, columns, splits[0])
    measured = _read(evaluation, columns, splits[1]) if evaluation else []
    columns.all_seen(f"{seeds} and {evaluation}" if evaluation else seeds)
    return found, measured


def _read(source: str, columns: _Columns, split: str, on_progress: Progress | None = None) -> list[Example]:
    examples: dict[str, Example] = {}
    problems: list[Problem] = []
    count = 0
    try:
        for count, row in enumerate(columns.rows(source, split), 1):
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
    columns = _Columns(task, mapping, tags_column)
    row = next((row for row in columns.rows(source, split) if isinstance(row, RawRow)), None)
    given = row.values if row is not None else {}
    return [ColumnUse(name, columns.target(name, given), _shown(str(value))) for name, value in given.items()]


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

    def __init__(self, task: Task, mapping: Mapping[str, str] | None, tags_column: str) -> None:
        self.task = task
        self._names = [field.name for field in task.fields]
        self._tags_column = tags_column
        self._may_map = mapping is not None
        self._mapping = dict(mapping or {})
        self._only = _only_fields(task, self._mapping.values())
        self._unseen = {column for column, target in self._mapping.items() if target}
        targets = [target for target in self._mapping.values() if target]
        for target in targets:
            if target not in (*self._names, "tags"):
                raise InputError(
                    f"mapping: {target!r} is no field of the task", hint=self._near(target)[1].rstrip(";")
                )
            if targets.count(target) > 1:
                raise InputError(f"mapping: two columns are mapped to {target!r}", hint="keep one of them")

    def rows(self, source: str, split: str) -> Iterator[RawRow | Problem]:
        """The rows of a source, as the task and the mapping want them."""
        chat = self.task.chat_field.name if self.task.chat_field else None
        return open_source(source, split=split, chat=chat, mapped=self._mapping)

    def split(self, row: RawRow) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The row's fields under the task's names, and its tags."""
        fields: dict[str, Any] = {}
        tags: tuple[str, ...] = ()
        unknown: list[str] = []
        for column, value in row.values.items():
            self._unseen.discard(column)
            target = self.target(column, row.values)
            if not target:
                continue
            if target == "tags":
                tags = _tags(value, row.cells)
            elif target not in self._names:
                unknown.append(column)
            elif target in fields:
                drop = f"drop one with --map {_shown(column)}=" if self._may_map else "take one out"
                raise InputError(f"two columns hold the field {target!r}", hint=drop)
            else:
                field = self.task.field(target)
                # Only where it was asked for: as an answer, a list of turns is something else than their transcript.
                if column in self._mapping and (field.role, field.type) == ("input", "text"):
                    value = as_text(value)
                fields[target] = _value(field, value, row.cells)
        if unknown:
            names = ", ".join(f"'{_shown(column)}'" for column in unknown[:_MOST_NAMED])
            names += ", ..." if len(unknown) > _MOST_NAMED else ""
            word = "unknown field" if len(unknown) == 1 else "unknown fields"
            raise InputError(f"{word} {names}", hint=self._advice(unknown))
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
        """InputError for a column mapped to a field that no row had; one to be dropped may be missing."""
        if self._unseen:
            raise InputError(f"{source}: no row has the mapped column {min(self._unseen)!r}")

    def _near(self, name: str) -> tuple[str, str]:
        """The nearest field, "" if none is near, and a sentence that says so."""
        near = difflib.get_close_matches(name, self._names, n=1, cutoff=0.5)
        return (
            (near[0], f"did you mean {near[0]!r}?")
            if near
            else ("", f"the task has: {', '.join(self._names)};")
        )

    def _advice(self, unknown: list[str]) -> str:
        if len(unknown) > 1:
            known, near, name, it = f"the task has: {', '.join(self._names)};", "", "NAME", "each"
        else:
            (near, known), name, it = self._near(unknown[0]), _shown(unknown[0]), "it"
        if not self._may_map:
            return f"{known} rename {it} or take {it} out"
        return f"{known} rename {it} with --map {name}={near or 'FIELD'}, or drop {it} with --map {name}="


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


def _value(field: Field, value: Any, cells: bool) -> Any:
    if value is None and not field.required:
        return ""
    if field.type == "label":
        return label_text(value)
    if field.type == "multilabel":
        given = _list(value) if cells else value
        return [label_text(item) for item in given] if isinstance(given, list) else given
    if cells and field.type == "chat" and isinstance(value, str) and value.lstrip().startswith("["):
        return read_json(value)
    return value


def _list(cell: str) -> list[str]:
    if cell.lstrip().startswith("["):
        try:
            return [str(item) for item in strict_loads(cell)]
        except ValueError:
            pass
    return [part.strip() for part in cell.split(";") if part.strip()]


def _tags(value: Any, cells: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    given = _list(value) if cells else value
    if not isinstance(given, list) or not all(isinstance(tag, str) and tag.strip() for tag in given):
        raise InputError(f"tags must be a list of words, found {str(value)[:60]!r}")
    tags = tuple(dict.fromkeys(unicodedata.normalize("NFC", tag.strip()) for tag in given))
    for tag in tags:
        if len(tag) > _TAG_CHARS or any(unicodedata.category(char) == "Cc" for char in tag):
            what = f"{len(tag)} characters" if len(tag) > _TAG_CHARS else "a control character"
            raise InputError(
                f"tag {tag[:40]!r} has {what}",
                hint=f"a tag is a few words, of {_TAG_CHARS} characters at most",
            )
    return tags

"""Raw rows out of files: JSON, JSON lines, CSV, TSV, Parquet, and whatever the `datasets` library opens.

Each source yields `RawRow`s or, for a line that is no row, a `Problem`; both know the place they came from.
What makes the rest unreadable, too, is raised. A row that is a chat has its turns as columns
(seedgate.seeds.chats).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from seedgate.canonical import strict_loads
from seedgate.errors import InputError
from seedgate.seeds.chats import with_messages, with_turns
from seedgate.seeds.columnar import dataset_rows, parquet_rows
from seedgate.seeds.rows import Problem, RawRow

__all__ = ["open_source"]

JSON_LINES = (".jsonl", ".ndjson")
DELIMITED = {".csv": ",", ".tsv": "\t"}
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_JSON_BYTES = 512 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def open_source(
    source: str, *, split: str, chat: str | None = None, mapped: Collection[str] = ()
) -> Iterator[RawRow | Problem]:
    """The rows of a file, a saved dataset's folder, or a dataset of the Hugging Face hub.

    Args:
        source: See `read_examples`, as for `split`.
        chat: The field of the task that holds whole chats, if it has one.
        mapped: Columns of which the caller says what becomes of them, chats or not.

    Raises:
        InputError: There is no such thing, or nothing here reads it.
    """
    if not source.strip():
        raise InputError(
            "the name of a source of examples is empty", hint="give a file, a folder or a dataset"
        )
    rows = _rows(source, Path(source), split)
    if chat is not None:
        return (with_messages(row, chat) for row in rows)
    return (with_turns(row, mapped) for row in rows)


def _rows(source: str, path: Path, split: str) -> Iterator[RawRow | Problem]:
    suffix = path.suffix.lower()
    if path.is_dir() or (not path.exists() and _may_be_hub_name(source, path)):
        return dataset_rows(source, path, split)
    if not path.is_file():
        raise InputError(f"{source}: no such file or folder", hint="check the path")
    if suffix in JSON_LINES:
        return _json_lines(path)
    if suffix == ".json":
        return _json(path)
    if suffix in DELIMITED:
        return _table(path, DELIMITED[suffix])
    if suffix == ".parquet":
        return parquet_rows(path)
    raise InputError(
        f"{source}: a {suffix or 'suffixless'} file is not read",
        hint="give .jsonl (one JSON object per line), .json, .csv, .tsv, .parquet, or a folder saved by `datasets`",
    )


def _may_be_hub_name(source: str, path: Path) -> bool:
    """Whether a name that is no file here can be `dataset` or `owner/dataset`; a mistyped file name cannot."""
    a_file = path.suffix[1:].isalpha() or (path.parent != Path() and path.parent.is_dir())
    return not a_file and _HUB_NAME.fullmatch(source) is not None


# -- text files --------------------------------------------------------------------------------------


def _lines(path: Path, *, most: int = MAX_LINE_BYTES) -> Iterator[tuple[int, str]]:
    """Numbered lines without their line ends, each of fewer than `most` bytes.

    Raises:
        InputError: The file cannot be read, a line is not UTF-8 or has no end.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(most):
                number += 1
                if len(raw) == most:
                    raise InputError(f"{_at(path, number)}: a line of more than {most >> 20} MB")
                yield number, _decoded(path, number, raw)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _at(path: Path, line: int) -> str:
    return f"{path.name}:{line}"


def _decoded(path: Path, number: int, raw: bytes) -> str:
    if number == 1:
        raw = raw.removeprefix(_BOM)
        utf16 = 0 if raw.startswith(_UTF16) else raw.find(b"\0")
        if utf16 >= 0:
            raise InputError(_encoding(path, 1, raw, utf16, "looks like UTF-16"))
    try:
        return raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InputError(_encoding(path, number, raw, error.start, "is not UTF-8")) from None


def _encoding(path: Path, line: int, raw: bytes, at: int, what: str) -> str:
    return f"{_at(path, line)}: byte {at + 1} of the line (0x{raw[at]:02X}) {what}: save the file as UTF-8"


def _json_lines(path: Path) -> Iterator[RawRow | Problem]:
    for number, line in _lines(path):
        place = _at(path, number)
        if not line.strip():
            continue
        try:
            value = strict_loads(line)
        except json.JSONDecodeError as error:
            yield Problem(place, f"malformed JSON at column {error.colno}: {error.msg.lower()}")
            continue
        except ValueError as error:
            yield Problem(place, f"malformed JSON: {error}")
            continue
        yield _object(place, value, "write one JSON object per line")


def _object(place: str, value: Any, advice: str) -> RawRow | Problem:
    if isinstance(value, dict):
        return RawRow(place, value)
    kinds = {list: "an array", str: "a string", type(None): "null", bool: "true or false"}
    return Problem(place, f"{kinds.get(type(value), 'a number')} instead of an object: {advice}")


def _json(path: Path) -> Iterator[RawRow | Problem]:
    """The objects of an array, or of the one array in an object; counted from 1."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise InputError(
            f"{path}: a JSON file of more than {MAX_JSON_BYTES >> 20} MB",
            hint="write it as .jsonl, a row per line",
        )
    text = "\n".join(line for _, line in _lines(path, most=MAX_JSON_BYTES))
    try:
        whole = strict_loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{_at(path, error.lineno)}: malformed JSON at column {error.colno}: {error.msg.lower()}"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: malformed JSON: {error}") from None
    arrays = (
        [value for value in whole.values() if isinstance(value, list)] if isinstance(whole, dict) else [whole]
    )
    if len(arrays) != 1 or not isinstance(arrays[0], list):
        raise InputError(
            f"{path}: holds no array of rows",
            hint="give an array of objects, or .jsonl with an object per line",
        )
    for number, value in enumerate(arrays[0], 1):
        yield _object(f"{path.name}:{number}", value, "give an array of objects")


def _table(path: Path, delimiter: str) -> Iterator[RawRow | Problem]:
    """Rows under a header; places count the header as row 1, as editors and spreadsheets do."""
    csv.field_size_limit(MAX_LINE_BYTES)  # how long a text may be is the task's to say
    lines = (line + "\n" for _, line in _lines(path))
    reader = csv.reader(lines, delimiter=_delimiter(path, delimiter), strict=True)
    header: list[str] | None = None
    row = 0
    try:
        for cells in reader:
            row += 1
            if header is None:
                header = [cell.strip() for cell in cells]
                twice = {name for name in header if header.count(name) > 1}
                if twice:
                    yield Problem(_at(path, row), f"column {min(twice)!r} appears twice in the header")
                    return
            elif not cells:
                continue
            elif len(cells) != len(header):
                yield Problem(_at(path, row), f"{len(cells)} cells, but the header has {len(header)}")
            else:
                yield RawRow(_at(path, row), dict(zip(header, cells, strict=True)), cells=True)
    except csv.Error as error:
        yield Problem(_at(path, row + 1), f"malformed row: {error}")


def _delimiter(path: Path, usual: str) -> str:
    """Spreadsheets of many countries write CSV with semicolons."""
    first = next((line for _, line in _lines(path)), "")
    return ";" if usual == "," and ";" in first and "," not in first else usual

"""Where a row's text is: in which other rows, bodies, releases, files and Argilla records.

The text that is looked for is the longest text field of a row, so that an instruction or a label that many
rows share does not drag all of them along. It is found in other spelling of case and white space, and inside
JSON. What rests on the row by the ledger's word (its raw completion, the texts shown to reviewers, what edits
made of it) is found without looking at any text.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedgate.errors import InputError
from seedgate.ledger import Ledger
from seedgate.seeds import read_examples
from seedgate.seeds.near import fold
from seedgate.task import Task

__all__ = ["Links", "Marks", "examples_in", "files_with", "text_field"]

SHORT = 12
"""Characters below which a text is only found where it stands alone: `yes` is part of everything."""

_CHUNK = 1 << 22


def text_field(task: Task, fields: Mapping[str, Any]) -> str | None:
    """The longest text among an example's fields, labels aside."""
    texts = [
        text
        for each, whole in task.texts(fields)
        # A transcript has a mark between the lines of a turn, its messages have none.
        for text in (whole.split("\n") if each.type == "chat" else [whole])
    ]
    return max(texts, key=len, default="").strip() or None


class Marks:
    """Texts to look for."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(dict.fromkeys(text for text in texts if fold(text)))
        written = {form for text in self.texts for form in _written(text)}
        self._long = [fold(each) for each in written if len(each) >= SHORT]
        self._short = {fold(each) for each in written if len(each) < SHORT}

    def within(self, value: Any) -> bool:
        """Whether any of the texts is in a JSON value."""
        return any(self._in_text(leaf) for leaf in _leaves(value))

    def _in_text(self, leaf: str) -> bool:
        folded = fold(leaf)
        if any(mark in folded for mark in self._long):
            return True
        return bool(self._short) and not self._short.isdisjoint({folded, *map(fold, leaf.splitlines())})

    def patterns(self) -> list[bytes]:
        """What files would hold, for texts long enough to be told from chance."""
        return [form.encode() for text in self.texts if len(text) >= SHORT for form in _written(text)]


def _written(text: str) -> set[str]:
    """A text as it may stand in a file: as it is, within JSON, within HTML."""
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text)}


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)


@dataclass
class Links:
    """What events say belongs to a row, by row id: hashes of bodies; what edits, repairs and controls made of it."""

    rows: set[str] = field(default_factory=set)
    bodies: dict[str, set[str]] = field(default_factory=dict)
    comments: dict[str, set[str]] = field(default_factory=dict)
    made: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, ledger: Ledger) -> Links:
        """One pass over the events that name rows."""
        links, raw = cls(), {}
        kinds = ("seed.added", "request.completed", "candidate.created", "round.opened", "eval.locked")
        for event in ledger.events(*kinds, "control.made", "verdict.recorded", "adjudication.recorded"):
            payload = event.payload
            if event.kind == "request.completed":
                raw[event.subject] = payload["raw_hash"]
                # The prompt of a repair shows the row, and what was said about it.
                _add(links.bodies, payload.get("repairs"), payload.get("prompt_hash"))
            elif event.kind == "eval.locked":
                links.rows.update(payload["ids"])
            elif event.kind == "control.made":
                for source in payload["sources"]:
                    _add(links.made, source, payload["candidate_id"])
            elif event.kind == "round.opened":
                for assignment in payload["assignments"]:
                    _add(links.bodies, assignment["candidate_id"], assignment["shown_hash"])
            elif event.kind in ("seed.added", "candidate.created"):
                links.rows.add(event.subject)
                origin = payload.get("provenance", {})
                _add(links.bodies, event.subject, raw.get(origin.get("request_id")))
                _add(links.made, origin.get("edited_from"), event.subject)
                _add(links.made, origin.get("repaired_from"), event.subject)
            else:
                _add(links.comments, event.subject, payload.get("comment_hash"))
                _add(links.made, event.subject, payload.get("corrected_hash"))
        return links

    def family(self, rows: Iterable[str]) -> set[str]:
        """These rows and all that edits, repairs and controls made of them."""
        found, left = set(), list(rows)
        while left:
            row = left.pop()
            if row not in found:
                found.add(row)
                left += self.made.get(row, ())
        return found


def _add(groups: dict[str, set[str]], row: str | None, digest: str | None) -> None:
    if row and digest:
        groups.setdefault(row, set()).add(digest)


def examples_in(path: Path, task: Task) -> dict[str, tuple[int, dict[str, Any]]]:
    """Rows of `seeds.jsonl` or `eval.jsonl`: id to line number and fields; none where it cannot be read."""
    try:
        found = read_examples(str(path), task)
    except InputError:
        return {}
    return {each.id: (int(each.source.rpartition(":")[2]), dict(each.fields)) for each in found}


def files_with(patterns: list[bytes], root: Path, *more: Path) -> list[Path]:
    """Files below `root`, and `more`, whose bytes hold one of the patterns; follows no link."""
    if not patterns:
        return []
    below = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted({path for path in (*below, *more) if path.is_file() and _holds(path, patterns)})


def _holds(path: Path, patterns: list[bytes]) -> bool:
    keep = max(map(len, patterns)) - 1
    tail = b""
    try:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                data = tail + block
                if any(pattern in data for pattern in patterns):
                    return True
                tail = data[-keep:]
    except OSError:  # gone or not ours to read
        return False
    return False

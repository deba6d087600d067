"""Characters that nobody sees on the review page."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from seedgate.records import Example
from seedgate.seeds.findings import Finding
from seedgate.task import Task

__all__ = ["oddities"]


def oddities(seeds: Sequence[Example], task: Task) -> Iterator[Finding]:
    """A warning for each row and kind of character."""
    for seed in seeds:
        for field, text in task.texts(seed.fields):
            for what in _odd(text):
                yield Finding(
                    code="oddity",
                    severity="warning",
                    rows=(seed.source,),
                    what=f"field {field.name!r} {what}",
                    advice="clean the row, unless it is meant so",
                )


def _odd(text: str) -> Iterator[str]:
    if text != text.strip():
        yield "starts or ends with white space"
    if unicodedata.normalize("NFC", text) != text:
        yield "is not in Unicode NFC"
    # Neither can be seen on the review page: format characters, and spaces other than the plain one.
    hidden = sorted({char for char in text if unicodedata.category(char) in ("Cf", "Zl", "Zp", "Zs")} - {" "})
    if hidden:
        yield f"has invisible characters: {', '.join(f'U+{ord(char):04X}' for char in hidden)}"
    if "\ufffd" in text:
        yield "has the replacement character U+FFFD, left by a broken conversion"

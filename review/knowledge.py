"""What the simulated reviewer knows: a label classifier and a sense of odd texts, from labelled rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from seedgate.errors import InputError, SeedgateError
from seedgate.records import Example
from seedgate.seeds import text_of
from seedgate.task import Task

__all__ = ["LabelKnowledge", "oddity"]

_LIST_MARK = re.compile(r"^\s*(\d+[.)]|[-*•])\s")
_REPEATED = re.compile(r"\b(\w+)(\W+\1\b){2,}", re.IGNORECASE)
_TEMPLATE = re.compile(r"[<\[{](name|date|amount|order|number|company|product)[^>\]}]*[>\]}]", re.IGNORECASE)
_ASSISTANT = re.compile(r"\b(as an ai|language model|here (is|are) (a|the|some)|sure[,!])", re.IGNORECASE)


def oddity(text: str) -> str | None:
    """The reason code for a text that no person would have written like this, None if it looks natural."""
    words = text.split()
    if len(words) < 3 or text.rstrip().endswith((",", ":", " the", " a", " to", " of", " and")):
        return "format"
    if _LIST_MARK.match(text) or "\n" in text.strip() or _TEMPLATE.search(text):
        return "format"
    if _REPEATED.search(text) or _ASSISTANT.search(text):
        return "unnatural"
    if len({word.casefold() for word in words}) < 0.5 * len(words):
        return "unnatural"
    return None


class LabelKnowledge:
    """TF-IDF of words and characters into a logistic regression over the task's labels.

    Raises:
        InputError: Fewer than two labels occur in the rows.
        SeedgateError: scikit-learn is not installed.
    """

    def __init__(self, task: Task, rows: Iterable[Example]) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline, make_union
        except ModuleNotFoundError as error:
            raise SeedgateError(
                f"the simulated reviewer needs {error.name}", hint="pip install 'seedgate[train]'"
            ) from None
        label = task.label_field
        if label is None:
            raise InputError(f"task {task.name!r} has no label to know")
        known = [(text_of(task, row.fields), str(row.fields[label.name])) for row in rows]
        if len({answer for _, answer in known}) < 2:
            raise InputError("the simulated reviewer needs rows of at least two labels")
        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        )
        self._model = make_pipeline(features, LogisticRegression(C=20.0, max_iter=1000))
        self._model.fit([text for text, _ in known], [answer for _, answer in known])

    def odds(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """For each text the probability of each label."""
        classes: list[Any] = list(self._model.classes_)
        return [
            dict(zip(classes, map(float, row), strict=True)) for row in self._model.predict_proba(list(texts))
        ]

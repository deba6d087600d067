"""How good a model is by label and by tag, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedgate.cli.output import table

if TYPE_CHECKING:
    from seedgate.finetune import Evaluation, LabelFigures, Share

__all__ = ["parts_text"]

MOST = 10
"""Labels or tags that are listed, the weakest; --json has all."""


def parts_text(result: Evaluation, labels: Mapping[str, LabelFigures]) -> str:
    """Tables of labels and of tags, weakest first; empty where the rows have neither.

    Args:
        labels: Figures of each label, where the answer is one; else labels have the metric, as tags do.
    """
    metric = result.metric.replace("_", " ")
    first = _labels(labels) if labels else _shares("label", metric, result.labels)
    return "\n\n".join(filter(None, (first, _shares("tag", metric, result.tags))))


def _labels(labels: Mapping[str, LabelFigures]) -> str:
    weakest = sorted(labels.items(), key=lambda each: (each[1].f1.value, each[0]))
    rows: list[list[Any]] = [
        [name, each.rows, _told(each.f1), _told(each.precision), _told(each.recall)]
        for name, each in weakest[:MOST]
    ]
    return _table(["label", "rows", "F1", "precision", "recall"], rows, len(labels))


def _shares(what: str, metric: str, parts: Mapping[str, Share]) -> str:
    weakest = sorted(parts.items(), key=lambda each: (each[1].value, each[0]))
    rows: list[list[Any]] = [[name, each.n, _told(each)] for name, each in weakest[:MOST]]
    return _table([what, "rows", metric], rows, len(parts))


def _table(headers: list[str], rows: list[list[Any]], number: int) -> str:
    if not rows:
        return ""
    more = f"\n... and {number - MOST} more {headers[0]}s; --json has all" if number > MOST else ""
    return f"{table(headers, rows)}{more}"


def _told(share: Share | None) -> str:
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})" if share is not None else "-"

"""The confusion matrix as a table: its numbers are text, and a tint says how much of its row a cell is."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

__all__ = ["MOST_LABELS", "heatmap"]

MOST_LABELS = 25
"""Labels that a matrix has on the page; of more, only those that are confused most."""
TINTS = 3


def heatmap(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the page shows of a confusion: `columns`, `rows` of cells, and the labels that were `left_out`.

    Every row's cells add up to its rows: what was answered with a label left out is in the column `other labels`.
    """
    if found is None or not found["labels"]:
        return None
    labels, counts = found["labels"], found["counts"]
    shown = _shown(counts)
    hidden = [at for at in range(len(labels)) if at not in shown]
    columns = [*(labels[at] for at in shown), *(["other labels"] if hidden else []), "outside"]
    rows = []
    for at in shown:
        line = counts[at]
        others = [sum(line[to] for to in hidden)] if hidden else []
        whole = sum(line)
        cells = [(line[to], _tint(line[to], whole, to == at)) for to in shown]
        cells += [(count, _tint(count, whole, False)) for count in (*others, line[-1])]
        rows.append({"name": labels[at], "cells": cells, "rows": whole})
    return {**found, "columns": columns, "rows": rows, "left_out": [labels[at] for at in hidden]}


def _shown(counts: list[list[int]]) -> list[int]:
    """Places of the labels, in their order: all, or those in most confusions if there are too many."""
    size = len(counts)
    if size <= MOST_LABELS:
        return list(range(size))
    wrong = [sum(counts[at]) + sum(line[at] for line in counts) - 2 * counts[at][at] for at in range(size)]
    most = sorted((at for at in range(size) if wrong[at]), key=lambda at: -wrong[at])[:MOST_LABELS]
    return sorted(most)


def _tint(count: int, whole: int, right: bool) -> str:
    """Class of a cell: `right1` to `right3`, `wrong1` to `wrong3`, or `zero`."""
    return f"{'right' if right else 'wrong'}{ceil(TINTS * count / whole)}" if count else "zero"

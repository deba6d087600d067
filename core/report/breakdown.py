"""How good the newest measured model is by label and by tag, as rows of two tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedgate.report.charts import scale_of

__all__ = ["breakdown"]


def breakdown(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Rows of `labels` and of `tags`, weakest first, with the `scale` of both; None where there is nothing to show.

    Labels have F1, precision and recall where the answer is one label, else the metric, as tags do.
    """
    if not facts["evaluations"]:
        return None
    newest, found = facts["evaluations"][-1], (facts["confusion"] or {}).get("by_label")
    labels = (
        [{"name": name, **each["f1"], **each} for name, each in found.items()]
        if found
        else _shares(newest["labels"])
    )
    tags = _shares(newest["tags"])
    if not labels and not tags:
        return None
    return {
        "model": newest["model"],
        "simulated": newest["simulated"],
        "metric": newest["metric"].replace("_", " "),
        "f1": bool(found),
        "labels": sorted(labels, key=lambda each: each["value"]),
        "tags": sorted(tags, key=lambda each: each["value"]),
        "scale": scale_of([each[end] for each in (*labels, *tags) for end in ("low", "high")]),
    }


def _shares(parts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "rows": each["n"], **each} for name, each in parts.items()]

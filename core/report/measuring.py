"""Measurements of models at the cycle and rows of their release; what is confused; the newest ablation and curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from seedgate.plain import as_json

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["ablation", "confused", "learning_curve", "placed"]


def placed(ws: Workspace, evaluations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Measurements with the cycle of their release and its rows; the base model's with none.

    Returns:
        As given, with `cycle`, `rows`, `approved` and `simulated` (approved rows that a program approved), and
        `unconstrained` and `secondary`, which events of earlier versions lack.
    """
    made: dict[str, dict[str, Any]] = {}
    cycle = 0
    for event in ws.ledger.events("cycle.started", "release.created"):
        if event.kind == "cycle.started":
            cycle = int(event.subject)
            continue
        counted = event.payload["counts"]
        made[event.subject] = {
            "cycle": cycle,
            "rows": event.payload["rows"],
            "approved": counted.get("approved", 0),
            "simulated": counted.get("approved_simulated", 0),
        }
    nothing = {"cycle": None, "rows": 0, "approved": 0, "simulated": 0}
    lacking: dict[str, Any] = {"unconstrained": None, "secondary": {}}
    return [{**lacking, **each, **made.get(str(each["release"]), nothing)} for each in evaluations]


def confused(ws: Workspace, evaluations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`evaluations` as given, each with its `macro_f1`, and the `confusion` of the last; None where there is none.

    The confusion has precision, recall and F1 of each label as `by_label`.
    """
    from seedgate.finetune.confusing import confusions, label_figures
    from seedgate.finetune.evaluating import evaluation_of

    newest = {event.subject: evaluation_of(event) for event in ws.ledger.events("model.evaluated")}
    measured = list(evaluations)
    found = list(confusions(ws, [newest[str(each["model"])] for each in measured]))
    last = None
    if found and found[-1] is not None:
        pairs = [pair._asdict() for pair in found[-1].confused]
        whose = {key: measured[-1][key] for key in ("model", "simulated")}
        figures = as_json(label_figures(found[-1]))
        last = {**as_json(found[-1]), **whose, "said": str(found[-1]), "confused": pairs, "by_label": figures}
    macro = [None if each is None else as_json(each.macro_f1) for each in found]
    return {
        "evaluations": [{**each, "macro_f1": f1} for each, f1 in zip(measured, macro, strict=True)],
        "confusion": last,
    }


def ablation(ws: Workspace) -> dict[str, Any] | None:
    """What the newest ablation found, if there is one: its event's payload with `release` and `at`."""
    event = ws.ledger.last("ablation.measured")
    return None if event is None else {**event.payload, "release": event.subject, "at": event.at}


def learning_curve(ws: Workspace) -> dict[str, Any] | None:
    """What the newest `seedgate curve` found, if there is one: its event's payload with `release` and `at`."""
    event = ws.ledger.last("curve.measured")
    return None if event is None else {**event.payload, "release": event.subject, "at": event.at}

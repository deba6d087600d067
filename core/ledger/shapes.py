"""What readers may take for granted in an event's payload: the keys that are always there, and their JSON types.

`seedgate.ledger.KINDS` says what they mean. An event that lacks one was not written by seedgate: reading it is an
error that names the event, never a guess at what it might have meant.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SHAPES", "shape_fault"]

SHAPES: dict[str, dict[str, type]] = {
    "seed.verified": {"method": str, "by": str},
    "seed.withdrawn": {"by": str},
    "eval.locked": {"ids": list},
    "cycle.started": {"target": int, "simulated": bool},
    "generation.allocated": {"how": str, "configured": dict, "shares": dict, "weights": dict},
    "request.completed": {
        "cycle": int,
        "index": int,
        "fixed": dict,
        "seed_ids": list,
        "completions": int,
        "raw_hash": str,
    },
    "candidate.created": {"provenance": dict},
    "candidate.dropped": {"filter": str, "reason": str},
    "candidate.replayed": {"filter": str, "reason": str},
    "candidate.scored": {"scorer": str, "version": int, "model": str, "template": str},
    "candidate.unscored": {"scorer": str, "version": int, "model": str, "template": str, "attempt": int},
    "round.opened": {"round": dict, "assignments": list},
    "round.scored": {"scorers": dict, "scores": dict, "values": dict},
    "rereview.drawn": {"joined": str, "rows": list},
    "control.made": {"candidate_id": str, "reviewer": str, "truth": str, "corruption": str, "sources": list},
    "record.pushed": {"dataset_id": str},
    "round.pushed": {"datasets": dict, "users": dict, "pusher": str},
    "verdict.recorded": {"response_id": str, "reviewer": str},
    "verdict.changed": {"response_id": str},
    "review.anomaly": {"what": str},
    "guidelines.compatible": {"with": str},
    "docket.opened": {"docket": dict, "cases": list},
    "docket.pushed": {"dataset_id": str, "user_id": str, "pusher": str},
    "adjudication.changed": {"response_id": str},
    "quarantine.started": {"since": int, "why": str},
    "release.created": {
        "manifest_hash": str,
        "content_hash": str,
        "rows": int,
        "counts": dict,
        "head": dict,
        "ids": str,
    },
    "row.recalled": {"release": str},
    "body.redacted": {"rows": list, "hashes": list, "by": str},
    "release.withdrawn": {"rows": list, "files": list},
    "model.checkpointed": {"step": int, "manifest_hash": str, "settings": dict, "files": dict},
    "model.trained": {"release": str},
    "model.merged": {"files": dict},
    "model.judged": {"over": str, "eval_hash": str, "outcome": str},
    "ablation.scored": {"eval_hash": str, "rows_hash": str, "seed": int, "scores": list},
    "ablation.measured": {"eval_hash": str, "arms": list, "conclusion": str},
    "curve.measured": {"eval_hash": str, "points": list},
    "model.evaluated": {"eval_hash": str, "predictions_hash": str},
}
"""Kind of event to the keys that every payload of it has, and what they hold. Other kinds need no key."""


def shape_fault(kind: str, payload: Any) -> str | None:
    """What makes this payload one that seedgate never writes, or None."""
    if not isinstance(payload, dict):
        return "its payload is no JSON object"
    for name, wanted in SHAPES.get(kind, {}).items():
        if name not in payload:
            return f"its payload has no {name!r}"
        if not isinstance(payload[name], wanted):
            return f"its payload's {name!r} is {type(payload[name]).__name__}, not {wanted.__name__}"
    return None

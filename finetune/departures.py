"""Why a row of one release is not in another, as of the event at which that other one was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from seedgate.finetune.diff_records import WhyRemoved
from seedgate.finetune.records import Manifest, ManifestRow
from seedgate.finetune.rows import sign_offs
from seedgate.ledger import Ledger
from seedgate.records import Decision
from seedgate.review import decisions
from seedgate.review.evidence import STALE
from seedgate.workspace import Workspace

__all__ = ["Departure", "departures"]

_BY_INVARIANT: dict[str, WhyRemoved] = {"G6": "quarantine", "G7": "evaluation set", "G8": "seed conflict"}
_RECALLED: dict[str, WhyRemoved] = {
    "verdict changed": "verdict changed",
    "adjudicated wrong": "adjudicated wrong",
}


class Departure(NamedTuple):
    """The kind of reason, and the ledger's own words."""

    why: WhyRemoved
    reason: str


class _Recall(NamedTuple):
    why: str
    reason: str


def departures(ws: Workspace, rows: Mapping[str, ManifestRow], other: Manifest) -> dict[str, Departure]:
    """Row id to why it is not in the other release; the gate is asked as it stood then (G1, G9).

    Args:
        ws: The workspace.
        rows: Rows of a release, by id, that `other` does not have.
        other: The manifest of the release they are not in.
    """
    redacted, recalled, withdrawn = _events(ws.ledger, other.ledger_seq)
    left = {id_: row for id_, row in rows.items() if id_ not in redacted}
    found = {id_: Departure("redacted", redacted[id_]) for id_ in rows.keys() - left.keys()}
    approved = [id_ for id_, row in left.items() if row.origin == "approved"]
    if approved:
        verdicts = decisions(ws, up_to=other.ledger_seq, guideline_hash=other.guideline_hash)
        found |= {id_: _of_candidate(verdicts.get(id_), recalled.get(id_)) for id_ in approved}
    verified = sign_offs(ws.ledger, up_to=other.ledger_seq)
    for id_, row in left.items():
        if row.origin == "seed":
            found[id_] = _of_seed(id_ in verified, withdrawn.get(id_))
    return found


def _events(ledger: Ledger, up_to: int) -> tuple[dict[str, str], dict[str, _Recall], dict[str, str]]:
    """What redacted, recalled and withdrew rows up to an event: row id to what it says."""
    redacted: dict[str, str] = {}
    recalled: dict[str, _Recall] = {}
    withdrawn: dict[str, str] = {}
    for event in ledger.events("body.redacted", "row.recalled", "seed.withdrawn"):
        if event.seq > up_to:
            break
        said, day = event.payload, event.at[:10]
        if event.kind == "body.redacted":
            redacted |= dict.fromkeys(said["rows"], f"redacted by {said['by']} on {day}")
        elif event.kind == "row.recalled":
            why = str(said.get("why", "verdict changed"))
            recalled[event.subject] = _Recall(why, str(said.get("reason", "recalled")))
        else:
            reason = f"withdrawn on {day}: {said['reason']}" if said.get("reason") else f"withdrawn on {day}"
            withdrawn[event.subject] = f"{reason} (by {said['by']})"
    return redacted, recalled, withdrawn


def _of_candidate(decision: Decision | None, recall: _Recall | None) -> Departure:
    if decision is None:
        return Departure("not there yet", "it was generated later")
    if decision.outcome == "approved":
        return Departure("left out", f"{decision.reason}, and still kept out of the release")
    if decision.outcome == "void" and recall is not None and recall.why in _RECALLED:
        return Departure(_RECALLED[recall.why], recall.reason)
    return Departure(_kind(decision), decision.reason)


def _kind(decision: Decision) -> WhyRemoved:
    if decision.invariant in _BY_INVARIANT:
        return _BY_INVARIANT[decision.invariant]
    if decision.outcome == "conflict":
        return "conflict"
    if decision.outcome == "rejected":
        return "rejected"
    if STALE.reason in decision.reason:
        return "guidelines"
    return "not approved"


def _of_seed(verified: bool, withdrawn: str | None) -> Departure:
    if withdrawn is not None and not verified:
        return Departure("seed withdrawn", withdrawn)
    if not verified:
        return Departure("not there yet", "it was verified later")
    return Departure("left out", "verified, and still kept out of the release")

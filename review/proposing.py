"""One correction, proposed for pending candidates that seem to have the same fault.

A reviewer who moves a text from one label to another has often found a fault of the prompt, not of one text.
Every proposal is a new pending candidate that goes through filters and review as any other. It descends from
the candidate it would correct, so that at most one of the two is ever released (G5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash
from seedgate.errors import InputError, RefusedError
from seedgate.generator.filters.chain import FilterChain
from seedgate.ledger import NewEvent
from seedgate.records import Candidate, Example, Provenance
from seedgate.review.facts import decide_all
from seedgate.review.state import ReviewState, read_state
from seedgate.seeds import NearIndex, text_of

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Proposal", "propose"]

ALIKE = 0.2
"""Share of common character 5-grams; far below `near_duplicate`, over which the filters leave no two candidates."""


@dataclass(frozen=True)
class Proposal:
    """A pending candidate with the label that was corrected, and how much it is like the corrected text (0 to 1).

    Attributes:
        proposed_id: What the new candidate's id is or would be.
        problem: Why a filter refuses it, if one does; then no candidate is made.
    """

    candidate_id: str
    proposed_id: str
    fields: dict[str, Any]
    similarity: float
    problem: str | None = None


def propose(
    ws: Workspace, candidate_id: str, *, limit: int = 20, dry_run: bool = False
) -> tuple[Proposal, ...]:
    """Proposes the relabelling that a reviewer made of one candidate for pending ones like it.

    Args:
        ws: The workspace.
        candidate_id: The candidate that was edited, at least the first 8 characters of its id.
        limit: Proposals at most, the most similar first.
        dry_run: Say what would be proposed; write nothing.

    Raises:
        InputError: No candidate, or several, have this id.
        RefusedError: No reviewer has corrected just its label.
    """
    state = read_state(ws.ledger)
    found = [id_ for id_ in state.candidates if len(candidate_id) >= 8 and id_.startswith(candidate_id)]
    if len(found) != 1:
        raise InputError(f"candidate {candidate_id!r}: {'several have' if found else 'none has'} this id")
    before, after = _relabelled(ws, state, found[0])
    with ws.ledger.lease("pull") as lease:  # a pull makes candidates too
        proposals = _proposals(ws, read_state(ws.ledger), before, after, limit)
        if not dry_run:
            events = [_created(ws, each, found[0], state) for each in proposals if each.problem is None]
            ws.ledger.append(events, lease=lease)
    return proposals


def _relabelled(
    ws: Workspace, state: ReviewState, candidate_id: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The candidate's fields, and those with another label that the newest edit made of them."""
    label = ws.task.label_field
    edits = [
        heard.verdict
        for heard in sorted(state.verdicts.values(), reverse=True)
        if heard.verdict.candidate_id == candidate_id and heard.verdict.decision == "edit"
    ]
    for verdict in edits:
        if label is None or verdict.problem is not None or verdict.corrected_hash is None:
            continue
        bodies = ws.ledger.bodies([candidate_id, verdict.corrected_hash])
        before, after = bodies.get(candidate_id), bodies.get(verdict.corrected_hash)
        if before and after and {k for k in before if before[k] != after[k]} == {label.name}:
            return before, after
    raise RefusedError(
        f"candidate {candidate_id[:12]}: no reviewer has corrected its label and nothing else",
        hint="only such a correction can be proposed for others; a changed text fits that text alone",
    )


def _proposals(
    ws: Workspace, state: ReviewState, before: dict[str, Any], after: dict[str, Any], limit: int
) -> tuple[Proposal, ...]:
    label = ws.task.label_field
    assert label is not None  # noqa: S101 - `_relabelled` has found one
    decided = decide_all(ws, state, ws.guidelines()[1])
    bodies = ws.ledger.bodies(id_ for id_, decision in decided.items() if decision.outcome == "pending")
    same = {id_: body for id_, body in bodies.items() if body.get(label.name) == before[label.name]}
    near = _near(ws, before, same)[:limit]
    chain = FilterChain.for_workspace(ws) if near else None
    out = []
    for id_, similarity in near:
        example = Example(fields=same[id_] | {label.name: after[label.name]}, source=f"proposed for {id_}")
        if chain is None or example.id in state.candidates:
            continue
        drop = chain.check(example, ignore={id_})
        if drop is None:
            chain.accept(example)
        problem = None if drop is None else f"{drop.filter}: {drop.reason}"
        out.append(Proposal(id_, example.id, dict(example.fields), round(similarity, 3), problem))
    return tuple(out)


def _near(ws: Workspace, to: dict[str, Any], rows: dict[str, dict[str, Any]]) -> Sequence[tuple[str, float]]:
    index = NearIndex(ALIKE)
    for id_, fields in rows.items():
        index.add(id_, text_of(ws.task, fields))
    return index.all_near(text_of(ws.task, to))


def _created(ws: Workspace, proposal: Proposal, corrected: str, state: ReviewState) -> NewEvent:
    example = Example(fields=proposal.fields, source=f"proposed for {proposal.candidate_id}")
    provenance = Provenance(
        cycle=state.candidates[proposal.candidate_id].cycle,
        run=f"proposed:{corrected[:12]}",
        strategy="proposed",
        model="",
        prompt_hash="",
        request_id=content_hash(["proposed", corrected, proposal.candidate_id])[:32],
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        edited_from=proposal.candidate_id,
    )
    payload = Candidate(example=example, provenance=provenance).model_dump(
        mode="json", exclude={"example": {"fields"}}
    )
    return NewEvent(
        "candidate.created", example.id, payload, f"candidate:{example.id}", (dict(example.fields),)
    )

"""What an edit makes: the corrected example as a new candidate, if it passes every filter again (G5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from seedgate.generator.filters.chain import FilterChain
from seedgate.ledger import NewEvent
from seedgate.records import Candidate, Example, Provenance, Round, Verdict
from seedgate.review.state import ReviewState

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Correcting", "Corrections"]


class Correcting(Protocol):
    """Turns edits into events."""

    def of(self, verdict: Verdict, corrected: Mapping[str, Any] | None, opened: Round) -> NewEvent | None:
        """The event that an edit calls for, None if nothing is new."""


class Corrections:
    """Turns edits into candidates during one pull; remembers what it made."""

    def __init__(self, ws: Workspace, state: ReviewState) -> None:
        self._ws = ws
        self._parents = {id_: born.edited_from for id_, born in state.candidates.items()}

    @cached_property
    def _chain(self) -> FilterChain:
        # Loaded at the first edit only: it reads every seed and candidate.
        return FilterChain.for_workspace(self._ws)

    def of(self, verdict: Verdict, corrected: Mapping[str, Any] | None, opened: Round) -> NewEvent | None:
        """The event that an edit calls for: a new candidate, or why there is none; None if nothing is new."""
        if verdict.decision != "edit" or verdict.problem is not None or corrected is None:
            return None
        example = Example(fields=dict(corrected), source=f"edit of {verdict.candidate_id}")
        if example.id == verdict.candidate_id or self._parents.get(example.id) == verdict.candidate_id:
            return None
        drop = self._chain.check(example, ignore=self._family(verdict.candidate_id))
        if drop is not None:
            payload = {
                "filter": drop.filter,
                "reason": drop.reason,
                "edited_from": verdict.candidate_id,
                "response_id": verdict.response_id,
            }
            key = f"dropped:{verdict.response_id}:{example.id}"
            return NewEvent("candidate.dropped", example.id, payload, key)
        self._chain.accept(example)
        self._parents[example.id] = verdict.candidate_id
        return _created(example, verdict, opened)

    def _family(self, candidate_id: str) -> set[str]:
        """The original and everything made from it: corrections of one text resemble each other."""
        root: str = candidate_id
        while (parent := self._parents.get(root)) is not None:
            root = parent
        family = {root}
        while True:
            grown = family | {id_ for id_, parent in self._parents.items() if parent in family}
            if grown == family:
                return family
            family = grown


def _created(example: Example, verdict: Verdict, opened: Round) -> NewEvent:
    candidate = Candidate(
        example=example,
        provenance=Provenance(
            cycle=opened.cycle,
            run=opened.id,
            strategy="edit",
            model="",
            prompt_hash="",
            request_id=verdict.response_id,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            edited_from=verdict.candidate_id,
        ),
    )
    payload = candidate.model_dump(mode="json", exclude={"example": {"fields"}})
    return NewEvent(
        "candidate.created", example.id, payload, f"candidate:{example.id}", (dict(example.fields),)
    )

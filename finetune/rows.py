"""Which rows a release may hold: verified seeds and approved candidates, each with the evidence for it (G1).

Everything is decided as of one event of the ledger, so that `audit` can repeat it. Whatever is not plainly
allowed stays out and says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seedgate.canonical import content_hash
from seedgate.errors import BusyError
from seedgate.finetune.records import Counts, ManifestRow, Omission
from seedgate.finetune.table import row_values
from seedgate.generator import candidates
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.ledger import Ledger
from seedgate.records import Candidate, Decision, Example
from seedgate.review import decisions
from seedgate.review.facts import facts_of
from seedgate.review.release_bound import ErrorBound, control_answers, error_bound
from seedgate.review.seed_verdicts import approved_seeds
from seedgate.review.state import read_state
from seedgate.seeds import SemanticBound, baseline
from seedgate.seeds.verified import verifications
from seedgate.workspace import Workspace

__all__ = ["Selection", "bound_of", "reviewed_seeds", "select_rows", "sign_offs"]

ATTEMPTS = 5


@dataclass(frozen=True)
class Selection:
    """The rows of the next release, as of one event of the ledger.

    Attributes:
        head: Number and hash of that event.
        guideline_hash: The guidelines under which approvals were counted.
        rows: Evidence of each row, in order: seeds as they were added, then candidates as they came.
        values: The rows themselves, column to value, in the same order.
        omitted: Rows that were verified or approved and stay out.
        eval_rows: How many rows the locked evaluation set has.
        semantic: From where a text counted as the same in meaning as an evaluation row; None if the set is empty.
        error_bound: How many of the approved rows may be wrong; None without such rows, or if not asked for.
    """

    head: tuple[int, str]
    guideline_hash: str
    eval_hash: str
    task_hash: str
    rows: tuple[ManifestRow, ...]
    values: tuple[dict[str, Any], ...]
    omitted: tuple[Omission, ...]
    eval_rows: int
    semantic: SemanticBound | None = None
    error_bound: ErrorBound | None = None

    @property
    def content_hash(self) -> str:
        """Equal for equal rows, columns about their origin included, whatever else happened in the ledger."""
        return content_hash([self.task_hash, self.eval_hash, [row.row_hash for row in self.rows]])

    @property
    def counts(self) -> Counts:
        """How many rows of each kind."""
        approved = [row for row in self.rows if row.origin == "approved"]
        simulated = sum(row.simulated for row in approved)
        return Counts(
            rows=len(self.rows),
            seeds=len(self.rows) - len(approved),
            vouched=sum(row.vouched_by is not None for row in self.rows),
            approved=len(approved),
            approved_human=len(approved) - simulated,
            approved_simulated=simulated,
            edited=sum(row.edited_from is not None for row in approved),
        )


def select_rows(ws: Workspace) -> Selection:
    """Everything that may be released now.

    Raises:
        RefusedError: The baseline is not in order.
        BusyError: Seeds are being verified all the while.
    """
    for _ in range(ATTEMPTS):
        head = ws.ledger.head()
        found = _select(ws, head)
        moved = ws.ledger.events("seed.added", "seed.verified", "seed.withdrawn", after=head[0])
        if next(moved, None) is None:
            return found
    raise BusyError("seeds are being verified by another process", hint="run it again when that is done")


def bound_of(ws: Workspace, approved: Sequence[str], *, up_to: int, guideline_hash: str) -> ErrorBound | None:
    """The error bound of a release with these candidates, as of an event of the ledger."""
    if not approved:
        return None
    state = read_state(ws.ledger, up_to=up_to)
    facts = facts_of(ws, state, guideline_hash)
    return error_bound(state, facts, approved, control_answers(state))


def _select(ws: Workspace, head: tuple[int, str]) -> Selection:
    base, guideline_hash = baseline(ws), ws.guidelines()[1]
    verdicts = decisions(ws, up_to=head[0], guideline_hash=guideline_hash)
    entitled = list(_entitled(ws, base.seeds, verdicts))
    leaks = EvaluationFilter.for_workspace(ws, base.evaluation)
    leaks.prepare([example for example, _ in entitled], stored=True)
    signed = sign_offs(ws.ledger, up_to=head[0])
    asked = {id_ for id_ in base.seeds if signed.get(id_) is None}
    reviewed = reviewed_seeds(ws, asked, up_to=head[0], guideline_hash=guideline_hash)
    rows: list[ManifestRow] = []
    values: list[dict[str, Any]] = []
    omitted: list[Omission] = []
    families = _Families(ws.ledger)
    for example, candidate in entitled:
        leak = leaks.check(example)
        reason = leak.detail if leak else families.reason_against(example.id, candidate)
        if candidate is None and example.id in asked - reviewed:
            reason = "no verdict in Argilla approves it, whatever its seed.verified event says"
        if reason:
            omitted.append(Omission(id=example.id, reason=reason))
            continue
        decision = verdicts[example.id] if candidate else None
        value = row_values(ws.task, example, candidate, decision, base.vouched.get(example.id))
        rows.append(_evidence(example, candidate, decision, content_hash(value), signed.get(example.id)))
        values.append(value)
    return Selection(
        head=head,
        guideline_hash=guideline_hash,
        eval_hash=base.eval_hash,
        task_hash=ws.task.hash,
        rows=tuple(rows),
        values=tuple(values),
        omitted=tuple(omitted),
        eval_rows=len(base.evaluation),
        semantic=leaks.bound,
    )


def _entitled(
    ws: Workspace, seeds: dict[str, Example], verdicts: dict[str, Decision]
) -> Iterator[tuple[Example, Candidate | None]]:
    """Verified seeds, then approved candidates; content that is both counts as the seed it is."""
    for seed in seeds.values():
        yield seed, None
    done = set(seeds)
    approved = {id_ for id_, decision in verdicts.items() if decision.outcome == "approved"}
    for candidate in candidates(ws.ledger) if approved else ():
        if candidate.id in approved and candidate.id not in done:
            done.add(candidate.id)
            yield candidate.example, candidate


def _evidence(
    example: Example,
    candidate: Candidate | None,
    decision: Decision | None,
    row_hash: str,
    vouched_by: str | None,
) -> ManifestRow:
    if candidate is None or decision is None:
        return ManifestRow(id=example.id, row_hash=row_hash, origin="seed", vouched_by=vouched_by)
    return ManifestRow(
        id=example.id,
        row_hash=row_hash,
        origin="approved",
        responses=decision.verdicts,
        rounds=decision.rounds,
        approvers=decision.approvers,
        reason=decision.reason,
        quorum=decision.quorum,
        guideline_hash=decision.guideline_hash,
        simulated=decision.simulated,
        edited_from=candidate.provenance.edited_from,
    )


def sign_offs(ledger: Ledger, *, up_to: int) -> dict[str, str | None]:
    """Verified seeds as of an event: id to who signed it off, None for one that was reviewed in Argilla."""
    return {
        id_: str(payload["by"]) if payload["method"] == "sign-off" else None
        for id_, payload in verifications(ledger, up_to=up_to).items()
    }


def reviewed_seeds(ws: Workspace, ids: Collection[str], *, up_to: int, guideline_hash: str) -> set[str]:
    """Those of these seeds, verified in Argilla, that the verdicts on them approve, as of an event of the ledger."""
    if not ids:
        return set()
    state = read_state(ws.ledger, up_to=up_to, purpose="seeds")
    found = approved_seeds(ws, state, guideline_hash, ids)
    return {id_ for id_ in ids if id_ in found and found[id_].outcome == "approved"}


class _Families:
    """Originals and what edits made of them: at most one of each family is released (G5).

    The gate sees to that; here it is only held fast, should two of a family ever be approved.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parents: dict[str, str] | None = None
        self._taken: dict[str, str] = {}

    def reason_against(self, id_: str, candidate: Candidate | None) -> str | None:
        """Why this row must stay out, if a relative is in already; else it takes the family's place."""
        if candidate is None:
            return None
        first = self._taken.setdefault(self._root(id_), id_)
        return None if first == id_ else f"row {first[:12]} comes from the same original"

    def _root(self, id_: str) -> str:
        if self._parents is None:
            events = self._ledger.events("candidate.created")
            edits = ((event.subject, event.payload["provenance"].get("edited_from")) for event in events)
            self._parents = {child: parent for child, parent in edits if parent}
        seen: set[str] = set()
        while id_ in self._parents and id_ not in seen:
            seen.add(id_)
            id_ = self._parents[id_]
        return id_

"""From verdicts on seeds to verified seeds: the gate decides, and what it approved is checked as a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seedgate.errors import InputError
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.ledger import Event, NewEvent
from seedgate.records import Decision, Example, Round, Verdict
from seedgate.review.facts import facts_of, root_of
from seedgate.review.gate import decide
from seedgate.review.state import ReviewState, read_state
from seedgate.seeds import NearIndex, candidate_index, evaluation_set, text_of

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["SeedCorrections", "approved_seeds", "settled_seeds"]


class SeedCorrections:
    """What an edit of a seed makes: the corrected example, a seed that nobody has verified yet."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws

    @cached_property
    def _tags(self) -> dict[str, list[str]]:
        return {e.subject: list(e.payload.get("tags", ())) for e in self._ws.ledger.events("seed.added")}

    def of(self, verdict: Verdict, corrected: Mapping[str, Any] | None, opened: Round) -> NewEvent | None:
        """The event that an edit calls for, None if nothing is new."""
        if verdict.decision != "edit" or verdict.problem is not None or corrected is None:
            return None
        source = f"edit of {verdict.candidate_id[:12]}"
        example = Example(fields=dict(corrected), source=source)
        if example.id == verdict.candidate_id:
            return None
        payload = {
            "tags": self._tags.get(verdict.candidate_id, []),
            "source": source,
            "edited_from": verdict.candidate_id,
        }
        return NewEvent("seed.added", example.id, payload, f"seed:{example.id}", (dict(example.fields),))


def approved_seeds(
    ws: Workspace, state: ReviewState, guideline_hash: str, verified: Container[str]
) -> dict[str, Decision]:
    """The gate's word on every seed that reviewers answered; one that is verified keeps what it rests on.

    Args:
        verified: Ids of seeds verified in Argilla: changed guidelines no longer matter to them.
    """
    return {
        facts.candidate_id: decide(replace(facts, released=facts.candidate_id in verified))
        for facts in facts_of(ws, state, guideline_hash)
        if facts.verdicts
    }


def settled_seeds(ws: Workspace) -> tuple[list[NewEvent], tuple[str, ...]]:
    """Seeds that became verified, or no longer are; and why approved ones are not, one line each."""
    state = read_state(ws.ledger, purpose="seeds")
    if not state.pushed:
        return [], ()
    standing = _standing(ws)
    argilla = {id_: event for id_, event in standing.items() if event.payload["method"] == "argilla"}
    decided = approved_seeds(ws, state, ws.guidelines()[1], argilla)
    gone = [
        _withdrawn(event, decided.get(id_))
        for id_, event in argilla.items()
        if id_ not in decided or decided[id_].outcome != "approved"
    ]
    fresh = {id_: each for id_, each in decided.items() if each.outcome == "approved" and id_ not in standing}
    against = dict(_against(ws, state, fresh, standing)) if fresh else {}
    new = [_verified(state, each) for id_, each in fresh.items() if id_ not in against]
    return [*gone, *new], tuple(f"seed {id_[:12]}: {why}" for id_, why in against.items())


def _standing(ws: Workspace) -> dict[str, Event]:
    """Seed id to the event that verified it, of those that are verified."""
    found: dict[str, Event] = {}
    for event in ws.ledger.events("seed.verified", "seed.withdrawn"):
        if event.kind == "seed.verified":
            found[event.subject] = event
        else:
            found.pop(event.subject, None)
    return found


def _against(
    ws: Workspace, state: ReviewState, fresh: Mapping[str, Decision], standing: Mapping[str, Event]
) -> Iterator[tuple[str, str]]:
    """Approved seeds that must not be verified, and why."""
    leaks = EvaluationFilter.for_workspace(ws, evaluation_set(ws))
    generated = candidate_index(ws)
    family = Counter(root_of(state, id_) for id_ in {*fresh, *standing} if id_ in state.candidates)
    bodies = ws.ledger.bodies(fresh)
    for id_ in fresh:
        why = _wrong(ws, bodies.get(id_), leaks, generated)
        if why is None and family[root_of(state, id_)] > 1:
            why = "another version of the same original is verified or approved"
        if why is not None:
            yield id_, why


def _wrong(
    ws: Workspace, fields: dict[str, Any] | None, leaks: EvaluationFilter, generated: NearIndex
) -> str | None:
    if fields is None:
        return "its content was removed"
    try:
        if ws.task.validate_fields(fields) != fields:
            return "a field is missing"
    except InputError as error:
        return error.message
    found = generated.nearest(text_of(ws.task, fields))
    if found is not None:
        return f"{found[1]:.0%} like the generated candidate {found[0][:12]}"
    leak = leaks.check(Example(fields=fields))
    return leak.detail if leak else None


def _verified(state: ReviewState, decision: Decision) -> NewEvent:
    heard = [state.verdicts[response] for response in decision.verdicts]
    payload = {
        "method": "argilla",
        "by": ", ".join(decision.approvers),
        "statement": "approved in Argilla as it stands",
        "at": max(h.verdict.submitted_at for h in heard),
        "verdicts": list(decision.verdicts),
        "rounds": list(decision.rounds),
        "guideline_hash": decision.guideline_hash,
        "quorum": decision.quorum,
    }
    id_ = decision.candidate_id
    return NewEvent("seed.verified", id_, payload, f"verified:{id_}:{max(h.seq for h in heard)}")


def _withdrawn(verified: Event, decision: Decision | None) -> NewEvent:
    reason = decision.reason if decision else "its verdicts were taken back"
    payload = {"by": verified.payload["by"], "at": verified.payload["at"], "reason": reason}
    return NewEvent(
        "seed.withdrawn", verified.subject, payload, f"withdrawn:{verified.subject}:{verified.seq}"
    )

"""What an adjudicator decides: conflicts between reviewers, and whether two guidelines mean the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from seedgate.canonical import content_hash
from seedgate.errors import ConfigError, InputError, RefusedError
from seedgate.ledger import NewEvent
from seedgate.records import Adjudication, Decision, dump
from seedgate.review.evidence import person
from seedgate.review.facts import decide_all
from seedgate.review.recalling import recalls
from seedgate.review.rulings import needs_ruling
from seedgate.review.state import ReviewState, read_state

if TYPE_CHECKING:
    from typing import Literal

    from seedgate.workspace import Workspace

__all__ = ["adjudicate", "check_adjudicator", "declare_compatible"]


def adjudicate(
    ws: Workspace, candidate_id: str, *, by: str, decision: Literal["approve", "reject"], comment: str = ""
) -> Decision:
    """Settles a candidate that reviewers disagree on, or that clashes with a seed.

    Args:
        ws: The workspace.
        candidate_id: Id of the candidate, at least its first 8 characters.
        by: The workspace's adjudicator; none of its reviewers.
        decision: `approve` lets the candidate as it was shown into the next release.
        comment: Why.

    Returns:
        The gate's decision after it.

    Raises:
        RefusedError: There is nothing to settle, or `by` may not settle it.
        ConfigError: The workspace names no adjudicator.
    """
    if decision not in ("approve", "reject"):
        raise InputError(f"decision {decision!r}: an adjudicator approves or rejects")
    guideline_hash = ws.guidelines()[1]
    state = read_state(ws.ledger)
    check_adjudicator(ws, state, by)
    decided = decide_all(ws, state, guideline_hash)
    candidate_id = _full_id(decided, candidate_id)
    found = decided[candidate_id]
    if not needs_ruling(found):
        raise RefusedError(
            f"candidate {candidate_id[:12]} is {found.outcome} ({found.reason}): there is nothing to settle",
            hint="only what reviewers disagree on goes to an adjudicator; the rest needs review",
        )
    if any(a.candidate_id == candidate_id and a.reviewer == by for a in state.assignments.values()):
        raise RefusedError(
            f"{by!r} looked at candidate {candidate_id[:12]} in re-review: it is settled by another",
            hint="name another person in [review] adjudicator; until then the row stays set aside and blocks nothing",
        )
    settled = Adjudication(
        candidate_id=candidate_id,
        by=by,
        decision=decision,
        comment_hash=content_hash(comment) if comment else None,
        guideline_hash=guideline_hash,
        settles=max(state.verdicts[id_].seq for id_ in found.verdicts),
    )
    key = f"adjudication:{candidate_id}:{settled.settles}:{guideline_hash[:16]}"
    event = NewEvent("adjudication.recorded", candidate_id, dump(settled), key, (comment,) if comment else ())
    ids = [candidate_id] if decision == "reject" else []
    reason = f"{by} settled it as wrong after the release"
    ws.ledger.append([event, *recalls(state, ids, why="adjudicated wrong", reason=reason)])
    return decide_all(ws, read_state(ws.ledger), guideline_hash)[candidate_id]


def declare_compatible(ws: Workspace, earlier: str, *, by: str, statement: str) -> None:
    """Lets approvals given under earlier guidelines count under the present ones.

    Args:
        ws: The workspace.
        earlier: Hash of the earlier guidelines, at least its first 8 characters.
        by: The workspace's adjudicator; none of its reviewers.
        statement: Why the two mean the same.

    Raises:
        InputError: No round had those guidelines, or there is no statement.
        RefusedError: `by` may not decide this.
    """
    state = read_state(ws.ledger)
    check_adjudicator(ws, state, by)
    known = {opened.guideline_hash for opened in state.opened.values()}
    found = [version for version in known if len(earlier) >= 8 and version.startswith(earlier)]
    if len(found) != 1:
        raise InputError(f"guidelines {earlier!r}: no round had them")
    if not statement.strip():
        raise InputError("say why the two guidelines mean the same")
    present = ws.guidelines()[1]
    payload = {"with": found[0], "by": by, "statement": statement}
    ws.ledger.append(
        [NewEvent("guidelines.compatible", present, payload, f"compatible:{present}:{found[0]}")]
    )


def _full_id(known: Iterable[str], given: str) -> str:
    found = [id_ for id_ in known if id_.startswith(given)] if len(given) >= 8 else []
    if len(found) != 1:
        raise InputError(f"candidate {given!r}: {'several have' if found else 'none has'} this id")
    return found[0]


def check_adjudicator(ws: Workspace, state: ReviewState, by: str) -> None:
    """Refuses anybody but the workspace's adjudicator, and an adjudicator who is one of its reviewers."""
    adjudicator = ws.config.review.adjudicator
    if not adjudicator:
        raise ConfigError(
            "no adjudicator is named", hint='set [review] adjudicator = "NAME", none of the reviewers'
        )
    if by != adjudicator:
        raise RefusedError(f"{by!r} is not this workspace's adjudicator ({adjudicator})")
    asked = {a.reviewer for a in state.assignments.values() if a.why != "rereview"}
    reviewers = asked | {*ws.config.review.reviewers}
    if person(by) in {person(name) for name in reviewers | {ws.simulated_reviewer or ""}}:
        raise RefusedError(
            f"{by!r} is one of the reviewers: a conflict is settled by somebody else",
            hint="name another person in [review] adjudicator",
        )

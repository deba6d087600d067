"""The versions of the guidelines that reviewers were shown, and which of them count as the present one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedgate.records import Docket, Round
from seedgate.review.state import read_state

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["GuidelineVersion", "guideline_versions"]


@dataclass
class GuidelineVersion:
    """One version.

    Attributes:
        hash: SHA-256 of its text.
        present: Whether `guidelines.md` says this now.
        compatible: Whether an adjudicator recorded that it means the same as the present one.
        rounds: Rounds, seed rounds and dockets that showed it, in order.
        verdicts: Standing verdicts that were given under it.
    """

    hash: str
    present: bool
    compatible: bool
    rounds: list[str] = field(default_factory=list)
    verdicts: int = 0


def guideline_versions(ws: Workspace) -> list[GuidelineVersion]:
    """Every version that was ever shown, the oldest first, and the present one."""
    present = ws.guidelines()[1]
    states = [read_state(ws.ledger), read_state(ws.ledger, purpose="seeds")]
    compatible = states[0].compatible_with(present)
    shown: list[Round | Docket] = [
        *(opened for state in states for opened in state.opened.values()),
        *states[0].dockets.values(),
    ]
    found: dict[str, GuidelineVersion] = {}
    for each in sorted(shown, key=lambda each: each.at):
        version = found.setdefault(each.guideline_hash, _version(each.guideline_hash, present, compatible))
        version.rounds.append(each.id)
    found.setdefault(present, _version(present, present, compatible))
    for heard in (heard for state in states for heard in state.verdicts.values()):
        if heard.verdict.guideline_hash in found:
            found[heard.verdict.guideline_hash].verdicts += 1
    return list(found.values())


def _version(digest: str, present: str, compatible: frozenset[str]) -> GuidelineVersion:
    return GuidelineVersion(digest, digest == present, digest in compatible)

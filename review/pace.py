"""Submissions that nobody can have read: too near in time to the same person's submission before or after.

A bulk submit on Argilla's page gives all its records nearly one time. What counts as too near is written down
in the round, so that a later change of the settings changes nothing that was answered already.
"""

from __future__ import annotations

from datetime import datetime

from seedgate.review.evidence import Heard
from seedgate.review.state import ReviewState

__all__ = ["stamped"]


def stamped(state: ReviewState) -> dict[str, float]:
    """Response id to the seconds from its reviewer's nearest other submission, for those that are too few.

    Rejections and controls count as submissions too. Simulated reviewers are exempt: they are marked anyway.
    """
    by_reviewer: dict[str, list[Heard]] = {}
    for heard in state.verdicts.values():
        opened = state.opened.get(heard.verdict.round)
        if opened is not None and heard.verdict.reviewer not in opened.simulated:
            by_reviewer.setdefault(heard.verdict.reviewer, []).append(heard)
    return {id_: gap for own in by_reviewer.values() for id_, gap in _too_near(state, own)}


def _too_near(state: ReviewState, own: list[Heard]) -> list[tuple[str, float]]:
    times = sorted((_seconds(heard), heard) for heard in own)
    found = []
    for at, (time_s, heard) in enumerate(times):
        beside = times[max(0, at - 1) : at] + times[at + 1 : at + 2]
        gap = min((abs(time_s - other) for other, _ in beside), default=None)
        if gap is not None and gap < state.opened[heard.verdict.round].min_pace_s:
            found.append((heard.verdict.response_id, gap))
    return found


def _seconds(heard: Heard) -> float:
    return datetime.fromisoformat(heard.verdict.submitted_at).timestamp()

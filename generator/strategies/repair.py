"""Repair: a rejected candidate, with the reviewer's reasons and comment, to be written anew without the fault.

What comes is a new candidate: it passes every filter and goes before reviewers like any other; only the one that
it repairs may it resemble. The label stays and the text is mended. Each rejection is asked about once. What was
rejected as unsafe, or for personal data, is not among the rejections given here. Works in the chat form only: a
list can show what to continue, not what to correct.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from seedgate.generator.rendering import Wording
from seedgate.generator.strategies.asking import Ask, Context, Rejected, UnsuitedError
from seedgate.generator.strategies.base import group_of
from seedgate.generator.strategies.decks import Deck

__all__ = ["repair"]


def repair(context: Context) -> Iterator[Ask]:
    """One rejection after the other; ends when all were asked about."""
    if context.form == "list":
        raise UnsuitedError("it works in the chat form only")
    rejected = context.reviewed().rejected
    if not rejected:
        raise UnsuitedError("it needs rejected candidates with a reason or a comment")
    decks = {group_of(group.fixed): Deck(group.seeds, context.rng) for group in context.groups}
    for each in rejected:
        fixed = {name: each.example.fields.get(name) for name in context.fixed}
        deck = decks.get(group_of(fixed))
        if deck is None:
            continue
        # Dealt for those that are passed over too, so that after a kill the others get what they had.
        hand = deck.deal(context.shots, context.rng)
        if each.example.id in context.repaired:
            continue
        yield Ask(
            tuple(hand),
            fixed,
            tags=each.example.tags,
            wording=Wording("repair", _said(each) | {"original": each.example}),
            repairs=each.example,
        )


def _said(rejected: Rejected) -> dict[str, str]:
    """As JSON, so that nobody's comment can pass for a part of the prompt."""
    return {
        "reasons": ", ".join(code.replace("_", " ") for code in rejected.reasons) or "none given",
        "comment": json.dumps(rejected.comment, ensure_ascii=False) if rejected.comment else "none",
    }

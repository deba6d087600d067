"""A correction proposed for others is a question to reviewers, never an answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seedgate.canonical import content_hash
from seedgate.errors import InputError, RefusedError
from seedgate.review import decisions, pull, push
from seedgate.review.proposing import propose
from seedgate.workspace import Workspace
from tests.fakes.reviewing import Reviewer

FIRST = "You charged my neighbour's card instead of mine"
LIKE = "You charged my sister's card instead of mine, why?"
OTHER = "Can I sign in with two mail addresses?"
ROWS = {FIRST: "account", LIKE: "account", OTHER: "account"}


def id_of(text: str, label: str) -> str:
    return content_hash({"text": text, "label": label})


@pytest.fixture
def ws(review_workspace: Callable[..., Workspace]) -> Workspace:
    """A workspace whose only reviewer has moved FIRST from account to billing."""
    ws = review_workspace(one_reviewer=True, rows=ROWS)
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna:
        anna.answer(FIRST, "edit", corrected_label="billing")
    pull(ws)
    return ws


def test_a_dry_run_names_the_likely_ones_and_writes_nothing(ws: Workspace) -> None:
    head = ws.ledger.head()
    (found,) = propose(ws, id_of(FIRST, "account")[:12], dry_run=True)
    assert (found.candidate_id, found.proposed_id) == (id_of(LIKE, "account"), id_of(LIKE, "billing"))
    assert found.problem is None
    assert ws.ledger.head() == head


def test_a_proposal_waits_for_review_and_of_the_two_one_enters(ws: Workspace) -> None:
    propose(ws, id_of(FIRST, "account"))
    made = id_of(LIKE, "billing")
    assert decisions(ws)[made].outcome == "pending"
    assert push(ws, cycle=1, ahead=True).candidates == 1
    with Reviewer(ws, "anna") as anna:
        for record in anna.records():
            if not record["responses"]:
                anna.put(record, record["prefilled"] | {"decision": "approve"})
    pull(ws)
    both = {decisions(ws)[id_].outcome for id_ in (made, id_of(LIKE, "account"))}
    assert both == {"conflict"}, "approved under both labels: an adjudicator chooses (G5)"


def test_proposing_again_adds_nothing(ws: Workspace) -> None:
    propose(ws, id_of(FIRST, "account"))
    head = ws.ledger.head()
    assert propose(ws, id_of(FIRST, "account")) == ()
    assert ws.ledger.head() == head


def test_only_a_correction_of_the_label_can_be_proposed(ws: Workspace) -> None:
    with pytest.raises(RefusedError, match="no reviewer has corrected its label"):
        propose(ws, id_of(OTHER, "account"))
    with pytest.raises(InputError, match="none has this id"):
        propose(ws, "0" * 12)

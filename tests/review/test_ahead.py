"""Who gets the next wave early."""

from __future__ import annotations

from collections.abc import Callable

from seedgate.review import nearly_done, pull, push
from seedgate.workspace import Workspace
from tests.fakes.reviewing import Reviewer


def answer(ws: Workspace, name: str, number: int) -> None:
    with Reviewer(ws, name) as person:
        for record in [r for r in person.records() if not r["responses"]][:number]:
            person.put(record, record["prefilled"] | {"decision": "approve"})
    pull(ws)


def test_only_those_who_are_nearly_done(review_workspace: Callable[..., Workspace]) -> None:
    ws = review_workspace(settings={"review": {"wave_size": 4, "ahead": 2}})
    push(ws, cycle=1)
    assert nearly_done(ws) == ()
    answer(ws, "ben", 1)
    assert nearly_done(ws) == ("ben",)
    assert push(ws, cycle=1, reviewers=nearly_done(ws), ahead=True).records == {"ben": 2}
    answer(ws, "ben", 3)
    assert nearly_done(ws) == (), "no candidate is left for another wave"


def test_as_many_as_the_quorum_takes(review_workspace: Callable[..., Workspace]) -> None:
    ws = review_workspace(settings={"review": {"wave_size": 4, "ahead": 2, "quorum": 2}})
    push(ws, cycle=1)
    answer(ws, "anna", 3)
    assert nearly_done(ws) == ("anna", "ben")

"""kill -9 at requests of `push` and `pull`, answered or not: nothing is lost, nothing comes twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

from fakes.argilla_server import FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.finetune.auditing import audit
from seedgate.review import decisions, pull, push
from seedgate.review.state import read_state
from seedgate.workspace import Workspace
from tests.review.desk import approve_but_bad_controls, desk_workspace
from tests.review.killing import killed

WHYS = ("control", "rereview", "random")
ROWS = {f"Message number {n} is about parcel {n * 7919} of mine": "delivery" for n in range(120)}
PROGRAM = """
import sys
from seedgate.review import pull, push
from seedgate.workspace import Workspace

with Workspace(sys.argv[1]) as ws:
    pull(ws) if sys.argv[2] == "pull" else push(ws, cycle=1, limit=int(sys.argv[2]))
"""


def kills(ws: Workspace, server: FakeArgilla, command: str, *, step: int) -> int:
    """Kills the command at later and later requests until it makes no more so many; how often that was."""
    for n in count():
        if not killed(ws, server, PROGRAM, command, at=1 + n * step, done=n % 2 == 1):
            return n
    raise AssertionError


def facts_of(ws: Workspace) -> Counter[tuple[str, str]]:
    """What exists, by kind and content, whatever the order and the times."""
    kinds = ("round.opened", "record.pushed", "round.pushed", "verdict.recorded", "candidate.created")
    return Counter((event.kind, event.subject) for event in ws.ledger.events(*kinds))


def test_after_any_number_of_kills_there_is_what_one_run_makes(
    review_workspace: Callable[..., Workspace], server: FakeArgilla
) -> None:
    ws = review_workspace(rows=ROWS, settings={"review": {"quorum": 2}})
    assert kills(ws, server, "120", step=14) > 1
    push(ws, cycle=1, limit=120)
    assert ws.ledger.count("round.opened") == ws.ledger.count("round.pushed") == 1
    assert len(server.records) == len({record["external_id"] for record in server.records}) == 240

    for name in ("anna", "ben"):
        with Reviewer(ws, name) as reviewer:
            for n, record in enumerate(reviewer.records()):
                decision = ("approve", "edit", "reject")[n % 3]
                changes = {"corrected_label": "billing"} if decision == "edit" else {}
                reviewer.put(record, record["prefilled"] | {"decision": decision} | changes)
    assert kills(ws, server, "pull", step=6) > 1
    pull(ws)
    found = facts_of(ws)
    once = {
        key: n for key, n in found.items() if key[0] in ("record.pushed", "round.pushed", "candidate.created")
    }
    assert set(once.values()) == {1}
    assert sum(n for (kind, _), n in found.items() if kind == "verdict.recorded") == 240
    assert sum(decision.outcome != "pending" for decision in decisions(ws).values()) >= 120
    assert pull(ws).recorded == 0
    assert list(ws.ledger.verify()) == []


def test_controls_and_re_reviews_are_placed_once_whenever_a_push_is_killed(
    tmp_path: Path, add_candidates: Callable[..., list[str]], server: FakeArgilla
) -> None:
    settings = {"controls": 0.3, "rereview": 0.5, "wave_size": 40, "min_pace_s": 0}
    two = ("anna", "ben")
    ws = desk_workspace(tmp_path / "desk", add_candidates, candidates=100, reviewers=two, **settings)
    assert kills(ws, server, "40", step=14) > 1
    push(ws, cycle=1)  # some of a hundred are left: re-reviews come with new candidates
    approve_but_bad_controls(ws, two)
    pull(ws)
    assert kills(ws, server, "40", step=14) > 1
    push(ws, cycle=1)

    state = read_state(ws.ledger)
    placed = {why: {a.record_id for a in state.assignments.values() if a.why == why} for why in WHYS}
    assert all(placed.values())
    assert state.controls.keys() == placed["control"]
    assert len(state.draws) == 1
    again = [a.candidate_id for a in state.assignments.values() if a.why == "rereview"]
    assert sorted(again) == sorted(state.draws[0].rows)
    delivered = Counter(record["external_id"] for record in server.records)
    assert set(delivered.values()) == {1}
    assert delivered.keys() == state.assignments.keys()
    assert audit(ws) == []

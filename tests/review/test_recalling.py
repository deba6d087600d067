"""A row recalled after its release: refused by `train`, left out of the next one, and its only way back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fakes.reviewing import Reviewer

from seedgate.canonical import content_hash
from seedgate.errors import InputError, RefusedError
from seedgate.finetune import affected_models, audit, recalled_rows, release, train
from seedgate.ledger import NewEvent
from seedgate.review import adjudicate, decisions, pull, push, reopen
from seedgate.workspace import Workspace

PUMP = "Where on earth is my new bicycle pump?"
BOX = "The box was left in the rain again"
ROW = content_hash({"text": PUMP, "label": "delivery"})


@pytest.fixture
def released(review_workspace: Callable[..., Workspace]) -> Workspace:
    """Two approved rows in r001, one of which anna then rejects."""
    ws = review_workspace(one_reviewer=True, rows={PUMP: "delivery", BOX: "delivery"})
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna:
        for text in (PUMP, BOX):
            anna.answer(text, "approve")
    pull(ws)
    release(ws)
    ws.ledger.append([NewEvent("model.trained", "r001-model", {"release": "r001"})])
    say(ws, "reject")
    return ws


def say(ws: Workspace, decision: str) -> None:
    with Reviewer(ws, "anna") as anna:
        anna.answer(PUMP, decision)
    pull(ws)


def test_train_names_the_row_and_the_release(released: Workspace) -> None:
    with pytest.raises(RefusedError, match=rf"^release r001: row {ROW[:12]}: .*changed a verdict") as refused:
        train(released, "r001")
    assert refused.value.exit_code == 3
    assert audit(released) == []


def test_the_next_release_omits_it_and_its_card_counts_it(released: Workspace) -> None:
    made = release(released)
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert ROW not in {row["id"] for row in manifest["rows"]}
    assert manifest["recalled"] == {"verdict changed": 1}
    card = (made.path / "README.md").read_text()
    assert "## Recalled since the release before" in card
    assert "| verdict changed | 1 |" in card
    assert PUMP not in card
    assert audit(released) == []


def test_a_card_counts_only_what_came_since_the_release_before(released: Workspace) -> None:
    release(released)
    with Reviewer(released, "anna") as anna:
        anna.answer(BOX, "reject")
    pull(released)
    made = release(released)
    assert json.loads((made.path / "manifest.json").read_text())["recalled"] == {"verdict changed": 1}


def test_lists_name_the_row_and_the_model(released: Workspace) -> None:
    (row,) = recalled_rows(released)
    assert (row.id, row.release) == (ROW, "r001")
    (model,) = affected_models(released)
    assert str(model) == "model r001-model was trained on release r001, of which 1 row was recalled since"


def test_a_verdict_changed_back_stays_recalled(released: Workspace) -> None:
    say(released, "approve")
    assert decisions(released)[ROW].outcome == "void"
    assert push(released, cycle=1).round is None
    with pytest.raises(RefusedError, match="r001"):
        train(released, "r001")


def test_a_reopened_row_starts_from_nothing_and_may_be_approved_anew(released: Workspace) -> None:
    say(released, "approve")
    assert reopen(released, ROW[:8], by="ana", reason="clicked by mistake") == ROW
    found = decisions(released)[ROW]
    assert (found.outcome, found.reason) == ("pending", "nobody has been asked yet")
    assert [row.id for row in recalled_rows(released)] == [ROW]
    assert push(released, cycle=1).candidates == 1
    # Her answer in the first round counts no more, whatever she makes of it.
    with Reviewer(released, "anna") as anna:
        first, second = (record for record in anna.records() if record["fields"]["text"] == PUMP)
        anna.put(first, first["prefilled"] | {"decision": "reject"})
        pull(released)
        assert decisions(released)[ROW].outcome == "pending"
        anna.put(second, second["prefilled"] | {"decision": "approve"})
    pull(released)
    assert decisions(released)[ROW].outcome == "approved"
    assert recalled_rows(released) == affected_models(released) == []
    made = release(released)
    assert made.counts.approved == 2
    assert audit(released) == []
    # And it can be recalled again.
    with Reviewer(released, "anna") as anna:
        anna.put(second, second["prefilled"] | {"decision": "reject"})
    assert pull(released).recalled == 1
    assert decisions(released)[ROW].outcome == "void"


@pytest.mark.parametrize(
    ("row", "by", "error", "said"),
    [
        (content_hash({"text": BOX, "label": "delivery"}), "ana", RefusedError, "is not recalled"),
        (ROW, " ", InputError, "a name and a reason"),
        ("0" * 8, "ana", InputError, "none has"),
        (ROW[:4], "ana", InputError, "none has"),
    ],
)
def test_what_cannot_be_reopened(
    released: Workspace, row: str, by: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        reopen(released, row, by=by, reason="because")


def test_adjudicated_wrong_after_a_release_recalls(review_workspace: Callable[..., Workspace]) -> None:
    settings = {"review": {"adjudicator": "judge", "quorum": 2}}
    ws = review_workspace(rows={PUMP: "delivery"}, settings=settings)
    push(ws, cycle=1)
    for name in ("anna", "ben"):
        with Reviewer(ws, name) as reviewer:
            reviewer.answer(PUMP, "approve")
    pull(ws)
    release(ws)
    # A verdict of a re-review, which recalls nothing by itself.
    verdict = next(e for e in ws.ledger.events("verdict.recorded") if e.payload["reviewer"] == "ben")
    ws.ledger.append([NewEvent("verdict.recorded", ROW, verdict.payload | {"decision": "reject"})])
    assert decisions(ws)[ROW].outcome == "conflict"
    assert recalled_rows(ws) == []
    assert adjudicate(ws, ROW, by="judge", decision="reject").outcome == "void"
    assert [(row.id, row.reason) for row in recalled_rows(ws)] == [
        (ROW, "judge settled it as wrong after the release")
    ]
    assert json.loads((release(ws).path / "manifest.json").read_text())["recalled"] == {
        "adjudicated wrong": 1
    }

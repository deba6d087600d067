"""The audit names every event, body, file and row that differs, and only those."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from seedgate.finetune import audit, release
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing


@pytest.fixture
def released(reviewing: Reviewing) -> Workspace:
    """Two releases: the seeds alone, and four approved rows with them."""
    release(reviewing.ws)
    reviewing.approve(*reviewing.candidates(4))
    release(reviewing.ws)
    return reviewing.ws


def altered(ws: Workspace, *statements: str) -> Workspace:
    ws.close()
    with sqlite3.connect(ws.state_dir / "ledger.db") as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0
    return ws


def test_a_workspace_in_order_is_clean(released: Workspace) -> None:
    assert audit(released) == []
    assert audit(released, expect_head=released.ledger.head()[1]) == []


def test_a_new_workspace_is_clean(tiny_workspace: Workspace) -> None:
    assert audit(tiny_workspace) == []


def test_a_rewritten_history_is_noticed_by_its_head(released: Workspace) -> None:
    faults = audit(released, expect_head="0" * 64)
    assert [fault.where for fault in faults] == ["ledger"]
    assert "history was rewritten" in faults[0].what


def test_later_reviews_and_settings_do_not_spoil_an_old_release(released: Workspace) -> None:
    reviewing = Reviewing(released)
    row = next(released.ledger.events("candidate.created")).subject
    reviewing.take_back(row)
    reviewing.verdicts({row: "reject"}, reviewer="second")
    released.guidelines_path.write_text("# Reviewing\n\nApprove less.\n")
    text = (released.root / "seedgate.toml").read_text()
    (released.root / "seedgate.toml").write_text(
        text.replace('reviewers = ["reviewer"]', 'reviewers = ["x"]')
    )
    with Workspace(released.root) as again:
        assert audit(again) == []


def test_several_faults_are_all_named(released: Workspace) -> None:
    for name in ("r000/README.md", "r001/train.parquet"):
        path = released.releases_dir / name
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b"x")
    (released.releases_dir / "r001" / "more").touch()
    (released.releases_dir / "r007").mkdir()
    assert {fault.where for fault in audit(released)} == {"release r000", "release r001", "releases/r007"}
    assert len(audit(released)) == 4


def test_a_changed_event_is_named(released: Workspace) -> None:
    seq = next(released.ledger.events("verdict.recorded")).seq
    altered(released, f"UPDATE events SET at = '2020' WHERE seq = {seq}")
    assert any(fault.where.startswith(f"event {seq} (verdict.recorded") for fault in audit(released))


def test_a_removed_event_is_named(released: Workspace) -> None:
    seq = next(released.ledger.events("seed.verified")).seq
    altered(released, f"DELETE FROM events WHERE seq = {seq}")
    faults = audit(released)
    assert any(f"events {seq} to {seq} are missing" in fault.what for fault in faults)
    assert any("was no verified seed" in fault.what for fault in faults)


def test_a_payload_that_is_no_json_does_not_stop_it_short(released: Workspace) -> None:
    altered(released, "UPDATE events SET payload = '{' WHERE kind = 'verdict.recorded'")
    faults = audit(released)
    assert any("was changed after it was written" in fault.what for fault in faults)
    assert faults[-1].what.startswith("cannot be read any further")


@pytest.mark.parametrize("kind", ["seed.added", "candidate.created"])
def test_a_body_that_is_gone_is_named(released: Workspace, kind: str) -> None:
    event = next(released.ledger.events(kind))
    altered(released, f"DELETE FROM bodies WHERE hash = '{event.subject}'")
    assert (f"event {event.seq} ({kind})", f"its body {event.subject[:12]} is gone") in audit(released)


def test_a_body_that_was_changed_is_named_once(released: Workspace) -> None:
    id_ = next(released.ledger.events("candidate.created")).subject
    altered(released, f"UPDATE bodies SET body = '{{}}' WHERE hash = '{id_}'")
    assert [fault.where for fault in audit(released)] == [f"body {id_[:12]}"]


def test_an_approval_that_never_was_is_named(released: Workspace) -> None:
    """The event of a release made by hand, whose row nobody approved."""
    reviewing = Reviewing(released)
    event = released.ledger.last("release.created")
    assert event is not None
    reviewing.candidates(6)
    forged = event.payload | {"rows": 99}
    released.ledger.append([NewEvent("release.created", "r001", forged)])
    assert [fault.what for fault in audit(released)] == [
        f"repeats event {event.seq}: it can happen only once",
        "its event and its manifest count differently",
    ]


def test_a_changed_evaluation_set_is_named(released: Workspace) -> None:
    released.eval_path.write_text(released.eval_path.read_text().splitlines()[0] + "\n")
    assert [fault.where for fault in audit(released)] == ["eval.jsonl"]


def test_it_tells_how_far_it_is(released: Workspace) -> None:
    told: list[tuple[int, int, str]] = []
    audit(released, on_progress=lambda *each: told.append(each))
    assert told[-1][:2] == (4, 4)
    assert any("r001" in note for _, _, note in told)


def test_a_workspace_without_a_baseline_can_be_audited(make_workspace: Callable[..., Workspace]) -> None:
    assert audit(make_workspace(verified=False, locked=False)) == []

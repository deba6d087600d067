"""Attacks on the ledger's file and its events."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from seedgate.errors import LedgerError, RefusedError
from seedgate.finetune import release, train, verify_release
from seedgate.ledger import NewEvent
from seedgate.review import decisions
from seedgate.workspace import Workspace
from tests.attacks.marking import attack
from tests.attacks.tampering import faults, ledger_file, rechain, released_texts, sql
from tests.finetune.reviewing import TEXTS, Reviewing, example

HEAD = "`audit --expect-head` with a head noted elsewhere"


def approval_of(ws: Workspace) -> str:
    """Seq of the newest verdict."""
    event = ws.ledger.last("verdict.recorded")
    assert event is not None
    return str(event.seq)


class TestRewriting:
    @attack(
        "an event's payload is rewritten in the database",
        outcome="detected",
        by="the chain: `audit`, `train`",
    )
    def test_a_rewritten_event(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        reviewing.verdicts({id_: "reject"})
        sql(
            reviewing.ws,
            "UPDATE events SET payload = replace(payload, 'reject', 'approve')"
            f" WHERE seq = {approval_of(reviewing.ws)}",
        )
        assert any("was changed after it was written" in fault for fault in faults(reviewing.ws))
        made = release(reviewing.ws)
        with pytest.raises(RefusedError, match="the ledger is damaged"):
            train(reviewing.ws, made.name)

    @attack("an event is removed", outcome="detected", by="the chain: `audit`, `train`")
    def test_a_removed_event(self, released: Workspace) -> None:
        sql(released, f"DELETE FROM events WHERE seq = {int(approval_of(released)) - 1}")
        assert any("are missing" in fault for fault in faults(released))

    @attack("an event is inserted between two others", outcome="detected", by="the chain: `audit`, `train`")
    def test_an_inserted_event(self, released: Workspace) -> None:
        sql(
            released,
            "UPDATE events SET seq = seq + 1000 WHERE seq > 40",
            "UPDATE events SET seq = seq - 999 WHERE seq > 1000",
            "INSERT INTO events SELECT 41, at, kind, subject, NULL, payload, prev_hash, hash FROM events"
            " WHERE seq = 40",
        )
        assert any("removed, added or reordered" in fault for fault in faults(released))

    @attack("two events change places", outcome="detected", by="the chain: `audit`, `train`")
    def test_reordered_events(self, released: Workspace) -> None:
        sql(
            released,
            "UPDATE events SET seq = -1 WHERE seq = 40",
            "UPDATE events SET seq = 40 WHERE seq = 41",
            "UPDATE events SET seq = 41 WHERE seq = -1",
        )
        assert any("removed, added or reordered" in fault for fault in faults(released))

    @attack(
        "a rejection is rewritten into an approval and the whole chain is recomputed",
        outcome="detected",
        by=HEAD,
    )
    def test_a_recomputed_chain(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        reviewing.verdicts({id_: "reject"})
        noted = reviewing.ws.ledger.head()[1]
        sql(
            reviewing.ws,
            "UPDATE events SET payload = replace(payload, 'reject', 'approve')"
            f" WHERE seq = {approval_of(reviewing.ws)}",
        )
        rechain(reviewing.ws)
        assert released_texts(release(reviewing.ws).path) == [TEXTS[0][0]]
        assert faults(reviewing.ws) == []
        assert any("history was rewritten" in fault for fault in faults(reviewing.ws, expect_head=noted))

    @attack("the newest events are cut off, a rejection among them", outcome="detected", by=HEAD)
    def test_a_truncated_ledger(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        reviewing.approve(id_)
        reviewing.verdicts({id_: "reject"}, reviewer="second")
        noted = reviewing.ws.ledger.head()[1]
        sql(reviewing.ws, f"DELETE FROM events WHERE seq >= {approval_of(reviewing.ws)}")
        assert any("history was rewritten" in fault for fault in faults(reviewing.ws, expect_head=noted))

    @attack(
        "the ledger is replaced by an older backup, before anything else was released",
        outcome="detected",
        by=HEAD,
    )
    def test_an_older_backup(self, reviewing: Reviewing, tmp_path: Path) -> None:
        ids = reviewing.candidates(2)
        reviewing.approve(*ids)
        reviewing.ws.close()
        shutil.copy(ledger_file(reviewing.ws), tmp_path / "old.db")
        reviewing.verdicts({ids[0]: "reject"}, reviewer="second")
        noted = reviewing.ws.ledger.head()[1]
        reviewing.ws.close()
        shutil.copy(tmp_path / "old.db", ledger_file(reviewing.ws))
        assert faults(reviewing.ws) == []
        assert any("history was rewritten" in fault for fault in faults(reviewing.ws, expect_head=noted))

    @attack(
        "the ledger is replaced by a backup that is older than a release",
        outcome="detected",
        by="`audit`: the ledger knows no such release",
    )
    def test_a_backup_older_than_a_release(self, reviewing: Reviewing, tmp_path: Path) -> None:
        reviewing.approve(*reviewing.candidates(2))
        reviewing.ws.close()
        shutil.copy(ledger_file(reviewing.ws), tmp_path / "old.db")
        release(reviewing.ws)
        reviewing.ws.close()
        shutil.copy(tmp_path / "old.db", ledger_file(reviewing.ws))
        assert faults(reviewing.ws) == ["releases/r001: the ledger knows no release of this name"]
        with pytest.raises(RefusedError, match=r"no release\.created event"):
            verify_release(reviewing.ws, "r001")

    @attack("the write-ahead log is swapped for one of another ledger", outcome="detected", by=HEAD)
    def test_a_swapped_wal(self, reviewing: Reviewing) -> None:
        ids = reviewing.candidates(2)
        reviewing.approve(*ids)
        reviewing.ws.close()
        kept = sqlite3.connect(ledger_file(reviewing.ws))  # an open reader keeps the log from being folded in
        kept.execute("SELECT count(*) FROM events").fetchall()
        reviewing.verdicts({ids[0]: "reject"}, reviewer="second")
        noted = reviewing.ws.ledger.head()[1]
        log = ledger_file(reviewing.ws).with_name("ledger.db-wal")
        copied = ledger_file(reviewing.ws).read_bytes()
        assert log.stat().st_size > 0
        reviewing.ws.close()
        kept.close()
        ledger_file(reviewing.ws).write_bytes(copied)
        log.write_bytes(b"not a log of this database")
        assert any("history was rewritten" in fault for fault in faults(reviewing.ws, expect_head=noted))


class TestBodies:
    @attack(
        "the body of an approved candidate is replaced",
        outcome="detected",
        by="its hash: reading, `audit`, `train`",
    )
    def test_a_swapped_body(self, released: Workspace) -> None:
        id_ = next(released.ledger.events("candidate.created")).subject
        sql(released, f"UPDATE bodies SET body = replace(body, 'order', 'pump') WHERE hash = '{id_}'")
        assert f"body {id_[:12]}: was changed: its content does not have its hash" in faults(released)
        with pytest.raises(LedgerError, match="was changed in the database"):
            release(released)

    @attack("two bodies change places", outcome="detected", by="their hashes: reading, `audit`, `train`")
    def test_exchanged_bodies(self, released: Workspace) -> None:
        one, two = [event.subject for event in released.ledger.events("candidate.created")][:2]
        sql(
            released,
            "UPDATE bodies SET hash = 'aside' WHERE hash = '" + one + "'",
            f"UPDATE bodies SET hash = '{one}' WHERE hash = '{two}'",
            f"UPDATE bodies SET hash = '{two}' WHERE hash = 'aside'",
        )
        assert sum("does not have its hash" in fault for fault in faults(released)) == 2

    @attack(
        "a candidate's body has a key twice, shown one way and read the other",
        outcome="refused",
        by="G2: the id is the hash of the canonical content",
    )
    def test_a_body_with_a_key_twice(self, reviewing: Reviewing) -> None:
        from seedgate.canonical import sha256

        body = '{"label":"delivery","text":"shown to nobody","text":"No sign of my order."}'
        id_ = sha256(body)
        honest = reviewing.candidate(example("No sign of my order.", "delivery"))
        payload = next(reviewing.ws.ledger.events("candidate.created", subject=honest)).payload
        reviewing.ws.ledger.append([NewEvent("candidate.created", id_, payload)])
        sql(reviewing.ws, f"INSERT INTO bodies VALUES ('{id_}', '{body}')")
        reviewing.verdicts({id_: "approve"}, seen_hash=honest)
        assert decisions(reviewing.ws)[id_].invariant == "G2"
        assert release(reviewing.ws).counts.approved == 0

    @attack(
        "a body is deleted, so that nobody can look at what was approved",
        outcome="detected",
        by="`audit`; the row is pending",
    )
    def test_a_deleted_body(self, approved: Workspace) -> None:
        id_ = next(approved.ledger.events("candidate.created")).subject
        sql(approved, f"DELETE FROM bodies WHERE hash = '{id_}'")
        assert any(f"its body {id_[:12]} is gone" in fault for fault in faults(approved))
        assert decisions(approved)[id_].outcome == "pending"


class TestOtherTables:
    @attack(
        "tables are attached that shadow the ledger's",
        outcome="refused",
        by="an attached database lasts as long as its connection",
    )
    def test_attached_tables(self, reviewing: Reviewing, tmp_path: Path) -> None:
        (id_,) = reviewing.candidates(1)
        with sqlite3.connect(ledger_file(reviewing.ws)) as database:
            database.execute(f"ATTACH '{tmp_path / 'other.db'}' AS other")
            database.execute("CREATE TABLE other.events AS SELECT * FROM main.events")
            database.execute("CREATE TEMP TABLE events AS SELECT * FROM main.events")
        assert decisions(reviewing.ws)[id_].outcome == "pending"
        assert faults(reviewing.ws) == []

    @attack(
        "a trigger swallows changed verdicts and recalls as they are written",
        outcome="refused",
        by="opening the ledger; `audit`, `train`",
    )
    def test_a_trigger(self, released: Workspace) -> None:
        swallow = "CREATE TRIGGER t BEFORE INSERT ON events WHEN NEW.kind = 'verdict.changed' "
        sql(released, swallow + "BEGIN SELECT RAISE(IGNORE); END", effect=False)
        with pytest.raises(LedgerError, match="table events has a trigger 't'"):
            Reviewing(released).take_back(next(released.ledger.events("candidate.created")).subject)

    @attack(
        "a trigger is planted while the ledger is open",
        outcome="detected",
        by="the check of `audit` and `train`, every time",
    )
    def test_a_trigger_while_open(self, released: Workspace) -> None:
        assert released.ledger.head()[0] > 0
        with sqlite3.connect(ledger_file(released)) as database:
            database.execute(
                "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events WHERE seq = 1; END"
            )
        assert any("has a trigger 't'" in fault for fault in faults(released))
        with pytest.raises(RefusedError, match="has a trigger"):
            verify_release(released, "r001")

    @attack(
        "a trigger is planted under another spelling of the table's name",
        outcome="refused",
        by="opening the ledger; `audit`, `train`",
    )
    def test_a_trigger_in_capitals(self, released: Workspace) -> None:
        swallow = "CREATE TRIGGER t BEFORE INSERT ON EVENTS WHEN NEW.kind = 'verdict.changed' "
        sql(released, swallow + "BEGIN SELECT RAISE(IGNORE); END", effect=False)
        with pytest.raises(LedgerError, match="table events has a trigger 't'"):
            Reviewing(released).take_back(next(released.ledger.events("candidate.created")).subject)

    @attack(
        "a constraint is added to the table, which swallows changed verdicts",
        outcome="refused",
        by="opening the ledger: the tables must be declared as the ledger declares them",
    )
    def test_a_constraint(self, released: Workspace) -> None:
        column = "CASE WHEN kind = 'verdict.changed' THEN NULL ELSE 1 END"
        sql(
            released,
            f"ALTER TABLE events ADD COLUMN g TEXT GENERATED ALWAYS AS ({column}) VIRTUAL NOT NULL ON CONFLICT IGNORE",
            effect=False,
        )
        with pytest.raises(LedgerError, match="table events is not declared as the ledger declares it"):
            Reviewing(released).take_back(next(released.ledger.events("candidate.created")).subject)

    @attack(
        "a trigger planted while the ledger is open swallows what is being appended",
        outcome="refused",
        by="the append: what was written must have arrived, in the same transaction",
    )
    def test_an_append_that_is_swallowed(self, released: Workspace) -> None:
        head = released.ledger.head()
        with sqlite3.connect(ledger_file(released)) as database:
            database.execute(
                "CREATE TRIGGER t BEFORE INSERT ON EVENTS WHEN NEW.kind = 'row.recalled'"
                " BEGIN SELECT RAISE(IGNORE); END"
            )
        payload = {"release": "r001", "reason": "x", "why": "verdict changed"}
        with pytest.raises(LedgerError, match="not all arrived"):
            released.ledger.append([NewEvent("row.recalled", "x", payload)])
        assert released.ledger.head() == head

    @attack("a view named events takes the table's place", outcome="refused", by="opening the ledger")
    def test_a_view(self, released: Workspace) -> None:
        sql(
            released,
            "ALTER TABLE events RENAME TO hidden",
            "CREATE VIEW events AS SELECT * FROM hidden WHERE kind <> 'verdict.changed'",
            effect=False,
        )
        with pytest.raises(LedgerError, match="table events has a view"):
            released.ledger.head()

    @attack(
        "an index is made to leave out the rejections, so that queries by kind miss what the chain has",
        outcome="detected",
        by="the database's own check of its indexes, in `audit` and `train`",
    )
    def test_a_poisoned_index(self, released: Workspace) -> None:
        id_ = next(released.ledger.events("candidate.created")).subject
        Reviewing(released).verdicts({id_: "reject"}, reviewer="second")
        assert decisions(released)[id_].outcome == "conflict"
        last = approval_of(released)
        sql(
            released,
            "DROP INDEX events_by_kind",
            f"CREATE INDEX events_by_kind ON events (kind, seq) WHERE seq <> {last}",
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = 'CREATE INDEX events_by_kind ON events (kind, seq)'"
            " WHERE name = 'events_by_kind'",
            effect=False,
        )
        assert decisions(released)[id_].outcome == "approved"
        assert any("contradicts itself" in fault for fault in faults(released))
        with pytest.raises(RefusedError, match="contradicts itself"):
            verify_release(released, "r001")


class TestMalformedEvents:
    """Whoever can append events can append nonsense: it is named, and nothing is guessed from it."""

    @attack(
        "an event without what its kind always has is appended, the chain in order",
        outcome="refused",
        by="every command that reads it: one line that names the event; `audit` lists it",
    )
    @pytest.mark.parametrize(
        ("kind", "payload", "told"),
        [
            ("verdict.recorded", {"decision": "approve"}, "its payload has no 'response_id'"),
            ("quarantine.ended", ["stand"], "its payload is no JSON object"),
            ("rereview.drawn", {"joined": "0" * 64, "rows": "all"}, "'rows' is str, not list"),
        ],
    )
    def test_a_shapeless_event(self, released: Workspace, kind: str, payload: object, told: str) -> None:
        (event,) = released.ledger.append([NewEvent(kind, "x", payload)])
        with pytest.raises(LedgerError, match=f"event {event.seq} .*was not written by seedgate: .*{told}"):
            release(released)
        assert any(told in fault for fault in faults(released))
        with pytest.raises(RefusedError, match="the ledger is damaged"):
            train(released, "r001")

    @attack(
        "a verdict with a decision that does not exist is appended, the chain in order",
        outcome="refused",
        by="every command that reads it; `audit` says that it can't read on",
    )
    def test_an_impossible_verdict(self, released: Workspace) -> None:
        given = released.ledger.last("verdict.recorded")
        assert given is not None
        forged = given.payload | {"decision": "approved by all"}
        (event,) = released.ledger.append([NewEvent("verdict.recorded", given.subject, forged)])
        with pytest.raises(LedgerError, match=f"event {event.seq} .*its payload does not fit"):
            release(released)
        assert any(f"event {event.seq}" in fault for fault in faults(released))

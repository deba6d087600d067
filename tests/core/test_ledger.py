"""The ledger: one unbroken chain, batches that are whole or absent, and one clear line when the disk fails.

What holds for every ledger runs on SQLite and on a real PostgreSQL server; what is about a file, on SQLite alone
(`sqlite_ledger`). `test_postgres.py` has what only a server can do wrong.
"""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from seedgate.canonical import content_hash
from seedgate.errors import BusyError, ConfigError, InputError, LedgerError
from seedgate.ledger import GENESIS, Ledger, NewEvent
from seedgate.ledger import lease as lease_module

TOPIC = "seed.added"


def note(number: int, **more: Any) -> NewEvent:
    return NewEvent(TOPIC, f"subject-{number}", {"number": number}, **more)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Gives the URLs of new, empty databases."""
    if request.param == "sqlite":
        numbers = count(1)
        return lambda: f"sqlite:///{tmp_path}/ledger-{next(numbers)}.db"
    server = request.getfixturevalue("postgres")
    return lambda: server.url(server.new_database())


@pytest.fixture
def ledger(new_url: Callable[[], str]) -> Iterator[Ledger]:
    with Ledger.create(new_url()) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def sqlite_ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.create(f"sqlite:///{path}") as made:
        yield made


def faults(ledger: Ledger, **options: Any) -> list[str]:
    return [f"{fault.where}: {fault.what}" for fault in ledger.verify(**options)]


def sql(ledger: Ledger, statement: str, **values: Any) -> list[Any]:
    """Does it to the database behind the ledger's back."""
    engine = create_engine(ledger.url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


# -- the chain ---------------------------------------------------------------------------------------


def test_an_empty_ledger_has_no_head_and_no_fault(ledger: Ledger) -> None:
    assert ledger.head() == (0, GENESIS)
    assert ledger.last() is None
    assert faults(ledger) == []


def test_events_come_back_in_order_each_bound_to_the_one_before(ledger: Ledger) -> None:
    written = ledger.append([note(1), note(2, key="two")]) + ledger.append([note(3)])
    assert list(ledger.events()) == written
    assert [event.seq for event in written] == [1, 2, 3]
    assert [event.prev_hash for event in written] == [GENESIS, written[0].hash, written[1].hash]
    assert ledger.head() == (3, written[2].hash)
    assert faults(ledger) == []


def test_events_are_found_by_kind_subject_and_number(ledger: Ledger) -> None:
    ledger.append([note(1), NewEvent("run.started", "subject-1", {}), note(2)])
    assert [e.seq for e in ledger.events(TOPIC)] == [1, 3]
    assert [e.seq for e in ledger.events(subject="subject-1")] == [1, 2]
    assert [e.seq for e in ledger.events(after=1)] == [2, 3]
    assert [e.seq for e in ledger.events(TOPIC, "run.started", newest_first=True)] == [3, 2, 1]
    assert ledger.count(TOPIC) == 2
    last = ledger.last(TOPIC)
    assert last is not None
    assert last.subject == "subject-2"


def test_an_unknown_kind_of_event_is_a_programming_error(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=r"unknown event kind 'seed\.addded'"):
        ledger.append([NewEvent("seed.addded", "x", {})])


CHANGED = "was changed after it was written: its hash does not match its content"
MOVED = "does not follow the event before it: something was removed, added or reordered"


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("at", "2020-01-01T00:00:00.000000+00:00", {2: CHANGED}),
        ("kind", "seed.verified", {2: CHANGED}),
        ("subject", "subject-9", {2: CHANGED}),
        ("key", "another", {2: CHANGED}),
        ("key", None, {2: CHANGED}),
        ("payload", '{"number":3}', {2: CHANGED}),
        ("payload", '{"number": 2}', {2: CHANGED}),
        ("prev_hash", "f" * 64, {2: MOVED}),
        ("hash", "f" * 64, {2: CHANGED, 3: MOVED}),
        ("seq", 7, {3: "events 2 to 2 are missing", 7: CHANGED}),
    ],
)
def test_a_changed_column_is_found_and_the_event_named(
    ledger: Ledger, column: str, value: Any, told: dict[int, str]
) -> None:
    ledger.append([note(1), note(2, key="two"), note(3)])
    sql(ledger, f"UPDATE events SET {column} = :value WHERE seq = 2", value=value)
    found = list(ledger.verify())
    for seq, what in told.items():
        assert any(fault.where.startswith(f"event {seq} ") and fault.what == what for fault in found), found
    assert {int(fault.where.split()[1]) for fault in found} == set(told)


def test_a_column_that_holds_no_text_any_more_is_a_change(sqlite_ledger: Ledger) -> None:
    sqlite_ledger.append([note(1)])
    sql(sqlite_ledger, "UPDATE events SET payload = :value", value=b"\xff")
    assert faults(sqlite_ledger) == [f"event 1 (seed.added subject-1): {CHANGED}"]


def test_a_text_in_another_unicode_form_is_a_change(ledger: Ledger) -> None:
    ledger.append([NewEvent(TOPIC, "x", {"text": "é"})])
    sql(ledger, "UPDATE events SET payload = :value", value='{"text":"e\u0301"}')
    assert faults(ledger) == [f"event 1 (seed.added x): {CHANGED}"]


def test_a_removed_event_leaves_a_gap(ledger: Ledger) -> None:
    ledger.append([note(1), note(2), note(3)])
    sql(ledger, "DELETE FROM events WHERE seq = 2")
    assert faults(ledger)[0] == "event 3 (seed.added subject-3): events 2 to 2 are missing"


def test_a_chain_recomputed_after_a_change_is_found_by_a_head_noted_before(
    ledger: Ledger, new_url: Callable[[], str]
) -> None:
    ledger.append([note(1), note(2)])
    noted = ledger.head()[1]
    forged = Ledger.create(new_url())
    forged.append([note(1), note(9)])
    assert faults(forged) == []
    assert faults(forged, expect_head=noted) == [
        f"ledger: no event has the expected head {noted[:12]}: history was rewritten"
    ]
    forged.close()
    ledger.append([note(3)])
    assert faults(ledger, expect_head=noted) == []


def test_events_cut_off_at_the_end_are_found_by_a_head_noted_before(ledger: Ledger) -> None:
    ledger.append([note(1), note(2)])
    noted = ledger.head()[1]
    sql(ledger, "DELETE FROM events WHERE seq = 2")
    assert faults(ledger) == []
    assert len(faults(ledger, expect_head=noted)) == 1


def test_a_payload_that_is_no_json_any_more_is_one_clear_line(ledger: Ledger) -> None:
    ledger.append([note(1)])
    sql(ledger, "UPDATE events SET payload = 'x'")
    with pytest.raises(LedgerError, match=r"event 1 .* its payload is no JSON: run `seedgate audit`"):
        list(ledger.events())


# -- bodies ------------------------------------------------------------------------------------------


def test_an_event_that_is_left_out_brings_no_body(ledger: Ledger) -> None:
    first = replace(note(1), key="once")
    ledger.append([first])
    ledger.append([replace(first, bodies=({"text": "late"},))])
    assert dict(ledger.every_body()) == {}


def test_a_body_is_kept_once_under_its_content_hash(ledger: Ledger) -> None:
    body = {"text": "Où est mon colis ?"}
    ledger.append([note(1, bodies=(body,)), note(2, bodies=(body, {"a": 1}))])
    assert ledger.body(content_hash(body)) == body
    assert ledger.bodies([content_hash(body), content_hash({"a": 1}), "0" * 64]) == {
        content_hash(body): body,
        content_hash({"a": 1}): {"a": 1},
    }


def test_a_changed_body_is_refused_and_found(ledger: Ledger) -> None:
    ledger.append([note(1, bodies=({"a": 1},))])
    sql(ledger, "UPDATE bodies SET body = '{}'")
    digest = content_hash({"a": 1})
    with pytest.raises(LedgerError, match=f"body {digest[:12]} was changed in the database"):
        ledger.body(digest)
    assert faults(ledger) == [f"body {digest[:12]}: was changed: its content does not have its hash"]


def test_a_missing_body_is_one_clear_line(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="body 000000000000 is not in the ledger"):
        ledger.body("0" * 64)


# -- batches -----------------------------------------------------------------------------------------


def test_an_event_whose_key_exists_is_left_out(ledger: Ledger) -> None:
    first = ledger.append([note(1, key="a"), note(2, key="a")])
    again = ledger.append([note(1, key="a"), note(3, key="b"), note(4), note(4)])
    assert [e.payload["number"] for e in first] == [1]
    assert [e.payload["number"] for e in again] == [3, 4, 4]
    assert ledger.existing_keys(["a", "b", "c"]) == {"a", "b"}
    assert faults(ledger) == []


def test_a_batch_with_a_bad_event_writes_nothing(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="nan is not a JSON number"):
        ledger.append([note(1, bodies=({"a": 1},)), NewEvent(TOPIC, "x", {"score": float("nan")})])
    assert ledger.head() == (0, GENESIS)
    assert ledger.bodies([content_hash({"a": 1})]) == {}


BROKEN = {
    "sqlite": [
        "CREATE TRIGGER broken BEFORE INSERT ON events WHEN new.seq = 3 BEGIN SELECT RAISE(ABORT, 'no'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING HINT = 'never'; END $$",
        "CREATE TRIGGER broken BEFORE INSERT ON events FOR EACH ROW WHEN (new.seq = 3) "
        "EXECUTE FUNCTION broken()",
    ],
}


def test_a_batch_that_fails_in_the_database_writes_nothing(ledger: Ledger) -> None:
    for statement in BROKEN[ledger.url.partition(":")[0].partition("+")[0]]:
        sql(ledger, statement)
    with pytest.raises(LedgerError, match="writing the ledger failed: no: ") as failed:
        ledger.append([note(1, bodies=({"a": 1},)), note(2), note(3)])
    assert len(str(failed.value).splitlines()) == 1
    assert ledger.head() == (0, GENESIS)
    assert ledger.bodies([content_hash({"a": 1})]) == {}


def test_a_trigger_that_somebody_planted_is_named_and_the_ledger_not_opened(ledger: Ledger) -> None:
    for statement in BROKEN[ledger.url.partition(":")[0].partition("+")[0]]:
        sql(ledger, statement)
    assert [f"{fault.where} {fault.what}" for fault in ledger.verify()] == [
        "table events has a trigger 'broken', which the ledger did not make"
    ]
    with pytest.raises(LedgerError, match="table events has a trigger 'broken'"):
        Ledger.open(ledger.url)


def test_large_batches_and_lookups_pass_the_databases_limits(ledger: Ledger) -> None:
    ledger.append(note(i, key=f"k{i}", bodies=({"n": i},)) for i in range(3000))
    assert len(ledger.existing_keys([f"k{i}" for i in range(4000)])) == 3000
    assert len(ledger.bodies(content_hash({"n": i}) for i in range(3000))) == 3000
    assert faults(ledger) == []


NO_NUL = st.characters(exclude_characters="\0", codec="utf-8")
"""What a subject may be made of: PostgreSQL's text holds no NUL. In a payload it is escaped."""


# One database for all examples, emptied before each: a new one for each would take most of the time.
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c", None]), st.text(max_size=5), st.text(NO_NUL, max_size=5)
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_whatever_is_appended_the_chain_is_whole_and_no_key_comes_twice(
    ledger: Ledger, batches: list[list[tuple[str | None, str, str]]]
) -> None:
    for table in ("events", "bodies"):
        sql(ledger, f"DELETE FROM {table}")
    for batch in batches:
        ledger.append(NewEvent(TOPIC, s, {"t": t}, key=k, bodies=({"t": t},)) for k, t, s in batch)
    events = list(ledger.events())
    keys = [event.key for event in events if event.key is not None]
    assert len(keys) == len(set(keys)) == len({k for batch in batches for k, _, _ in batch if k is not None})
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert faults(ledger) == []


class _Clock(datetime):
    offset = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> "_Clock":
        return cls.fromtimestamp(datetime.now(UTC).timestamp() + cls.offset.total_seconds(), tz)


def test_a_clock_set_back_never_makes_an_event_older_than_the_one_before(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ledger.append([note(1)])
    monkeypatch.setattr("seedgate.ledger.store.datetime", _Clock)
    monkeypatch.setattr(_Clock, "offset", timedelta(days=-30))
    after = ledger.append([note(2), note(3)])
    assert [event.at for event in after] == [before[0].at] * 2
    monkeypatch.setattr(_Clock, "offset", timedelta(days=1))
    assert ledger.append([note(4)])[0].at > before[0].at
    assert faults(ledger) == []


# -- several processes -------------------------------------------------------------------------------


def python(code: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def finish(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


APPENDER = """
    import sys
    from seedgate.ledger import Ledger, NewEvent
    url, name, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with Ledger.open(url) as ledger:
        print("ready", flush=True)
        sys.stdin.readline()
        for b in range(batches):
            ledger.append(
                NewEvent("seed.added", name, {"b": b, "i": i}, key=f"{b}:{i}" if i % 2 else None) for i in range(10)
            )
"""


def test_processes_appending_at_once_keep_one_valid_chain(ledger: Ledger) -> None:
    processes = [python(APPENDER, ledger.url, name, 20) for name in ("one", "two", "three")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        finish(process)
    # Of each batch 5 events have keys that all three share, 5 have none.
    assert ledger.count(TOPIC) == 20 * 5 + 3 * 20 * 5
    assert faults(ledger) == []
    by_batch: dict[tuple[str, int], list[int]] = {}
    for event in ledger.events():
        by_batch.setdefault((event.subject, event.payload["b"]), []).append(event.seq)
    assert all(seqs == list(range(seqs[0], seqs[0] + len(seqs))) for seqs in by_batch.values())


def test_a_process_killed_while_appending_leaves_whole_batches(ledger: Ledger) -> None:
    process = python(APPENDER, ledger.url, "one", 100_000)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    while ledger.head()[0] < 50:
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert ledger.head()[0] % 10 == 0
    assert faults(ledger) == []
    ledger.append([note(1)])
    assert faults(ledger) == []


IN_A_TRANSACTION = """
    import sys
    from sqlalchemy import insert
    from seedgate.ledger import Ledger, schema
    with Ledger.open(sys.argv[1]) as ledger, schema.writing(ledger._engine) as connection:
        connection.execute(insert(schema.bodies).values(hash="h", body="half a batch"))
        print("written", flush=True)
        sys.stdin.readline()
"""


def test_a_writer_killed_in_mid_transaction_leaves_nothing_and_holds_up_nobody(ledger: Ledger) -> None:
    ledger.append([note(1)])
    process = python(IN_A_TRANSACTION, ledger.url)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(ledger.append, [note(2)])
        with pytest.raises(TimeoutError):
            waits.result(timeout=0.5)  # the dead one's lock is still held
        process.kill()
        process.communicate()
        assert [event.seq for event in waits.result(timeout=30)] == [2]
    assert ledger.bodies(["h"]) == {}
    assert faults(ledger) == []


# -- leases ------------------------------------------------------------------------------------------

HOLDER = """
    import sys
    from seedgate.ledger import Ledger
    with Ledger.open(sys.argv[1]) as ledger, ledger.lease("generate"):
        print("held", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def holder(ledger: Ledger) -> Iterator["subprocess.Popen[str]"]:
    process = python(HOLDER, ledger.url)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_holder_is_told_who_holds_the_lease(ledger: Ledger, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(BusyError) as refused, ledger.lease("generate"):
        pass
    assert f"another `generate` runs on this workspace (process {holder.pid} on " in refused.value.message
    assert refused.value.hint == "wait for it, or stop it"


def test_other_stages_are_not_held_up(ledger: Ledger, holder: "subprocess.Popen[str]") -> None:
    with ledger.lease("pull") as lease:
        assert len(ledger.append([note(1)], lease=lease)) == 1


def test_the_lease_is_free_when_its_holder_is_done(ledger: Ledger, holder: "subprocess.Popen[str]") -> None:
    holder.communicate("done\n", timeout=60)
    with ledger.lease("generate") as lease:
        assert len(ledger.append([note(1)], lease=lease)) == 1


def test_a_killed_holder_is_replaced_at_once(ledger: Ledger, holder: "subprocess.Popen[str]") -> None:
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, but still in the process table
    with ledger.lease("generate") as lease:
        assert len(ledger.append([note(1)], lease=lease)) == 1


def test_the_same_process_cannot_hold_a_lease_twice(ledger: Ledger) -> None:
    with ledger.lease("generate"):
        with pytest.raises(BusyError, match=f"process {os.getpid()} "), ledger.lease("generate"):
            pass
        # The refused one must not have released the first one's.
        with pytest.raises(BusyError), ledger.lease("generate"):
            pass


def test_a_lease_that_could_not_be_given_back_holds_up_nobody(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger.lease("generate"):
        sql(ledger, "ALTER TABLE leases RENAME TO out_of_reach")
    assert "the lease of generate was not given back" in caplog.text
    sql(ledger, "ALTER TABLE out_of_reach RENAME TO leases")
    with ledger.lease("generate") as lease:
        assert len(ledger.append([note(1)], lease=lease)) == 1


def move_to_another_host(ledger: Ledger, expires: datetime) -> None:
    """As if the lease's holder ran elsewhere."""
    ((holder,),) = sql(ledger, "SELECT holder FROM leases")
    moved = json.dumps(json.loads(holder) | {"host": "elsewhere"})
    sql(ledger, "UPDATE leases SET holder = :holder, expires_at = :at", holder=moved, at=expires.isoformat())


def test_a_holder_on_another_host_is_waited_out(ledger: Ledger) -> None:
    with ledger.lease("generate"):
        move_to_another_host(ledger, datetime.now(UTC) + timedelta(seconds=30))
        with pytest.raises(BusyError, match="on elsewhere"), ledger.lease("generate"):
            pass


def test_who_lost_the_lease_can_append_nothing_and_does_not_free_the_new_holders(ledger: Ledger) -> None:
    with ledger.lease("generate") as lost:
        move_to_another_host(ledger, datetime.now(UTC) - timedelta(seconds=1))
        new = ledger.lease("generate")
        new.__enter__()
        with pytest.raises(BusyError, match="this `generate` lost its lease to another process"):
            ledger.append([note(1)], lease=lost)
        assert ledger.head() == (0, GENESIS)
    assert len(ledger.append([note(2)], lease=new)) == 1
    new.__exit__(None, None, None)


def test_a_held_lease_is_renewed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RENEW_S", 0.02)
    expiries = set()
    with ledger.lease("generate"):
        while len(expiries) < 3:
            expiries.update(sql(ledger, "SELECT expires_at FROM leases"))


def test_a_lease_on_a_database_that_cannot_be_written_is_one_clear_line(ledger: Ledger) -> None:
    sql(ledger, "DROP TABLE leases")
    with pytest.raises(LedgerError, match="the ledger is damaged"), ledger.lease("generate"):
        pass


# -- what can be wrong with the file -----------------------------------------------------------------


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"none\.db: the ledger is missing: restore it from a backup"):
        Ledger.open(f"sqlite:///{tmp_path}/none.db")


@pytest.mark.parametrize(
    "content", [b"not a database at all, but longer than a header " * 50, b"SQLite format 3\0" * 99]
)
def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "l.db").write_bytes(content)
    with pytest.raises(LedgerError, match=r"l\.db: opening the ledger failed: .*: the ledger is damaged"):
        Ledger.open(f"sqlite:///{tmp_path}/l.db")


def test_a_database_without_tables_is_one_clear_line(new_url: Callable[[], str]) -> None:
    url = new_url()
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    with pytest.raises(
        LedgerError, match=r"opening the ledger failed: .*meta.*: the ledger is damaged"
    ) as failed:
        Ledger.open(url)
    assert len(str(failed.value).splitlines()) == 1


def test_damaged_pages_are_one_clear_line(sqlite_ledger: Ledger, path: Path) -> None:
    sqlite_ledger.append([NewEvent(TOPIC, "x", {"text": "long " * 100, "i": i}) for i in range(200)])
    sqlite_ledger.close()
    raw = bytearray(path.read_bytes())
    raw[8192 : len(raw) - 4096] = b"\xa5" * (len(raw) - 4096 - 8192)
    path.write_bytes(raw)
    with pytest.raises(LedgerError, match="the ledger is damaged"):
        list(Ledger.open(sqlite_ledger.url).verify())


def test_a_ledger_of_another_version_is_refused(ledger: Ledger) -> None:
    sql(ledger, "UPDATE meta SET value = '99'")
    with pytest.raises(LedgerError, match="schema version 99, this seedgate reads 1"):
        Ledger.open(ledger.url)


def test_a_database_that_another_program_keeps_locked_is_one_clear_line(path: Path) -> None:
    Ledger.create(f"sqlite:///{path}").close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Ledger.open(f"sqlite:///{path}?timeout=0.1") as ledger, pytest.raises(LedgerError, match="locked"):
        ledger.append([note(1)])
    other.close()


READ_ONLY = """
    import os, sys
    from seedgate.errors import LedgerError
    from seedgate.ledger import Ledger, NewEvent
    folder = sys.argv[1]
    Ledger.open(f"sqlite:///{folder}/ledger.db").close()  # every import, while they can be read
    os.chmod(folder, 0o555)
    os.chmod(folder + "/ledger.db", 0o444)
    if os.getuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    for attempt in (
        lambda: Ledger.open(f"sqlite:///{folder}/ledger.db").append([NewEvent("seed.added", "x", {})]),
        lambda: Ledger.open(f"sqlite:///{folder}/ledger.db").lease("generate").__enter__(),
        lambda: Ledger.create(f"sqlite:///{folder}/other.db"),
    ):
        try:
            attempt()
        except LedgerError as error:
            print(error)
"""


def test_a_read_only_folder_is_one_clear_line_and_nothing_is_left() -> None:
    # Not in tmp_path: root's test runs change to another user, who cannot enter pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="seedgate-test-"))
    try:
        Ledger.create(f"sqlite:///{folder}/ledger.db").close()
        lines = finish(python(READ_ONLY, folder)).splitlines()
        assert len(lines) == 3
        assert all("ledger failed: " in line and line.startswith(f"{folder}/") for line in lines)
        assert all(
            line.endswith("check the disk and the folder's permissions, then run again") for line in lines
        )
        assert [item.name for item in folder.iterdir()] == ["ledger.db"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


FULL = """
    import sys
    from seedgate.errors import LedgerError
    from seedgate.ledger import Ledger, NewEvent
    with Ledger.open(sys.argv[1]) as ledger:
        written = 0
        try:
            while True:
                written += len(ledger.append(
                    NewEvent("seed.added", "x", {"i": i, "text": "y" * 500}, bodies=({"i": written + i},))
                    for i in range(50)
                ))
        except LedgerError as error:
            print(written, error)
"""


def test_a_full_disk_is_one_clear_line_and_the_batch_is_absent(sqlite_ledger: Ledger) -> None:
    sqlite_ledger.append([note(1)])
    limit = 300_000  # bytes that the child may write into a file: what a full disk does to SQLite
    process = python(
        FULL, sqlite_ledger.url, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    written, _, message = finish(process).partition(" ")
    assert int(written) >= 50
    assert "writing the ledger failed: " in message
    assert len(message.splitlines()) == 1
    assert sqlite_ledger.head()[0] == 1 + int(written)
    assert faults(sqlite_ledger) == []
    sqlite_ledger.append([note(2)])
    assert faults(sqlite_ledger) == []


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("nonsense", "not a database URL"),
        ("postgresql://user@host:secret/name", "not a database URL"),
        ("mysql://user:secret@host/name", "mysql is not supported"),
        ("postgresql+asyncpg://user:secret@host/name", "the driver postgresql+asyncpg is not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_it(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Ledger.create(url)
    assert complaint in str(refused.value)
    assert "secret" not in str(refused.value)

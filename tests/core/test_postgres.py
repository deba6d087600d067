"""The ledger on a real PostgreSQL server: the scenarios that SQLite has no part in. `test_ledger.py` has the rest."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seedgate.errors import LedgerError, RefusedError
from seedgate.ledger import Ledger, NewEvent, schema
from seedgate.seeds import example_workspace, verify
from tests.core.postgres_server import PostgresServer


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def ledger(postgres: PostgresServer, database: str) -> Iterator[Ledger]:
    with Ledger.create(postgres.url(database)) as made:
        yield made


def note(number: int) -> NewEvent:
    return NewEvent("seed.added", f"subject-{number}", {"number": number})


def refused(url: str) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


# -- the append lock ---------------------------------------------------------------------------------


def until_one_waits_for_the_lock(postgres: PostgresServer, database: str) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'advisory'"
    deadline = time.monotonic() + 60
    with postgres.connect() as connection:
        while not connection.execute(waiting, [database]).fetchone()[0]:  # type: ignore[index]
            assert time.monotonic() < deadline, "nobody waits for the append lock"
            time.sleep(0.02)


def test_appends_wait_for_the_advisory_lock_and_reads_do_not(
    postgres: PostgresServer, database: str, ledger: Ledger
) -> None:
    ledger.append([note(1)])
    with ThreadPoolExecutor(1) as pool, postgres.connect(database) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [schema.ADVISORY_LOCK])
        waits = pool.submit(ledger.append, [note(2)])
        until_one_waits_for_the_lock(postgres, database)
        assert ledger.head()[0] == 1
        assert not waits.done()
        other.execute("SELECT pg_advisory_unlock(%s)", [schema.ADVISORY_LOCK])
        assert [event.seq for event in waits.result(timeout=30)] == [2]


def test_two_ledgers_on_one_server_do_not_wait_for_each_other(
    postgres: PostgresServer, ledger: Ledger
) -> None:
    with Ledger.create(postgres.url(postgres.new_database())) as other, schema.writing(other._engine):
        assert [event.seq for event in ledger.append([note(1)])] == [1]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_writers_keep_one_chain_whatever_the_servers_default_isolation(
    postgres: PostgresServer, database: str, ledger: Ledger, isolation: str
) -> None:
    with postgres.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'")
    ledger.close()  # so that its connections are new, with that default
    with Ledger.open(ledger.url) as other, ThreadPoolExecutor(2) as pool:
        batches = [pool.submit(one.append, [note(n), note(n)]) for n in range(40) for one in (ledger, other)]
        assert all(len(batch.result()) == 2 for batch in batches)
    assert ledger.head()[0] == 160
    assert list(ledger.verify()) == []


# -- connections -------------------------------------------------------------------------------------


def cut_off(postgres: PostgresServer, database: str, spared: int = 0) -> None:
    """Ends every connection to the database but the spared backend's, as a restart of the server does."""
    others = "FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
    with postgres.connect() as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 10000) {others}", [database, spared])


def test_a_connection_lost_between_appends_is_made_anew(
    postgres: PostgresServer, database: str, ledger: Ledger
) -> None:
    ledger.append([note(1)])
    cut_off(postgres, database)
    assert [event.seq for event in ledger.append([note(2)])] == [2]


def test_a_connection_lost_in_mid_batch_is_one_clear_line_and_the_batch_is_absent(
    postgres: PostgresServer, database: str, ledger: Ledger
) -> None:
    def cut_in_the_middle() -> Iterator[NewEvent]:
        yield note(1)

    with ThreadPoolExecutor(1) as pool:
        with postgres.connect(database) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [schema.ADVISORY_LOCK])
            waits = pool.submit(ledger.append, cut_in_the_middle())
            until_one_waits_for_the_lock(postgres, database)
            # Were the holder cut off first, its lock would be free and the batch could be in before its turn.
            cut_off(postgres, database, spared=other.info.backend_pid)
            failed = waits.exception(timeout=30)
        assert isinstance(failed, LedgerError)
        assert "terminating connection due to administrator command" in failed.message
        assert failed.hint is not None
        assert "the server runs" in failed.hint
    assert [event.seq for event in ledger.append([note(2)])] == [1]


# -- what can be wrong with the address --------------------------------------------------------------


def test_a_wrong_password_is_one_clear_line_without_it(
    postgres: PostgresServer, database: str, ledger: Ledger
) -> None:
    error = refused(postgres.url(database, password="not-the-secret"))
    assert "password authentication failed" in error.message
    assert error.message.startswith(f"postgresql+psycopg://seedgate@/{database}: opening the ledger failed: ")
    assert "not-the-secret" not in str(error)
    assert postgres.password not in repr(ledger)


def test_a_password_among_the_options_is_not_shown_either(postgres: PostgresServer, database: str) -> None:
    url = f"postgresql://seedgate@/{database}?host={postgres.folder}&password=not-the-secret"
    assert "not-the-secret" not in str(refused(url))


def test_a_database_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    error = refused(postgres.url("nowhere"))
    assert 'database "nowhere" does not exist' in error.message
    assert "SEEDGATE_LEDGER_URL" in str(error.hint)


def test_an_account_that_may_not_write_is_one_clear_line(
    postgres: PostgresServer, database: str, ledger: Ledger
) -> None:
    reader = f"reader_of_{database}"
    with postgres.connect(database) as connection:
        connection.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'reading'")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    with Ledger.open(postgres.url(database, user=reader, password="reading")) as ledger:
        with pytest.raises(LedgerError, match="permission denied for table") as failed:
            ledger.append([note(1)])
        assert "reading" not in str(failed.value).replace("reading the ledger", "")
        assert ledger.head()[0] == 0


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:1"])
def test_a_server_that_is_not_there_is_one_clear_line_without_the_password(host: str) -> None:
    error = refused(f"postgresql://user:secret@{host}/name?connect_timeout=5")
    assert "Connection refused" in error.message
    assert host in error.message
    assert "secret" not in str(error)


WITHOUT_DRIVER = """
    import sys
    sys.modules["psycopg"] = None  # what an installation without the extra looks like
    from seedgate.cli.app import main
    main()
"""


def seedgate(*args: object, url: str, driver: bool = True) -> subprocess.CompletedProcess[str]:
    start = ["-m", "seedgate"] if driver else ["-c", textwrap.dedent(WITHOUT_DRIVER)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEEDGATE_")}
    return subprocess.run(
        [sys.executable, *start, *map(str, args)],
        env=clean | {"SEEDGATE_LEDGER_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_missing_driver_names_the_extra(tmp_path: Path) -> None:
    example_workspace(tmp_path / "ws").close()
    url = "postgresql://user:secret@127.0.0.1/name"
    done = seedgate("status", "-w", tmp_path / "ws", url=url, driver=False)
    assert done.returncode == 2
    assert done.stderr == (
        "seedgate: the PostgreSQL ledger needs psycopg: pip install 'seedgate[postgres]'\n"
    )


# -- a whole workspace -------------------------------------------------------------------------------


def test_a_workspace_lives_on_the_server_and_is_audited_there(
    postgres: PostgresServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = postgres.url(database), tmp_path / "ws"
    monkeypatch.setenv("SEEDGATE_LEDGER_URL", url)
    with example_workspace(folder) as ws:
        assert verify(ws, by="ana", statement="Read, every one.")
        assert ws.ledger.count("seed.added") == 200
    assert not (folder / ".seedgate" / "ledger.db").exists()
    with pytest.raises(RefusedError, match="holds the workspace 'support-desk' already"):
        example_workspace(tmp_path / "second")
    assert seedgate("audit", "-w", folder, url=url).returncode == 0

    with postgres.connect(database) as connection:
        connection.execute("UPDATE events SET subject = 'x' WHERE seq = 9")
    audit = seedgate("audit", "-w", folder, url=url)
    assert audit.returncode == 1
    assert "event 9" in audit.stdout

    wrong = seedgate("status", "-w", folder, url=postgres.url(database, password="not-the-secret"))
    assert wrong.returncode == 1
    assert len(wrong.stderr.splitlines()) == 1
    assert "not-the-secret" not in wrong.stderr

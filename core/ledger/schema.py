"""The ledger's four tables and how its engine is opened.

SQLite runs in WAL mode with `synchronous=FULL`: a committed batch survives a kill and a power cut, and
readers never wait for the writer. PostgreSQL takes the same statements.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from seedgate.errors import ConfigError, LedgerError

__all__ = [
    "bodies",
    "events",
    "guard",
    "leases",
    "make_engine",
    "meta",
    "metadata",
    "sqlite_path",
    "where",
    "writing",
]

SCHEMA_VERSION = 1

ADVISORY_LOCK = 0x5EED6A7E
"""Key of the PostgreSQL advisory lock that serialises appends."""

_URL_HINT = "use sqlite:////folder/ledger.db or postgresql+psycopg://user@host/name"
_DAMAGED = ("malformed", "not a database", "no such table", "no such column")
_UNDEFINED = ("42P01", "42703")
"""PostgreSQL's codes for a table and a column that are not there (its manual, appendix A)."""

_SHARED_BYTES = 32 * 1024
"""What opening a database in WAL mode takes on the disk (https://www.sqlite.org/walformat.html, the WAL index)."""

metadata = MetaData()

meta = Table(
    "meta", metadata, Column("name", String(40), primary_key=True), Column("value", Text, nullable=False)
)

events = Table(
    "events",
    metadata,
    # A plain INTEGER key on SQLite is the rowid: appends go to the end of the file's tree.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("key", String(200), nullable=True, unique=True),
    Column("payload", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("events_by_kind", "kind", "seq"),
    Index("events_by_subject", "subject", "seq"),
)

bodies = Table(
    "bodies", metadata, Column("hash", String(64), primary_key=True), Column("body", Text, nullable=False)
)

leases = Table(
    "leases",
    metadata,
    Column("stage", String(40), primary_key=True),
    Column("token", String(64), nullable=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", String(32), nullable=False),
)


def parse_url(url: str) -> URL:
    """The parsed URL of a supported database.

    Raises:
        ConfigError: It is no URL, for another database, or for a SQLite database in memory.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: what stands for the port is no number
        # Not shown: it may hold a password.
        raise ConfigError("ledger url: not a database URL", hint=_URL_HINT) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError(f"ledger url: {backend} is not supported", hint=_URL_HINT)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"):
        raise ConfigError(f"ledger url: the driver {parsed.drivername} is not supported", hint=_URL_HINT)
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("ledger url: names no file", hint=_URL_HINT)
    return parsed


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, None for another database."""
    parsed = parse_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def make_engine(url: str) -> Engine:
    """An engine whose transactions start as the connection's `immediate` execution option says.

    Raises:
        ConfigError: The URL is for a database that is not supported, or its driver is not installed.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        patience_s = float(str(parsed.query.get("timeout", 30)))  # how long to wait for another's lock
        engine = create_engine(url, connect_args={"timeout": patience_s, "check_same_thread": False})
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    try:
        # Whatever the server's default: a snapshot from before the append lock would hide its last holder's work.
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, isolation_level="READ COMMITTED"
        )
    except ImportError as error:
        raise ConfigError(
            f"the PostgreSQL ledger needs {error.name or 'psycopg with libpq'}",
            hint="pip install 'seedgate[postgres]'",
        ) from None


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer's overlaps; committed when the block ends well."""
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": ADVISORY_LOCK})
        yield connection


@contextmanager
def guard(engine: Engine, doing: str) -> Iterator[None]:
    """Turns the database's errors into one clear line."""
    try:
        yield
    except DatabaseError as error:
        # PostgreSQL's messages go on with the statement and with advice, each on a line of its own.
        reason = str(error.orig).strip().partition("\n")[0]
        if reason == "disk I/O error" and _disk_is_full(engine):
            reason = "the disk is full"  # no room for the file that WAL mode shares between processes
        told = f"{where(engine)}: {doing} the ledger failed: {reason}"
        raise LedgerError(told, hint=_advice(error, reason)) from error


def _disk_is_full(engine: Engine) -> bool:
    folder = Path(where(engine)).parent
    return folder.is_dir() and shutil.disk_usage(folder).free < _SHARED_BYTES


def _advice(error: DatabaseError, reason: str) -> str:
    if any(sign in reason for sign in _DAMAGED) or getattr(error.orig, "sqlstate", None) in _UNDEFINED:
        return "the ledger is damaged: restore it from a backup, then run `seedgate audit`"
    if "locked" in reason:
        return "another program keeps the database locked: end it, then run again"
    if error.connection_invalidated or "connection" in reason or "resolve host" in reason:
        return "check the address, user and password in SEEDGATE_LEDGER_URL and that the server runs, then run again"
    return "check the disk and the folder's permissions, then run again"


def where(engine: Engine) -> str:
    """The database's file, or its address without password and options (which may hold one, too)."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    shown = URL.create(url.drivername, url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()


def _sqlite_connect(connection: Any, _record: Any) -> None:
    # sqlite3 would begin transactions by itself, and lazily: two readers turned writers could deadlock.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

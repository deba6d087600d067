"""The ledger's four tables and how its engine is opened.

SQLite runs in WAL mode with `synchronous=FULL`: a committed batch survives a kill and a power cut, and
readers never wait for the writer. PostgreSQL takes the same statements.
"""

from __future__ import annotations

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
)
from sqlalchemy.engine import Connection, Engine, make_url

from seedgate.errors import ConfigError

__all__ = ["ADVISORY_LOCK", "bodies", "events", "leases", "make_engine", "meta", "metadata", "sqlite_path"]

SCHEMA_VERSION = 1

ADVISORY_LOCK = 0x5EED6A7E
"""Key of the PostgreSQL advisory lock that serialises appends."""

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


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, None for another database."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def make_engine(url: str) -> Engine:
    """An engine whose transactions start as the connection's `immediate` execution option says.

    Raises:
        ConfigError: The URL is for a database that is not supported, or its driver is not installed.
    """
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        engine = create_engine(url, connect_args={"timeout": 30.0, "check_same_thread": False})
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    if backend == "postgresql":
        try:
            return create_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the PostgreSQL ledger needs {error.name}", hint="pip install 'seedgate[postgres]'"
            ) from None
    raise ConfigError(
        f"ledger url: {backend} is not supported", hint="use sqlite:/// or postgresql+psycopg://"
    )


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

"""What somebody put into the ledger's database that changes what is written to it, or read from it.

The chain is computed over what a query returns. A trigger that swallows an insert, a view in the place of a
table, or an index that leaves rows out would let it agree while events are missing from it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateTable

from seedgate.ledger.chain import Fault
from seedgate.ledger.schema import metadata

__all__ = ["foreign_objects", "index_faults"]

_SQLITE = "SELECT type, name, tbl_name FROM sqlite_master WHERE type IN ('trigger', 'view')"
_POSTGRESQL = """
SELECT 'trigger', tgname::text, relname::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
UNION ALL SELECT 'rule', rulename::text, tablename::text FROM pg_rules WHERE schemaname = current_schema()
UNION ALL SELECT 'view', viewname::text, viewname::text FROM pg_views WHERE schemaname = current_schema()
"""
_COLUMNS = """
SELECT table_name::text, column_name::text, column_default::text, is_generated::text
FROM information_schema.columns WHERE table_schema = current_schema()
"""


def foreign_objects(connection: Connection) -> Iterator[Fault]:
    """Triggers and rules on the ledger's tables, and views in their place."""
    query = _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE
    for kind, name, table in connection.execute(text(query)):
        if table.lower() in metadata.tables:  # SQLite keeps the name as it was typed
            yield Fault(f"table {table.lower()}", f"has a {kind} {name!r}, which the ledger did not make")
    yield from _foreign_columns(connection)


def _foreign_columns(connection: Connection) -> Iterator[Fault]:
    """Tables that are not declared as the ledger declares them: a constraint can swallow an insert, too."""
    if connection.dialect.name == "sqlite":
        made = {
            name: str(CreateTable(table).compile(dialect=connection.dialect))
            for name, table in metadata.tables.items()
        }
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        for name, declared in connection.execute(text(query)):
            wanted = made.get(name.lower())
            if wanted is not None and _squeezed(declared) != _squeezed(wanted):
                yield Fault(f"table {name}", "is not declared as the ledger declares it")
        return
    for name, column, default, generated in connection.execute(text(_COLUMNS)):
        table = metadata.tables.get(name)
        if table is not None and (column not in table.c or default or generated == "ALWAYS"):
            yield Fault(f"table {name}", f"has a column {column!r} that is not as the ledger declares it")


def _squeezed(sql: str) -> str:
    return "".join(sql.split()).replace('"', "").casefold()


def index_faults(connection: Connection) -> Iterator[Fault]:
    """Rows that an index leaves out, so that a query by kind would miss them (SQLite only)."""
    if connection.dialect.name != "sqlite":
        return
    for (said,) in connection.execute(text("PRAGMA integrity_check(20)")):
        if said != "ok":
            yield Fault("ledger", f"the database contradicts itself: {said}")

"""Readies Argilla's data before its server starts: schema, the pusher's account, the search index.

Run as a script by the interpreter of argilla-server's own environment, where `seedgate` is not installed; reads
`{"username", "password", "api_key"}` from standard input, since arguments are visible to every user, and prints
one JSON object on its last line. One process instead of Argilla's three commands saves two imports of 5 s each.

Idempotent. Password and key follow what is asked: editing the secrets and running `up` rotates them. The index
is rebuilt every time because the embedded search engine keeps it in memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any


def migrate() -> None:
    """Brings the database to the newest schema, as `python -m argilla_server database migrate` does."""
    from argilla_server.cli.database.migrate import migrate_db

    migrate_db("head")


async def keep_account(session: Any, username: str, password: str, api_key: str) -> str:
    """Creates the owner account, or brings its password and key up to date; says which."""
    from argilla_server.contexts import accounts
    from argilla_server.models import User, UserRole

    user = await accounts.get_user_by_username(session, username)
    if user is None:
        await User.create(
            session,
            first_name=username,
            username=username,
            role=UserRole.owner,
            api_key=api_key,
            password_hash=accounts.hash_password(password),
            workspaces=[],
        )
        return "created"
    if user.api_key == api_key and accounts.verify_password(password, user.password_hash):
        return "kept"
    await user.update(session, api_key=api_key, password_hash=accounts.hash_password(password))
    return "updated"


async def rebuild_index(session: Any) -> tuple[int, int]:
    """Indexes every dataset again, as `search-engine reindex` does; how many datasets and records."""
    from argilla_server.cli.search_engine.reindex import Reindexer
    from argilla_server.search_engine import get_search_engine

    datasets = records = 0
    async for engine in get_search_engine():
        async for dataset in Reindexer.reindex_datasets(session, engine):
            datasets += 1
            async for batch in Reindexer.reindex_dataset_records(session, engine, dataset):
                records += len(batch)
    return datasets, records


async def fill(wanted: dict[str, str]) -> dict[str, Any]:
    """Account and index; what was done."""
    from argilla_server.database import AsyncSessionLocal

    async with AsyncSessionLocal() as session:
        account = await keep_account(session, wanted["username"], wanted["password"], wanted["api_key"])
    async with AsyncSessionLocal() as session:
        datasets, records = await rebuild_index(session)
    return {"account": account, "datasets": datasets, "records": records}


if __name__ == "__main__":
    wanted = json.loads(sys.stdin.read())
    migrate()
    sys.stdout.write("\n" + json.dumps(asyncio.run(fill(wanted))) + "\n")

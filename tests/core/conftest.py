"""Fixtures of the ledger's tests: one real PostgreSQL server per session, where the machine has one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.core.postgres_server import PostgresServer, programs

MISSING = (
    "no PostgreSQL server on this machine: install it (Debian, Ubuntu: apt-get install postgresql) "
    "to test the ledger on it"
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server; the test is skipped, visibly, where none is installed (except in CI: there it fails)."""
    found = programs()
    if found is None:
        (pytest.fail if os.environ.get("SEEDGATE_TEST_ALL") else pytest.skip)(MISSING)
    server = PostgresServer(found)
    yield server
    server.stop()

"""agno's own migrations, all of them or none.

agno commits after each step, so that a failure would leave a schema that belongs to no version. Here everything runs on
one connection in one transaction, in which agno's own transactions are savepoints: other replicas go on with the old
tables until the end, and after a failure nothing has happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import psycopg
from agno.db.migrations.manager import MigrationManager
from agno.db.postgres import AsyncPostgresDb
from packaging.version import InvalidVersion, Version
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker

from agentos_runtime.database.engine import create_engine
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.settings import DatabaseSettings

_LONGEST_SECONDS = 3600
"""One statement of a migration may take as long; the server's own limit is meant for requests."""
_LOCK_SECONDS = 5
"""Waiting longer for a table would hold up everybody who comes after: give up and try again."""


def bring_up(settings: DatabaseSettings) -> None:
    """Migrate what an older version left, then create what is not there."""
    try:
        asyncio.run(_bring_up(settings))
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise psycopg.OperationalError(str(error.orig)) from error
        raise


async def _bring_up(settings: DatabaseSettings) -> None:
    engine = create_engine(replace(settings, statement_seconds=_LONGEST_SECONDS))
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST_SECONDS}s'"))
            await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
            await _refuse_newer(connection, settings.schema)
            database = _database(connection, settings.schema)
            await MigrationManager(database).up()
            await database._create_all_tables()  # type: ignore[no-untyped-call]
            # agno would make it at the first run in the background, where two replicas fail each other's.
            await database.ensure_jobs_table()
    finally:
        await engine.dispose()


def _database(connection: AsyncConnection, schema: str) -> AsyncPostgresDb:
    """agno's database on one connection, whose commits end a savepoint."""
    engine = cast("AsyncEngine", _OneConnection(connection))
    database = AsyncPostgresDb(db_engine=engine, db_schema=schema, create_schema=False, id="migration")
    database.async_session_factory = async_sessionmaker(
        bind=connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
    )
    return database


class _OneConnection:
    """Stands in for an engine: what agno opens is always the same connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.dialect = connection.dialect

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only reads."""
        yield self._connection

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A connection with a transaction of its own."""
        async with self._connection.begin_nested():
            yield self._connection


async def _refuse_newer(connection: AsyncConnection, schema: str) -> None:
    """A StartupError where a newer agno was here: an older one would misread what it finds."""
    known = MigrationManager.available_versions[-1][1]
    table = f"{schema}.agno_schema_versions"
    if await connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
        return
    found = await connection.scalars(text(f"SELECT DISTINCT version FROM {table}"))  # noqa: S608 - a name of ours
    newest = max((_version(each) for each in found), default=known)
    if newest > known:
        message = (
            f"schema {schema!r} was brought to agno's version {newest} by a newer runtime, and this one knows {known}:"
            " run the newer image again, or restore a backup from before"
        )
        raise StartupError(Reason.SCHEMA_NEWER, message)


def _version(value: Any) -> Version:
    try:
        return Version(str(value))
    except InvalidVersion:
        return Version("0")

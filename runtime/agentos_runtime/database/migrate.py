"""Bring the workspace's schema to this version's tables, before the first request.

One replica does it while the others wait on a lock in the schema itself. Advisory locks would do too, but
they are shared by every tenant of the server, so that one tenant could stop another's pods. What was done
is noted in the same place: a start that finds the note asks the server one question instead of agno's two
hundred.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.settings import DatabaseSettings

if TYPE_CHECKING:
    from agno.db.base import AsyncBaseDb

_LOG = logging.getLogger("agentos.migrate")
_NOTE = "agentos_runtime_schema"
_EPOCH = 1
"""Raised when this runtime changes tables of its own without a new agno."""


def fingerprint() -> str:
    """What a schema must have been brought to."""
    return f"agno {version('agno')}, epoch {_EPOCH}"


def is_current(settings: DatabaseSettings) -> bool:
    """One question: the note is this version's, and as many tables are there as it counted.

    Called in a thread while agno is imported, so that a start on a warm schema pays nothing for it.
    """
    with psycopg.connect(settings.url, connect_timeout=settings.connect_seconds, autocommit=True) as connection:
        try:
            row = connection.execute(_compare(settings.schema), [f"{settings.schema}."]).fetchone()
        except psycopg.errors.UndefinedTable:
            return False
        return row is not None and row[0] == fingerprint() and bool(row[1])


def _compare(schema: str) -> sql.Composed:
    """The note, and whether the tables it counted are all there."""
    return sql.SQL(
        "SELECT fingerprint, tables <= (SELECT count(*) FROM pg_tables WHERE schemaname || '.' = %s"
        " AND tablename LIKE 'agno\\_%%') FROM {} ORDER BY migrated_at DESC LIMIT 1"
    ).format(sql.Identifier(schema, _NOTE))


async def migrate(settings: DatabaseSettings, database: AsyncBaseDb) -> None:
    """Create and migrate under the lock; a StartupError names what failed, without the server's address."""
    try:
        connect = psycopg.AsyncConnection.connect
        async with await connect(settings.url, connect_timeout=settings.connect_seconds) as connection:
            await _lock(connection, settings.schema)
            if await _noted(connection, settings.schema):
                return
            await _bring_up(database)
            await _write_note(connection, settings.schema)
    except psycopg.OperationalError:
        raise  # the database is away: the caller tries again
    except psycopg.Error as error:
        raise _failed(settings, error.sqlstate or type(error).__name__) from error
    except StartupError:
        raise
    except Exception as error:  # agno's migrations raise anything
        raise _failed(settings, type(error).__name__) from error
    _LOG.info("migrated", extra={"schema": settings.schema, "to": fingerprint()})


async def _lock(connection: psycopg.AsyncConnection[Any], schema: str) -> None:
    """Make the note's table and hold it until the transaction ends; readers are not held up."""
    table = sql.Identifier(schema, _NOTE)
    create = sql.SQL("CREATE TABLE IF NOT EXISTS {} (fingerprint text, tables int, migrated_at timestamptz)")
    # Another replica may be faster: IF NOT EXISTS looks before the other one's commit.
    with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
        await connection.execute(create.format(table))
    await connection.commit()
    await connection.execute("SET LOCAL statement_timeout = '120s'")
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    await connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(table))


async def _noted(connection: psycopg.AsyncConnection[Any], schema: str) -> bool:
    """Whether the replica that held the lock before has done it all."""
    row = await (await connection.execute(_compare(schema), [f"{schema}."])).fetchone()
    return row is not None and row[0] == fingerprint() and bool(row[1])


async def _bring_up(database: AsyncBaseDb) -> None:
    """agno's own steps: migrate what an older version left, then create what is not there."""
    from agno.db.migrations.manager import MigrationManager  # noqa: PLC0415 - only a cold schema pays for it

    await MigrationManager(database).up()
    await database._create_all_tables()


async def _write_note(connection: psycopg.AsyncConnection[Any], schema: str) -> None:
    """Remember what the schema is now; the lock goes with this transaction."""
    note = sql.SQL(
        "INSERT INTO {} SELECT %s, count(*), now() FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'agno\\_%%'"
    )
    table = sql.Identifier(schema, _NOTE)
    await connection.execute(sql.SQL("DELETE FROM {}").format(table))
    await connection.execute(note.format(table), [fingerprint(), schema])


def _failed(settings: DatabaseSettings, why: str) -> StartupError:
    message = f"schema {settings.schema!r} cannot be migrated ({why}); the runtime's log has the cause"
    return StartupError(Reason.MIGRATION_FAILED, message)

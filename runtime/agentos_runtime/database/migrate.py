"""Bring the workspace's schema to this version's tables, before the first request.

One replica does it while the others wait on a lock in the schema itself. Advisory locks would do too, but
they are shared by every tenant of the server, so that one tenant could stop another's pods. What was done is
noted in the same place: a start that finds the note asks the server one question instead of agno's two
hundred. An empty schema, that of a new workspace, gets all tables in one go from `tables.sql`, which a test
keeps equal to what agno would make; only a schema with older tables needs agno's own migrations.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

from agentos_runtime.database import outbox, vectors
from agentos_runtime.errors import Reason, StartupError
from agentos_runtime.settings import DatabaseSettings

_LOG = logging.getLogger("agentos.migrate")
_NOTE = "agentos_runtime_schema"
_EPOCH = 3
"""Raised when this runtime changes tables of its own without a new agno."""
_CONTINUATIONS = (
    "CREATE TABLE IF NOT EXISTS {} (claim text PRIMARY KEY, run_id text NOT NULL,"
    " claimed_at timestamptz NOT NULL DEFAULT now())"
)
"""Which pauses have been continued; written by approvals/claims.py."""
Connection = psycopg.Connection[Any]
AWAY = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)
"""Down, hung, full, or a standby: none of them is for somebody to mend here, so the process waits."""
_MADE_BY_ANOTHER = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
)
"""IF NOT EXISTS looks once; another replica's commit is then met in an index, as the table, or as the table's type."""
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A server that vanished without a word is noticed in half a minute instead of two hours."""


def fingerprint() -> str:
    """What a schema must have been brought to."""
    return f"agno {version('agno')}, epoch {_EPOCH}"


def migrate(
    settings: DatabaseSettings,
    imported: threading.Event | None = None,
    knowledge: Sequence[vectors.VectorTable] = (),
) -> None:
    """Do what is to be done, once for all replicas.

    `imported` is set once another thread has imported agno; None where none does. `knowledge` are its tables.
    One of AWAY means that the database is away; a StartupError that somebody has to look.
    """
    try:
        with psycopg.connect(settings.url, connect_timeout=settings.connect_seconds, **_KEEPALIVE) as connection:
            if not _is_noted(connection, settings.schema):
                _migrate_alone(connection, settings, imported)
                connection.commit()
            if settings.events_of and not outbox.is_installed(connection, settings.schema):
                _lock(connection, settings.schema)
                outbox.install(connection, settings.schema)
            if knowledge and not vectors.are_there(connection, settings.schema, knowledge):
                vectors.require_pgvector(connection)
                _lock(connection, settings.schema)
                vectors.make_tables(connection, settings.schema, knowledge)
    except (*AWAY, StartupError):
        raise
    except Exception as error:  # agno's migrations raise anything
        why = getattr(getattr(error, "orig", error), "sqlstate", None) or type(error).__name__
        message = f"schema {settings.schema!r} cannot be migrated ({why}); the runtime's log has the cause"
        _LOG.exception("the migration failed")
        raise StartupError(Reason.MIGRATION_FAILED, message) from error


def _migrate_alone(connection: Connection, settings: DatabaseSettings, imported: threading.Event | None) -> None:
    """Everything that only one replica may do; what it did is seen with the lock's end."""
    _lock(connection, settings.schema)
    if _is_noted(connection, settings.schema):
        return
    if _has_tables(connection, settings.schema):
        # Not while the main thread imports agno: its modules import each other in circles, in which two threads can
        # wait for one another, and Python then fails one of the imports.
        if imported:
            imported.wait()
        from agentos_runtime.database.bring_up import bring_up  # noqa: PLC0415

        bring_up(settings)
    else:
        connection.execute(tables(settings.schema))
    connection.execute(sql.SQL(_CONTINUATIONS).format(sql.Identifier(settings.schema, "agentos_runtime_continuations")))
    _write_note(connection, settings.schema)
    _LOG.info("migrated", extra={"schema": settings.schema, "to": fingerprint()})


def tables(schema: str) -> bytes:
    """The statements that make all of agno's tables in an empty schema."""
    text = files("agentos_runtime.database").joinpath("tables.sql").read_text(encoding="utf-8")
    return text.replace("{schema}", schema).encode()


def _is_noted(connection: Connection, schema: str) -> bool:
    """The note is this version's, and as many tables are there as it counted."""
    question = sql.SQL(
        "SELECT fingerprint, tables <= (SELECT count(*) FROM pg_tables WHERE schemaname = %s"
        " AND tablename LIKE 'agno\\_%%') FROM {}"
    ).format(sql.Identifier(schema, _NOTE))
    try:
        with connection.transaction():
            row = connection.execute(question, [schema]).fetchone()
    except psycopg.errors.UndefinedTable:
        return False
    return row == (fingerprint(), True)


def _has_tables(connection: Connection, schema: str) -> bool:
    """Whether agno, of any version, was here before."""
    question = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'agno\\_%%' LIMIT 1"
    return connection.execute(question, [schema]).fetchone() is not None


def _lock(connection: Connection, schema: str) -> None:
    """Make the note's table and hold it until the transaction ends; readers are not held up."""
    table = sql.Identifier(schema, _NOTE)
    create = sql.SQL("CREATE TABLE IF NOT EXISTS {} (fingerprint text, tables int, migrated_at timestamptz)")
    with suppress(*_MADE_BY_ANOTHER), connection.transaction():
        connection.execute(create.format(table))
    connection.commit()
    connection.execute("SET LOCAL statement_timeout = '120s'")
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(table))


def _write_note(connection: Connection, schema: str) -> None:
    """Remember what the schema is now; the lock goes with this transaction."""
    note = sql.SQL(
        "INSERT INTO {} SELECT %s, count(*), now() FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'agno\\_%%'"
    )
    table = sql.Identifier(schema, _NOTE)
    connection.execute(sql.SQL("DELETE FROM {}").format(table))
    connection.execute(note.format(table), [fingerprint(), schema])

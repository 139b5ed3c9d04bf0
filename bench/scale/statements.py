"""How many statements PostgreSQL executes for one workspace, by its own count."""

from __future__ import annotations

from psycopg import sql

from local.postgres import PostgresProcess
from local.steps import StepFailedError

SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "200000"}
"""A server that counts (https://www.postgresql.org/docs/17/pgstatstatements.html), and forgets none of a part's
statements: those that name a schema or a role differ for each workspace."""
_COUNT = "SELECT coalesce(sum(calls), 0), (SELECT dealloc FROM pg_stat_statements_info) FROM pg_stat_statements"
_OTHERS = " WHERE userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)"


def prepare(database: PostgresProcess) -> None:
    """Make the counts readable."""
    database.run(sql.SQL("CREATE EXTENSION pg_stat_statements"))


def reset(database: PostgresProcess) -> None:
    """Begin to count."""
    database.run(sql.SQL("SELECT pg_stat_statements_reset()"))


def counted(database: PostgresProcess) -> int:
    """Statements since the beginning, of everybody but the administrator, BEGIN and COMMIT among them."""
    with database.connect() as connection:
        calls, forgotten = connection.execute(_COUNT + _OTHERS).fetchall()[0]
    if forgotten:
        raise StepFailedError("pg_stat_statements has forgotten some", "Raise pg_stat_statements.max in statements.py.")
    return int(calls)

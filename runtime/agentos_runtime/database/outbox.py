"""The outbox: tables and triggers that note what happens to runs, for `agentos_runtime.events` to publish.

Triggers rather than hooks in agno: what is noted is what was committed, by whichever of agno's many ways it came
about, and in the same transaction, so that neither can be there without the other. They note nothing for a
connection that has not said which deployment it is (`create_engine`).
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

TABLE = "agentos_runtime_events"
PUBLISHERS = "agentos_runtime_publishers"
_VERSION = "agentos outbox 1"
"""Raised with a change of `outbox.sql`; it stands in the function's comment."""


def is_installed(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Whether this version's functions and both triggers are there: a table that was made anew has none."""
    question = (
        "SELECT obj_description(to_regprocedure(%(function)s), 'pg_proc') = %(version)s AND 2 = ("
        "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %(schema)s AND t.tgname LIKE 'agentos\\_runtime\\_%%')"
    )
    function = f"{schema}.agentos_runtime_run_changed()"
    row = connection.execute(question, {"function": function, "version": _VERSION, "schema": schema}).fetchone()
    return row == (True,)


def install(connection: psycopg.Connection[Any], schema: str) -> None:
    """Make all of it; the caller holds the lock under which only one replica changes the schema."""
    text = files("agentos_runtime.database").joinpath("outbox.sql").read_text(encoding="utf-8")
    connection.execute(text.replace("{schema}", schema).encode())
    function = sql.Identifier(schema, "agentos_runtime_run_changed")
    connection.execute(sql.SQL("COMMENT ON FUNCTION {}() IS {}").format(function, sql.Literal(_VERSION)))

"""Remembers whose the retained schemas and databases were, where no tenant can read it; for ``server`` and ``own``.

A COMMENT would not do: every tenant reads all of them, and they must not list the customers. So this is a table in a
schema of the operator's own, in the database that workspaces share, without any grant. The table tells a person what
is there; whether something may be taken over is decided by the marks on the thing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from psycopg import sql

from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.errors import DatabaseNotOwned
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import MARKER, RETAINED

SCHEMA: Final = "agentos_private"
"""Schema of what the operator remembers."""
_SCHEMA_MARKER: Final = "agentos.hyvve.io/private"

_STATE: Final = """
SELECT pg_get_userbyid(n.nspowner) = current_user AND obj_description(n.oid, 'pg_namespace') = %(marker)s
    AND coalesce(pg_get_userbyid(c.relowner) = current_user AND c.relkind = 'r' AND NOT c.relhastriggers, true) AS ours,
  c.oid IS NOT NULL AS complete,
  EXISTS (SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner) AS granted
FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'retained'
WHERE n.nspname = %(schema)s
"""
_LISTING: Final = """
SELECT r.name, r.isolation, r.workspace, r.uid,
  to_char(r.retained_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS retained_at
FROM agentos_private.retained r
WHERE %(marker)s || r.uid || ' ' || %(retained)s = CASE r.isolation
    WHEN 'Schema' THEN (SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE n.nspname = r.name)
    ELSE (SELECT shobj_description(d.oid, 'pg_database') FROM pg_database d WHERE d.datname = r.name) END
ORDER BY r.retained_at, r.name
"""
_TABLE: Final = sql.SQL("""CREATE TABLE agentos_private.retained (
  name text PRIMARY KEY, isolation text NOT NULL, workspace text NOT NULL, uid text NOT NULL,
  retained_at timestamptz NOT NULL DEFAULT now())""")
_INSERT: Final = sql.SQL(
    "INSERT INTO agentos_private.retained (name, isolation, workspace, uid) VALUES ({}, {}, {}, {})"
    " ON CONFLICT (name) DO UPDATE SET uid = excluded.uid, workspace = excluded.workspace, retained_at = now()"
)


@dataclass(frozen=True, slots=True)
class Retained:
    """Data whose Workspace was deleted with ``Retain``."""

    name: str
    """Name of the schema or database."""
    isolation: str
    """Schema or Database."""
    workspace: str
    """Name that the Workspace had."""
    uid: str
    """``metadata.uid`` that it had."""
    retained_at: str = ""
    """When, in UTC as RFC 3339; PostgreSQL's clock fills it in."""


async def remember(session: Session, settings: ServerSettings, entry: Retained) -> list[sql.Composable]:
    """Statements that note ``entry``, to be run in the transaction that marks the data as retained."""
    state = await _state(session, settings)
    statements: list[sql.Composable] = []
    if state is None:
        statements.append(sql.SQL("CREATE SCHEMA agentos_private"))
        statements.append(sql.SQL("COMMENT ON SCHEMA agentos_private IS {}").format(sql.Literal(_SCHEMA_MARKER)))
    if not state:
        statements.append(_TABLE)
    values = (entry.name, entry.isolation, entry.workspace, entry.uid)
    return [*statements, _INSERT.format(*(sql.Literal(value) for value in values))]


async def forget(session: Session, settings: ServerSettings, name: str) -> list[sql.Composable]:
    """Statements that strike ``name`` from the list."""
    if not await _state(session, settings):
        return []
    return [sql.SQL("DELETE FROM agentos_private.retained WHERE name = {}").format(sql.Literal(name))]


async def listing(session: Session, settings: ServerSettings) -> tuple[Retained, ...]:
    """What is remembered and still there, the oldest first; whoever was let into the schema is put out."""
    if not await _state(session, settings):
        return ()
    rows = await session.fetch(_LISTING, {"marker": MARKER, "retained": RETAINED})
    return tuple(Retained(**row) for row in rows)


async def _state(session: Session, settings: ServerSettings) -> bool | None:
    """None without our schema, False without the table in it, True with both.

    A table of somebody else's could run code with the operator's rights when it is written.
    """
    rows = await session.fetch(_STATE, {"schema": SCHEMA, "marker": _SCHEMA_MARKER})
    if not rows:
        return None
    if not rows[0]["ours"]:
        raise DatabaseNotOwned(
            f"PostgreSQL server {settings.name}: schema {SCHEMA}, or what is in it, is not the operator's; "
            "rename or drop it"
        )
    if rows[0]["granted"]:
        await session.apply([_close()])
    return bool(rows[0]["complete"])


def _close() -> sql.Composable:
    """REVOKE from whomever; GRANTs need not be named one by one when nobody but the owner has any business here."""
    return sql.SQL(
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT DISTINCT a.grantee FROM pg_namespace n, aclexplode(n.nspacl) a"
        " WHERE n.nspname = 'agentos_private' AND a.grantee <> n.nspowner LOOP EXECUTE format("
        "'REVOKE ALL ON SCHEMA agentos_private FROM %s CASCADE',"
        " CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END); END LOOP; END $$"
    )

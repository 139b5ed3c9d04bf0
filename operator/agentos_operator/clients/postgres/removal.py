"""Takes a workspace out of its database: retained for later, or dropped for good.

Every step can be repeated, and each is committed before the next, so that a removal that was cut off at any
point continues with the next call. The order matters: no new sessions, no old ones, then the objects, then
the roles (https://www.postgresql.org/docs/current/role-removal.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from psycopg import sql

from agentos_operator.clients.postgres.catalog import Facts, gather
from agentos_operator.clients.postgres.connection import Row, Session
from agentos_operator.clients.postgres.errors import DatabaseBusy
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import (
    GRANT_OPTIONS_SINCE,
    marker,
    owned,
    retained_comment,
    strangers,
)
from agentos_operator.database_names import DatabaseNames

_BATCH: Final = 200
"""Objects per transaction. A dropped table takes about six locks, and all sessions together have
max_locks_per_transaction * max_connections of them, 6,400 by default
(https://www.postgresql.org/docs/current/runtime-config-locks.html)."""
_TERMINATE_WAIT_MS: Final = 5_000

_KEYWORDS: Final = {
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "aggregate": "ROUTINE",
    "statistics object": "STATISTICS",
}
"""Object types of pg_identify_object that DROP calls otherwise."""

_TERMINATE: Final = """
WITH sessions AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE usename = ANY (%(roles)s))
SELECT pid, pg_terminate_backend(pid, %(wait)s) FROM sessions
"""
"""MATERIALIZED: else the planner may end a session before it has looked whose it is."""
_ALIVE: Final = """
SELECT pid, usename::text AS usename, backend_type, xact_start
FROM pg_stat_activity WHERE usename = ANY (%(roles)s) LIMIT 5
"""
_PREPARED: Final = """
SELECT gid, owner FROM pg_prepared_xacts WHERE owner = ANY (%(roles)s) AND database = current_database()
"""
_OBJECTS: Final = """
SELECT i.type, i.identity FROM (
  SELECT d.classid, d.objid, c.relispartition
  FROM pg_depend d
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
  WHERE d.refclassid = 'pg_namespace'::regclass
    AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
    AND d.deptype = 'n' AND NOT EXISTS (
      SELECT FROM pg_depend i WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype = 'i')
    AND (c.oid IS NOT NULL AND c.relkind <> 'S') = %(relations)s
  ORDER BY c.relispartition DESC, d.objid DESC LIMIT %(limit)s) o
CROSS JOIN pg_identify_object(o.classid, o.objid, 0) i WHERE i.identity IS NOT NULL
"""
_UNLINK: Final = """
SELECT lo_unlink(oid) FROM (
  SELECT m.oid FROM pg_largeobject_metadata m JOIN pg_roles r ON r.oid = m.lomowner
  WHERE r.rolname = ANY (%(roles)s) LIMIT %(limit)s) AS batch
"""
_BLOCKERS: Final = """
SELECT DISTINCT l.pid, a.usename::text AS usename, a.backend_type, a.xact_start
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.relation IN (SELECT oid FROM pg_class WHERE relnamespace = (
         SELECT oid FROM pg_namespace WHERE nspname = %(schema)s))
    OR a.usename = ANY (%(roles)s))
ORDER BY a.xact_start LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal did."""

    writes: int
    """Statements that changed something; 0 when there was nothing left to do."""
    left_alone: tuple[str, ...]
    """Schema and roles of these names that are somebody else's and were not touched."""


async def retain(session: Session, settings: ServerSettings, names: DatabaseNames, uid: str) -> Removal:
    """End the tenant's access; schema, tables and roles stay."""
    facts, alien = await _ours(session, settings, names, uid)
    await _lock_out(session, settings, names, uid, facts)
    comment = retained_comment(uid)
    if facts.schema and facts.schema.comment != comment:
        await session.apply(
            [sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(names.schema), sql.Literal(comment))]
        )
    return Removal(session.writes, alien)


async def drop(session: Session, settings: ServerSettings, names: DatabaseNames, uid: str) -> Removal:
    """Remove everything that the workspace has in the database."""
    facts, alien = await _ours(session, settings, names, uid)
    try:
        await _lock_out(session, settings, names, uid, facts)
        await _join(session, facts, list(facts.roles))
        if facts.schema:
            await _drop_schema(session, names.schema)
        await _drop_roles(session, [name for name in names.roles if name in facts.roles])
    except psycopg.errors.LockNotAvailable:
        held = await session.fetch(_BLOCKERS, {"schema": names.schema, "roles": list(names.roles)})
    else:
        return Removal(session.writes, alien)
    raise _busy(settings, names, held)


def _busy(settings: ServerSettings, names: DatabaseNames, rows: Sequence[Row]) -> DatabaseBusy:
    """The error that names the sessions in the way; not their queries, which are a tenant's data."""
    held = "; ".join(_session_text(row) for row in rows) or "a session that ended meanwhile"
    return DatabaseBusy(f"PostgreSQL server {settings.name}: schema {names.schema} is in use by {held}")


def _session_text(row: Row) -> str:
    if row["pid"] is None:
        return "a prepared transaction (see pg_prepared_xacts)"
    since = f" since {row['xact_start'].isoformat(timespec='seconds')}" if row["xact_start"] else ""
    return f"pid {row['pid']} of {row['usename'] or row['backend_type'] or 'an unknown role'}{since}"


async def _ours(
    session: Session, settings: ServerSettings, names: DatabaseNames, uid: str
) -> tuple[Facts, tuple[str, ...]]:
    """Facts about what is marked as this Workspace's, and what bears our names without being ours."""
    facts = await gather(session, settings.database, names)
    roles = {name: role for name, role in facts.roles.items() if owned(role.comment, uid)}
    schema = facts.schema if facts.schema and owned(facts.schema.comment, uid) else None
    return replace(facts, roles=roles, schema=schema), tuple(strangers(facts, names, uid))


async def _lock_out(session: Session, settings: ServerSettings, names: DatabaseNames, uid: str, facts: Facts) -> None:
    """No new sessions of the tenant, then no old ones, then no transaction that outlived its session."""
    logins = [name for name in names.logins if name in facts.roles]
    for name in logins:
        if facts.roles[name].login or facts.roles[name].comment != marker(uid):
            role = sql.Identifier(name)
            await session.apply(
                [
                    sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(role),
                    sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(marker(uid))),
                ]
            )
    if await session.fetch(_ALIVE, {"roles": logins}):
        await _join(session, facts, logins)
        await _end_sessions(session, settings, names)
    for row in await session.fetch(_PREPARED, {"roles": list(facts.roles)}):
        await _join(session, facts, [row["owner"]])
        await session.apply([sql.SQL("SET ROLE {}").format(sql.Identifier(row["owner"]))])
        await session.apply([sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(row["gid"]))])
        await session.apply([sql.SQL("RESET ROLE")])


async def _end_sessions(session: Session, settings: ServerSettings, names: DatabaseNames) -> None:
    """Signal all, then wait for each: a client that holds fifty connections costs one wait."""
    logins = list(names.logins)
    for wait in (0, _TERMINATE_WAIT_MS):
        await session.fetch(_TERMINATE, {"roles": logins, "wait": wait})
    if alive := await session.fetch(_ALIVE, {"roles": logins}):
        raise _busy(settings, names, alive)


async def _join(session: Session, facts: Facts, roles: Sequence[str]) -> None:
    """Become a member of ``roles``, which ending their sessions and dropping what they own takes.

    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
    """
    joined = {m.role for m in facts.memberships if m.member == facts.me and m.inherit and m.set}
    options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if facts.version >= GRANT_OPTIONS_SINCE else "")
    await session.apply(
        [
            sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)) + options
            for role in roles
            if role not in joined and not facts.superuser
        ]
    )


async def _drop_schema(session: Session, schema: str) -> None:
    """Relations first, because sequences and types of columns go with them; then whatever else it holds."""
    for relations in (True, False):
        await _drop_batches(session, schema, relations)
    await session.apply([sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))])


async def _drop_batches(session: Session, schema: str, relations: bool) -> None:
    size, previous = _BATCH, None
    while size:
        batch = await session.fetch(_OBJECTS, {"schema": schema, "relations": relations, "limit": size})
        if not batch or batch == previous:
            return
        try:
            await session.apply([_drop_statement(row["type"], row["identity"]) for row in batch])
            previous = batch
        except psycopg.errors.OutOfMemory:
            size //= 4


def _drop_statement(kind: str, identity: str) -> sql.Composable:
    """DROP for one row of pg_identify_object, whose identities come quoted
    (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-OBJECT)."""
    text = f"DROP {_KEYWORDS.get(kind, kind.upper())} IF EXISTS {identity} CASCADE"
    return sql.SQL(text)


async def _drop_roles(session: Session, roles: Sequence[str]) -> None:
    """Large objects are in no schema; what else the roles own or were granted goes in one step."""
    while await session.fetch(_UNLINK, {"roles": roles, "limit": _BATCH}):
        pass
    if roles:
        listed = sql.SQL(", ").join(sql.Identifier(role) for role in roles)
        await session.apply(
            [sql.SQL("DROP OWNED BY {} CASCADE").format(listed), sql.SQL("DROP ROLE {}").format(listed)]
        )

"""Takes a workspace out of its database: retained for later, or dropped for good.

Every step can be repeated, and each is committed before the next, so that a removal that was cut off at any
point continues with the next call. The order matters: no new sessions, no old ones, then the objects, then
the roles (https://www.postgresql.org/docs/current/role-removal.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from psycopg import sql

from agentos_operator.clients.postgres import registry
from agentos_operator.clients.postgres.catalog import Facts, gather
from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.registry import Retained
from agentos_operator.clients.postgres.sessions import busy, end_transactions, join
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import (
    leave_behind,
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

_LOCK_OUT_ATTEMPTS: Final = 3

_KEYWORDS: Final = {
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "aggregate": "ROUTINE",
    "statistics object": "STATISTICS",
}
"""Object types of pg_identify_object that DROP calls otherwise."""

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


async def retain(
    session: Session, settings: ServerSettings, names: DatabaseNames, uid: str, workspace: str | None = None
) -> Removal:
    """End the tenant's access; schema, tables and roles stay.

    With the name of the ``workspace`` the operator notes in the same database whose the schema was.
    """
    facts, alien = await _ours(session, settings, names, uid)
    await _lock_out(session, settings, names, uid, facts)
    await session.apply(leave_behind(facts))
    comment = retained_comment(uid)
    if facts.schema and facts.schema.comment != comment:
        statements: list[sql.Composable] = []
        if workspace is not None:
            statements += await registry.remember(session, settings, Retained(names.schema, "Schema", workspace, uid))
        schema = sql.Identifier(names.schema)
        statements.append(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(schema, sql.Literal(comment)))
        await session.apply(statements)
    return Removal(session.writes, alien)


async def close(session: Session, settings: ServerSettings, names: DatabaseNames, uid: str) -> None:
    """No sessions of the tenant now, and none later."""
    facts, _ = await _ours(session, settings, names, uid)
    await _lock_out(session, settings, names, uid, facts)


async def drop(session: Session, settings: ServerSettings, names: DatabaseNames, uid: str) -> Removal:
    """Remove everything that the workspace has in the database."""
    facts, alien = await _ours(session, settings, names, uid)
    if not facts.roles and not facts.schema:
        return Removal(session.writes, alien)  # asked again while the Namespace is being emptied
    await _lock_out(session, settings, names, uid, facts)
    try:
        await join(session, facts, list(facts.roles))
        if facts.schema:
            await _drop_schema(session, names.schema)
        await _drop_roles(session, [name for name in names.roles if name in facts.roles])
    except psycopg.errors.LockNotAvailable:
        held = await session.fetch(_BLOCKERS, {"schema": names.schema, "roles": list(names.roles)})
    else:
        return Removal(session.writes, alien)
    raise busy(settings, names, held)


async def _ours(
    session: Session, settings: ServerSettings, names: DatabaseNames, uid: str
) -> tuple[Facts, tuple[str, ...]]:
    """Facts about what is marked as this Workspace's, and what bears our names without being ours."""
    facts = await gather(session, settings.database, names)
    roles = {name: role for name, role in facts.roles.items() if owned(role.comment, uid)}
    schema = facts.schema if facts.schema and owned(facts.schema.comment, uid) else None
    return replace(facts, roles=roles, schema=schema), tuple(strangers(facts, names, uid))


async def _lock_out(session: Session, settings: ServerSettings, names: DatabaseNames, uid: str, facts: Facts) -> None:
    """No sessions of the tenant now, and none later.

    Its transactions end first: one that is changing its own role's password or settings holds what NOLOGIN waits
    for. They end again afterwards, because new ones may have begun until then.
    """
    closing = [
        statement
        for name in names.logins
        if name in facts.roles and (facts.roles[name].login or facts.roles[name].comment != marker(uid))
        for statement in _close(name, uid)
    ]
    for _ in range(_LOCK_OUT_ATTEMPTS):
        await end_transactions(session, settings, names, facts)
        with suppress(psycopg.errors.LockNotAvailable):
            await session.apply(closing)
            await end_transactions(session, settings, names, facts)
            return
    raise busy(settings, names, ())


def _close(login: str, uid: str) -> Iterator[sql.Composable]:
    """The password goes, and so does the id that would say that it is still there."""
    role = sql.Identifier(login)
    yield sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(role)
    yield sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(marker(uid)))


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

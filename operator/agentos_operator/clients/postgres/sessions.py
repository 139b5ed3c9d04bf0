"""Ends what a tenant is doing: its sessions, and transactions that outlive them; for ``removal`` and ``server``.

Ending a session takes membership in its role
(https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL). The operator becomes a member
for as long as that takes, unless it is a superuser: it has no other use for a tenant's rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from psycopg import sql

from agentos_operator.clients.postgres.catalog import Facts
from agentos_operator.clients.postgres.connection import Row, Session
from agentos_operator.clients.postgres.errors import DatabaseBusy
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import GRANT_OPTIONS_SINCE
from agentos_operator.database_names import DatabaseNames

_WAIT_MS: Final = 5_000

_ALIVE: Final = """
SELECT pid, usename::text AS usename, backend_type, xact_start
FROM pg_stat_activity WHERE usename = ANY (%(roles)s) LIMIT 5
"""
_HOLDING_ROLES: Final = """
SELECT DISTINCT a.pid
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.usename = ANY (%(roles)s) AND l.granted AND l.mode = 'RowExclusiveLock'
  AND l.relation IN ('pg_authid'::regclass, 'pg_db_role_setting'::regclass, 'pg_auth_members'::regclass)
"""
_TERMINATE: Final = """
WITH sessions AS MATERIALIZED (
  SELECT pid FROM pg_stat_activity
  WHERE usename = ANY (%(roles)s) AND (%(pids)s::int[] IS NULL OR pid = ANY (%(pids)s)))
SELECT pid, pg_terminate_backend(pid, %(wait)s) FROM sessions
"""
"""MATERIALIZED: else the planner may end a session before it has looked whose it is."""
_PREPARED: Final = """
SELECT gid, owner FROM pg_prepared_xacts WHERE owner = ANY (%(roles)s) AND database = current_database()
"""


async def end_transactions(session: Session, settings: ServerSettings, names: DatabaseNames, facts: Facts) -> None:
    """End all sessions and prepared transactions of the workspace's roles, as far as ``facts`` has them."""
    logins = [name for name in names.logins if name in facts.roles]
    prepared = await session.fetch(_PREPARED, {"roles": list(facts.roles)})
    if not prepared and not await session.fetch(_ALIVE, {"roles": logins}):
        return
    await join(session, facts, list(facts.roles))
    await _terminate(session, logins)
    for row in prepared:
        await _roll_back(session, row["gid"], row["owner"])
    alive = await session.fetch(_ALIVE, {"roles": logins})
    await _leave(session, facts, list(facts.roles))
    if alive:
        raise busy(settings, names, alive)


async def end_role_changes(session: Session, names: DatabaseNames, facts: Facts) -> bool:
    """End the tenant's sessions that hold a lock on its roles; whether there were any.

    A tenant may alter its own role, and for as long as it does not commit, nobody else can.
    """
    logins = [name for name in names.logins if name in facts.roles]
    holding = [row["pid"] for row in await session.fetch(_HOLDING_ROLES, {"roles": logins})]
    if holding:
        await join(session, facts, logins)
        await _terminate(session, logins, holding)
        await _leave(session, facts, logins)
    return bool(holding)


async def end_sessions(
    session: Session, settings: ServerSettings, names: DatabaseNames, facts: Facts, login: str
) -> None:
    """End all sessions of one login role; DatabaseBusy when one does not go."""
    if login not in facts.roles or not await session.fetch(_ALIVE, {"roles": [login]}):
        return
    await join(session, facts, [login])
    await _terminate(session, [login])
    alive = await session.fetch(_ALIVE, {"roles": [login]})
    await _leave(session, facts, [login])
    if alive:
        raise busy(settings, names, alive)


async def join(session: Session, facts: Facts, roles: Sequence[str]) -> None:
    """Become a member of ``roles`` unless ``facts`` say that we need not."""
    options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if facts.version >= GRANT_OPTIONS_SINCE else "")
    await session.apply(
        [
            sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)) + options
            for role in _not_joined(facts, roles)
        ]
    )


async def _leave(session: Session, facts: Facts, roles: Sequence[str]) -> None:
    await session.apply(
        [sql.SQL("REVOKE {} FROM CURRENT_USER").format(sql.Identifier(role)) for role in _not_joined(facts, roles)]
    )


def _not_joined(facts: Facts, roles: Iterable[str]) -> list[str]:
    joined = {m.role for m in facts.memberships if m.member == facts.me and m.inherit and m.set}
    return [] if facts.superuser else [role for role in roles if role not in joined]


async def _terminate(session: Session, logins: Sequence[str], pids: Sequence[int] | None = None) -> None:
    """Signal all, then wait for each: a client that holds fifty connections costs one wait."""
    for wait in (0, _WAIT_MS):
        await session.fetch(_TERMINATE, {"roles": logins, "pids": pids, "wait": wait})


async def _roll_back(session: Session, transaction: str, owner: str) -> None:
    """https://www.postgresql.org/docs/current/sql-rollback-prepared.html: as its owner, outside of a transaction."""
    await session.apply([sql.SQL("SET ROLE {}").format(sql.Identifier(owner))])
    try:
        await session.apply([sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(transaction))])
    finally:
        await session.apply([sql.SQL("RESET ROLE")])


def busy(settings: ServerSettings, names: DatabaseNames, rows: Sequence[Row]) -> DatabaseBusy:
    """The error that names the sessions in the way; not their queries, which are a tenant's data."""
    held = described(rows)
    return DatabaseBusy(f"PostgreSQL server {settings.name}: schema {names.schema} is in use by {held}")


def described(rows: Sequence[Row]) -> str:
    """Sessions as a person looks them up."""
    return "; ".join(_text(row) for row in rows) or "sessions that come and go"


def _text(row: Row) -> str:
    if row["pid"] is None:
        return "a prepared transaction (see pg_prepared_xacts)"
    since = f" since {row['xact_start'].isoformat(timespec='seconds')}" if row["xact_start"] else ""
    return f"pid {row['pid']} of {row['usename'] or row['backend_type'] or 'an unknown role'}{since}"

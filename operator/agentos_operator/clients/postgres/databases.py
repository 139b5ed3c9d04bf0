"""A workspace's own database, seen from outside: made, marked, closed to others, dropped; used by ``own`` alone.

CREATE DATABASE cannot be part of a transaction, so a crash may leave a database without our mark. It is made with
``ALLOW_CONNECTIONS false``, and the one transaction that closes it to PUBLIC and marks it also opens it for
connections. So a database of our name that is owned by our role, unmarked and without connections is one that nobody
has ever been in: it is ours to finish. Any other without our mark is a stranger's and is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import errors, sql

from agentos_operator.clients.postgres.catalog import Grant
from agentos_operator.clients.postgres.connection import Row, Session
from agentos_operator.clients.postgres.errors import DatabaseForbidden, DatabaseNotOwned
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import WorkspaceDatabase, marker, owned
from agentos_operator.database_names import DatabaseNames

RESERVED_CONNECTIONS: Final = 10
"""Connections that a database admits beyond those of its tenant's two logins: the operator's, and a backup's."""
_INVALID: Final = -2
"""``datconnlimit`` of a database whose DROP was cut off; nothing but another DROP is possible."""

_QUERY: Final = """
SELECT current_user AS me, r.rolsuper OR r.rolcreatedb AS may_create,
  (SELECT jsonb_build_object(
     'owner', pg_get_userbyid(d.datdba),
     'comment', shobj_description(d.oid, 'pg_database'),
     'open', d.datallowconn,
     'limit', d.datconnlimit,
     'grants', (
       SELECT jsonb_agg(jsonb_build_array(
         CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable))
       FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE a.grantee <> d.datdba))
   FROM pg_database d WHERE d.datname = %(database)s) AS database
FROM pg_roles r WHERE r.rolname = current_user
"""
_SESSIONS: Final = """
(SELECT pid, usename::text AS usename, backend_type, xact_start
 FROM pg_stat_activity WHERE datname = %(database)s AND pid <> pg_backend_pid()
   AND NOT (usename = current_user AND application_name = 'agentos-operator') ORDER BY xact_start LIMIT 5)
UNION ALL
(SELECT NULL, owner::text, NULL, prepared FROM pg_prepared_xacts WHERE database = %(database)s LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Database:
    """One database, as the server's shared catalogs have it."""

    owner: str
    """Role that owns it."""
    comment: str | None
    """Its COMMENT, where our marker stands."""
    open: bool
    """ALLOW_CONNECTIONS."""
    limit: int
    """CONNECTION LIMIT."""
    grants: frozenset[Grant]
    """Privileges of everybody but the owner."""

    @property
    def usable(self) -> bool:
        """Whether one can connect to it at all."""
        return self.open and self.limit != _INVALID


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides about a workspace's own database."""

    me: str
    """The operator's role."""
    may_create: bool
    """Whether it may create databases."""
    database: Database | None
    """The database, if there is one of that name."""


async def look(session: Session, database: str) -> Surroundings:
    """The database called ``database``, seen from another one of the same server."""
    (row,) = await session.fetch(_QUERY, {"database": database})
    found = row["database"]
    return Surroundings(row["me"], row["may_create"], _parse(found) if found else None)


def _parse(found: Mapping[str, Any]) -> Database:
    grants = frozenset(Grant(*item) for item in found["grants"] or ())
    return Database(found["owner"], found["comment"], found["open"], found["limit"], grants)


def is_ours(found: Surroundings, uid: str) -> bool:
    """Whether the database is marked with our UID, or is our own unfinished one."""
    database = found.database
    return database is not None and (owned(database.comment, uid) or _unfinished(database, found.me))


def _unfinished(database: Database, me: str) -> bool:
    return database.owner == me and database.comment is None and not database.open


def check_own(settings: ServerSettings, found: Surroundings, names: DatabaseNames, uid: str) -> None:
    """Raise if the database is a stranger's, or missing and not ours to create."""
    if found.database is None:
        if not found.may_create:
            raise DatabaseForbidden(
                f"PostgreSQL server {settings.name}: the operator's role needs CREATEDB for Workspaces with "
                f'spec.database.isolation Database; run as a superuser: ALTER ROLE "{found.me}" CREATEDB'
            )
    elif not is_ours(found, uid):
        raise DatabaseNotOwned(
            f"PostgreSQL server {settings.name}: database {names.database} exists and is not marked as this "
            f"Workspace's; rename or drop it, or, if it is the Workspace's, set its COMMENT to '{marker(uid)}'"
        )


def creation(names: DatabaseNames) -> sql.Composable:
    """The statement that makes the database, to be sent alone."""
    return sql.SQL("CREATE DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(names.database))


def plan_own(desired: WorkspaceDatabase, found: Surroundings) -> Iterator[sql.Composable]:
    """Statements, one transaction, that make the existing database what ``desired`` asks for.

    The right to connect comes later: the role that gets it may not exist yet.
    """
    database, name = found.database, sql.Identifier(desired.names.database)
    if database is None:
        return
    wanted = {Grant(desired.names.owner, "CONNECT", False)}
    for grantee in sorted({grant.grantee or "" for grant in database.grants - wanted}):
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM {} CASCADE").format(
            name, sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")
        )
    if database.owner != found.me:
        yield sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(name)
    limit = 2 * desired.connection_limit + RESERVED_CONNECTIONS
    if database.limit != limit or not database.open:
        yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {} ALLOW_CONNECTIONS true").format(name, sql.Literal(limit))
    if database.comment != marker(desired.uid):
        yield mark(desired.names, marker(desired.uid))


def mark(names: DatabaseNames, comment: str) -> sql.Composable:
    """COMMENT ON DATABASE, which says whose it is."""
    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(names.database), sql.Literal(comment))


async def drop(session: Session, names: DatabaseNames) -> None:
    """Drop the database. Raises ObjectInUse for prepared transactions, and for sessions that we may not end.

    FORCE gives up at once on a superuser's session, and counts autovacuum as one. Without it PostgreSQL has autovacuum
    give way and waits five seconds for others.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(names.database))
    try:
        await session.apply([statement + sql.SQL(" WITH (FORCE)")])
    except errors.InsufficientPrivilege:
        await session.apply([statement])


async def sessions_in(session: Session, database: str) -> list[Row]:
    """Sessions and prepared transactions of others in ``database``, for messages."""
    return await session.fetch(_SESSIONS, {"database": database})

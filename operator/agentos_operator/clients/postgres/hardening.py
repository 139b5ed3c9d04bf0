"""Makes a database fit for tenants: a shared one at startup and again at each resync, a workspace's own with it.

One catalog query tells what is missing; in a steady state nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.errors import DatabaseForbidden, DatabaseNotOwned
from agentos_operator.clients.postgres.settings import ServerSettings
from agentos_operator.clients.postgres.workspace import EXTENSIONS_SCHEMA
from agentos_operator.database_names import tenants_role

_TENANTS_MARKER: Final = "agentos.hyvve.io/tenants-of="
_EXTENSIONS_MARKER: Final = "agentos.hyvve.io/extensions"

OLDEST: Final = 15
"""PostgreSQL 14 has left support (https://www.postgresql.org/support/versioning/)."""
RECOMMENDED: Final = 16
"""Before 16 a role with CREATEROLE may grant itself any other role
(https://www.postgresql.org/docs/16/release-16.html)."""
SAFE_MINORS: Final = {15: 18, 16: 16, 17: 12, 18: 7}
"""First minor releases in which tenants' SQL is not known to reach other tenants or the server."""
SAFE_PGVECTOR: Final = (0, 8, 2)
"""First pgvector in which an index build is not known to read beyond its memory."""

_QUERY: Final = """
SELECT
  current_user AS me,
  r.rolsuper AS superuser,
  r.rolcreaterole AS createrole,
  current_setting('server_version_num')::int AS version,
  pg_is_in_recovery() AS recovering,
  pg_has_role(d.datdba, 'USAGE') AS owns_database,
  (SELECT array_agg(DISTINCT a.privilege_type)
   FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
   WHERE a.grantee = 0) AS public_on_database,
  (SELECT array_agg(DISTINCT a.privilege_type)
   FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
   WHERE n.nspname = 'public' AND a.grantee = 0) AS public_on_public,
  (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'public') AS owns_public,
  (SELECT array_agg(o.datname::text ORDER BY o.datname)
   FROM pg_database o, aclexplode(coalesce(o.datacl, acldefault('d', o.datdba))) a
   WHERE o.datname <> current_database() AND o.datallowconn
     AND a.grantee = 0 AND a.privilege_type = 'CONNECT') AS open_databases,
  t.oid IS NOT NULL AS tenants_exist,
  shobj_description(t.oid, 'pg_authid') AS tenants_comment,
  EXISTS (SELECT FROM aclexplode(d.datacl) a
          WHERE a.grantee = t.oid AND a.privilege_type = 'CONNECT') AS tenants_connect,
  e.oid IS NOT NULL AS ext_exists,
  obj_description(e.oid, 'pg_namespace') AS ext_comment,
  EXISTS (SELECT FROM aclexplode(e.nspacl) a
          WHERE a.grantee = t.oid AND a.privilege_type = 'USAGE') AS ext_usage,
  (SELECT array_agg(CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee)::text END)
   FROM aclexplode(e.nspacl) a WHERE a.grantee <> e.nspowner AND a.privilege_type = 'CREATE') AS ext_writers,
  v.version AS vector_available,
  coalesce(v.trusted, false) AS vector_trusted,
  (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector_installed,
  (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
   WHERE extname = 'vector') AS vector_schema
FROM pg_database d
JOIN pg_roles r ON r.rolname = current_user
LEFT JOIN pg_roles t ON t.rolname = %(tenants)s
LEFT JOIN pg_namespace e ON e.nspname = %(ext)s
LEFT JOIN (pg_available_extension_versions v JOIN pg_available_extensions x
           ON x.name = v.name AND x.default_version = v.version) ON v.name = 'vector'
WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What callers may want to know or show about a server."""

    version: int
    """``server_version_num``, 170011 for 17.11."""
    pgvector_available: str | None
    """Version that the server could install."""
    pgvector_installed: str | None
    """Version in this database; usable by tenants unless a warning says otherwise."""
    server_warnings: tuple[str, ...]
    """What weakens isolation on the whole server and only an administrator can change, one sentence each."""
    database_warnings: tuple[str, ...]
    """The same for the database that workspaces share."""
    writes: int
    """Statements that this call ran."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """All of them."""
        return self.server_warnings + self.database_warnings

    @property
    def version_text(self) -> str:
        """Such as ``17.11``."""
        return f"{self.version // 10000}.{self.version % 10000}"


async def prepare(session: Session, settings: ServerSettings) -> ServerFacts:
    """Compare the database that workspaces share with what it should be, write the difference, and report."""
    parameters = {"tenants": tenants_role(settings.database), "ext": EXTENSIONS_SCHEMA}
    (row,) = await session.fetch(_QUERY, parameters)
    check_usable(settings, row)
    statements = [
        *missing(settings.database, row),
        *missing_rights(settings.database, tenants_role(settings.database), row),
    ]
    await session.apply(statements)
    if statements:
        (row,) = await session.fetch(_QUERY, parameters)
    return ServerFacts(
        version=row["version"],
        pgvector_available=row["vector_available"],
        pgvector_installed=row["vector_installed"],
        server_warnings=tuple(server_warnings(row)),
        database_warnings=tuple(database_warnings(row)),
        writes=len(statements),
    )


async def harden_own(session: Session, database: str, owner: str) -> tuple[str, ...]:
    """Close a workspace's own ``database`` to everybody but the role ``owner``; returns what cannot be done."""
    parameters = {"tenants": owner, "ext": EXTENSIONS_SCHEMA}
    (row,) = await session.fetch(_QUERY, parameters)
    statements = list(missing_rights(database, owner, row))
    await session.apply(statements)
    if statements:
        (row,) = await session.fetch(_QUERY, parameters)
    return tuple(database_warnings(row))


def check_usable(settings: ServerSettings, row: Mapping[str, Any]) -> None:
    """Raise if the operator cannot work here, saying what an administrator has to do."""
    server, me, database = settings.name, row["me"], settings.database
    if row["version"] < OLDEST * 10000:
        raise DatabaseForbidden(
            f"PostgreSQL server {server} has version {row['version'] // 10000}; {OLDEST} or later is needed, "
            f"{RECOMMENDED} or later recommended"
        )
    if not row["superuser"] and not (row["createrole"] and row["owns_database"]):
        raise DatabaseForbidden(
            f"PostgreSQL server {server}: the operator's role needs CREATEROLE and to own the database; "
            f'run as a superuser: ALTER ROLE "{me}" CREATEROLE; ALTER DATABASE "{database}" OWNER TO "{me}"'
        )
    if row["tenants_exist"] and row["tenants_comment"] != _TENANTS_MARKER + database:
        raise DatabaseNotOwned(
            f"PostgreSQL server {server}: role {tenants_role(database)} exists and is not the operator's; "
            f"rename or drop it, or, if it is, set its COMMENT to '{_TENANTS_MARKER}{database}'"
        )


def missing(database: str, row: Mapping[str, Any]) -> Iterator[sql.Composable]:
    """Statements that a shared database lacks before rights in it can be given."""
    if row["superuser"]:
        for name in _maintenance_databases(row):
            yield sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
    if not row["tenants_exist"]:
        tenants = sql.Identifier(tenants_role(database))
        yield sql.SQL("CREATE ROLE {} NOLOGIN").format(tenants)
        yield sql.SQL("COMMENT ON ROLE {} IS {}").format(tenants, sql.Literal(_TENANTS_MARKER + database))


def missing_rights(database: str, role: str, row: Mapping[str, Any]) -> Iterator[sql.Composable]:
    """Statements after which ``role`` may connect and use extensions, and PUBLIC nothing
    (https://www.postgresql.org/docs/current/ddl-priv.html)."""
    base, grantee, ext = (sql.Identifier(name) for name in (database, role, EXTENSIONS_SCHEMA))
    if row["public_on_database"]:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(base)
    if row["public_on_public"] and (row["owns_public"] or row["superuser"]):
        yield sql.SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    if not row["tenants_connect"]:
        yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(base, grantee)
    yield from _extensions(row, ext, grantee)


def _extensions(row: Mapping[str, Any], ext: sql.Identifier, tenants: sql.Identifier) -> Iterator[sql.Composable]:
    """The schema of shared extensions, unless a schema of that name is somebody else's."""
    if row["ext_exists"] and row["ext_comment"] != _EXTENSIONS_MARKER:
        return
    if not row["ext_exists"]:
        yield sql.SQL("CREATE SCHEMA {}").format(ext)
        yield sql.SQL("COMMENT ON SCHEMA {} IS {}").format(ext, sql.Literal(_EXTENSIONS_MARKER))
    for writer in row["ext_writers"] or ():
        yield sql.SQL("REVOKE CREATE ON SCHEMA {} FROM {} CASCADE").format(
            ext, sql.Identifier(writer) if writer else sql.SQL("PUBLIC")
        )
    if not row["ext_usage"]:
        yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(ext, tenants)
    if row["vector_available"] and not row["vector_installed"] and (row["superuser"] or row["vector_trusted"]):
        yield sql.SQL("CREATE EXTENSION vector SCHEMA {}").format(ext)


def server_warnings(row: Mapping[str, Any]) -> Iterator[str]:
    """What remains for an administrator of the server."""
    major, minor = divmod(row["version"], 10000)
    if major < RECOMMENDED:
        yield (
            f"PostgreSQL {major} lets a role with CREATEROLE grant itself any role that is not a superuser; "
            f"use {RECOMMENDED} or later"
        )
    if minor < SAFE_MINORS.get(major, 0):
        yield (
            f"PostgreSQL {major}.{minor} has known vulnerabilities that SQL of a tenant can reach; "
            f"update to {major}.{SAFE_MINORS[major]} or later"
        )
    for name in row["open_databases"] or ():
        revoke = f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC'
        yield f"tenants can connect to database {name}; run as its owner: {revoke}"


def database_warnings(row: Mapping[str, Any]) -> Iterator[str]:
    """What remains for an administrator in the session's database."""
    if row["public_on_public"]:
        yield "PUBLIC has rights on schema public; run as its owner: REVOKE ALL ON SCHEMA public FROM PUBLIC"
    if row["ext_exists"] and row["ext_comment"] != _EXTENSIONS_MARKER:
        yield f"schema {EXTENSIONS_SCHEMA} is not the operator's, so its rights and extensions are left alone"
    installed = row["vector_installed"]
    if row["vector_available"] and not installed:
        create = f"CREATE EXTENSION vector SCHEMA {EXTENSIONS_SCHEMA}"
        yield f"pgvector is available but not installed; run as a superuser: {create}"
    if installed and row["vector_schema"] != EXTENSIONS_SCHEMA:
        yield (
            f"pgvector is in schema {row['vector_schema']}, where tenants cannot use it; run as its owner: "
            f"ALTER EXTENSION vector SET SCHEMA {EXTENSIONS_SCHEMA}"
        )
    if installed and _numbers(installed) < SAFE_PGVECTOR:
        wanted = ".".join(str(part) for part in SAFE_PGVECTOR)
        update = "ALTER EXTENSION vector UPDATE"
        yield f"pgvector {installed} has known vulnerabilities; install {wanted} or later and run: {update}"


def _maintenance_databases(row: Mapping[str, Any]) -> list[str]:
    """Databases that every server has and no tenant needs; others are somebody's: only a warning."""
    return [name for name in row["open_databases"] or () if name in ("postgres", "template1")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())

"""What a workspace's database should be, and the statements that are missing for it; pure.

The reasons behind each rule are PostgreSQL's own:

* the tenant may create objects in the schema but does not own it: an owner can grant the schema to others,
  rename or drop it (https://www.postgresql.org/docs/current/ddl-priv.html);
* both logins act as the owner role from the first statement on (``SET role``), so that what one of them
  creates belongs to the other as well, and a rotation from A to B changes nothing for the tenant's data;
* login B exists from the start, without LOGIN, password and settings: a rotation then only alters what is
  already checked, and a stranger who holds its name is found at creation instead of in the middle of a
  rotation;
* a tenant may change its own role's settings (https://www.postgresql.org/docs/current/sql-alterrole.html),
  so they are compared and put back like everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from agentos_operator.clients.postgres.catalog import Facts, Grant, Membership, Role, Schema
from agentos_operator.clients.postgres.credentials import Credential, scram_verifier
from agentos_operator.clients.postgres.errors import DatabaseNotOwned
from agentos_operator.database_names import DatabaseNames, tenants_role

EXTENSIONS_SCHEMA: Final = "ext"
"""Schema of extensions that tenants may use; shared, and writable by none of them."""

MARKER: Final = "agentos.hyvve.io/workspace-uid="
_CREDENTIAL: Final = "agentos.hyvve.io/credentials-id="
RETAINED: Final = "agentos.hyvve.io/retained"
GRANT_OPTIONS_SINCE: Final = 160000
"""From PostgreSQL 16 on memberships have INHERIT and SET options and a grantor each."""


@dataclass(frozen=True, slots=True)
class WorkspaceDatabase:
    """What a Workspace asks for."""

    names: DatabaseNames
    """Names of its schema and roles."""
    uid: str
    """``metadata.uid`` of the Workspace: who owns them."""
    connection_limit: int = 50
    """Connections that each login may have at the same time."""
    statement_timeout_ms: int = 60_000
    """Time after which PostgreSQL ends a tenant's statement; the tenant can change it for its own session."""
    restore_from: str | None = None
    """Retained schema or database that this Workspace takes over instead of beginning empty."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Statements that make the difference, and what they cannot change."""

    statements: tuple[sql.Composable, ...]
    """To be run as one transaction; empty in a steady state."""
    warnings: tuple[str, ...]
    """Differences that only an administrator can end, one sentence each."""


def marker(uid: str) -> str:
    """COMMENT by which a schema or role is known as belonging to the Workspace with this UID."""
    return MARKER + uid


def owned(comment: str | None, uid: str) -> bool:
    """Whether a COMMENT carries the marker of this UID."""
    return marker(uid) in (comment or "").split()


def retained_comment(uid: str) -> str:
    """COMMENT of a schema whose Workspace was deleted with ``Retain``."""
    return f"{marker(uid)} {RETAINED}"


def retained_uid(comment: str | None) -> str | None:
    """UID of the Workspace that left what bears this COMMENT, or None when it is not retained."""
    words = (comment or "").split()
    uids = [word.removeprefix(MARKER) for word in words if word.startswith(MARKER)]
    return uids[0] if len(uids) == 1 and RETAINED in words else None


def strangers(facts: Facts, names: DatabaseNames, uid: str) -> list[str]:
    """Objects of our names that are not marked with our UID, as a reader would call them."""
    found = [f"role {role.name}" for role in facts.roles.values() if not owned(role.comment, uid)]
    if facts.schema and not owned(facts.schema.comment, uid):
        found.append(f"schema {names.schema}")
    return sorted(found)


def check_ownership(server: str, facts: Facts, names: DatabaseNames, uid: str) -> None:
    """Raise DatabaseNotOwned if anything of our names belongs to somebody else."""
    if found := strangers(facts, names, uid):
        raise DatabaseNotOwned(
            f"PostgreSQL server {server}: {', '.join(found)} exists and is not marked as this Workspace's; "
            f"rename or drop it, or, if it is the Workspace's, set its COMMENT to '{marker(uid)}'"
        )


def plan(desired: WorkspaceDatabase, facts: Facts, database: str, credentials: Mapping[str, Credential | None]) -> Plan:
    """Statements that turn ``facts`` into what ``desired`` asks for.

    ``credentials`` has one entry per login role; None keeps the role from logging in.

    The order saves time and nothing else. From PostgreSQL 16 on a role with CREATEROLE is a member of every role
    that it made; a statement that needs the membership reads all of them again after each CREATE ROLE, which at
    1,000 workspaces takes 10 ms. So all roles are made before the first such statement.
    """
    wanted = _wanted_memberships(desired.names, database)
    revoked, warnings = _revoke_memberships(wanted, facts)
    statements = [
        *_roles(desired, facts.roles, credentials),
        *_schema(desired, facts.schema, facts.me),
        *_comments(desired, facts, credentials),
        *_settings(desired, facts, database, credentials),
        *revoked,
        *leave_behind(facts),
        *_grant_memberships(wanted, facts),
    ]
    return Plan(tuple(statements), tuple(warnings))


def _roles(
    desired: WorkspaceDatabase, found: Mapping[str, Role], credentials: Mapping[str, Credential | None]
) -> Iterator[sql.Composable]:
    yield from _owner_role(desired.names.owner, found.get(desired.names.owner))
    for login in desired.names.logins:
        yield from _login_role(desired, found.get(login), login, credentials[login])


def _owner_role(owner: str, role: Role | None) -> Iterator[sql.Composable]:
    name = sql.Identifier(owner)
    if role is None:
        yield sql.SQL("CREATE ROLE {} NOLOGIN").format(name)
    elif role.login or role.powers or role.expires or not role.inherit or role.limit != -1:
        attributes = sql.SQL("ALTER ROLE {} NOLOGIN INHERIT CONNECTION LIMIT -1").format(name)
        yield attributes + _no_expiry_no_powers(role)


def _login_role(
    desired: WorkspaceDatabase, role: Role | None, login: str, credential: Credential | None
) -> Iterator[sql.Composable]:
    name = sql.Identifier(login)
    renew = role is None or role.comment != login_comment(desired.uid, credential)
    attributes = sql.SQL("{} INHERIT CONNECTION LIMIT {}").format(
        sql.SQL("LOGIN" if credential else "NOLOGIN"), sql.Literal(desired.connection_limit)
    )
    if renew:
        attributes += sql.SQL(" PASSWORD {}").format(_password(credential))
    if role is None:
        yield sql.SQL("CREATE ROLE {} ").format(name) + attributes
    elif renew or _login_differs(desired, role, credential):
        yield sql.SQL("ALTER ROLE {} ").format(name) + attributes + _no_expiry_no_powers(role)


def _comments(
    desired: WorkspaceDatabase, facts: Facts, credentials: Mapping[str, Credential | None]
) -> Iterator[sql.Composable]:
    """Markers, in the transaction that makes what they mark: a crash leaves nothing unmarked."""
    if facts.schema is None or facts.schema.comment != marker(desired.uid):
        yield _comment(sql.SQL("SCHEMA"), desired.names.schema, marker(desired.uid))
    for name in desired.names.roles:
        role = facts.roles.get(name)
        comment = login_comment(desired.uid, credentials.get(name))
        if role is None or role.comment != comment:
            yield _comment(sql.SQL("ROLE"), name, comment)


def login_comment(uid: str, credential: Credential | None) -> str:
    """COMMENT of a login role: whose it is, and which password it has."""
    return f"{marker(uid)} {_CREDENTIAL}{credential.id}" if credential else marker(uid)


def set_password(login: str, credential: Credential) -> sql.Composable:
    """Give a login role the password of ``credential``; only the verifier is sent."""
    return sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), _password(credential))


def _login_differs(desired: WorkspaceDatabase, role: Role, credential: Credential | None) -> bool:
    return (
        role.login != (credential is not None)
        or role.limit != desired.connection_limit
        or role.powers
        or role.expires
        or not role.inherit
    )


def _password(credential: Credential | None) -> sql.Composable:
    return sql.Literal(scram_verifier(credential.password)) if credential else sql.SQL("NULL")


def _no_expiry_no_powers(role: Role) -> sql.SQL:
    """Attributes to take away, only when there: naming some of them needs rights beyond CREATEROLE."""
    expiry = " VALID UNTIL 'infinity'" if role.expires else ""
    powers = " NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS" if role.powers else ""
    return sql.SQL(expiry + powers)


def _schema(desired: WorkspaceDatabase, schema: Schema | None, me: str) -> Iterator[sql.Composable]:
    name = sql.Identifier(desired.names.schema)
    wanted = {Grant(desired.names.owner, privilege, False) for privilege in ("USAGE", "CREATE")}
    if schema is None:
        yield sql.SQL("CREATE SCHEMA {}").format(name)
    elif schema.owner != me:
        yield sql.SQL("ALTER SCHEMA {} OWNER TO CURRENT_USER").format(name)
    grants = schema.grants if schema else frozenset()
    for grantee in sorted({grant.grantee or "" for grant in grants - wanted}):
        yield sql.SQL("REVOKE ALL ON SCHEMA {} FROM {} CASCADE").format(
            name, sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")
        )
    if not wanted <= grants or any(grant.grantee == desired.names.owner for grant in grants - wanted):
        yield sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(name, sql.Identifier(desired.names.owner))


def _settings(
    desired: WorkspaceDatabase, facts: Facts, database: str, credentials: Mapping[str, Credential | None]
) -> Iterator[sql.Composable]:
    """Settings of the logins in this database; a role that cannot log in has no use for any."""
    for login in desired.names.logins:
        wanted = login_settings(desired) if credentials[login] else {}
        texts = {f"{name}={value}" for name, value in wanted.items()}
        found = {s.text for s in facts.settings if s.role == login and not s.everywhere and not s.privileged}
        role, base = sql.Identifier(login), sql.Identifier(database)
        if found - texts:
            yield sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, base)
        if found != texts:
            for name, value in wanted.items():
                items = sql.SQL(", ").join(sql.Literal(item) for item in value.split(", "))
                yield sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    role, base, sql.Identifier(name), items
                )
    for name in sorted({s.role for s in facts.settings if s.everywhere and not s.privileged}):
        yield sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(name))


def login_settings(desired: WorkspaceDatabase) -> dict[str, str]:
    """Settings that each login starts with, written as ``pg_db_role_setting`` shows them."""
    return {
        "role": desired.names.owner,
        "search_path": f"{desired.names.schema}, {EXTENSIONS_SCHEMA}",
        "statement_timeout": str(desired.statement_timeout_ms),
    }


def _wanted_memberships(names: DatabaseNames, database: str) -> list[tuple[str, str]]:
    """Both logins act as the owner; the owner is one of the tenants of a database that it shares with others."""
    shared = [(tenants_role(database), names.owner)] if database != names.database else []
    return [(names.owner, names.login_a), (names.owner, names.login_b), *shared]


def _grant_memberships(wanted: Iterable[tuple[str, str]], facts: Facts) -> Iterator[sql.Composable]:
    right = {(m.role, m.member) for m in facts.memberships if m.inherit and m.set and not m.admin}
    for role, member in wanted:
        if (role, member) not in right:
            options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if facts.version >= GRANT_OPTIONS_SINCE else "")
            yield sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member)) + options


def _revoke_memberships(wanted: Iterable[tuple[str, str]], facts: Facts) -> tuple[list[sql.Composable], list[str]]:
    """Memberships that nobody asked for; the operator's own stay, which come with CREATEROLE."""
    statements: list[sql.Composable] = []
    warnings: list[str] = []
    for m in _sorted(facts.memberships):
        if m.member == facts.me or ((m.role, m.member) in wanted and not m.admin):
            continue  # but for those that it gave itself: ``leave_behind``
        if facts.superuser or m.grantor == facts.me or facts.version < GRANT_OPTIONS_SINCE:
            statements.append(_revoke(m, facts))
        else:
            warnings.append(
                f"role {m.grantor} made {m.member} a member of {m.role}, which breaks the isolation of this "
                f"Workspace; run as {m.grantor}: REVOKE {m.role} FROM {m.member}"
            )
    return statements, warnings


def leave_behind(facts: Facts) -> list[sql.Composable]:
    """The operator leaves roles that it joined to end a tenant's sessions, and was cut off before it could leave.

    Those that it is given with CREATEROLE come from another grantor.
    """
    return [_revoke(m, facts) for m in _sorted(facts.memberships) if m.member == m.grantor == facts.me]


def _revoke(m: Membership, facts: Facts) -> sql.Composable:
    statement = sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(m.role), sql.Identifier(m.member))
    if facts.version >= GRANT_OPTIONS_SINCE:
        statement += sql.SQL(" GRANTED BY {} CASCADE").format(sql.Identifier(m.grantor))
    return statement


def _sorted(memberships: Iterable[Membership]) -> list[Membership]:
    return sorted(memberships, key=lambda m: (m.role, m.member, m.grantor))


def _comment(kind: sql.SQL, name: str, text: str) -> sql.Composable:
    return sql.SQL("COMMENT ON {} {} IS {}").format(kind, sql.Identifier(name), sql.Literal(text))

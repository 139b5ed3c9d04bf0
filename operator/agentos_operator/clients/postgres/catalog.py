"""What PostgreSQL's catalogs say about one workspace: one query, parsed into frozen facts for ``plan``.

Only system catalogs are read, never a tenant's relation: a view or a trigger of a tenant runs with the
rights of whoever touches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentos_operator.clients.postgres.connection import Session
from agentos_operator.database_names import DatabaseNames, tenants_role

QUERY: Final = """
WITH names AS (
  SELECT %(schema)s::name AS schema, %(tenants)s::name AS tenants, %(roles)s::name[] AS roles
), roles AS (
  SELECT r.* FROM pg_roles r, names n WHERE r.rolname = ANY (n.roles)
)
SELECT
  current_user AS me,
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
  current_setting('server_version_num')::int AS version,
  EXISTS (SELECT FROM pg_roles r, names n WHERE r.rolname = n.tenants) AS tenants_exist,
  (SELECT jsonb_build_object(
      'owner', pg_get_userbyid(s.nspowner),
      'comment', obj_description(s.oid, 'pg_namespace'),
      'grants', (
        SELECT jsonb_agg(jsonb_build_array(
            CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type,
            a.is_grantable)) FROM aclexplode(coalesce(s.nspacl, acldefault('n', s.nspowner))) a WHERE
            a.grantee <> s.nspowner)) FROM pg_namespace s, names n WHERE s.nspname = n.schema) AS schema,
            (SELECT jsonb_agg(jsonb_build_object( 'name', r.rolname, 'comment', shobj_description(r.oid,
            'pg_authid'), 'login', r.rolcanlogin, 'inherit', r.rolinherit, 'powers', r.rolsuper OR
            r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls, 'expires',
            coalesce(r.rolvaliduntil, 'infinity') <> 'infinity', 'limit', r.rolconnlimit)) FROM roles r) AS
            roles, (SELECT jsonb_agg(jsonb_build_object( 'role', pg_get_userbyid(m.roleid), 'member',
            pg_get_userbyid(m.member), 'grantor', pg_get_userbyid(m.grantor), 'admin', m.admin_option,
            'inherit', coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true), 'set',
            coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))) FROM pg_auth_members m WHERE m.member
            IN (SELECT oid FROM roles) OR m.roleid IN (SELECT oid FROM roles)) AS memberships, (SELECT
            jsonb_agg(jsonb_build_object( 'role', r.rolname, 'everywhere', s.setdatabase = 0, 'setting',
            c.setting, 'privileged', EXISTS (SELECT FROM pg_settings p WHERE p.name = split_part(c.setting,
            '=', 1) AND p.context IN ('superuser', 'superuser-backend')))) FROM pg_db_role_setting s JOIN
            roles r ON r.oid = s.setrole CROSS JOIN unnest(s.setconfig) AS c (setting) WHERE s.setdatabase
            IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) AS settings FROM names
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege on the schema, granted to somebody other than its owner."""

    grantee: str | None
    """Role; None for PUBLIC."""
    privilege: str
    """USAGE or CREATE."""
    grantable: bool
    """Whether the grantee may pass it on."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The workspace's schema."""

    owner: str
    """Role that owns it."""
    comment: str | None
    """Its COMMENT, where our marker stands."""
    grants: frozenset[Grant]
    """Privileges of everybody but the owner."""


@dataclass(frozen=True, slots=True)
class Role:
    """One of the workspace's roles."""

    name: str
    """Its name."""
    comment: str | None
    """Its COMMENT, where our marker stands."""
    login: bool
    """LOGIN."""
    inherit: bool
    """INHERIT."""
    powers: bool
    """Any of SUPERUSER, CREATEROLE, CREATEDB, REPLICATION, BYPASSRLS."""
    expires: bool
    """Whether VALID UNTIL is set."""
    limit: int
    """CONNECTION LIMIT; -1 for none."""


@dataclass(frozen=True, slots=True)
class Membership:
    """``member`` is a member of ``role``."""

    role: str
    """The group."""
    member: str
    """The member."""
    grantor: str
    """Who granted it; from PostgreSQL 16 on the same membership can exist once per grantor."""
    admin: bool
    """Whether the member may pass it on."""
    inherit: bool
    """Whether the member has the group's rights without SET ROLE."""
    set: bool
    """Whether the member may SET ROLE to the group."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``name=value`` of ALTER ROLE … SET."""

    role: str
    """The role."""
    everywhere: bool
    """True without IN DATABASE."""
    text: str
    """``name=value`` as the catalog has it."""
    privileged: bool
    """Only a superuser can set it, so it is an administrator's doing and none of the tenant's."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that ``plan`` compares with what should be."""

    me: str
    """The operator's role."""
    superuser: bool
    """Whether it is a superuser."""
    version: int
    """``server_version_num``, 170011 for 17.11."""
    tenants_exist: bool
    """Whether the database was prepared."""
    schema: Schema | None
    """The schema, if there is one of that name."""
    roles: Mapping[str, Role]
    """Roles of our names, by name."""
    memberships: frozenset[Membership]
    """Memberships in and of these roles."""
    settings: frozenset[Setting]
    """Settings of these roles, for this database and for all."""


async def gather(session: Session, database: str, names: DatabaseNames) -> Facts:
    """Read the facts about the workspace with these names in ``database``, to which ``session`` is connected."""
    parameters = {
        "schema": names.schema,
        "tenants": tenants_role(database),
        "roles": list(names.roles),
    }
    (row,) = await session.fetch(QUERY, parameters)
    return parse(row)


def parse(row: Mapping[str, Any]) -> Facts:
    """Facts from the one row of ``QUERY``."""
    return Facts(
        me=row["me"],
        superuser=row["superuser"],
        version=row["version"],
        tenants_exist=row["tenants_exist"],
        schema=_schema(row["schema"]) if row["schema"] else None,
        roles={role["name"]: Role(**role) for role in row["roles"] or ()},
        memberships=frozenset(Membership(**item) for item in row["memberships"] or ()),
        settings=frozenset(_settings(row["settings"] or ())),
    )


def _schema(value: Mapping[str, Any]) -> Schema:
    grants = frozenset(Grant(*item) for item in value["grants"] or ())
    return Schema(owner=value["owner"], comment=value["comment"], grants=grants)


def _settings(values: Iterable[Mapping[str, Any]]) -> Iterable[Setting]:
    for item in values:
        yield Setting(item["role"], item["everywhere"], item["setting"], item["privileged"])

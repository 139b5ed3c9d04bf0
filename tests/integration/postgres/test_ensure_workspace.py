"""A workspace's schema, roles and grants come into being, stay as they are, and are put back when spoiled."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    DatabaseError,
    DatabaseNotOwned,
    PostgresServer,
    WorkspaceDatabase,
    new_credential,
)
from agentos_operator.clients.postgres import server as server_module
from agentos_operator.clients.postgres.catalog import Facts, gather
from agentos_operator.clients.postgres.workspace import Plan, plan
from agentos_operator.database_names import database_names, tenants_role

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Admin, Tenant


async def facts_of(server: PostgresServer, desired: WorkspaceDatabase) -> Facts:
    """What the catalogs say now."""
    return await server._connections.run(lambda s: gather(s, server.settings.database, desired.names))


async def test_a_tenant_can_log_in_and_owns_what_it_creates_through_one_role(tenant: Tenant) -> None:
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, body text)")
        row = connection.execute(
            "SELECT session_user, current_user, current_schema, tableowner, current_setting('statement_timeout')"
            " FROM pg_tables WHERE tablename = 'notes' AND schemaname = current_schema"
        ).fetchone()
    names = tenant.desired.names
    assert row == (names.login_a, names.owner, names.schema, names.owner, "5s")


async def test_both_logins_see_the_same_tables(server: PostgresServer, tenant: Tenant) -> None:
    second = new_credential()
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes AS SELECT 1 AS id")
    await server.ensure_workspace(tenant.desired, {**tenant.credentials, tenant.desired.names.login_b: second})
    with psycopg.connect(server.login_url(tenant.desired.names.login_b, second.password)) as connection:
        connection.execute("INSERT INTO notes VALUES (2)")
        connection.execute("ALTER TABLE notes ADD COLUMN body text")


async def test_the_second_login_cannot_log_in_before_a_rotation(server: PostgresServer, tenant: Tenant) -> None:
    assert not await server.can_log_in(tenant.desired.names.login_b, "anything")
    facts = await facts_of(server, tenant.desired)
    assert not facts.roles[tenant.desired.names.login_b].login


async def test_a_steady_state_costs_one_query_and_writes_nothing(server: PostgresServer, tenant: Tenant) -> None:
    ensured = await server.ensure_workspace(tenant.desired, tenant.credentials, verify_logins=True)
    assert (ensured.queries, ensured.writes, ensured.warnings) == (1, 0, ())


async def test_changed_limits_reach_the_roles(server: PostgresServer, tenant: Tenant) -> None:
    changed = dataclasses.replace(tenant.desired, connection_limit=1, statement_timeout_ms=1234)
    await server.ensure_workspace(changed, tenant.credentials)
    with tenant.connect() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1234ms",)
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            tenant.connect()


DRIFT = {
    "the schema is granted to everybody": "GRANT USAGE ON SCHEMA {schema} TO PUBLIC",
    "the schema is granted to another role": "GRANT ALL ON SCHEMA {schema} TO {stranger} WITH GRANT OPTION",
    "the schema's rights are taken away": "REVOKE ALL ON SCHEMA {schema} FROM {owner}",
    "the tenant may pass its schema on": "GRANT USAGE ON SCHEMA {schema} TO {owner} WITH GRANT OPTION",
    "a setting is changed": "ALTER ROLE {a} IN DATABASE {database} SET search_path = public",
    "a setting is removed": "ALTER ROLE {a} IN DATABASE {database} RESET role",
    "all settings are removed": "ALTER ROLE {a} IN DATABASE {database} RESET ALL",
    "a setting is added": "ALTER ROLE {a} IN DATABASE {database} SET work_mem = '1GB'",
    "a setting for all databases is added": "ALTER ROLE {a} SET default_transaction_read_only = on",
    "the owner has a setting": "ALTER ROLE {owner} SET search_path = public",
    "the connection limit is raised": "ALTER ROLE {a} CONNECTION LIMIT 1000",
    "the login is locked": "ALTER ROLE {a} NOLOGIN",
    "the login expires": "ALTER ROLE {a} VALID UNTIL '2001-01-01'",
    "the login inherits nothing": "ALTER ROLE {a} NOINHERIT",
    "the spare login may log in": "ALTER ROLE {b} LOGIN",
    "the owner may log in": "ALTER ROLE {owner} LOGIN",
    "the spare login is dropped": "DROP OWNED BY {b}; DROP ROLE {b}",
    "the login is dropped": "DROP OWNED BY {a}; DROP ROLE {a}",
    "the owner is dropped": "DROP OWNED BY {owner}; DROP ROLE {owner}",
    "the schema is dropped": "DROP SCHEMA {schema} CASCADE",
    "a comment is extended": "COMMENT ON SCHEMA {schema} IS 'agentos.hyvve.io/workspace-uid={uid} and more'",
    "the login leaves its owner": "REVOKE {owner} FROM {a}{granted}",
    "the owner leaves the tenants": "REVOKE {tenants} FROM {owner}{granted}",
}


@pytest.mark.parametrize("spoil", DRIFT.values(), ids=DRIFT.keys())
async def test_drift_is_repaired_when(
    spoil: str, server: PostgresServer, tenant: Tenant, stranger: str, admin: Admin
) -> None:
    before = await facts_of(server, tenant.desired)
    admin.run(*spoil.format(**words(server, tenant, stranger, before)).split("; "))
    assert await facts_of(server, tenant.desired) != before
    repaired = await server.ensure_workspace(tenant.desired, tenant.credentials)
    assert repaired.writes > 0
    after = await facts_of(server, tenant.desired)
    assert dataclasses.replace(after, memberships=before.memberships) == before
    assert wanted(after, tenant) == wanted(before, tenant)
    assert (await server.ensure_workspace(tenant.desired, tenant.credentials)).writes == 0
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE works (id int)")


def wanted(facts: Facts, tenant: Tenant) -> set[tuple[str, str, bool, bool, bool]]:
    """Memberships that decide what the tenant may do; who granted them does not."""
    return {(m.role, m.member, m.admin, m.inherit, m.set) for m in facts.memberships if m.member != facts.me}


def words(server: PostgresServer, tenant: Tenant, stranger: str, facts: Facts) -> dict[str, str]:
    """What a statement of ``DRIFT`` can name."""
    names = tenant.desired.names
    return {
        "schema": names.schema,
        "owner": names.owner,
        "a": names.login_a,
        "b": names.login_b,
        "uid": tenant.desired.uid,
        "database": server.settings.database,
        "tenants": tenants_role(server.settings.database),
        "stranger": stranger,
        "granted": f" GRANTED BY {facts.me}" if facts.version >= 160000 else "",
    }


async def test_what_the_tenant_changes_about_itself_is_put_back(server: PostgresServer, tenant: Tenant) -> None:
    name = tenant.desired.names.login_a
    database = server.settings.database
    with tenant.connect() as connection:
        connection.execute("SET ROLE NONE")
        connection.execute(f"ALTER ROLE {name} IN DATABASE {database} SET statement_timeout = 0")
        connection.execute(f"ALTER ROLE {name} SET work_mem = '4GB'")
        connection.execute(f"ALTER ROLE {name} PASSWORD 'planted-by-the-tenant'")
    repaired = await server.ensure_workspace(tenant.desired, tenant.credentials, verify_logins=True)
    assert repaired.passwords_repaired == (name,)
    with tenant.connect() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)
        assert connection.execute("SHOW work_mem").fetchone() == ("4MB",)


async def test_a_tenant_cannot_hold_its_role_against_repair(server: PostgresServer, tenant: Tenant) -> None:
    login = tenant.desired.names.login_a
    with closing(tenant.connect()) as holding, closing(tenant.connect()) as other:
        holding.execute("SET ROLE NONE")
        holding.execute("BEGIN")
        holding.execute(f"ALTER ROLE {login} PASSWORD 'mine'")
        changed = dataclasses.replace(tenant.desired, connection_limit=2)
        await server.ensure_workspace(changed, tenant.credentials)
        other.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            holding.execute("SELECT 1")


async def test_a_stranger_is_made_to_leave_the_tenants_role(
    server: PostgresServer, tenant: Tenant, stranger: str, admin: Admin, admin_kind: str
) -> None:
    admin.run(f"GRANT {tenant.desired.names.owner} TO {stranger}")
    ensured = await server.ensure_workspace(tenant.desired, tenant.credentials)
    member = admin.value("SELECT pg_has_role(%s, %s, 'MEMBER')", stranger, tenant.desired.names.owner)
    if member:  # from PostgreSQL 16 on only a superuser can take back what a superuser granted
        assert admin_kind == "createrole"
        assert "REVOKE" in ensured.warnings[0]
        assert stranger in ensured.warnings[0]
    else:
        assert ensured.writes == 1


async def test_a_superusers_own_setting_on_a_login_is_none_of_the_tenants_drift(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    admin.run(f"ALTER ROLE {tenant.desired.names.login_a} SET log_min_duration_statement = 500")
    assert (await server.ensure_workspace(tenant.desired, tenant.credentials)).writes == 0


@pytest.mark.parametrize("kind", ["schema", "owner", "login_a", "login_b"])
async def test_a_strangers_object_of_our_name_is_named_and_not_touched(
    kind: str, server: PostgresServer, desired: WorkspaceDatabase, admin: Admin
) -> None:
    name = getattr(desired.names, kind)
    admin.run(f"CREATE {'SCHEMA' if kind == 'schema' else 'ROLE'} {name}")
    before = await facts_of(server, desired)
    with pytest.raises(DatabaseNotOwned, match=name):
        await server.ensure_workspace(desired, {desired.names.login_a: new_credential()})
    assert await facts_of(server, desired) == before
    removal = await server.drop_workspace(desired.names, desired.uid)
    assert len(removal.left_alone) == 1
    assert await facts_of(server, desired) == before


async def test_another_workspaces_marker_does_not_count_as_ours(server: PostgresServer, tenant: Tenant) -> None:
    usurper = dataclasses.replace(tenant.desired, uid=tenant.desired.uid[:-1])
    with pytest.raises(DatabaseNotOwned, match=tenant.desired.names.schema):
        await server.ensure_workspace(usurper, {usurper.names.login_a: new_credential()})


async def test_a_new_password_in_the_secret_reaches_the_role(server: PostgresServer, tenant: Tenant) -> None:
    fresh = new_credential()
    await server.ensure_workspace(tenant.desired, {tenant.desired.names.login_a: fresh})
    assert await server.can_log_in(tenant.desired.names.login_a, fresh.password)
    assert not await server.can_log_in(tenant.desired.names.login_a, tenant.credential.password)


async def test_a_password_changed_by_sql_is_found_by_a_login_and_put_back(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    login = tenant.desired.names.login_a
    admin.run(f"ALTER ROLE {login} PASSWORD 'changed'")
    assert (await server.ensure_workspace(tenant.desired, tenant.credentials)).writes == 0
    repaired = await server.ensure_workspace(tenant.desired, tenant.credentials, verify_logins=True)
    assert (repaired.passwords_repaired, repaired.writes) == ((login,), 1)
    assert await server.can_log_in(login, tenant.credential.password)


async def test_a_role_at_its_connection_limit_still_proves_its_password(server: PostgresServer, tenant: Tenant) -> None:
    held = [tenant.connect() for _ in range(tenant.desired.connection_limit)]
    ensured = await server.ensure_workspace(tenant.desired, tenant.credentials, verify_logins=True)
    assert ensured.passwords_repaired == ()
    for connection in held:
        connection.close()


async def test_a_workspace_of_the_same_name_with_another_uid_starts_empty(
    server: PostgresServer, tenant: Tenant
) -> None:
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes (id int)")
    uid = str(uuid.uuid4())
    again = WorkspaceDatabase(database_names("acme", uid), uid)
    credential = new_credential()
    await server.ensure_workspace(again, {again.names.login_a: credential})
    with psycopg.connect(server.login_url(again.names.login_a, credential.password)) as connection:
        assert connection.execute("SELECT to_regclass('notes')").fetchone() == (None,)


async def test_many_at_once_and_the_same_one_twice_end_in_the_same_state(server: PostgresServer) -> None:
    uids = [str(uuid.uuid4()) for _ in range(12)]
    desired = [WorkspaceDatabase(database_names("acme", uid), uid) for uid in uids]
    wanted = [(each, {each.names.login_a: new_credential()}) for each in desired]
    other = PostgresServer(server.settings)
    await asyncio.gather(
        *(edge.ensure_workspace(*each) for each in wanted for edge in (server, other)),
    )
    results = [await server.ensure_workspace(*each, verify_logins=True) for each in wanted]
    assert [(result.writes, result.passwords_repaired) for result in results] == [(0, ())] * len(wanted)
    await other.close()


async def test_nothing_is_half_made_when_a_statement_fails(
    server: PostgresServer, desired: WorkspaceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> Plan:
        planned = plan(*arguments)  # type: ignore[arg-type]
        return Plan((*planned.statements, sql.SQL("SELECT 1/0")), ())

    monkeypatch.setattr(server_module, "plan", broken)
    with pytest.raises(DatabaseError, match="division by zero"):
        await server.ensure_workspace(desired, {desired.names.login_a: new_credential()})
    facts = await facts_of(server, desired)
    assert (facts.schema, dict(facts.roles)) == (None, {})

"""A database is hardened once, stays so without further writes, and what the operator cannot do is said."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from agentos_operator.clients.postgres import (
    DatabaseForbidden,
    DatabaseNotOwned,
    PostgresServer,
    ServerSettings,
    WorkspaceDatabase,
    new_credential,
)
from agentos_operator.database_names import tenants_role

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Admin, Tenant
    from tests.servers import PostgresProcess


@pytest.fixture
def settings(fresh_settings: ServerSettings) -> ServerSettings:
    """These tests are about the database as a whole, so each has its own."""
    return fresh_settings


async def test_a_prepared_database_is_not_written_again(server: PostgresServer) -> None:
    assert (await server.prepare()).writes == 0


async def test_facts_name_the_version_and_pgvector(server: PostgresServer, postgres: PostgresProcess) -> None:
    facts = await server.prepare()
    assert facts.version_text.startswith(f"{postgres.version}.")
    assert any("16 or later" in warning for warning in facts.warnings) == (postgres.version < 16)
    assert (facts.pgvector_available is not None) == (postgres.version == 17)


DRIFT = {
    "everybody may connect": "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
    "everybody may create temporary tables": "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
    "everybody may create in public": "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "tenants may not connect": "REVOKE CONNECT ON DATABASE {database} FROM {tenants}",
    "tenants may not use extensions": "REVOKE USAGE ON SCHEMA ext FROM {tenants}",
    "tenants may create in the extensions' schema": "GRANT CREATE ON SCHEMA ext TO {tenants}",
    "everybody may create in the extensions' schema": "GRANT CREATE ON SCHEMA ext TO PUBLIC",
    "the extensions' schema is gone": "DROP SCHEMA ext CASCADE",
    "the tenants' role is gone": "DROP OWNED BY {tenants}; DROP ROLE {tenants}",
}


@pytest.mark.parametrize("spoil", DRIFT.values(), ids=DRIFT.keys())
async def test_drift_of_the_database_is_repaired_when(
    spoil: str, server: PostgresServer, admin: Admin, postgres: PostgresProcess
) -> None:
    database = server.settings.database
    admin.run(*spoil.format(database=database, tenants=tenants_role(database)).split("; "))
    assert (await server.prepare()).writes > 0
    facts = await server.prepare()
    assert facts.writes == 0


async def test_a_workspace_finds_an_unprepared_database_and_prepares_it(
    settings: ServerSettings, desired: WorkspaceDatabase
) -> None:
    server = PostgresServer(settings)
    credential = new_credential()
    await server.ensure_workspace(desired, {desired.names.login_a: credential})
    assert (await server.prepare()).writes == 0
    assert await server.can_log_in(desired.names.login_a, credential.password)
    await server.close()


async def test_a_database_that_was_opened_is_closed_by_a_later_workspace_and_warned_about_once(
    settings: ServerSettings, desired: WorkspaceDatabase, admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    server = PostgresServer(settings, clock=lambda: now)
    credential = new_credential()
    await server.ensure_workspace(desired, {desired.names.login_a: credential})
    admin.run(f"GRANT CONNECT ON DATABASE {settings.database} TO PUBLIC")
    assert (await server.ensure_workspace(desired, {desired.names.login_a: credential})).writes == 0
    now += 601
    assert (await server.ensure_workspace(desired, {desired.names.login_a: credential})).writes == 1
    assert server.facts is not None
    logged = [record.getMessage() for record in caplog.records]
    assert sorted(logged) == sorted(f"PostgreSQL server default: {text}" for text in server.facts.warnings)
    await server.close()


async def test_workspaces_come_back_after_the_tenants_role_was_dropped(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    role = tenants_role(server.settings.database)
    admin.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    await server.ensure_workspace(tenant.desired, tenant.credentials)
    tenant.connect().close()


async def test_maintenance_databases_are_closed_by_a_superuser_and_named_otherwise(
    server: PostgresServer, admin: Admin, admin_kind: str
) -> None:
    admin.run("GRANT CONNECT ON DATABASE template1 TO PUBLIC")
    warned = any("database template1" in warning for warning in (await server.prepare()).warnings)
    still_open = admin.value(
        "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = 'template1' AND grantee = 0"
    )
    assert (warned, still_open > 0) == ((False, False) if admin_kind == "superuser" else (True, True))


async def test_pgvector_in_the_extensions_schema_serves_every_tenant(
    server: PostgresServer, tenant: Tenant, admin: Admin, postgres: PostgresProcess
) -> None:
    if postgres.version != 17:
        pytest.skip("this server has no pgvector")
    admin.run("CREATE EXTENSION IF NOT EXISTS vector SCHEMA ext")
    facts = await server.prepare()
    assert facts.pgvector_installed == facts.pgvector_available
    with tenant.connect() as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("CREATE TABLE items (embedding vector(3))")
        connection.execute("INSERT INTO items VALUES ('[1,2,3]')")
        row = connection.execute("SELECT embedding <-> '[1,2,3]' FROM items").fetchone()
    assert row == (0.0,)


async def test_pgvector_where_tenants_cannot_use_it_is_warned_about(
    server: PostgresServer, admin: Admin, postgres: PostgresProcess
) -> None:
    if postgres.version != 17:
        pytest.skip("this server has no pgvector")
    admin.run("DROP EXTENSION IF EXISTS vector", "CREATE EXTENSION vector SCHEMA public")
    assert any("ALTER EXTENSION vector SET SCHEMA ext" in text for text in (await server.prepare()).warnings)


async def test_a_strangers_schema_named_ext_is_left_alone(settings: ServerSettings, admin: Admin) -> None:
    admin.run("CREATE SCHEMA ext")
    server = PostgresServer(settings)
    facts = await server.prepare()
    assert any("schema ext is not the operator's" in warning for warning in facts.warnings)
    assert admin.value("SELECT nspacl IS NULL FROM pg_namespace WHERE nspname = 'ext'")
    await server.close()


async def test_a_strangers_role_named_like_the_tenants_is_refused(settings: ServerSettings, admin: Admin) -> None:
    role = tenants_role(settings.database)
    admin.run(f"CREATE ROLE {role}")
    server = PostgresServer(settings)
    with pytest.raises(DatabaseNotOwned, match=role):
        await server.prepare()
    await server.close()


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        ("ALTER ROLE {me} NOCREATEROLE", "ALTER ROLE .* CREATEROLE"),
        ("ALTER DATABASE {database} OWNER TO postgres", "ALTER DATABASE .* OWNER TO"),
    ],
    ids=["it may not create roles", "it does not own the database"],
)
async def test_the_operator_says_what_to_grant_when(
    spoil: str, hint: str, settings: ServerSettings, admin: Admin, admin_kind: str
) -> None:
    if admin_kind == "superuser":
        pytest.skip("a superuser lacks nothing")
    me = (settings.credentials_dir / "username").read_text().strip()
    admin.run(
        f"GRANT CONNECT ON DATABASE {settings.database} TO {me}",
        spoil.format(me=me, database=settings.database),
    )
    server = PostgresServer(settings)
    with pytest.raises(DatabaseForbidden, match=hint):
        await server.prepare()
    await server.close()


async def test_a_database_that_does_not_exist_is_the_administrators_to_create(
    settings: ServerSettings,
) -> None:
    server = PostgresServer(dataclasses.replace(settings, database="nowhere"))
    with pytest.raises(DatabaseForbidden, match='database "nowhere" does not exist'):
        await server.prepare()

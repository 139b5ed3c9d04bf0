"""A workspace leaves its database for good or for later, whatever its tenant does and wherever a removal is cut."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import DatabaseBusy, DatabaseUnavailable, PostgresServer
from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.workspace import marker

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Admin, Tenant
    from tests.servers import PostgresProcess

EVERYTHING = """
CREATE TABLE parent (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (10);
CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, serial serial, parent int REFERENCES parent);
CREATE TABLE "odd ""name{}; DROP" (id int);
CREATE VIEW seen AS SELECT * FROM item;
CREATE MATERIALIZED VIEW cached AS SELECT * FROM seen;
CREATE SEQUENCE counter;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE pair AS (a int, b mood);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE span AS RANGE (subtype = int);
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT 2 * a';
CREATE FUNCTION same(a pair, VARIADIC b text[]) RETURNS pair LANGUAGE sql AS 'SELECT a';
CREATE PROCEDURE work() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE AGGREGATE everything(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE COLLATION mine FROM "C";
CREATE STATISTICS stat ON id, serial FROM item;
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple);
CREATE RULE quiet AS ON INSERT TO item DO INSTEAD NOTHING;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
SELECT lo_from_bytea(0, 'large object');
"""


def leftovers(admin: Admin, tenant: Tenant) -> int:
    """Schemas and roles of the workspace; a role that still owned anything, anywhere, could not be gone."""
    names = tenant.desired.names
    count: int = admin.value(
        "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %s)"
        " + (SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s))",
        names.schema,
        list(names.roles),
    )
    return count


def fill(tenant: Tenant) -> None:
    """One object of every kind that a tenant can create."""
    with tenant.connect() as connection:
        connection.execute(sql.SQL(EVERYTHING))


async def test_drop_removes_every_kind_of_object_and_is_repeatable(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    fill(tenant)
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert leftovers(admin, tenant) == 0
    again = await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert (again.writes, again.left_alone) == (0, ())


async def test_drop_does_not_reach_a_neighbour(server: PostgresServer, tenant: Tenant, admin: Admin) -> None:
    admin.run("CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.kept AS SELECT 1 AS id")
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert admin.value("SELECT id FROM elsewhere.kept") == 1


@pytest.mark.parametrize("how", ["drop", "retain"])
async def test_the_tenants_sessions_end_and_nobody_elses(
    how: str, server: PostgresServer, tenant: Tenant, neighbour: Tenant, admin: Admin, postgres: PostgresProcess
) -> None:
    names, uid = tenant.desired.names, tenant.desired.uid
    with neighbour.connect() as other, postgres.connect() as superuser, ExitStack() as stack:
        held = [stack.enter_context(closing(tenant.connect())) for _ in range(3)]
        held[0].execute("CREATE TABLE notes (id int)")
        held[0].execute("BEGIN")
        held[0].execute("LOCK TABLE notes")
        await (server.drop_workspace(names, uid) if how == "drop" else server.retain_workspace(names, uid))
        for connection in held:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        for connection in (other, superuser):
            connection.execute("SELECT 1")
    assert (leftovers(admin, tenant) == 0) == (how == "drop")


async def test_drop_ends_a_transaction_that_outlived_its_session(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes (id int)")
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE notes")
        connection.execute("PREPARE TRANSACTION 'it''s mine'")
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert leftovers(admin, tenant) == 0
    assert admin.value("SELECT count(*) FROM pg_prepared_xacts") == 0


@pytest.mark.parametrize("how", ["drop", "retain"])
@pytest.mark.parametrize("end", ["", "PREPARE TRANSACTION 'held by {login}'"], ids=["open", "prepared"])
async def test_a_tenant_cannot_prevent_its_removal_by_changing_its_own_role(
    how: str, end: str, server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    names, uid = tenant.desired.names, tenant.desired.uid
    with closing(tenant.connect()) as held:
        for statement in (
            "SET ROLE NONE",
            "BEGIN",
            f"ALTER ROLE {names.login_a} PASSWORD 'mine'",
            f"ALTER ROLE {names.login_a} SET work_mem = '1GB'",
            end.format(login=names.login_a),
        ):
            held.execute(sql.SQL(statement))
        await (server.drop_workspace(names, uid) if how == "drop" else server.retain_workspace(names, uid))
    assert (leftovers(admin, tenant) == 0) == (how == "drop")
    assert not await server.can_log_in(names.login_a, "mine")


async def test_a_strangers_sessions_survive_the_removal_of_a_workspace_of_that_name(
    server: PostgresServer, tenant: Tenant
) -> None:
    names = tenant.desired.names
    with tenant.connect() as stranger:
        removal = await server.drop_workspace(names, "another-uid")
        assert sorted(removal.left_alone) == sorted(
            [f"schema {names.schema}", *(f"role {name}" for name in names.roles)]
        )
        stranger.execute("SELECT 1")


async def test_the_operator_keeps_no_right_of_a_retained_tenant(
    server: PostgresServer, tenant: Tenant, admin: Admin, admin_kind: str
) -> None:
    if admin_kind == "superuser":
        pytest.skip("a superuser has every right")
    with closing(tenant.connect()):
        await server.retain_workspace(tenant.desired.names, tenant.desired.uid)
    me = (server.settings.credentials_dir / "username").read_text().strip()
    for role in tenant.desired.names.roles:
        assert not admin.value("SELECT pg_has_role(%s, %s, 'USAGE')", me, role)


async def test_a_lock_of_somebody_else_is_reported_without_its_query_and_then_resolved(
    server: PostgresServer, tenant: Tenant, admin: Admin, postgres: PostgresProcess
) -> None:
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes (id int)")
    schema = tenant.desired.names.schema
    with postgres.connect(server.settings.database) as holder:
        with holder.transaction():
            holder.execute(sql.SQL("SELECT 'planted-query' FROM {}.notes").format(sql.Identifier(schema)))
            with pytest.raises(DatabaseBusy, match=f"pid {holder.info.backend_pid} of postgres") as busy:
                await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
        assert "planted-query" not in str(busy.value)
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert leftovers(admin, tenant) == 0


async def test_drop_of_more_tables_than_the_lock_table_holds(
    server: PostgresServer, tenant: Tenant, admin: Admin, postgres: PostgresProcess
) -> None:
    with tenant.connect() as connection:
        for start in range(0, 400, 50):
            connection.execute(
                sql.SQL(
                    "DO $$ BEGIN FOR i IN {}..{} LOOP EXECUTE format("
                    "'CREATE TABLE t%s (id int PRIMARY KEY, a text UNIQUE, b text UNIQUE)', i); END LOOP; END $$"
                ).format(start, start + 49)
            )
    schema = sql.Identifier(tenant.desired.names.schema)
    with pytest.raises(psycopg.errors.OutOfMemory), postgres.connect(server.settings.database) as superuser:
        superuser.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert leftovers(admin, tenant) == 0


async def test_a_removal_cut_off_after_any_write_is_completed_by_the_next(
    server: PostgresServer, tenant: Tenant, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tenant)
    apply, cuts = Session.apply, 0

    async def one_write(session: Session, statements: list[sql.Composable]) -> None:
        if statements and session.writes:
            raise psycopg.errors.QueryCanceled
        await apply(session, statements)

    monkeypatch.setattr(Session, "apply", one_write)
    while leftovers(admin, tenant):
        with contextlib.suppress(DatabaseUnavailable):
            await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
        cuts += 1
        assert cuts < 20
    assert cuts > 3


async def test_two_removals_at_once_end_well(server: PostgresServer, tenant: Tenant, admin: Admin) -> None:
    fill(tenant)
    other = PostgresServer(server.settings)
    await asyncio.gather(*(edge.drop_workspace(tenant.desired.names, tenant.desired.uid) for edge in (server, other)))
    assert leftovers(admin, tenant) == 0
    await other.close()


async def test_retain_locks_the_tenant_out_and_keeps_its_data(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes AS SELECT 1 AS id")
    await server.retain_workspace(tenant.desired.names, tenant.desired.uid)
    with pytest.raises(psycopg.OperationalError):
        tenant.connect()
    assert admin.value(f"SELECT id FROM {tenant.desired.names.schema}.notes") == 1
    again = await server.retain_workspace(tenant.desired.names, tenant.desired.uid)
    assert again.writes == 0


async def test_a_retained_workspace_can_be_dropped_or_taken_up_again(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    with tenant.connect() as connection:
        connection.execute("CREATE TABLE notes AS SELECT 1 AS id")
    await server.retain_workspace(tenant.desired.names, tenant.desired.uid)
    await server.ensure_workspace(tenant.desired, tenant.credentials)
    with tenant.connect() as connection:
        assert connection.execute("SELECT id FROM notes").fetchone() == (1,)
    await server.retain_workspace(tenant.desired.names, tenant.desired.uid)
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    assert leftovers(admin, tenant) == 0


async def test_a_retained_schema_is_marked(server: PostgresServer, tenant: Tenant, admin: Admin) -> None:
    await server.retain_workspace(tenant.desired.names, tenant.desired.uid)
    comment = admin.value(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        tenant.desired.names.schema,
    )
    assert comment == f"{marker(tenant.desired.uid)} agentos.hyvve.io/retained"


async def test_what_the_roles_own_in_another_database_is_reported(
    server: PostgresServer, tenant: Tenant, postgres: PostgresProcess
) -> None:
    owner = tenant.desired.names.owner
    postgres.run(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(*[sql.Identifier(owner)] * 2))
    with pytest.raises(DatabaseBusy, match="in database postgres"):
        await server.drop_workspace(tenant.desired.names, tenant.desired.uid)
    postgres.run(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(owner)))
    await server.drop_workspace(tenant.desired.names, tenant.desired.uid)

"""Two tenants in one database that hate each other: each attempt is made with the tenant's own login.

An attempt holds when PostgreSQL refuses it. What schema mode cannot hide is listed in docs/database.md and asserted
at the end, so that the document stays true.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from agentos_operator.clients.postgres import PostgresServer
from agentos_operator.clients.postgres.settings import admin_credentials, login_url
from agentos_operator.database_names import tenants_role

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Admin, Arena, Tenant

REFUSED = {
    "read a neighbour's table": "SELECT * FROM {theirs}.notes",
    "write a neighbour's table": "INSERT INTO {theirs}.notes VALUES ('mine')",
    "delete from a neighbour's table": "DELETE FROM {theirs}.notes",
    "drop a neighbour's table": "DROP TABLE {theirs}.notes",
    "lock a neighbour's table": "BEGIN; LOCK TABLE {theirs}.notes IN ACCESS SHARE MODE",
    "use a neighbour's sequence": "SELECT nextval('{theirs}.counter')",
    "call a neighbour's function": "SELECT {theirs}.leak()",
    "create in a neighbour's schema": "CREATE TABLE {theirs}.mine (id int)",
    "point a foreign key at a neighbour": "CREATE TABLE mine (t text REFERENCES {theirs}.notes (text))",
    "inherit from a neighbour's table": "CREATE TABLE mine () INHERITS ({theirs}.notes)",
    "put a view over a neighbour's table": "CREATE VIEW mine AS SELECT * FROM {theirs}.notes",
    "put a trigger on a neighbour's table": "CREATE TRIGGER t BEFORE INSERT ON {theirs}.notes"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "grant itself a neighbour's schema": "GRANT ALL ON SCHEMA {theirs} TO {me}",
    "drop its own schema": "DROP SCHEMA {mine} CASCADE",
    "rename its own schema": "ALTER SCHEMA {mine} RENAME TO other",
    "take its own schema over": "ALTER SCHEMA {mine} OWNER TO {me}",
    "unmark its own schema": "COMMENT ON SCHEMA {mine} IS NULL",
    "unmark its own role": "COMMENT ON ROLE {login} IS NULL",
    "create in public": "CREATE TABLE public.mine (id int)",
    "create in the extensions' schema": "CREATE TABLE ext.mine (id int)",
    "create a schema": "CREATE SCHEMA mine",
    "create a temporary table": "CREATE TEMPORARY TABLE mine (id int)",
    "create an extension": "CREATE EXTENSION hstore",
    "create a role": "CREATE ROLE mine",
    "create a database": "CREATE DATABASE mine",
    "become its neighbour": "SET ROLE {them}",
    "become the operator": "SET ROLE {operator}",
    "become the group of all tenants' owner": "SET SESSION AUTHORIZATION {operator}",
    "join its neighbour": "GRANT {them} TO {me}",
    "join the readers of everything": "GRANT pg_read_all_data TO {me}",
    "let its neighbour in": "GRANT {me} TO {their_login}",
    "raise its own connection limit": "ALTER ROLE {login} CONNECTION LIMIT 1000",
    "give itself powers": "ALTER ROLE {login} CREATEROLE",
    "change a neighbour's password": "ALTER ROLE {their_login} PASSWORD 'x'",
    "change a neighbour's settings": "ALTER ROLE {their_login} SET search_path = {mine}",
    "change the database": "ALTER DATABASE {database} SET search_path = {mine}",
    "publish tables": "CREATE PUBLICATION mine",
    "subscribe to a server": "CREATE SUBSCRIPTION mine CONNECTION 'host=127.0.0.1' PUBLICATION p",
    "create a foreign data wrapper": "CREATE FOREIGN DATA WRAPPER mine",
    "create an event trigger": "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION notify()",
    "create a C function": "CREATE FUNCTION mine() RETURNS int LANGUAGE c AS 'libc.so.6', 'system'",
    "create a language": "CREATE TRUSTED LANGUAGE mine HANDLER plpgsql_call_handler",
    "read a file": "SELECT pg_read_file('postgresql.conf')",
    "copy from a file": "COPY (SELECT 1) TO '/tmp/mine'",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
    "import a file as a large object": "SELECT lo_import('/etc/hostname')",
    "read password verifiers": "SELECT rolpassword FROM pg_authid",
    "read statistics of a neighbour's data": "SELECT stavalues1 FROM pg_statistic",
    "change a server setting": "ALTER SYSTEM SET work_mem = '1GB'",
    "reload the server": "SELECT pg_reload_conf()",
    "cancel another's statement": "SELECT pg_cancel_backend({their_pid})",
    "end another's session": "SELECT pg_terminate_backend({their_pid})",
    "end the operator's session": "SELECT pg_terminate_backend({operator_pid})",
}


def words(arena: Arena) -> dict[str, str]:
    """What an attempt can name; a tenant finds all of it in the catalogs."""
    return {
        "mine": arena.mine.desired.names.schema,
        "me": arena.mine.desired.names.owner,
        "login": arena.mine.desired.names.login_a,
        "theirs": arena.theirs.desired.names.schema,
        "them": arena.theirs.desired.names.owner,
        "their_login": arena.theirs.desired.names.login_a,
        "operator": admin_credentials(arena.settings)[0],
        "database": arena.settings.database,
    }


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("role", ["the owner", "the login"])
def test_a_tenant_cannot(attempt: str, role: str, arena: Arena) -> None:
    pids = {
        "their_pid": arena.their_session.info.backend_pid,
        "operator_pid": arena.operator_session.info.backend_pid,
    }
    with arena.mine.connect() as mine:
        if role == "the login":
            mine.execute("SET ROLE NONE")
        with pytest.raises(psycopg.Error) as refused:
            mine.execute(attempt.format(**words(arena), **pids))
        assert refused.value.sqlstate in ("42501", "0LP01", "58P01", "42704")
        mine.rollback()
    assert arena.their_session.execute("SELECT text FROM notes").fetchall() == [("planted-note",)]
    assert arena.operator_session.execute("SELECT 1").fetchone() == (1,)


def test_a_tenant_cannot_grant_its_own_tables_to_a_neighbour(arena: Arena) -> None:
    with arena.mine.connect() as mine, arena.theirs.connect() as theirs:
        mine.execute("CREATE TABLE gift AS SELECT 1 AS id")
        mine.execute(f"GRANT SELECT ON gift TO {arena.theirs.desired.names.owner}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.execute(f"SELECT * FROM {arena.mine.desired.names.schema}.gift")
        mine.execute("DROP TABLE gift")


@pytest.mark.parametrize("grantee", ["PUBLIC", "a neighbour"])
def test_a_tenant_cannot_grant_its_schema_to(grantee: str, arena: Arena) -> None:
    """PostgreSQL answers with a warning instead of an error when nothing could be granted."""
    schema = arena.mine.desired.names.schema
    name = grantee if grantee == "PUBLIC" else arena.theirs.desired.names.owner
    with arena.mine.connect() as mine, arena.theirs.connect() as theirs:
        mine.execute(f"GRANT ALL ON SCHEMA {schema} TO {name}")
        query = f"SELECT has_schema_privilege('{schema}', 'USAGE')"
        assert theirs.execute(query).fetchone() == (False,)


def test_a_tenant_cannot_connect_to_another_database_of_a_hardened_server(arena: Arena, admin_kind: str) -> None:
    url = arena.mine.url.replace(f"/{arena.settings.database}?", "/postgres?")
    if admin_kind == "createrole":  # an administrator has followed the warning
        arena.admin.run("REVOKE ALL ON DATABASE postgres FROM PUBLIC")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(url)


def test_a_tenant_cannot_hold_more_connections_than_its_limit(arena: Arena) -> None:
    with ExitStack() as held:
        for _ in range(arena.mine.desired.connection_limit):
            held.enter_context(arena.mine.connect())
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            arena.mine.connect()
        arena.theirs.connect().close()


def test_a_tenants_password_opens_no_other_role(arena: Arena) -> None:
    roles = [
        arena.mine.desired.names.login_b,
        arena.mine.desired.names.owner,
        arena.theirs.desired.names.login_a,
        tenants_role(arena.settings.database),
    ]
    for role in roles:
        with pytest.raises(psycopg.OperationalError, match=f'authentication failed for user "{role}"'):
            psycopg.connect(login_url(arena.settings, role, arena.mine.credential.password))


async def test_the_operator_runs_no_code_that_a_tenant_planted(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    """Functions in the tenant's schema shadow built-in ones for whoever looks there first."""
    schema = tenant.desired.names.schema
    with tenant.connect() as mine:
        for signature, result in (("obj_description(oid, name)", "text"), ("pg_get_userbyid(oid)", "name")):
            mine.execute(
                f"CREATE FUNCTION {schema}.{signature} RETURNS {result} LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'planted code ran as %', current_user; END $$"
            )
    admin.run(f"ALTER DATABASE {server.settings.database} SET search_path = {schema}, pg_catalog")
    fresh = PostgresServer(server.settings)
    assert (await fresh.ensure_workspace(tenant.desired, tenant.credentials)).writes == 0
    await fresh.drop_workspace(tenant.desired.names, tenant.desired.uid)
    await fresh.close()


def test_what_schema_mode_does_not_hide(arena: Arena) -> None:
    """If one of these begins to fail, docs/database.md promises too little."""
    names = arena.theirs.desired.names
    with arena.theirs.connect(application_name="visible") as theirs, arena.mine.connect() as mine:
        visible = (
            f"SELECT 1 FROM pg_namespace WHERE nspname = '{names.schema}'",
            f"SELECT 1 FROM pg_tables WHERE schemaname = '{names.schema}' AND tablename = 'notes'",
            "SELECT 1 FROM pg_attribute WHERE attname = 'text' AND attrelid = (SELECT c.oid FROM pg_class c"
            f" JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = '{names.schema}'"
            " AND relname = 'notes')",
            "SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
            f" WHERE nspname = '{names.schema}' AND prosrc = 'SELECT text FROM notes'",
            f"SELECT 1 FROM pg_stat_activity WHERE application_name = 'visible' AND usename = '{names.login_a}'",
        )
        for query in visible:
            assert mine.execute(query).fetchone() == (1,), query
        mine.execute("LISTEN channel")
        theirs.execute("NOTIFY channel, 'heard'")
        assert [note.payload for note in mine.notifies(timeout=10, stop_after=1)] == ["heard"]
        mine.execute("SELECT pg_advisory_lock(7)")
        assert theirs.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (False,)

"""The life of a workspace's data, in a schema of a shared database and in a database of its own: made, kept as it
should be, retained, restored, dropped.
"""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    Credential,
    DatabaseBusy,
    DatabaseForbidden,
    DatabaseNotOwned,
    DatabaseUnavailable,
    PostgresServer,
    RestoreImpossible,
    WorkspaceDatabase,
    new_credential,
    place_of,
)
from agentos_operator.clients.postgres.connection import Session
from agentos_operator.database_names import DatabaseNames, database_names, tenants_role
from tests.integration.apiserver import eventually
from tests.integration.postgres.test_ensure_workspace import DRIFT
from tests.integration.postgres.test_remove_workspace import EVERYTHING

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

MODES = ("Schema", "Database")


@dataclasses.dataclass
class Home:
    """One workspace where it lives, with everything that a test does to it."""

    server: PostgresServer
    postgres: PostgresProcess
    isolation: str
    desired: WorkspaceDatabase
    credential: Credential

    @property
    def names(self) -> DatabaseNames:
        return self.desired.names

    @property
    def place(self) -> PostgresServer:
        """A new one for every use, as each reconciliation has."""
        return place_of(self.server, self.isolation, self.names)

    @property
    def database(self) -> str:
        return self.place.settings.database

    async def ensure(self, *, verify: bool = False) -> tuple[int, int]:
        """Queries and writes of one look at the workspace."""
        credentials = {self.names.login_a: self.credential}
        done = await self.place.ensure_workspace(self.desired, credentials, verify_logins=verify)
        assert done.warnings == ()
        return done.queries, done.writes

    async def retain(self) -> int:
        return (await self.place.retain_workspace(self.names, self.desired.uid, "acme")).writes

    async def drop(self) -> int:
        return (await self.place.drop_workspace(self.names, self.desired.uid)).writes

    def connect(self) -> psycopg.Connection:
        url = self.place.login_url(self.names.login_a, self.credential.password)
        return psycopg.connect(url, autocommit=True)

    def run(self, *statements: str) -> None:
        """Statements of a superuser where the workspace lives."""
        with self.postgres.connect(self.database) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))

    def write_note(self, text: str = "keep me") -> None:
        with self.connect() as connection:
            connection.execute("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, text text)")
            connection.execute("INSERT INTO notes (text) VALUES (%s)", [text])

    def write_more(self) -> None:
        with self.connect() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('and more')")

    def notes(self) -> list[tuple[str, ...]]:
        with self.connect() as connection:
            return connection.execute("SELECT text FROM notes ORDER BY id").fetchall()

    def leftovers(self) -> int:
        query = (
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %s)"
            " + (SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s))"
            " + (SELECT count(*) FROM pg_database WHERE datname = %s)"
        )
        with self.postgres.connect(self.server.settings.database) as connection:
            row = connection.execute(query, [self.names.schema, list(self.names.roles), self.names.database]).fetchone()
        return int(row[0]) if row else 0

    def successor(self, **changes: object) -> Home:
        """A new Workspace that asks for this one's data."""
        uid = str(uuid.uuid4())
        desired = dataclasses.replace(
            self.desired, names=database_names("acme-2", uid), uid=uid, restore_from=self.names.schema
        )
        home = Home(self.server, self.postgres, self.isolation, desired, new_credential())
        return dataclasses.replace(home, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=MODES)
async def home(
    request: pytest.FixtureRequest, server: PostgresServer, postgres: PostgresProcess, desired: WorkspaceDatabase
) -> AsyncIterator[Home]:
    """A workspace that is ready."""
    made = Home(server, postgres, request.param, desired, new_credential())
    await made.ensure()
    yield made
    postgres.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(desired.names.database)))


@pytest.fixture
async def own(server: PostgresServer, postgres: PostgresProcess, desired: WorkspaceDatabase) -> AsyncIterator[Home]:
    """A workspace that is to get a database of its own and has none yet."""
    yield Home(server, postgres, "Database", desired, new_credential())
    postgres.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(desired.names.database)))


async def test_a_life_from_creation_to_drop(home: Home) -> None:
    home.write_note()
    assert (await home.ensure(verify=True))[1] == 0
    with home.connect() as connection:
        row = connection.execute(
            "SELECT session_user, current_user, current_schema, current_database(),"
            " current_setting('statement_timeout')"
        ).fetchone()
    names = home.names
    assert row == (names.login_a, names.owner, names.schema, home.database, "5s")
    assert (home.database == names.database) == (home.isolation == "Database")
    assert await home.retain() > 0
    assert await home.retain() == 0
    with pytest.raises(psycopg.OperationalError):
        home.connect()
    heir = home.successor()
    assert (await heir.ensure())[1] > 0
    assert (await heir.ensure(verify=True))[1] == 0
    assert heir.notes() == [("keep me",)]
    assert home.leftovers() == 0
    with heir.connect() as connection:
        connection.execute(sql.SQL(EVERYTHING))
    await heir.drop()
    assert heir.leftovers() == 0
    assert await heir.drop() == 0


async def test_a_steady_state_takes_few_queries(home: Home) -> None:
    queries, writes = await home.ensure()
    assert (queries, writes) == ({"Schema": 1, "Database": 3}[home.isolation], 0)


@pytest.mark.parametrize("spoil", DRIFT.values(), ids=DRIFT.keys())
async def test_drift_in_a_database_of_its_own_is_repaired_when(spoil: str, own: Home, stranger: str) -> None:
    if "{tenants}" in spoil:
        pytest.skip("tenants of a shared database")
    await own.ensure()
    names = own.names
    granted = f" GRANTED BY {_operator(own)}" if own.postgres.version >= 16 else ""
    words = {"schema": names.schema, "owner": names.owner, "a": names.login_a, "b": names.login_b}
    own.run(
        *spoil.format(**words, database=own.database, uid=own.desired.uid, stranger=stranger, granted=granted).split(
            "; "
        )
    )
    assert (await own.ensure())[1] > 0
    assert (await own.ensure())[1] == 0
    own.write_note()


OUTSIDE = {
    "everybody may connect": "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
    "everybody may create temporary tables": "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
    "a stranger may connect": "GRANT CONNECT ON DATABASE {database} TO {stranger} WITH GRANT OPTION",
    "the tenant may create schemas": "GRANT CREATE ON DATABASE {database} TO {owner}",
    "the tenant may not connect": "REVOKE CONNECT ON DATABASE {database} FROM {owner}",
    "nobody may connect": "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
    "the connection limit is raised": "ALTER DATABASE {database} CONNECTION LIMIT -1",
    "the comment is extended": "COMMENT ON DATABASE {database} IS 'agentos.hyvve.io/workspace-uid={uid} and more'",
    "everybody may use public": "GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC",
    "the tenant may write extensions": "GRANT CREATE ON SCHEMA ext TO {owner}",
    "the extensions are gone": "DROP SCHEMA ext CASCADE",
    "the tenant is a tenant of the shared database": "GRANT {tenants} TO {owner}{granted}",
}


@pytest.mark.parametrize("spoil", OUTSIDE.values(), ids=OUTSIDE.keys())
async def test_drift_of_a_database_of_its_own_is_repaired_when(spoil: str, own: Home, stranger: str) -> None:
    await own.ensure()
    granted = f" GRANTED BY {_operator(own)}" if own.postgres.version >= 16 else ""
    run = own.run if "SCHEMA" in spoil else lambda statement: own.postgres.run(sql.SQL(statement))
    run(
        spoil.format(
            database=own.database,
            owner=own.names.owner,
            uid=own.desired.uid,
            stranger=stranger,
            tenants=tenants_role(own.server.settings.database),
            granted=granted,
        )
    )
    assert (await own.ensure())[1] > 0
    assert (await own.ensure())[1] == 0
    own.write_note()


async def test_a_database_that_was_dropped_by_hand_is_made_again(own: Home) -> None:
    await own.ensure()
    own.postgres.run(sql.SQL("DROP DATABASE {}").format(sql.Identifier(own.database)))
    assert (await own.ensure())[1] > 0
    own.write_note()


async def test_the_tenant_of_a_database_gets_nothing_beyond_its_schema(
    own: Home, server: PostgresServer, postgres: PostgresProcess, desired: WorkspaceDatabase
) -> None:
    await own.ensure()
    uid = str(uuid.uuid4())
    other = Home(
        server,
        postgres,
        "Database",
        dataclasses.replace(desired, names=database_names("globex", uid), uid=uid),
        new_credential(),
    )
    await other.ensure()
    for statement in (
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE TABLE ext.mine (id int)",
        "CREATE DATABASE mine",
        f"ALTER DATABASE {own.database} CONNECTION LIMIT -1",
        f"COMMENT ON DATABASE {own.database} IS 'mine'",
        f"DROP SCHEMA {own.names.schema} CASCADE",
        "CREATE EXTENSION hstore SCHEMA ext",
    ):
        with own.connect() as connection, pytest.raises(psycopg.Error):
            connection.execute(sql.SQL(statement))
    url = own.place.login_url(own.names.login_a, own.credential.password)
    for database in (other.database, server.settings.database):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url.replace(f"/{own.database}?", f"/{database}?"))
    await other.drop()


async def test_neighbours_in_databases_of_their_own_do_not_see_each_other(
    own: Home, server: PostgresServer, postgres: PostgresProcess, desired: WorkspaceDatabase
) -> None:
    uid = str(uuid.uuid4())
    wanted = dataclasses.replace(desired, names=database_names("globex", uid), uid=uid)
    other = Home(server, postgres, "Database", wanted, new_credential())
    await own.ensure()
    await other.ensure()
    other.write_note()
    with own.connect() as mine, other.connect() as theirs:
        assert mine.execute("SELECT count(*) FROM pg_class WHERE relname = 'notes'").fetchone() == (0,)
        mine.execute("LISTEN news")
        theirs.execute("NOTIFY news, 'secret'")
        assert list(mine.notifies(timeout=0.5)) == []
        theirs.execute("SELECT pg_advisory_lock(42)")
        assert mine.execute("SELECT pg_try_advisory_lock(42)").fetchone() == (True,)
    await other.drop()


async def test_no_connection_to_a_workspaces_database_is_kept(own: Home) -> None:
    await own.ensure(verify=True)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"

    def nobody_is_there() -> bool:
        with own.postgres.connect() as connection:
            return connection.execute(query, [own.database]).fetchone() == (0,)

    eventually(nobody_is_there, "the sessions have ended")


async def test_creation_goes_on_wherever_it_was_cut(own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await cut_everywhere(own.ensure, monkeypatch) >= 3
    own.write_note()


async def test_a_database_that_nobody_has_marked_yet_admits_nobody(own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = Session.apply

    async def only_create(session: Session, statements: list[sql.Composable]) -> None:
        await apply(session, statements)
        if any("CREATE DATABASE" in statement.as_string() for statement in statements):
            raise psycopg.errors.QueryCanceled

    with monkeypatch.context() as patch:
        patch.setattr(Session, "apply", only_create)
        with pytest.raises(DatabaseUnavailable):
            await own.ensure()
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        own.postgres.connect(own.names.database)
    assert await own.drop() > 0
    assert own.leftovers() == 0


@pytest.mark.parametrize(
    "statement",
    ["CREATE DATABASE {}", "CREATE DATABASE {} ALLOW_CONNECTIONS false", "CREATE DATABASE {} OWNER {me}"],
    ids=["open", "closed", "of our role and open"],
)
async def test_a_strangers_database_of_our_name_is_named_and_not_touched(
    statement: str, own: Home, admin_kind: str
) -> None:
    if statement.endswith("false") and admin_kind == "superuser":
        statement += " OWNER {stranger}"
    if "{stranger}" in statement:
        own.postgres.run(sql.SQL("CREATE ROLE {}").format(sql.Identifier(f"stranger_{own.names.schema}")))
    query = statement.replace("{me}", _operator(own)).replace("{stranger}", f"stranger_{own.names.schema}")
    own.postgres.run(sql.SQL(query).format(sql.Identifier(own.names.database)))
    with pytest.raises(DatabaseNotOwned, match=f"database {own.names.database}"):
        await own.ensure()
    removal = await own.place.drop_workspace(own.names, own.desired.uid)
    assert removal.left_alone == (f"database {own.names.database}",)
    retained = await own.place.retain_workspace(own.names, own.desired.uid, "acme")
    assert retained.writes == 0


async def test_a_missing_right_to_create_databases_is_told_with_what_to_run(own: Home, admin_kind: str) -> None:
    if admin_kind == "superuser":
        pytest.skip("a superuser lacks nothing")
    me = _operator(own)
    own.postgres.run(sql.SQL("ALTER ROLE {} NOCREATEDB").format(sql.Identifier(me)))
    try:
        with pytest.raises(DatabaseForbidden, match=f'ALTER ROLE "{me}" CREATEDB'):
            await own.ensure()
    finally:
        own.postgres.run(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(me)))
    await own.ensure()


@pytest.mark.parametrize("how", ["drop", "retain"])
async def test_whatever_the_tenant_holds_open_does_not_prevent_its_removal(how: str, home: Home) -> None:
    with closing(home.connect()) as idle, closing(home.connect()) as changing:
        idle.execute("CREATE TABLE notes (id int)")
        idle.execute("BEGIN")
        idle.execute("LOCK TABLE notes")
        changing.execute("SET ROLE NONE")
        changing.execute("BEGIN")
        changing.execute(sql.SQL("ALTER ROLE {} PASSWORD 'mine'").format(sql.Identifier(home.names.login_a)))
        changing.execute("PREPARE TRANSACTION 'kept'")
        await (home.drop() if how == "drop" else home.retain())
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert (home.leftovers() == 0) == (how == "drop")


async def test_a_session_of_somebody_else_is_named_until_it_ends(home: Home, admin_kind: str) -> None:
    home.write_note()
    if home.isolation == "Database" and admin_kind == "superuser":
        pytest.skip("a superuser may end every session")
    with home.postgres.connect(home.database) as holder:
        holder.execute("BEGIN")
        holder.execute(sql.SQL("SELECT 'planted-query' FROM {}.notes").format(sql.Identifier(home.names.schema)))
        with pytest.raises(DatabaseBusy, match=f"pid {holder.info.backend_pid} of postgres") as busy:
            await home.drop()
        assert "planted-query" not in str(busy.value)
    await home.drop()
    assert home.leftovers() == 0


async def test_a_prepared_transaction_of_somebody_else_blocks_the_drop_of_a_database_and_is_told(own: Home) -> None:
    await own.ensure()
    with own.postgres.connect(own.database) as holder:
        holder.execute("BEGIN")
        holder.execute("CREATE TABLE public.held (id int)")
        holder.execute("PREPARE TRANSACTION 'held'")
        with pytest.raises(DatabaseBusy, match="prepared transaction"):
            await own.drop()
        holder.execute("ROLLBACK PREPARED 'held'")
    await own.drop()
    assert own.leftovers() == 0


@pytest.mark.parametrize("how", ["drop", "retain"])
async def test_a_removal_goes_on_wherever_it_was_cut(how: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_note()
    await cut_everywhere(home.drop if how == "drop" else home.retain, monkeypatch)
    assert (home.leftovers() == 0) == (how == "drop")
    if how == "retain":
        assert await listed(home) == [(home.names.schema, home.isolation, "acme", home.desired.uid)]


def _operator(home: Home) -> str:
    return (home.server.settings.credentials_dir / "username").read_text().strip()


async def listed(home: Home) -> list[tuple[str, str, str, str]]:
    """What administrators are told about this workspace's data."""
    await home.server.prepare()
    found = [each for each in home.server.retained or () if each.name == home.names.schema]
    assert all(each.retained_at.endswith("Z") for each in found)
    return [(each.name, each.isolation, each.workspace, each.uid) for each in found]


async def cut_everywhere(step: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> int:
    """Repeat ``step``, cut off after one more message of statements than before, until it ends; how often that was."""
    apply, cuts = Session.apply, 0
    allowed = 0

    async def counting(session: Session, statements: list[sql.Composable]) -> None:
        nonlocal allowed
        if statements and not allowed:
            raise psycopg.errors.QueryCanceled
        allowed -= bool(statements)
        await apply(session, statements)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "apply", counting)
        while True:
            allowed = 1
            try:
                await step()
            except DatabaseUnavailable:
                cuts += 1
            else:
                return cuts
            assert cuts < 20


async def test_a_restore_goes_on_wherever_it_was_cut(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_note()
    await home.retain()
    heir = home.successor()
    assert await cut_everywhere(heir.ensure, monkeypatch) >= 1
    assert heir.notes() == [("keep me",)]
    assert await listed(home) == []
    assert home.leftovers() == 0


async def test_a_restored_workspace_can_be_retained_and_restored_again(home: Home) -> None:
    home.write_note()
    await home.retain()
    heir = home.successor()
    await heir.ensure()
    await heir.retain()
    last = heir.successor()
    await last.ensure()
    assert last.notes() == [("keep me",)]
    last.write_more()
    assert (await last.ensure(verify=True))[1] == 0


async def test_data_in_use_is_not_taken_over(home: Home) -> None:
    home.write_note()
    thief = home.successor()
    with pytest.raises(RestoreImpossible, match="not retained but in use"):
        await thief.ensure()
    assert thief.leftovers() == 0
    assert (await home.ensure(verify=True))[1] == 0
    assert home.notes() == [("keep me",)]


async def test_nothing_is_made_in_place_of_data_that_is_not_there(home: Home) -> None:
    await home.retain()
    await home.drop()
    heir = home.successor()
    with pytest.raises(RestoreImpossible, match=f"no retained {home.isolation.lower()} {home.names.schema}"):
        await heir.ensure()
    assert heir.leftovers() == 0


async def test_data_of_the_other_isolation_is_refused_with_the_way_to_it(home: Home) -> None:
    home.write_note()
    await home.retain()
    other = next(mode for mode in MODES if mode != home.isolation)
    heir = home.successor(isolation=other)
    with pytest.raises(RestoreImpossible, match=f"spec.database.isolation {home.isolation}"):
        await heir.ensure()
    assert heir.leftovers() == 0
    right = home.successor()
    await right.ensure()
    assert right.notes() == [("keep me",)]


async def test_of_two_that_want_the_same_data_one_gets_it(home: Home) -> None:
    home.write_note()
    await home.retain()
    heirs = [home.successor(), home.successor()]
    results = await asyncio.gather(*(heir.ensure() for heir in heirs), return_exceptions=True)
    winners = [heir for heir, result in zip(heirs, results, strict=True) if not isinstance(result, BaseException)]
    assert len(winners) == 1
    assert winners[0].notes() == [("keep me",)]
    (loser,) = [heir for heir in heirs if heir is not winners[0]]
    with pytest.raises(RestoreImpossible):
        await loser.ensure()
    assert loser.leftovers() == 0


async def test_no_tenant_reads_whose_the_retained_data_was(
    home: Home, server: PostgresServer, postgres: PostgresProcess, desired: WorkspaceDatabase
) -> None:
    await home.retain()
    uid = str(uuid.uuid4())
    wanted = dataclasses.replace(desired, names=database_names("globex", uid), uid=uid)
    curious = Home(server, postgres, "Schema", wanted, new_credential())
    await curious.ensure()
    with postgres.connect(server.settings.database) as superuser:
        superuser.execute("GRANT USAGE ON SCHEMA agentos_private TO PUBLIC")
    await server.prepare()
    with curious.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM agentos_private.retained")


async def test_a_list_that_is_not_the_operators_stops_no_living_workspace(home: Home) -> None:
    with home.postgres.connect(home.server.settings.database) as superuser:
        superuser.execute("DROP SCHEMA IF EXISTS agentos_private CASCADE")
        superuser.execute("CREATE SCHEMA agentos_private")
        try:
            await home.server.prepare()
            assert (await home.ensure())[1] == 0
            with pytest.raises(DatabaseNotOwned, match="agentos_private"):
                await home.retain()
        finally:
            superuser.execute("DROP SCHEMA agentos_private")
    await home.retain()
    assert len(await listed(home)) == 1


async def test_what_the_tenant_changes_about_itself_is_put_back_in_either_place(home: Home) -> None:
    login = sql.Identifier(home.names.login_a)
    with home.connect() as connection:
        connection.execute("SET ROLE NONE")
        for statement in (
            "ALTER ROLE {} IN DATABASE {} SET statement_timeout = 0",
            "ALTER ROLE {} IN DATABASE {} SET search_path = public",
            "ALTER ROLE {} SET work_mem = '4GB'",
            "ALTER ROLE {} PASSWORD 'planted-by-the-tenant'",
        ):
            connection.execute(sql.SQL(statement).format(login, sql.Identifier(home.database)))
    credentials = {home.names.login_a: home.credential}
    repaired = await home.place.ensure_workspace(home.desired, credentials, verify_logins=True)
    assert repaired.passwords_repaired == (home.names.login_a,)
    with home.connect() as connection:
        found = connection.execute(
            "SELECT current_setting('statement_timeout'), current_schema, current_setting('work_mem')"
        ).fetchone()
    assert found == ("5s", home.names.schema, "4MB")

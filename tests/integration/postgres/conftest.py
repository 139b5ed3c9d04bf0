"""Every test here runs on each supported kind of server, as a superuser and as the role that we recommend."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    Credential,
    PostgresServer,
    ServerSettings,
    WorkspaceDatabase,
    new_credential,
)
from agentos_operator.clients.postgres.settings import admin_credentials
from agentos_operator.database_names import database_names

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

Postgres = Callable[[int], "PostgresProcess"]
_ADMIN_PASSWORD = "planted-operator-password"


@dataclass(frozen=True)
class Tenant:
    """A workspace's database as the tenant sees it."""

    desired: WorkspaceDatabase
    credential: Credential
    url: str

    @property
    def credentials(self) -> dict[str, Credential]:
        """By login role, as the operator hands them over."""
        return {self.desired.names.login_a: self.credential}

    def connect(self, **options: Any) -> psycopg.Connection:
        """Log in as the tenant does."""
        return psycopg.connect(self.url, autocommit=True, **options)


@dataclass(frozen=True)
class Admin:
    """A superuser in the test's database, to look at what the operator did and to spoil it."""

    postgres: PostgresProcess
    database: str

    def run(self, *statements: str) -> None:
        """Run statements one by one."""
        with self.postgres.connect(self.database) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))

    def value(self, query: str, *parameters: object) -> Any:
        """First column of the first row."""
        with self.postgres.connect(self.database) as connection:
            row = connection.execute(sql.SQL(query), parameters).fetchone()
        return row[0] if row else None


@dataclass(frozen=True)
class Arena:
    """Two tenants of one database."""

    settings: ServerSettings
    mine: Tenant
    theirs: Tenant
    admin: Admin
    their_session: psycopg.Connection
    operator_session: psycopg.Connection


@pytest.fixture(
    scope="session",
    params=[(17, "createrole"), (17, "superuser"), (15, "createrole")],
    ids=["pg17-createrole", "pg17-superuser", "pg15-createrole"],
)
def _kind(request: pytest.FixtureRequest) -> tuple[int, str]:
    kind: tuple[int, str] = request.param
    return kind


@pytest.fixture(scope="session")
def postgres(_kind: tuple[int, str], postgres_of: Postgres) -> PostgresProcess:
    """A running server."""
    return postgres_of(_kind[0])


@pytest.fixture(scope="session")
def admin_kind(_kind: tuple[int, str]) -> str:
    """Which role the operator has: the recommended one, or a superuser."""
    return _kind[1]


@pytest.fixture(scope="module")
def settings(
    postgres: PostgresProcess, admin_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerSettings]:
    """A database that the tests of a module share, and the operator's credentials for it."""
    with _fresh_database(postgres, admin_kind, tmp_path_factory.mktemp("credentials")) as settings:
        yield settings


@pytest.fixture
def fresh_settings(postgres: PostgresProcess, admin_kind: str, tmp_path: Path) -> Iterator[ServerSettings]:
    """A database, and a role of the operator, for a test that changes them as a whole."""
    with _fresh_database(postgres, admin_kind, tmp_path) as settings:
        yield settings


@contextmanager
def _fresh_database(postgres: PostgresProcess, kind: str, folder: Path) -> Iterator[ServerSettings]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    role, password = _operator(postgres, name, kind)
    database = sql.Identifier(name)
    postgres.run(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(role)))
    (folder / "username").write_text(role + "\n")
    (folder / "password").write_text(password + "\n")
    yield ServerSettings(
        name="default",
        host="127.0.0.1",
        port=postgres.port,
        database=name,
        sslmode="disable",
        credentials_dir=folder,
        connect_timeout=2,
        statement_timeout=10,
        lock_timeout=1,
    )
    postgres.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def _operator(postgres: PostgresProcess, database: str, kind: str) -> tuple[str, str]:
    if kind == "superuser":
        return "postgres", "planted-superuser-password"
    role = f"op_{database}"
    postgres.run(
        sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(_ADMIN_PASSWORD)
        )
    )
    return role, _ADMIN_PASSWORD


@pytest.fixture
async def server(settings: ServerSettings) -> AsyncIterator[PostgresServer]:
    """The operator's edge to a prepared database."""
    edge = PostgresServer(settings)
    await edge.prepare()
    yield edge
    await edge.close()


@pytest.fixture
def admin(postgres: PostgresProcess, settings: ServerSettings) -> Admin:
    """A superuser who is not the operator."""
    return Admin(postgres, settings.database)


@pytest.fixture
def fresh_admin(postgres: PostgresProcess, fresh_settings: ServerSettings) -> Admin:
    """The superuser in the test's own database."""
    return Admin(postgres, fresh_settings.database)


@pytest.fixture
def desired() -> WorkspaceDatabase:
    """A workspace that no other test has."""
    return new_workspace("acme")


@pytest.fixture
async def tenant(server: PostgresServer, desired: WorkspaceDatabase) -> Tenant:
    """A workspace whose database is ready."""
    return await _tenant(server, desired)


@pytest.fixture
async def neighbour(server: PostgresServer) -> Tenant:
    """A second workspace in the same database."""
    return await _tenant(server, new_workspace("globex"))


@pytest.fixture(scope="module")
def arena(postgres: PostgresProcess, admin_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Two workspaces in one database for attempts that must fail, and so leave nothing behind."""
    with _fresh_database(postgres, admin_kind, tmp_path_factory.mktemp("arena")) as settings:
        mine, theirs = asyncio.run(_two_tenants(settings))
        operator = postgres.connect(settings.database, *admin_credentials(settings))
        with theirs.connect() as their_session, operator as operator_session:
            their_session.execute("CREATE TABLE notes AS SELECT 'planted-note' AS text")
            their_session.execute("CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS 'SELECT text FROM notes'")
            their_session.execute("CREATE SEQUENCE counter")
            admin = Admin(postgres, settings.database)
            yield Arena(settings, mine, theirs, admin, their_session, operator_session)


async def _two_tenants(settings: ServerSettings) -> tuple[Tenant, Tenant]:
    server = PostgresServer(settings)
    await server.prepare()
    mine, theirs = [await _tenant(server, new_workspace(name)) for name in ("acme", "globex")]
    await server.close()
    return mine, theirs


def new_workspace(name: str) -> WorkspaceDatabase:
    """A workspace that nobody else has."""
    uid = str(uuid.uuid4())
    return WorkspaceDatabase(database_names(name, uid), uid, connection_limit=3, statement_timeout_ms=5000)


async def _tenant(server: PostgresServer, desired: WorkspaceDatabase) -> Tenant:
    credential = new_credential()
    await server.ensure_workspace(desired, {desired.names.login_a: credential})
    return Tenant(desired, credential, server.login_url(desired.names.login_a, credential.password))


@pytest.fixture
def stranger(postgres: PostgresProcess) -> str:
    """A role of this server that is no workspace's."""
    name = f"stranger_{uuid.uuid4().hex[:12]}"
    postgres.run(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    return name

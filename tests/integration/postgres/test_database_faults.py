"""PostgreSQL down, hung, full, read-only or with another password: a named error in time, and a recovery by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    DatabaseError,
    DatabaseForbidden,
    DatabaseUnavailable,
    PostgresServer,
    ServerSettings,
    WorkspaceDatabase,
    new_credential,
)
from agentos_operator.clients.postgres.catalog import gather
from agentos_operator.clients.postgres.connection import Session
from agentos_operator.clients.postgres.credentials import scram_verifier
from agentos_operator.clients.postgres.sessions import join

if TYPE_CHECKING:
    from tests.integration.postgres.conftest import Admin, Tenant
    from tests.servers import PostgresProcess


class Wire:
    """A TCP proxy whose line can be held, so that the peer neither answers nor hangs up."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flow = asyncio.Event()
        self._flow.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def hold(self) -> None:
        """Let nothing through from now on."""
        self._flow.clear()

    def release(self) -> None:
        """Let everything through again."""
        self._flow.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        """Listen until the block ends."""
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for pair in ((reader, up_writer), (up_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pump(*pair)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flow.wait()
                writer.write(data)
        finally:
            writer.close()


async def test_a_closed_port_is_unavailable(settings: ServerSettings, unused_tcp_port: int) -> None:
    server = PostgresServer(dataclasses.replace(settings, port=unused_tcp_port))
    with pytest.raises(DatabaseUnavailable, match=r"server default at 127\.0\.0\.1"):
        await server.prepare()


async def test_an_unknown_host_is_unavailable(settings: ServerSettings) -> None:
    server = PostgresServer(dataclasses.replace(settings, host="nowhere.invalid"))
    with pytest.raises(DatabaseUnavailable, match=r"nowhere\.invalid"):
        await server.prepare()


async def test_a_server_that_accepts_and_stays_silent_is_unavailable(settings: ServerSettings) -> None:
    wire = Wire(settings.port)
    wire.hold()
    async with wire.open():
        server = PostgresServer(dataclasses.replace(settings, port=wire.port))
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            await server.prepare()


async def test_a_server_that_hangs_in_the_middle_is_unavailable_and_recovers(
    settings: ServerSettings, desired: WorkspaceDatabase
) -> None:
    wire = Wire(settings.port)
    async with wire.open():
        server = PostgresServer(dataclasses.replace(settings, port=wire.port, statement_timeout=1))
        await server.prepare()
        wire.hold()
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            await server.ensure_workspace(desired, {desired.names.login_a: new_credential()})
        wire.release()
        credential = new_credential()
        await server.ensure_workspace(desired, {desired.names.login_a: credential}, verify_logins=True)
        assert await server.can_log_in(desired.names.login_a, credential.password)
        await server.close()


async def test_connections_that_died_while_idle_are_replaced_unnoticed(
    server: PostgresServer, tenant: Tenant, admin: Admin
) -> None:
    admin.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE application_name = 'agentos-operator' AND datname = '{server.settings.database}'"
    )
    assert (await server.ensure_workspace(tenant.desired, tenant.credentials)).writes == 0


async def test_a_read_only_server_is_unavailable_until_it_is_not(
    fresh_settings: ServerSettings, desired: WorkspaceDatabase, fresh_admin: Admin
) -> None:
    fresh_admin.run(f"ALTER DATABASE {fresh_settings.database} SET default_transaction_read_only = on")
    server = PostgresServer(fresh_settings)
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        await server.ensure_workspace(desired, {desired.names.login_a: new_credential()})
    await server.close()
    fresh_admin.run(
        "SET default_transaction_read_only = off",
        f"ALTER DATABASE {fresh_settings.database} RESET default_transaction_read_only",
    )
    await server.ensure_workspace(desired, {desired.names.login_a: new_credential()})
    await server.close()


async def test_too_many_connections_is_unavailable(
    fresh_settings: ServerSettings, fresh_admin: Admin, admin_kind: str
) -> None:
    if admin_kind == "superuser":
        pytest.skip("a superuser has connections reserved")
    role = (fresh_settings.credentials_dir / "username").read_text().strip()
    fresh_admin.run(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    server = PostgresServer(fresh_settings)
    with pytest.raises(DatabaseUnavailable, match="too many connections"):
        await server.prepare()
    fresh_admin.run(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    await server.prepare()
    await server.close()


async def test_a_rotated_operator_password_is_used_without_a_restart(
    fresh_settings: ServerSettings, fresh_admin: Admin, admin_kind: str, postgres: PostgresProcess
) -> None:
    if admin_kind == "superuser":
        pytest.skip("the superuser is shared by all tests")
    role = (fresh_settings.credentials_dir / "username").read_text().strip()
    server = PostgresServer(fresh_settings)
    await server.prepare()
    await server.close()
    fresh_admin.run(f"ALTER ROLE {role} PASSWORD 'planted-rotated-password'")
    with pytest.raises(DatabaseForbidden, match="authentication failed") as refused:
        await server.prepare()
    assert "planted" not in str(refused.value)
    (fresh_settings.credentials_dir / "password").write_text("planted-rotated-password\n")
    await server.prepare()
    await server.close()


async def test_missing_credentials_say_which_secret_and_keys(settings: ServerSettings, tmp_path: Path) -> None:
    server = PostgresServer(dataclasses.replace(settings, credentials_dir=tmp_path / "absent"))
    with pytest.raises(DatabaseForbidden, match=r"absent must have the keys username and password"):
        await server.prepare()


async def test_a_cancelled_operation_leaves_the_server_usable(server: PostgresServer, tenant: Tenant) -> None:
    for _ in range(5):
        task = asyncio.create_task(server.ensure_workspace(tenant.desired, tenant.credentials))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await server.ensure_workspace(tenant.desired, tenant.credentials)).writes == 0


async def test_no_password_and_no_verifier_is_in_an_error(server: PostgresServer) -> None:
    """PostgreSQL quotes the statement that it refuses, and so does psycopg's exception."""
    credential = new_credential()
    verifier = scram_verifier(credential.password)
    broken = sql.SQL("ALTER ROLE nobody PASSWORD {} PASSWORDS {}").format(
        sql.Literal(verifier), sql.Literal(credential.password)
    )
    with pytest.raises(DatabaseError, match=r"PASSWORDS|passwords") as failed:
        await server._connections.run(lambda session: session.apply([broken]))
    text = "".join(traceback.format_exception(failed.value))
    assert [secret for secret in (credential.password, verifier, "SCRAM-SHA-256$4096") if secret in text] == []
    assert failed.value.__context__ is None


async def test_no_password_reaches_the_servers_log(
    server: PostgresServer, tenant: Tenant, postgres: PostgresProcess
) -> None:
    tenant.connect().close()
    await server.ensure_workspace(tenant.desired, {tenant.desired.names.login_a: new_credential()}, verify_logins=True)
    await server.ensure_workspace(tenant.desired, tenant.credentials, verify_logins=True)
    log = postgres.log
    assert tenant.desired.names.login_a in log
    assert tenant.credential.password not in log


async def test_a_replica_that_may_not_lead_any_more_changes_nothing(settings: ServerSettings, tenant: Tenant) -> None:
    desired = dataclasses.replace(tenant.desired, connection_limit=7)
    paused = PostgresServer(settings, may_write=lambda: False)
    for changed in (
        paused.ensure_workspace(desired, tenant.credentials),
        paused.retain_workspace(desired.names, desired.uid),
        paused.drop_workspace(desired.names, desired.uid),
    ):
        with pytest.raises(DatabaseUnavailable, match="another replica may lead"):
            await changed
    await paused.close()
    tenant.connect().close()


@pytest.mark.parametrize("how", ["ensure", "retain"])
async def test_roles_that_were_joined_to_end_sessions_are_left_even_after_a_cut_in_between(
    server: PostgresServer, tenant: Tenant, admin: Admin, how: str
) -> None:
    desired, logins = tenant.desired, [tenant.desired.names.login_a]

    async def join_and_be_cut_off(session: Session) -> None:
        await join(session, await gather(session, server.settings.database, desired.names), logins)

    await server.run(join_and_be_cut_off)
    if how == "ensure":
        await server.ensure_workspace(desired, tenant.credentials)
    else:
        await server.retain_workspace(desired.names, desired.uid)
    joined = (
        "SELECT count(*) FROM pg_auth_members WHERE member = grantor"
        " AND roleid IN (SELECT oid FROM pg_roles WHERE rolname = ANY (%s))"
    )
    assert admin.value(joined, [*desired.names.roles]) == 0

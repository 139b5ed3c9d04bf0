"""The operator and its tenants talk to the server that the administrator meant, or to none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from agentos_operator.clients.postgres import (
    DatabaseForbidden,
    PostgresServer,
    ServerSettings,
    new_credential,
    place_of,
)
from local.postgres import PASSWORD, SUPERUSER
from tests.integration.postgres.conftest import new_workspace

if TYPE_CHECKING:
    from tests.servers import PostgresProcess, TlsPostgres

POD_FILE = "/etc/agentos-database/ca.crt"


@pytest.fixture
def verified(tls_postgres: TlsPostgres, tmp_path: Path) -> Iterator[ServerSettings]:
    """Settings with which everything is right."""
    (tmp_path / "username").write_text(SUPERUSER)
    (tmp_path / "password").write_text(PASSWORD)
    tls_postgres.server.run(sql.SQL("CREATE DATABASE tls"))
    yield ServerSettings(
        name="default",
        host="localhost",
        port=tls_postgres.server.port,
        database="tls",
        sslmode="verify-full",
        credentials_dir=tmp_path,
        ca_file=tls_postgres.authority,
        connect_timeout=2,
    )
    tls_postgres.server.run(sql.SQL("DROP DATABASE tls WITH (FORCE)"))


async def fails(settings: ServerSettings, words: str) -> None:
    """The operator says why it does not connect, and that an administrator has to act."""
    server = PostgresServer(settings)
    with pytest.raises(DatabaseForbidden, match=words) as refused:
        await server.prepare()
    assert PASSWORD not in str(refused.value)
    await server.close()


@pytest.mark.parametrize("isolation", ["Schema", "Database"])
async def test_operator_and_tenant_verify_the_server(
    isolation: str, verified: ServerSettings, tls_postgres: TlsPostgres
) -> None:
    server, desired, credential = PostgresServer(verified), new_workspace("acme"), new_credential()
    place = place_of(server, isolation, desired.names)
    await place.ensure_workspace(desired, {desired.names.login_a: credential}, verify_logins=True)
    url = place.login_url(desired.names.login_a, credential.password)
    assert f"sslmode=verify-full&sslrootcert={POD_FILE}" in url
    with psycopg.connect(url.replace(POD_FILE, str(tls_postgres.authority))) as connection:
        assert connection.pgconn.ssl_in_use
    for authority in (str(tls_postgres.another_authority), POD_FILE):
        with pytest.raises(psycopg.OperationalError, match="certificate"):
            psycopg.connect(url.replace(POD_FILE, authority))
    await place.drop_workspace(desired.names, desired.uid)
    await server.close()


async def test_a_certificate_of_another_authority_is_refused(
    verified: ServerSettings, tls_postgres: TlsPostgres
) -> None:
    await fails(dataclasses.replace(verified, ca_file=tls_postgres.another_authority), "certificate verify failed")


async def test_a_certificate_for_another_host_is_refused(verified: ServerSettings) -> None:
    await fails(dataclasses.replace(verified, host="127.0.0.1"), "does not match host name")
    server = PostgresServer(dataclasses.replace(verified, host="127.0.0.1", sslmode="verify-ca"))
    await server.prepare()
    await server.close()


async def test_missing_authorities_are_named(verified: ServerSettings, tmp_path: Path) -> None:
    await fails(dataclasses.replace(verified, ca_file=tmp_path / "ca.crt"), "root certificate file .*ca.crt")


async def test_a_server_without_tls_is_not_spoken_to(
    verified: ServerSettings, postgres_of: Callable[[int], PostgresProcess]
) -> None:
    await fails(dataclasses.replace(verified, port=postgres_of(17).port), "server does not support SSL")


async def test_changed_authorities_are_used_without_a_restart(
    verified: ServerSettings, tls_postgres: TlsPostgres, tmp_path: Path
) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(tls_postgres.another_authority.read_text())
    server = PostgresServer(dataclasses.replace(verified, ca_file=file))
    with pytest.raises(DatabaseForbidden):
        await server.prepare()
    file.write_text(tls_postgres.another_authority.read_text() + tls_postgres.authority.read_text())
    await server.prepare()
    await server.close()

"""A runtime verifies its PostgreSQL server with the authorities that the operator mounted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.apiserver import eventually
from tests.integration.runtime.conftest import (
    Database,
    Launch,
    Process,
    agent,
    pod_environ,
    start_runtime,
    write_spec,
)

if TYPE_CHECKING:
    from tests.servers import TlsPostgres


@pytest.fixture(scope="module")
def postgres(tls_postgres: TlsPostgres) -> Any:
    """The workspace's server in this module."""
    return tls_postgres.server


def url(database: Database, authority: Path, host: str = "localhost") -> str:
    """As the operator writes it into the workspace's Secret."""
    plain = database.url.replace("127.0.0.1", host)
    return plain.replace("sslmode=prefer", f"sslmode=verify-full&sslrootcert={authority}")


@pytest.fixture
def begin(tmp_path: Path, database: Database, model: Process, forked: Launch) -> Iterator[Any]:
    """Start a runtime with this URL."""
    started: list[Process] = []

    def begin(url: str) -> Process:
        write_spec(tmp_path, agent(model.url))
        environ = pod_environ(tmp_path, database, AGENTOS_DATABASE_URL=url)
        started.append(start_runtime(tmp_path, environ, forked))
        return started[-1]

    yield begin
    for process in started:
        process.stop()


def test_it_serves_over_a_verified_connection(begin: Any, database: Database, tls_postgres: TlsPostgres) -> None:
    begin(url(database, tls_postgres.authority)).wait_until("/readyz")
    with tls_postgres.server.connect() as superuser:
        found = superuser.execute(
            "SELECT bool_and(s.ssl), count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
            " WHERE a.usename = %s",
            [database.schema],
        ).fetchone()
    assert found == (True, True)


@pytest.mark.parametrize("wrong", ["authority", "host"])
def test_it_serves_nobody_from_a_server_that_it_cannot_verify(
    wrong: str, begin: Any, database: Database, tls_postgres: TlsPostgres
) -> None:
    authority = tls_postgres.another_authority if wrong == "authority" else tls_postgres.authority
    process = begin(url(database, authority, "127.0.0.1" if wrong == "host" else "localhost"))
    process.wait_until("/livez")
    words = {"authority": "certificate verify failed", "host": "does not match host name"}[wrong]
    eventually(lambda: words in process.output, "the log says why")
    process.wait_until("/readyz", 503)

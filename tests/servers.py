"""A real PostgreSQL and a real API server for all tests that want one, away from whatever ``make up`` started.

Each is started when a test first asks for it, once per session; ``conftest`` makes them known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import controlplane, toolchain
from local import postgres as local_postgres
from local.pki import Authority, Identity
from local.postgres import PostgresProcess
from tests.integration.apiserver import ApiServer
from tests.integration.kept import KeptApi

__all__ = ["PostgresProcess"]

_SETTINGS = {
    "log_statement": "all",
    "max_locks_per_transaction": "12",
    "shared_preload_libraries": "pg_stat_statements",
}
"""The log and pg_stat_statements hold every statement, so that a test can show that no password is among them. Locks
are few, so that hundreds of tables do what thousands would do to a server with the defaults."""


@pytest.fixture(scope="session")
def postgres_of() -> Iterator[Callable[[int], PostgresProcess]]:
    """Servers by major version, each started when a test first asks for it."""
    running: dict[int, PostgresProcess] = {}

    def of(version: int) -> PostgresProcess:
        if version not in running:
            running[version] = local_postgres.start(version, _SETTINGS)
        return running[version]

    yield of
    for server in running.values():
        server.discard()


@pytest.fixture(scope="session")
def postgres(postgres_of: Callable[[int], PostgresProcess]) -> PostgresProcess:
    """PostgreSQL of the version that the local cluster has."""
    return postgres_of(17)


@dataclass(frozen=True)
class TlsPostgres:
    """A server that offers TLS, and two certificate authorities of which one signed its certificate."""

    server: PostgresProcess
    authority: Path
    another_authority: Path


@pytest.fixture(scope="session")
def tls_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    """Its certificate names `localhost` and not the address."""
    folder = tmp_path_factory.mktemp("pki")
    authority, another = (Authority.create(folder / name) for name in ("ours", "theirs"))
    authority.issue(Identity("server", "postgres", hosts=("localhost",)))
    with local_postgres.running(17, _SETTINGS) as server:
        local_postgres.use_tls(server, authority.certificate("server"), authority.key("server"))
        yield TlsPostgres(server, authority.certificate(), another.certificate())


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """An API server that has our CRDs, without nodes; tests share it, so each makes names of its own.

    It notes every write, so that a test can show who wrote when.
    """
    binary = toolchain.ensure(["kubectl"])["kubectl"]
    with controlplane.running(audited=True) as plane, closing(KeptApi(plane.kubeconfig("admin"))) as api:
        server = ApiServer(plane, binary, api)
        server.install_crds()
        yield server

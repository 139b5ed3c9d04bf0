"""Several PostgreSQL servers in one configuration: each Workspace lives on its own, and suffers from no other's end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from agentos_operator.clients.postgres.credentials import scram_verifier
from agentos_operator.database_names import database_names
from tests.integration.apiserver import Object
from tests.integration.operator.stage import ADMIN_PASSWORD, OperatorProcess, Stage, condition, new_name

if TYPE_CHECKING:
    from tests.servers import PostgresProcess, TlsPostgres

NETWORK = {"cidrs": ["127.0.0.1/32"]}
ROLE = "agentos_operator"


def _server(name: str, port: int, **changes: object) -> Object:
    """An entry of the operator's configuration."""
    base = {"name": name, "host": "localhost", "port": port, "database": "agentos", "network": NETWORK}
    return {**base, "sslMode": "disable", **changes}


def _prepare(postgres: PostgresProcess) -> None:
    verifier = sql.Literal(scram_verifier(ADMIN_PASSWORD))
    postgres.run(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(sql.Identifier(ROLE), verifier))
    postgres.run(sql.SQL("CREATE DATABASE agentos OWNER {}").format(sql.Identifier(ROLE)))


def _clean(postgres: PostgresProcess) -> None:
    with postgres.connect() as connection:
        names = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^(ws_|agentos$)'").fetchall()
        for (name,) in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^(ws_|agentos_)'").fetchall()
        for (name,) in roles:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        for (name,) in sorted(roles, key=lambda row: row[0] == ROLE):
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def operator(
    stage: Stage, tls_postgres: TlsPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Knows the server ``default``, a second one by TLS, and that one again by authorities that are not its own."""
    _prepare(tls_postgres.server)
    port = tls_postgres.server.port
    trusted = tmp_path_factory.mktemp("ca") / "ca.crt"
    trusted.write_text(tls_postgres.authority.read_text())
    servers = [
        *stage.configuration["database"]["servers"],
        _server("second", port, sslMode="verify-full", caFile=str(trusted)),
        _server("mistaken", port, sslMode="verify-full", caFile=str(tls_postgres.another_authority)),
    ]
    for name in ("second", "mistaken"):
        folder = stage.credentials.parent / name
        folder.mkdir()
        (folder / "username").write_text(ROLE)
        (folder / "password").write_text(ADMIN_PASSWORD)
    database = {**stage.configuration["database"], "servers": servers}
    with stage.running(database=database, resyncSeconds=5) as process:
        yield process
    _clean(tls_postgres.server)


@pytest.mark.usefixtures("operator")
class TestServers:
    """In this order: the second server ends in the last test but one."""

    def test_each_workspace_lives_on_its_own_server(self, stage: Stage, tls_postgres: TlsPostgres) -> None:
        here, there = stage.ready_workspace(), stage.ready_workspace(database={"server": "second"})
        body = stage.child("Workspace", "", there)
        names = database_names(there, body["metadata"]["uid"])
        with tls_postgres.server.connect("agentos") as connection:
            found = connection.execute(
                "SELECT count(*) FROM pg_namespace WHERE nspname = %s", [names.schema]
            ).fetchone()
        assert found == (1,)
        assert not stage.has_schema(names)
        assert stage.secret("agentos-database", f"ws-{there}")["port"] == str(tls_postgres.server.port)
        assert stage.secret("agentos-database", f"ws-{here}")["port"] == str(stage.postgres.port)

    def test_pods_get_the_authorities_of_their_own_server(self, stage: Stage, tls_postgres: TlsPostgres) -> None:
        here, there = stage.ready_workspace(), stage.ready_workspace(database={"server": "second"})
        copied = stage.api.get("ConfigMap", "agentos-database-ca", f"ws-{there}")
        assert copied is not None
        assert copied["data"]["ca.crt"] == tls_postgres.authority.read_text()
        assert stage.api.get("ConfigMap", "agentos-database-ca", f"ws-{here}") is None
        url = stage.secret("agentos-database", f"ws-{there}")["url"]
        assert url.endswith("?sslmode=verify-full&sslrootcert=/etc/agentos-database/ca.crt")
        mounted = {}
        for name in (here, there):
            place = stage.available_deployment(name)
            pod = stage.child("Deployment", place, "support")["spec"]["template"]["spec"]
            mounted[name] = [each["mountPath"] for each in pod["containers"][0]["volumeMounts"]]
        assert "/etc/agentos-database" in mounted[there]
        assert "/etc/agentos-database" not in mounted[here]

    def test_a_server_that_cannot_be_verified_gets_no_credentials_and_says_why(self, stage: Stage) -> None:
        name = stage.apply_workspace(new_name(), database={"server": "mistaken"})["metadata"]["name"]
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseForbidden")
        assert "certificate verify failed" in condition(body)["message"]
        assert condition(body, "DatabaseServerSafe")["status"] == "Unknown"

    @pytest.mark.parametrize("isolation", ["Schema", "Database"])
    def test_a_server_that_is_down_concerns_its_own_workspaces_alone(
        self, isolation: str, stage: Stage, tls_postgres: TlsPostgres
    ) -> None:
        there = stage.ready_workspace(database={"server": "second", "isolation": isolation})
        going = stage.ready_workspace(database={"server": "second", "isolation": isolation}, deletionPolicy="Delete")
        tls_postgres.server.stop()
        try:
            new = stage.apply_workspace(new_name(), database={"server": "second", "isolation": isolation})
            body = stage.wait_for("Workspace", new["metadata"]["name"], status="False", reason="DatabaseUnavailable")
            assert "server second" in condition(body)["message"]
            stage.wait_for("Workspace", there, status="False", reason="DatabaseUnavailable")
            stage.api.delete("Workspace", going)
            stage.wait_for("Workspace", going, status="False", reason="DatabaseUnavailable")
            stage.ready_workspace()
        finally:
            tls_postgres.server.start()
        stage.wait_for("Workspace", new["metadata"]["name"])
        stage.wait_for("Workspace", there)
        stage.wait_until_gone("Workspace", going)

"""The operator as a process of its own, with exactly the rights and the configuration that the chart gives it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from psycopg import sql

from agentos_operator.clients.postgres.credentials import scram_verifier
from tests.integration.apiserver import ApiServer, Object
from tests.integration.operator.stage import ADMIN_PASSWORD, SYSTEM_NAMESPACE, Launch, OperatorProcess, Stage

if TYPE_CHECKING:
    from tests.servers import PostgresProcess


@pytest.fixture(scope="module")
def stage(
    routed_api: ApiServer,
    postgres: PostgresProcess,
    chart: list[Object],
    token: str,
    forked: Launch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """A database of this module's own, and an operator that can be started. No secret may have leaked in the end."""
    with staged(routed_api, postgres, chart, token, tmp_path_factory.mktemp("operator")) as stage:
        stage.launch = forked
        yield stage


@contextmanager
def staged(
    api_server: ApiServer, postgres: PostgresProcess, chart: list[Object], token: str, folder: Path
) -> Iterator[Stage]:
    """A stage with a database of its own; no secret may have leaked in the end."""
    database = f"test_{uuid.uuid4().hex[:12]}"
    role, verifier = f"op_{database}", scram_verifier(ADMIN_PASSWORD)
    postgres.run(
        sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(verifier)
        )
    )
    postgres.run(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(role)))
    stage = Stage(api_server, postgres, database, role, folder, _configuration(chart, folder, database), token)
    stage.credentials.mkdir(parents=True)
    (stage.credentials / "username").write_text(role)
    (stage.credentials / "password").write_text(ADMIN_PASSWORD)
    # The module before may have killed its operator, whose Lease would have to run out.
    api_server.delete("Lease", "agentos-operator", SYSTEM_NAMESPACE)
    yield stage
    leaks = stage.leaks()
    stage.discard()
    assert not leaks


def _configuration(chart: list[Object], folder: Path, database: str) -> Object:
    (text,) = (item["data"]["config.yaml"] for item in chart if item["kind"] == "ConfigMap" and "data" in item)
    configuration: Object = yaml.safe_load(text)
    configuration["database"]["credentialsDir"] = str(folder / "servers")
    configuration["database"]["servers"][0]["database"] = database
    configuration["isolation"]["verification"]["enabled"] = False
    return configuration


@pytest.fixture(scope="module")
def operator(stage: Stage) -> Iterator[OperatorProcess]:
    """The operator runs, with so long a resync that only what it watches can wake it."""
    with stage.running(resyncSeconds=6000) as process:
        yield process


@pytest.fixture(scope="module")
def policies(api_server: ApiServer, chart: list[Object]) -> Iterator[None]:
    """The chart's admission policies; what they refuse is refused from some moment on."""
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    text = yaml.safe_dump_all([item for item in chart if item["kind"] in kinds])
    api_server.kubectl("apply", "--server-side", "-f", "-", text=text)
    yield
    api_server.kubectl("delete", "-f", "-", text=text)

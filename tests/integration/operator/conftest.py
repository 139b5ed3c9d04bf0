"""The operator as a process of its own, with exactly the rights and the configuration that the chart gives it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from psycopg import sql

from agentos_operator.clients.postgres.credentials import scram_verifier
from local import gobuild, toolchain
from tests.forks import Forks
from tests.integration.apiserver import ApiServer, Object, eventually
from tests.integration.operator.stage import (
    ACCOUNT,
    ADMIN_PASSWORD,
    BASE_DOMAIN,
    SYSTEM_NAMESPACE,
    Launch,
    OperatorProcess,
    Stage,
    namespace,
)

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

CHART = Path(__file__).resolve().parents[3] / "charts" / "agentos"
GATEWAY_API = ("sigs.k8s.io/gateway-api", "v1.6.1")
HTTP_ROUTE = "gateway.networking.k8s.io_httproutes.yaml"
REFERENCE_GRANT = "gateway.networking.k8s.io_referencegrants.yaml"
RIGHTS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount")


def render(port: int, **routing: Any) -> list[Object]:
    """Every object of the chart, with ``routing`` on top of the values of these tests."""
    server = {
        "name": "default",
        "host": "127.0.0.1",
        "port": port,
        "sslMode": "disable",
        "existingSecret": "unused",
        "network": {"cidrs": ["127.0.0.1/32"]},
    }
    values = {
        "database": {"embedded": {"enabled": False}, "servers": [server]},
        "routing": {"baseDomain": BASE_DOMAIN, "port": 8080, "sourceNamespaces": ["gateways"], **routing},
    }
    helm = toolchain.ensure(["helm"])["helm"]
    done = subprocess.run(
        [helm, "template", "agentos", CHART, "-n", SYSTEM_NAMESPACE, "--kube-version", "1.34.0", "-f", "-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


@pytest.fixture(scope="session")
def chart(postgres: PostgresProcess) -> list[Object]:
    """Every object of the chart."""
    return render(postgres.port)


@pytest.fixture(scope="session")
def token(api_server: ApiServer, chart: list[Object]) -> str:
    """Token of the operator's ServiceAccount, which has the rights that the chart gives it and no other."""
    api_server.apply(namespace(SYSTEM_NAMESPACE))
    rights = [item for item in chart if item["kind"] in RIGHTS]
    api_server.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(rights))
    done = api_server.kubectl("create", "token", ACCOUNT, "-n", SYSTEM_NAMESPACE, "--duration=8h")
    return done.stdout.strip()


@pytest.fixture(scope="session")
def http_routes() -> Path:
    """Folder with the Gateway API's CustomResourceDefinitions."""
    return gobuild.module_folder(*GATEWAY_API) / "config" / "crd" / "standard"


@pytest.fixture(scope="session")
def gateway_api(api_server: ApiServer, http_routes: Path) -> None:
    """The Gateway API's HTTPRoute is installed."""
    install_http_routes(api_server, http_routes)


@pytest.fixture(scope="session")
def routed_api(api_server: ApiServer, gateway_api: None) -> ApiServer:
    """The API server with the Gateway API's kinds."""
    return api_server


def install_http_routes(api: ApiServer, folder: Path) -> None:
    """Install HTTPRoute, and what a route to another Namespace takes, as their project publishes them."""
    for file in (HTTP_ROUTE, REFERENCE_GRANT):
        api.kubectl("apply", "--server-side", "-f", str(folder / file))
    for kind in ("v1/httproutes", "v1beta1/referencegrants"):
        listing = f"/apis/gateway.networking.k8s.io/{kind}"
        eventually(lambda listing=listing: api.api.get(listing) is not None, f"{kind} are served")  # type: ignore[misc]


@pytest.fixture(scope="session")
def forked() -> Iterator[Launch]:
    """Starts operators in a fraction of the second that an import takes."""
    forks = Forks("agentos_operator.__main__:run")
    yield lambda arguments, environment, log: forks.start(arguments, {**os.environ, **environment}, log)
    forks.close()


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

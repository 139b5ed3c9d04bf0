"""What all tests with an operator share: the chart as rendered, the rights that it gives, the Gateway API's kinds, and
a process that has imported the operator.

Each is made when a test first asks for it, once per session; ``conftest`` makes them known.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from local import gobuild, toolchain
from tests.forks import Forks
from tests.integration.apiserver import ApiServer, Object, eventually
from tests.integration.operator.stage import ACCOUNT, BASE_DOMAIN, SYSTEM_NAMESPACE, Launch, namespace

if TYPE_CHECKING:
    from tests.servers import PostgresProcess

CHART = Path(__file__).resolve().parents[1] / "charts" / "agentos"
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
    return [item for item in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if item]


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

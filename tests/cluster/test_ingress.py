"""Routes through an Ingress controller, on a path of a shared host, and beside the main API: live, with real pods.

The operator's configuration is changed as an administrator would, by ``helm upgrade``, and put back in the end.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local import cluster, demo
from local.pki import Authority, Identity
from tests.cluster import contour
from tests.cluster.conftest import NAME
from tests.cluster.release import restore, upgrade, wait_for_url
from tests.cluster.tenancy import Tenancy, ask, eventually

API = {"namespace": "platform-api", "service": "main", "port": 3000}
INGRESS = {"mode": "Ingress", "ingress": {"className": "contour"}, "sourceNamespaces": [contour.NAMESPACE]}
HOST = f"support--acme.{demo.BASE_DOMAIN}"


@dataclass(frozen=True)
class Front:
    """Where requests enter the cluster."""

    address: str
    https: str = ""

    def client(self, host: str, prefix: str = "", bearer: str | None = None) -> httpx.Client:
        """HTTP to ``host``, wherever its name resolves."""
        headers = {"Host": host} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        return httpx.Client(base_url=f"{self.address}{prefix}", headers=headers, timeout=90)


@pytest.fixture(scope="module")
def front(tenancy: Tenancy) -> Iterator[Front]:
    """Contour's address on the node. In the end the operator routes through its Gateway again."""
    node = contour.install(cluster.Cluster(NAME))
    yield Front(f"http://{node}:{contour.HTTP_PORT}", f"https://{node}:{contour.HTTPS_PORT}")
    restore(tenancy)
    eventually(lambda: _has(tenancy, "httproute") and not _has(tenancy, "ingress"))
    tenancy.kubectl("rollout", "status", "deployment/support", "-n", "ws-acme", "--timeout=120s")
    tenancy.wait("agentdeployment", "support", "ws-acme")


def configure(tenancy: Tenancy, **routing: Any) -> None:
    """Upgrade the release to these values of ``routing``, and wait until the operator works with them."""
    upgrade(tenancy, routing=routing)


def _has(tenancy: Tenancy, kind: str) -> bool:
    return "support" in [found["metadata"]["name"] for found in tenancy.list(kind, "ws-acme")]


def answers(client: httpx.Client, path: str) -> httpx.Response:
    """What a path answers once the proxies have learned of its route; until then 404 and 503 are their own."""
    found: list[httpx.Response] = []

    def answered() -> bool:
        found[:] = [client.get(path)]
        return found[0].status_code not in {404, 503}

    eventually(answered, 30)
    return found[0]


def _is_served(client: httpx.Client, shown: dict[str, Any]) -> bool:
    """Whether the host answers with a certificate that is trusted; until then the controller closes."""
    try:
        return client.get("/health", **shown).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def ingress(tenancy: Tenancy, front: Front) -> Front:
    """The operator writes Ingresses for Contour, with the main API below ``/api``."""
    configure(tenancy, **INGRESS, api=API)
    eventually(lambda: _has(tenancy, "ingress") and not _has(tenancy, "httproute"), 120)
    wait_for_url(tenancy, f"{HOST}:{tenancy.port}")
    with front.client(HOST) as client:
        answers(client, "/health")
    return front


def test_an_agent_answers_through_contour_and_asks_for_a_token_there(tenancy: Tenancy, ingress: Front) -> None:
    with ingress.client(HOST, bearer=tenancy.token("acme")) as client:
        assert ask(client, "hello").json()["status"] == "COMPLETED"
    with ingress.client(HOST) as client:
        assert client.get("/agents").status_code == 401
    with ingress.client("nobody--acme.agents.localhost") as client:
        assert client.get("/health").status_code == 404


def test_a_stream_of_more_than_a_minute_is_not_cut_by_contour(tenancy: Tenancy, ingress: Front) -> None:
    form = {"message": "think 62 slow", "stream": "true"}
    began = time.monotonic()
    with (
        ingress.client(HOST, bearer=tenancy.token("acme")) as client,
        client.stream("POST", "/agents/support/runs", data=form) as answer,
    ):
        lines = list(answer.iter_lines())
    assert lines.count(": ping") >= 3
    assert "event: RunCompleted" in lines
    assert time.monotonic() - began > 60, "the model did think that long"


def test_api_leads_to_the_main_api_with_the_callers_host_and_path(ingress: Front) -> None:
    with ingress.client(HOST) as client:
        assert answers(client, "/api/users?page=2").json() == {"host": HOST, "path": "/api/users?page=2"}
        assert client.get("/api").json()["path"] == "/api"
        assert client.get("/apiary").status_code == 401, "that path is the runtime's"


def test_a_wildcard_certificate_serves_a_generated_host_over_https(
    tenancy: Tenancy, ingress: Front, tmp_path: Path
) -> None:
    authority = Authority.create(tmp_path / "pki")
    authority.issue(Identity("wildcard", "wildcard", hosts=(f"*.{demo.BASE_DOMAIN}",)))
    files = (f"--cert={authority.certificate('wildcard')}", f"--key={authority.key('wildcard')}")
    for namespace in ("ws-acme", "platform-api"):
        tenancy.kubectl("create", "secret", "tls", "wildcard", "-n", namespace, *files)
    certificate = {"className": "contour", "certificate": "Secret", "secretName": "wildcard"}
    configure(tenancy, **{**INGRESS, "ingress": certificate}, scheme="https", api=API)
    wait_for_url(tenancy, f"https://{HOST}:{tenancy.port}")
    trust = ssl.create_default_context(cafile=str(authority.certificate()))
    with httpx.Client(base_url=ingress.https, headers={"Host": HOST}, verify=trust, timeout=60) as client:
        shown: dict[str, Any] = {"extensions": {"sni_hostname": HOST}}
        eventually(lambda: _is_served(client, shown), 60)
        headers = {"Authorization": f"Bearer {tenancy.token('acme')}"}
        form = {"message": "hello", "stream": "false"}
        answer = client.post("/agents/support/runs", data=form, headers=headers, **shown)
        assert answer.json()["status"] == "COMPLETED"
        assert client.get("/api/users", **shown).json()["host"] == HOST


def test_a_path_of_a_shared_host_leads_to_its_deployment_through_contour(tenancy: Tenancy, ingress: Front) -> None:
    configure(tenancy, **INGRESS, addressing="Path", api=API)
    _check_paths(tenancy, ingress)
    with ingress.client(demo.BASE_DOMAIN) as client:
        assert answers(client, "/api/users").json() == {"host": demo.BASE_DOMAIN, "path": "/api/users"}


def test_a_path_of_a_shared_host_leads_to_its_deployment_through_the_gateway(tenancy: Tenancy, front: Front) -> None:
    configure(tenancy, addressing="Path", api=API)
    eventually(lambda: _has(tenancy, "httproute"), 120)
    gateway = Front(f"http://127.0.0.1:{tenancy.port}")
    _check_paths(tenancy, gateway)
    with gateway.client(demo.BASE_DOMAIN) as client:
        assert answers(client, "/api/users").json() == {"host": demo.BASE_DOMAIN, "path": "/api/users"}


def _check_paths(tenancy: Tenancy, front: Front) -> None:
    wait_for_url(tenancy, f"//{demo.BASE_DOMAIN}:{tenancy.port}/acme/support")
    with front.client(demo.BASE_DOMAIN, "/acme/support", tenancy.token("acme")) as client:
        answers(client, "/health")
        assert ask(client, "hello").json()["status"] == "COMPLETED"
        form = {"message": "hello", "stream": "true"}
        with client.stream("POST", "/agents/support/runs", data=form) as stream:
            assert "event: RunCompleted" in list(stream.iter_lines())
    with front.client(demo.BASE_DOMAIN) as client:
        assert client.get("/acme/support/agents").status_code == 401
        assert {client.get(path).status_code for path in ("/agents", "/acme/supportx/health", "/acme")} == {404}

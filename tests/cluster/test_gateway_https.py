"""HTTPS at the Gateway's own listener, with a wildcard certificate in a Secret, as docs/install.md has it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local import addons, cluster, demo
from local.pki import Authority, Identity
from tests.cluster.conftest import NAME
from tests.cluster.release import restore, upgrade, wait_for_url
from tests.cluster.tenancy import Tenancy, ask, eventually

HOST = f"support--acme.{demo.BASE_DOMAIN}"
SHOWN: dict[str, Any] = {"extensions": {"sni_hostname": HOST}}
GATEWAY = ("gateway", addons.GATEWAY_NAME, "-n", addons.GATEWAY_NAMESPACE)


@pytest.fixture(scope="module")
def https(tenancy: Tenancy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client that trusts the certificate's authority and nobody else, at the port that the node publishes."""
    authority = Authority.create(tmp_path_factory.mktemp("pki"))
    authority.issue(Identity("wildcard", "wildcard", hosts=(f"*.{demo.BASE_DOMAIN}",)))
    _store(tenancy, authority.certificate("wildcard"), authority.key("wildcard"))
    before = tenancy.get("gateway", addons.GATEWAY_NAME, addons.GATEWAY_NAMESPACE)["spec"]["listeners"]
    _listen(tenancy, [*before, _listener(before[0])])
    port = eventually(lambda: _node_port(tenancy))
    upgrade(tenancy, routing={"scheme": "https", "port": port})
    wait_for_url(tenancy, f"https://{HOST}:{port}")
    trust = ssl.create_default_context(cafile=str(authority.certificate()))
    node = cluster.Cluster(NAME).machine.link.node
    headers = {"Host": f"{HOST}:{port}", "Authorization": f"Bearer {tenancy.token('acme')}"}
    with httpx.Client(base_url=f"https://{node}:{port}", headers=headers, verify=trust, timeout=60) as client:
        eventually(lambda: _is_served(client), 60)
        yield client
    _listen(tenancy, before)
    restore(tenancy)
    tenancy.kubectl("delete", "secret", "agents-tls", "-n", addons.GATEWAY_NAMESPACE)
    tenancy.wait("agentdeployment", "support", "ws-acme")


def _store(tenancy: Tenancy, certificate: Path, key: Path) -> None:
    files = (f"--cert={certificate}", f"--key={key}")
    tenancy.kubectl("create", "secret", "tls", "agents-tls", "-n", addons.GATEWAY_NAMESPACE, *files)


def _listener(plain: dict[str, Any]) -> dict[str, Any]:
    """The page's, which admits the same Namespaces as the one that is there."""
    return {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "hostname": f"*.{demo.BASE_DOMAIN}",
        "tls": {"certificateRefs": [{"name": "agents-tls"}]},
        "allowedRoutes": plain["allowedRoutes"],
    }


def _listen(tenancy: Tenancy, listeners: list[dict[str, Any]]) -> None:
    patch = json.dumps([{"op": "replace", "path": "/spec/listeners", "value": listeners}])
    tenancy.kubectl("patch", *GATEWAY, "--type=json", "-p", patch)


def _node_port(tenancy: Tenancy) -> int:
    """Where the node publishes the listener; 0 before Envoy Gateway has added it to its Service."""
    ports = tenancy.get("service", addons.GATEWAY_NAME, addons.DATA_PLANE_NAMESPACE)["spec"]["ports"]
    return next((int(each["nodePort"]) for each in ports if each["port"] == 443), 0)


def _is_served(client: httpx.Client) -> bool:
    try:
        return client.get("/health", **SHOWN).status_code == 200
    except httpx.TransportError:
        return False


def test_an_agent_answers_by_https_with_the_wildcard_certificate(https: httpx.Client) -> None:
    answer = https.post("/agents/support/runs", data={"message": "hello", "stream": "false"}, **SHOWN)
    assert answer.json()["status"] == "COMPLETED"


def test_a_stream_comes_in_parts_by_https(https: httpx.Client) -> None:
    form = {"message": "wait 3 one two three", "stream": "true"}
    with https.stream("POST", "/agents/support/runs", data=form, **SHOWN) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "event: RunCompleted" in list(answer.iter_lines())


def test_nobody_else_is_shown_that_certificate_as_theirs(https: httpx.Client) -> None:
    shown: dict[str, Any] = {"extensions": {"sni_hostname": "support--acme.example.com"}}
    # A connection of its own: one that is kept would answer for a name that it was not opened for.
    with httpx.Client(base_url=https.base_url, verify=False) as stranger, pytest.raises(httpx.ConnectError):
        stranger.get("/health", **shown)


@pytest.mark.usefixtures("https")
def test_the_plain_listener_goes_on_beside_it(tenancy: Tenancy) -> None:
    with tenancy.client("support", "acme", tenancy.token("acme")) as client:
        assert ask(client, "hello").json()["status"] == "COMPLETED"

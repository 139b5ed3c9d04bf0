"""The openings of workspaces follow what stands around them, with exactly the rights that the chart gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import SYSTEM_NAMESPACE, Stage, condition, namespace, new_name

DATABASES = "databases"
PROXIES = {
    "gateway.envoyproxy.io/owning-gateway-name": "agentos",
    "gateway.envoyproxy.io/owning-gateway-namespace": "agentos-gateway",
}


def service(place: str, name: str, port: int, target: int, selector: Object, **labels: str) -> Object:
    """A Service as an administrator writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": place, "labels": labels},
        "spec": {"selector": selector, "ports": [{"port": port, "targetPort": target}]},
    }


def configuration(stage: Stage) -> dict[str, Any]:
    """The stage's, with everything about the network left open, and a second server that is a Service."""
    config = stage.configuration
    (first,) = config["database"]["servers"]
    second = {**{key: value for key, value in first.items() if key != "network"}, "name": "second"}
    return {
        "routing": {**config["routing"], "sourceNamespaces": []},
        "network": {**config["network"], "dns": {}},
        "database": {
            **config["database"],
            "servers": [first, {**second, "host": f"postgres.{DATABASES}.svc", "port": 5432}],
        },
        "resyncSeconds": 2,
    }


@pytest.fixture(scope="module")
def around(stage: Stage) -> Iterator[Stage]:
    """A cluster with DNS, a gateway and a database in Services of their own, and an operator that looks for them."""
    folder = stage.credentials.parent / "second"
    folder.mkdir()
    for key in ("username", "password"):
        (folder / key).write_text((stage.credentials / key).read_text())
    for name in (DATABASES, "envoy-gateway-system"):
        stage.api.apply(namespace(name))
    stage.api.apply(service("kube-system", "kube-dns", 53, 5353, {"app": "dns"}))
    stage.api.apply(service(DATABASES, "postgres", 5432, 6432, {"app": "pooler"}))
    stage.api.apply(service("envoy-gateway-system", "proxies", 80, 10080, {"app": "envoy"}, **PROXIES))
    with stage.running(**configuration(stage)):
        yield stage
    for place, name in (("kube-system", "kube-dns"), (DATABASES, "postgres"), ("envoy-gateway-system", "proxies")):
        stage.api.delete("Service", name, place)


@pytest.fixture(scope="module")
def workspace(around: Stage) -> str:
    """A workspace on the server that is a Service. Its policies do not wait for the database."""
    name = new_name()
    around.apply_workspace(name, database={"server": "second"})
    eventually(lambda: around.api.get("NetworkPolicy", "agentos-openings", f"ws-{name}") is not None, "it has policies")
    return name


def openings(stage: Stage, name: str) -> Object:
    """The spec of the workspace's policy that opens."""
    spec: Object = stage.child("NetworkPolicy", f"ws-{name}", "agentos-openings")["spec"]
    return spec


def opened(stage: Stage, name: str, place: str) -> tuple[Object, set[int]] | None:
    """Labels of the pods in ``place`` to which the workspace may go, and the ports there."""
    for rule in openings(stage, name)["egress"]:
        for peer in rule.get("to", ()):
            if peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name") == place:
                return peer["podSelector"]["matchLabels"], {each["port"] for each in rule["ports"]}
    return None


def test_dns_and_the_database_are_open_at_the_pods_and_ports_of_their_services(around: Stage, workspace: str) -> None:
    assert opened(around, workspace, "kube-system") == ({"app": "dns"}, {5353})
    assert opened(around, workspace, DATABASES) == ({"app": "pooler"}, {6432})


def test_the_gateways_own_proxies_are_let_in_and_no_other_pod_beside_them(around: Stage, workspace: str) -> None:
    (gateway,) = [each["from"] for each in openings(around, workspace)["ingress"] if len(each["from"]) > 1]
    assert all(peer["podSelector"]["matchLabels"] for peer in gateway)
    assert [peer["podSelector"]["matchLabels"] for peer in gateway].count(PROXIES) == 2


def test_nothing_is_told_where_all_was_found(around: Stage, workspace: str) -> None:
    body = around.child("Workspace", "", workspace)
    assert condition(body, "NetworkReady") == {}


def test_the_policy_follows_a_database_that_moves_to_other_pods(around: Stage, workspace: str) -> None:
    around.api.apply(service(DATABASES, "postgres", 5432, 5432, {"app": "primary"}))
    eventually(lambda: opened(around, workspace, DATABASES) == ({"app": "primary"}, {5432}), "the policy follows")


def test_proxies_elsewhere_are_told_and_let_in_only_when_somebody_says_so(around: Stage, workspace: str) -> None:
    before = openings(around, workspace)["ingress"]
    around.api.delete("Service", "proxies", "envoy-gateway-system")
    around.api.apply(service("default", "forged", 80, 80, {"app": "mine"}, **PROXIES))
    try:
        body = around.wait_for("Workspace", workspace, type_="NetworkReady", status="False", reason="NotDiscovered")
        eventually(lambda: "lie in default" in _told(around, workspace), "it is told where they seem to be")
        assert "routing.sourceNamespaces" in _told(around, workspace)
        assert condition(body)["reason"] != "NotDiscovered", "it is no part of Ready"
        assert openings(around, workspace)["ingress"] == before
    finally:
        around.api.delete("Service", "forged", "default")
        around.api.apply(service("envoy-gateway-system", "proxies", 80, 10080, {"app": "envoy"}, **PROXIES))
    eventually(lambda: _told(around, workspace) == "", "nothing is told any more")


def _told(stage: Stage, name: str) -> str:
    return str(condition(stage.child("Workspace", "", name), "NetworkReady").get("message", ""))


def test_an_operator_that_restarts_while_the_service_is_away_closes_nothing(around: Stage, workspace: str) -> None:
    before = openings(around, workspace)
    record = around.api.get("ConfigMap", "agentos-network", SYSTEM_NAMESPACE)
    assert record is not None
    assert json.loads(record["data"]["database.second"])["opening"]["pod_ports"] == [5432]
    around.api.delete("Service", "postgres", DATABASES)
    around.started[-1].kill()
    operator = around.start(**configuration(around))
    told = "There is no Service databases/postgres."
    eventually(lambda: told in _told(around, workspace), "what is missing is told")
    assert openings(around, workspace) == before
    around.api.apply(service(DATABASES, "postgres", 5432, 6432, {"app": "pooler"}))
    eventually(
        lambda: opened(around, workspace, DATABASES) == ({"app": "pooler"}, {6432}), "and followed when it is back"
    )
    assert told in operator.log
    operator.kill()

"""The network of a workspace, tried from real pods of a hostile tenant: policies are enforced, not only written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local import cluster as local_cluster
from local import demo
from local.cilium import SOCKET, inside
from local.toolchain import ensure
from tests.cluster.conftest import NAME
from tests.cluster.isolation.verifying import verify
from tests.cluster.tenancy import Tenancy, eventually

PROBE = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except OSError as error:
    print("closed", error)
"""
GATEWAY = "envoy-gateway-system"
PROXY = "agentos-"
CONTROLLER = "envoy-gateway.envoy-gateway-system.svc"

Find = Callable[[Tenancy], tuple[str, int]]


def reach(tenancy: Tenancy, namespace: str, host: str, port: int) -> str:
    """``open`` or ``closed`` for a connection from the runtime of ``namespace``."""
    where = ("-n", namespace, "deployment/support")
    return tenancy.kubectl("exec", *where, "--", "python3", "-c", PROBE, host, str(port)).split()[0]


def pod_address(tenancy: Tenancy, namespace: str, name: str = "") -> str:
    """Of the first running pod whose name begins with ``name``."""
    pods = tenancy.list("pods", namespace)
    running = [pod for pod in pods if pod["status"]["phase"] == "Running" and pod["metadata"]["name"].startswith(name)]
    return str(running[0]["status"]["podIP"])


def node_address(tenancy: Tenancy) -> str:
    """Of the only node."""
    return tenancy.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")


def api_server(tenancy: Tenancy) -> tuple[str, int]:
    """The address behind the Service ``kubernetes``."""
    found = tenancy.get("endpointslice", "kubernetes", "default")
    return str(found["endpoints"][0]["addresses"][0]), int(found["ports"][0]["port"])


UNREACHABLE: dict[str, Find] = {
    "another tenant's runtime": lambda tenancy: (pod_address(tenancy, "ws-acme", "support"), 7777),
    "another tenant's Service": lambda _: ("support.ws-acme.svc.cluster.local", 80),
    "the API server's Service": lambda _: ("kubernetes.default.svc.cluster.local", 443),
    "the API server's own address": api_server,
    "the metadata address": lambda _: ("169.254.169.254", 80),
    "the metadata address over IPv6": lambda _: ("fd00:ec2::254", 80),
    "the operator": lambda tenancy: (pod_address(tenancy, demo.NAMESPACE, "agentos-operator"), 8080),
    "the gateway's configuration server": lambda _: (CONTROLLER, 18000),
    "the gateway's metrics": lambda _: (CONTROLLER, 19001),
    "the administration of the gateway's proxy": lambda tenancy: (
        pod_address(tenancy, GATEWAY, PROXY),
        19000,
    ),
    "the gateway's proxy from behind": lambda tenancy: (pod_address(tenancy, GATEWAY, PROXY), 10080),
    "the kubelet": lambda tenancy: (node_address(tenancy), 10250),
}


@pytest.mark.parametrize("target", UNREACHABLE)
def test_a_tenant_does_not_reach(globex: Tenancy, target: str) -> None:
    assert reach(globex, "ws-globex", *UNREACHABLE[target](globex)) == "closed"


def test_a_tenant_reaches_its_database_and_its_model(globex: Tenancy) -> None:
    database = globex.secret_value("agentos-database", "ws-globex", "host")
    assert reach(globex, "ws-globex", database, 5432) == "open"
    assert reach(globex, "ws-globex", "fake-model.agentos-demo.svc.cluster.local", 80) == "open"


def test_a_pod_of_another_namespace_does_not_reach_a_runtime(globex: Tenancy) -> None:
    arguments = ("exec", "-n", "agentos-demo", "deployment/fake-model", "--", "python3", "-c", PROBE)
    found = globex.kubectl(*arguments, "support.ws-globex.svc.cluster.local", "80")
    assert found.startswith("closed")


def test_the_probes_way_to_runtimes_leads_to_those_of_its_own_workspace_alone(globex: Tenancy) -> None:
    """A tenant can give its own pods any label, that of the probe too."""
    label = "app.kubernetes.io/name=agentos-isolation-probe"
    pod = globex.kubectl("get", "pods", "-n", "ws-globex", "-o", "jsonpath={.items[0].metadata.name}")
    globex.kubectl("label", "pod", pod, "-n", "ws-globex", label, "--overwrite")
    try:
        arguments = ("exec", pod, "-n", "ws-globex", "--", "python3", "-c", PROBE)
        neighbour = pod_address(globex, "ws-acme", "support")
        assert globex.kubectl(*arguments, neighbour, "7777").startswith("closed")
    finally:
        globex.kubectl("delete", "pod", pod, "-n", "ws-globex", "--wait=false")
        globex.wait("agentdeployment", "support", "ws-globex")


@pytest.fixture
def nothing_enforced(globex: Tenancy) -> Iterator[Tenancy]:
    """The network plugin ignores every NetworkPolicy, as some do without a word."""
    enforce("never")
    try:
        eventually(lambda: reach(globex, "ws-globex", *api_server(globex)) == "open")
        yield globex
    finally:
        enforce("default")
        eventually(lambda: reach(globex, "ws-globex", *api_server(globex)) == "closed")


def enforce(mode: str) -> None:
    """Tell Cilium's agent what to do with policies."""
    binary = str(inside(ensure(["cilium-dbg"])["cilium-dbg"]))
    machine = local_cluster.Cluster(NAME).machine
    machine.run([binary, "-H", f"unix://{SOCKET}", "config", f"PolicyEnforcement={mode}"])


def test_a_network_plugin_that_ignores_policies_is_found_out(nothing_enforced: Tenancy) -> None:
    told = verify(nothing_enforced)
    assert told["status"] == "False", told
    assert "connect to the operator at" in told["message"]


def test_it_is_true_again_once_policies_are_enforced(globex: Tenancy) -> None:
    told = verify(globex)
    assert told["status"] == "True", told

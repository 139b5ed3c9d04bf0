"""The network of a workspace, tried from real pods: NetworkPolicies are enforced, not only written."""

from __future__ import annotations

import pytest

from tests.cluster.tenancy import Tenancy

PROBE = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except OSError as error:
    print("closed", error)
"""


def _reach(tenancy: Tenancy, namespace: str, host: str, port: int) -> str:
    """``open`` or ``closed`` for a connection from the runtime of ``namespace``."""
    where = ("-n", namespace, "deployment/support")
    return tenancy.kubectl("exec", *where, "--", "python3", "-c", PROBE, host, str(port)).split()[0]


def _pod_address(tenancy: Tenancy, namespace: str) -> str:
    pods = tenancy.list("pods", namespace)
    return str(next(pod["status"]["podIP"] for pod in pods if pod["status"]["phase"] == "Running"))


def test_a_tenant_reaches_its_database_and_its_model(globex: Tenancy) -> None:
    database = globex.secret_value("agentos-database", "ws-globex", "host")
    assert _reach(globex, "ws-globex", database, 5432) == "open"
    assert _reach(globex, "ws-globex", "fake-model.agentos-demo.svc.cluster.local", 80) == "open"


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("support.ws-acme.svc.cluster.local", 80),
        ("kubernetes.default.svc.cluster.local", 443),
        ("169.254.169.254", 80),
    ],
    ids=["another tenant's service", "the API server", "the metadata address"],
)
def test_a_tenant_does_not_reach(globex: Tenancy, host: str, port: int) -> None:
    assert _reach(globex, "ws-globex", host, port) == "closed"


def test_a_tenant_does_not_reach_another_tenants_pod(globex: Tenancy) -> None:
    assert _reach(globex, "ws-globex", _pod_address(globex, "ws-acme"), 7777) == "closed"


def test_a_pod_of_another_namespace_does_not_reach_a_runtime(globex: Tenancy) -> None:
    arguments = ("exec", "-n", "agentos-demo", "deployment/fake-model", "--", "python3", "-c", PROBE)
    found = globex.kubectl(*arguments, "support.ws-globex.svc.cluster.local", "80")
    assert found.startswith("closed")

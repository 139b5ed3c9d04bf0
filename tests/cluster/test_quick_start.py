"""What a person sees after ``make up``, and that nothing changes when it is run again."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from local import cluster as local_cluster
from local import demo
from tests.cluster.conftest import NAME
from tests.cluster.tenancy import Tenancy

KINDS = (
    *("deployments", "services", "networkpolicies", "resourcequotas", "rolebindings"),
    *("secrets", "configmaps", "httproutes", "pods"),
)


def _versions(tenancy: Tenancy) -> dict[str, Any]:
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for kind in KINDS
        for item in tenancy.list(kind, "ws-acme")
    }


def test_the_quick_start_ends_with_the_agents_answer(tenancy: Tenancy) -> None:
    lines = tenancy.quick_start.splitlines()
    assert lines[0] == "workspace acme      Ready   namespace ws-acme"
    assert lines[1] == f"agent     support   Ready   http://support--acme.agents.localhost:{tenancy.port}"
    assert "42" in lines[3]


def test_a_second_run_changes_nothing(tenancy: Tenancy) -> None:
    before = _versions(tenancy)
    running = local_cluster.up(NAME, port=tenancy.port)
    again = demo.run(demo.Place(running.kubeconfig, tenancy.port, running.load))
    assert again == tenancy.quick_start
    assert _versions(tenancy) == before


def test_agentosctl_shows_the_tree_and_signs_tokens_that_work(tenancy: Tenancy) -> None:
    command = [sys.executable, "-m", "agentosctl"]
    place = ["--kubeconfig", str(tenancy.kubeconfig)]
    tree = subprocess.run([*command, "status", "acme", *place], capture_output=True, text=True, check=True).stdout
    assert "ws-acme" in tree
    assert "http://support--acme.agents.localhost" in tree
    arguments = ["token", "acme", "--user", "bob", "--scope", "agents:read", *place]
    signed = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout.strip()
    with tenancy.client("support", "acme", signed) as client:
        answer = client.get("/agents")
    assert answer.status_code == 200
    assert [agent["id"] for agent in answer.json()] == ["support"]

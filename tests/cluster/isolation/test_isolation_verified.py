"""IsolationVerified where policies are enforced: true, false while a way is open, true again."""

from __future__ import annotations

import subprocess
import sys

from tests.cluster.isolation.verifying import TYPE, verify
from tests.cluster.tenancy import Tenancy, eventually

ALLOW_ALL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "attacker", "namespace": "ws-globex"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
}
"""What somebody with rights in the Namespace could add: policies add up, so it opens everything outgoing."""


def test_two_tenants_are_isolated_and_status_says_how_that_was_found_out(globex: Tenancy) -> None:
    told = verify(globex)
    assert told["status"] == "True", told
    assert told["reason"] == "Isolated"
    isolation = globex.get("workspace", "globex")["status"]["isolation"]
    assert isolation["tokenAttempts"] == 16
    assert isolation["attempts"] > 60
    eventually(
        lambda: all(pod["metadata"]["name"] != "agentos-isolation-probe" for pod in globex.list("pods", "ws-globex"))
    )
    command = [sys.executable, "-m", "agentosctl", "status", "globex", "--kubeconfig", str(globex.kubeconfig)]
    tree = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert TYPE in tree


def test_a_way_out_is_found_named_warned_of_and_gone_after_the_repair(globex: Tenancy) -> None:
    globex.apply(ALLOW_ALL)
    try:
        told = verify(globex)
    finally:
        globex.kubectl("delete", "networkpolicy", "attacker", "-n", "ws-globex")
    assert told["status"] == "False", told
    assert "A tenant could connect to the operator at" in told["message"]
    assert globex.condition("workspace", "globex")["status"] == "True"
    described = globex.kubectl("describe", "workspace", "globex")
    assert "Warning" in described
    assert "IsolationBreached" in described
    again = verify(globex)
    assert again["status"] == "True", again


def test_a_right_that_somebody_granted_in_postgresql_is_found(globex: Tenancy) -> None:
    theirs = globex.get("workspace", "acme")["status"]["database"]["schema"]
    globex.psql(f"GRANT USAGE ON SCHEMA {theirs} TO PUBLIC; GRANT SELECT ON {theirs}.agno_sessions TO PUBLIC")
    try:
        told = verify(globex)
    finally:
        globex.psql(f"REVOKE ALL ON SCHEMA {theirs} FROM PUBLIC; REVOKE ALL ON {theirs}.agno_sessions FROM PUBLIC")
    assert told["status"] == "False", told
    assert theirs in told["message"]

"""An operator that ends in order says what is at rest, and the next one looks at nothing else than what is not."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.proxy import Proxy
from tests.integration.operator.stage import SYSTEM_NAMESPACE, OperatorProcess, Stage

RECORD = "agentos-handover"
ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/roles/agentos-operator"
TAKEN = "are as an earlier operator left them"


@pytest.fixture
def place(stage: Stage) -> str:
    """Namespace of a workspace that an operator has left at rest."""
    with Proxy(stage.api) as proxy:
        operator = stage.start(server=proxy.url)
        place = stage.available_deployment(stage.ready_workspace())
        eventually(proxy.is_quiet, "nothing is left to do")
        assert operator.stop() == 0
    return place


@contextmanager
def next_operator(stage: Stage, **changes: object) -> Iterator[tuple[Proxy, OperatorProcess]]:
    """The one that begins after it."""
    with Proxy(stage.api) as proxy, stage.running(server=proxy.url, **changes) as operator:
        yield proxy, operator


def looks(proxy: Proxy, place: str) -> int:
    """How often the workspace or its deployment was looked at."""
    root = "/apis/agentos.hyvve.io/v1alpha1"
    deployments = proxy.count("GET", f"{root}/namespaces/{place}/agentdeployments/support")
    return deployments + proxy.count("GET", f"{root}/workspaces/{place.removeprefix('ws-')}")


def record(stage: Stage) -> Object:
    return stage.api.get("ConfigMap", RECORD, SYSTEM_NAMESPACE) or {}


def test_what_nobody_changed_is_not_looked_at(stage: Stage, place: str) -> None:
    with next_operator(stage) as (proxy, operator):
        eventually(lambda: TAKEN in operator.log, "it knows what was left")
        eventually(proxy.is_quiet, "nothing is left to do")
        assert looks(proxy, place) == 0
        stage.apply_workspace(place.removeprefix("ws-"), displayName="Acme and Sons")
        eventually(lambda: looks(proxy, place) > 0, "a change is looked at")


def take_a_child_away(stage: Stage, place: str) -> None:
    stage.api.delete("Service", "support", place)


def open_the_network(stage: Stage, place: str) -> None:
    stage.api.patch("NetworkPolicy", "agentos-default-deny", {"spec": {"policyTypes": ["Ingress"]}}, place)


def take_the_labels_away(stage: Stage, place: str) -> None:
    stage.api.patch("ResourceQuota", "agentos-operator", {"metadata": {"labels": None}}, place)


def ready_pods(stage: Stage, place: str) -> int:
    return int(stage.child("AgentDeployment", place, "support")["status"]["readyReplicas"])


def lose_the_pods(stage: Stage, place: str) -> None:
    stage.api.patch("Deployment", "support", {"status": {"readyReplicas": 0, "availableReplicas": 0}}, place, "status")


CHANGES: dict[Callable[[Stage, str], None], Callable[[Stage, str], bool]] = {
    take_a_child_away: lambda stage, place: stage.api.get("Service", "support", place) is not None,
    open_the_network: lambda stage, place: (
        "Egress" in stage.child("NetworkPolicy", place, "agentos-default-deny")["spec"]["policyTypes"]
    ),
    take_the_labels_away: lambda stage, place: (
        "labels" in stage.child("ResourceQuota", place, "agentos-operator")["metadata"]
    ),
    lose_the_pods: lambda stage, place: (
        stage.child("AgentDeployment", place, "support")["status"]["readyReplicas"] == 0
    ),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changed_while_no_operator_was_there_is_put_right(
    stage: Stage, place: str, change: Callable[[Stage, str], None]
) -> None:
    change(stage, place)
    assert not CHANGES[change](stage, place)
    with next_operator(stage) as (_, operator):
        eventually(lambda: CHANGES[change](stage, place), "it is as it should be")
        assert TAKEN in operator.log


def test_an_operator_that_was_killed_leaves_nothing(stage: Stage, place: str) -> None:
    with next_operator(stage) as (proxy, operator):
        eventually(lambda: TAKEN in operator.log, "it knows what was left")
        assert "binaryData" not in record(stage)
        assert looks(proxy, place) == 0
    with next_operator(stage) as (proxy, _):
        eventually(lambda: looks(proxy, place) >= 2, "all is looked at")


def test_an_operator_with_another_configuration_looks_at_all(stage: Stage, place: str) -> None:
    with next_operator(stage, resyncSeconds=601) as (proxy, _):
        eventually(lambda: looks(proxy, place) >= 2, "all is looked at")


@pytest.mark.parametrize("text", ["not base64", b64encode(b"not compressed").decode()])
def test_a_record_that_cannot_be_read_is_no_reason_to_stop(stage: Stage, place: str, text: str) -> None:
    broken = b64encode(b64encode(text.encode())).decode()
    stage.api.patch("ConfigMap", RECORD, {"binaryData": {"workspaces": broken}}, SYSTEM_NAMESPACE)
    with next_operator(stage) as (proxy, _):
        eventually(lambda: looks(proxy, place) >= 2, "all is looked at")


def test_an_operator_without_the_right_to_its_record_looks_at_all(stage: Stage, place: str) -> None:
    """As after an upgrade by hand that leaves the Role as it was."""
    rules = stage.api.request("GET", ROLE)["rules"]
    restrict(stage, [rule for rule in rules if RECORD not in rule.get("resourceNames", ())])
    try:
        with next_operator(stage) as (proxy, operator):
            eventually(lambda: looks(proxy, place) >= 2, "all is looked at")
            assert "so all is looked at" in operator.log
            assert operator.stop() == 0
            assert "nothing is handed over" in operator.log
    finally:
        restrict(stage, rules)


def restrict(stage: Stage, rules: list[Object]) -> None:
    stage.api.request("PATCH", ROLE, {"rules": rules}, "application/merge-patch+json")

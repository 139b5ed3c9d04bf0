"""Suspended: no pod runs, everything else stays, and the end of it brings back what was there."""

from __future__ import annotations

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import (
    WORKSPACE_CHILDREN,
    Stage,
    agent_deployment,
    condition,
    secret,
)

pytestmark = pytest.mark.usefixtures("operator")


def suspend(stage: Stage, kind: str, name: str, place: str | None = None, *, suspended: bool = True) -> None:
    stage.api.patch(kind, name, {"spec": {"suspended": suspended}}, place)


def has_replicas(stage: Stage, place: str, name: str, replicas: int) -> None:
    def holds() -> bool:
        return bool(stage.child("Deployment", place, name)["spec"]["replicas"] == replicas)

    eventually(holds, f"Deployment {name} wants {replicas} pods")


def come_to_rest(stage: Stage, place: str, name: str = "support") -> Object:
    """The AgentDeployment, once its pods have gone as a cluster with nodes lets them go."""
    has_replicas(stage, place, name, 0)
    stage.roll_out(place, name)
    return stage.wait_for("AgentDeployment", name, place, type_="Suspended", reason="Suspended")


def pod(place: str, name: str, deployment: str = "support") -> Object:
    labels = {"app.kubernetes.io/name": "agentos-runtime", "app.kubernetes.io/instance": deployment}
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place, "labels": labels, "finalizers": ["example.com/busy"]},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "runtime", "image": "x", "securityContext": restricted}],
        },
    }


def test_a_suspended_deployment_stops_and_comes_back_with_the_replicas_it_had(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name, replicas=3)
    template = stage.child("Deployment", place, "support")["spec"]["template"]
    suspend(stage, "AgentDeployment", "support", place)
    body = come_to_rest(stage, place)
    assert (condition(body)["status"], condition(body)["reason"]) == ("True", "Suspended"), "settled for kstatus"
    assert "Reconciling" not in {each["type"] for each in body["status"]["conditions"]}
    assert (condition(body, "Available")["status"], "url" in body["status"]) == ("False", False)
    assert body["spec"]["replicas"] == 3
    assert stage.child("Deployment", place, "support")["spec"]["template"] == template, "no new revision"
    suspend(stage, "AgentDeployment", "support", place, suspended=False)
    has_replicas(stage, place, "support", 3)
    body = stage.serve(place)
    assert "Suspended" not in {each["type"] for each in body["status"]["conditions"]}
    assert body["status"]["url"]


def test_scaled_while_it_is_suspended_it_comes_back_with_the_new_number(stage: Stage) -> None:
    place = stage.available_deployment(stage.ready_workspace())
    suspend(stage, "AgentDeployment", "support", place)
    come_to_rest(stage, place)
    stage.api.kubectl("scale", "agd/support", "-n", place, "--replicas=2")
    body = come_to_rest(stage, place)
    assert body["spec"]["replicas"] == 2
    suspend(stage, "AgentDeployment", "support", place, suspended=False)
    has_replicas(stage, place, "support", 2)


def test_a_suspended_workspace_stops_every_runtime_and_says_how_many_are_left(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    stage.available_deployment(name, "sales", replicas=2)
    before = {child: stage.child(kind, place, child)["metadata"]["uid"] for kind, child in WORKSPACE_CHILDREN}
    suspend(stage, "Workspace", name)
    body = stage.wait_for("Workspace", name, type_="Suspended", status="False", reason="Stopping")
    come_to_rest(stage, place)

    def one_left() -> bool:
        message = condition(stage.api.get("Workspace", name), "Suspended").get("message", "")
        return bool(message == "1 of 2 runtimes are still to stop: sales.")

    eventually(one_left, "the Workspace names the runtime that is left")
    come_to_rest(stage, place, "sales")
    body = stage.wait_for("Workspace", name, reason="Suspended")
    assert "all runtimes (2)" in condition(body, "Suspended")["message"]
    assert stage.can_log_in(place), "the data stays reachable for those who have its Secret"
    after = {child: stage.child(kind, place, child)["metadata"]["uid"] for kind, child in WORKSPACE_CHILDREN}
    assert after == before
    suspend(stage, "Workspace", name, suspended=False)
    has_replicas(stage, place, "sales", 2)
    stage.serve(place)
    stage.serve(place, "sales")
    assert condition(stage.wait_for("Workspace", name), "Suspended") == {}


def test_a_new_deployment_in_a_suspended_workspace_gets_no_pod(stage: Stage) -> None:
    name = stage.ready_workspace(suspended=True)
    place = f"ws-{name}"
    stage.api.apply(agent_deployment(place, replicas=2))
    eventually(lambda: stage.api.get("Deployment", "support", place) is not None, "the Deployment exists")
    body = come_to_rest(stage, place)
    assert f"Workspace {name} is suspended" in condition(body)["message"]


def test_a_pod_that_takes_its_time_to_end_is_still_counted(stage: Stage) -> None:
    place = stage.available_deployment(stage.ready_workspace())
    stage.api.create(pod(place, "slow"))
    suspend(stage, "AgentDeployment", "support", place)
    has_replicas(stage, place, "support", 0)
    stage.roll_out(place)
    stage.wait_for("AgentDeployment", "support", place, type_="Suspended", status="False", reason="Stopping")
    stage.api.patch("Pod", "slow", {"metadata": {"finalizers": None}}, place)
    stage.api.request("DELETE", f"/api/v1/namespaces/{place}/pods/slow?gracePeriodSeconds=0")
    come_to_rest(stage, place)


def test_a_missing_secret_does_not_keep_pods_from_being_stopped(stage: Stage) -> None:
    place = f"ws-{stage.ready_workspace()}"
    stage.api.apply(secret(place, "model", key="value-of-a-model-key"))
    env = [{"name": "KEY", "secretKeyRef": {"name": "model", "key": "key"}}]
    stage.api.apply(agent_deployment(place, env=env))
    stage.serve(place)
    stage.api.delete("Secret", "model", place)
    suspend(stage, "AgentDeployment", "support", place)
    body = come_to_rest(stage, place)
    assert condition(body, "DependenciesReady")["reason"] == "SecretMissing"
    assert condition(body)["reason"] == "Suspended"


def test_somebody_who_scales_the_deployment_of_a_suspended_runtime_gains_nothing(stage: Stage) -> None:
    place = stage.available_deployment(stage.ready_workspace())
    suspend(stage, "AgentDeployment", "support", place)
    come_to_rest(stage, place)
    stage.api.patch("Deployment", "support", {"spec": {"replicas": 4}}, place)
    has_replicas(stage, place, "support", 0)


def test_pods_of_a_deleted_deployment_that_a_finalizer_holds_back_are_stopped(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    stage.api.patch("AgentDeployment", "support", {"metadata": {"finalizers": ["example.com/held"]}}, place)
    stage.api.delete("AgentDeployment", "support", place)
    suspend(stage, "Workspace", name)
    stage.wait_until_gone("Deployment", "support", place)
    stage.wait_for("Workspace", name, reason="Suspended")
    stage.api.patch("AgentDeployment", "support", {"metadata": {"finalizers": None}}, place)


def test_orphaned_pods_are_stopped(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    stage.api.kubectl("delete", "agd", "support", "-n", place, "--cascade=orphan")
    assert stage.child("Deployment", place, "support")
    suspend(stage, "Workspace", name)
    stage.wait_until_gone("Deployment", "support", place)
    stage.wait_for("Workspace", name, reason="Suspended")

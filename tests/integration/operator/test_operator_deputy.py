"""A tenant who writes AgentDeployments cannot have the operator do for it what it may not do itself."""

from __future__ import annotations

import json

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import (
    DEPLOYMENT_CHILDREN,
    OperatorProcess,
    Stage,
    agent_deployment,
    secret,
)

pytestmark = pytest.mark.usefixtures("operator")

MARK = "planted-by-a-tenant"


@pytest.fixture(scope="module")
def place(stage: Stage, operator: OperatorProcess) -> str:
    return f"ws-{stage.ready_workspace()}"


@pytest.fixture(scope="module")
def other(stage: Stage, operator: OperatorProcess) -> str:
    """Namespace of another workspace, with a runtime and a Secret."""
    place = stage.available_deployment(stage.ready_workspace(), "theirs")
    stage.api.apply(secret(place, "model", key="value-of-another-workspace"))
    return place


def forged(place: str, name: str, **metadata: object) -> Object:
    body = agent_deployment(place, name)
    return {**body, "metadata": {**body["metadata"], **metadata}}


def test_annotations_and_labels_of_an_agent_deployment_reach_no_object(stage: Stage, place: str) -> None:
    marks = {
        "nginx.ingress.kubernetes.io/configuration-snippet": MARK,
        "external-dns.alpha.kubernetes.io/hostname": MARK,
        "sidecar.istio.io/inject": MARK,
        "app.kubernetes.io/name": MARK,
    }
    stage.api.apply(forged(place, "marked", annotations=marks, labels=marks))
    stage.serve(place, "marked")
    for kind in DEPLOYMENT_CHILDREN:
        body = stage.config_maps(place, "marked")[0] if kind == "ConfigMap" else stage.child(kind, place, "marked")
        assert MARK not in json.dumps(body), kind


def test_a_secret_of_the_same_name_in_another_workspace_is_not_found(stage: Stage, place: str, other: str) -> None:
    env = [{"name": "KEY", "secretKeyRef": {"name": "model", "key": "key"}}]
    stage.api.apply(agent_deployment(place, "reader", env=env))
    stage.wait_for("AgentDeployment", "reader", place, status="False", reason="SecretMissing")
    assert stage.api.get("Deployment", "reader", place) is None


def test_labels_of_another_workspace_lead_to_ones_own_credentials(stage: Stage, place: str, other: str) -> None:
    labels = {
        "app.kubernetes.io/managed-by": "agentos-operator",
        "agentos.hyvve.io/workspace": other.removeprefix("ws-"),
        "agentos.hyvve.io/deployment": "theirs",
    }
    before = stage.versions([other.removeprefix("ws-")])
    stage.api.apply(forged(place, "posing", labels=labels))
    stage.serve(place, "posing")
    body = stage.child("Deployment", place, "posing")
    assert body["metadata"]["labels"]["agentos.hyvve.io/workspace"] == place.removeprefix("ws-")
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert {"name": "AGENTOS_WORKSPACE", "value": place.removeprefix("ws-")} in container["env"]
    assert stage.versions([other.removeprefix("ws-")]) == before


def test_an_owner_reference_to_another_workspace_changes_nothing_there(stage: Stage, place: str, other: str) -> None:
    victim = stage.child("Workspace", "", other.removeprefix("ws-"))
    owner = {
        "apiVersion": "agentos.hyvve.io/v1alpha1",
        "kind": "Workspace",
        "name": victim["metadata"]["name"],
        "uid": victim["metadata"]["uid"],
        "controller": True,
    }
    before = stage.versions([other.removeprefix("ws-")])
    stage.api.apply(forged(place, "owned", ownerReferences=[owner]))
    stage.serve(place, "owned")
    (reference,) = stage.child("Deployment", place, "owned")["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["name"]) == ("AgentDeployment", "owned")
    assert stage.versions([other.removeprefix("ws-")]) == before


def test_a_status_that_a_tenant_writes_is_computed_anew(stage: Stage, place: str) -> None:
    """Members have no right to it; even who has gains nothing that lasts."""
    stage.available_deployment(place.removeprefix("ws-"), "liar")
    ready = stage.child("AgentDeployment", place, "liar")["status"]
    lie = {"status": {"url": "http://evil.example", "image": "evil"}}
    stage.api.patch("AgentDeployment", "liar", lie, place, "status")
    eventually(
        lambda: stage.child("AgentDeployment", place, "liar")["status"] == ready, "status says what the operator saw"
    )

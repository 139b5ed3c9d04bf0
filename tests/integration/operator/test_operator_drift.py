"""What somebody changes or deletes by hand comes back, woken by watches alone: the resync is ten minutes away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import (
    DEPLOYMENT_CHILDREN,
    WORKSPACE_CHILDREN,
    OperatorProcess,
    Stage,
)

pytestmark = pytest.mark.usefixtures("operator")

WATCHED = [(kind, name) for kind, name in WORKSPACE_CHILDREN if kind != "Secret"]
WATCHED += [(kind, "support") for kind in DEPLOYMENT_CHILDREN if kind != "ConfigMap"]
UNWATCHED = [("Secret", "agentos-database"), ("Secret", "agentos-jwt"), ("ConfigMap", "support")]

EDITS: dict[tuple[str, str], Object] = {
    ("RoleBinding", "agentos-operator"): {"subjects": []},
    ("NetworkPolicy", "agentos-default-deny"): {"spec": {"ingress": [{}], "policyTypes": ["Ingress"]}},
    ("NetworkPolicy", "agentos-openings"): {"spec": {"egress": [{}]}},
    ("ResourceQuota", "agentos-operator"): {"spec": {"hard": {"pods": "1000", "services.nodeports": None}}},
    ("LimitRange", "agentos-operator"): {"spec": {"limits": []}},
    ("Deployment", "support"): {"spec": {"replicas": 7}},
    ("Service", "support"): {"spec": {"selector": {"app": "somebody-else"}}},
    ("PodDisruptionBudget", "support"): {"spec": {"maxUnavailable": 0}},
    ("HTTPRoute", "support"): {"spec": {"hostnames": ["stolen.agents.localhost"]}},
}
LABELS: Object = {
    "metadata": {"labels": {"agentos.hyvve.io/workspace": None, "app.kubernetes.io/managed-by": "somebody-else"}}
}


@pytest.fixture(scope="module")
def place(stage: Stage, operator: OperatorProcess) -> str:
    return stage.available_deployment(stage.ready_workspace())


def essence(body: Object) -> Object:
    """What a child is about: all but what the API server writes by itself."""
    state = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    return {**state, "labels": body["metadata"].get("labels"), "owners": body["metadata"]["ownerReferences"]}


def comes_back(stage: Stage, place: str, kind: str, name: str, spoil: Callable[[], object]) -> None:
    before = essence(stage.child(kind, place, name))
    if kind == "Service":
        before["spec"] = {key: value for key, value in before["spec"].items() if not key.startswith("clusterIP")}
    spoil()

    def restored() -> bool:
        found = stage.api.get(kind, name, place) if kind != "ConfigMap" else next(iter(stage.config_maps(place)), None)
        if found is None:
            return False
        now = essence(found)
        if kind == "Service":
            now["spec"] = {key: value for key, value in now["spec"].items() if not key.startswith("clusterIP")}
        return bool(now == before)

    eventually(restored, f"{kind} {name} is as before", timeout=30)


@pytest.mark.parametrize(("kind", "name"), WATCHED)
def test_a_deleted_child_is_made_again(stage: Stage, place: str, kind: str, name: str) -> None:
    comes_back(stage, place, kind, name, lambda: stage.api.delete(kind, name, place))


@pytest.mark.parametrize(("kind", "name"), EDITS)
def test_an_edited_child_is_put_back(stage: Stage, place: str, kind: str, name: str) -> None:
    comes_back(stage, place, kind, name, lambda: stage.api.patch(kind, name, EDITS[kind, name], place))


@pytest.mark.parametrize(("kind", "name"), WATCHED)
def test_labels_that_somebody_takes_away_come_back(stage: Stage, place: str, kind: str, name: str) -> None:
    comes_back(stage, place, kind, name, lambda: stage.api.patch(kind, name, LABELS, place))


@pytest.mark.parametrize("level", ["privileged", None])
def test_a_weakened_pod_security_level_of_the_namespace_is_put_back(stage: Stage, place: str, level: str) -> None:
    label = "pod-security.kubernetes.io/enforce"
    stage.api.patch("Namespace", place, {"metadata": {"labels": {label: level}}})
    eventually(
        lambda: stage.child("Namespace", "", place)["metadata"]["labels"].get(label) == "restricted",
        "restricted is enforced again",
    )


@pytest.mark.parametrize(("kind", "name"), UNWATCHED)
def test_an_unwatched_child_is_made_again_when_its_owner_is_looked_at(
    stage: Stage, place: str, kind: str, name: str
) -> None:
    """Secrets and ConfigMaps are not watched, because that would be to read all of the cluster's."""
    body = stage.child(kind, place, name)
    stage.api.delete(kind, body["metadata"]["name"], place)
    look_at(stage, place)
    eventually(
        lambda: bool(
            stage.config_maps(place) if kind == "ConfigMap" else stage.api.get(kind, body["metadata"]["name"], place)
        ),
        f"{kind} {name} is there again",
    )


def test_a_new_database_password_reaches_the_role_and_the_pods_without_waiting_for_a_resync(
    stage: Stage, place: str
) -> None:
    old = stage.secret("agentos-database", place)
    annotations = stage.child("Deployment", place, "support")["spec"]["template"]["metadata"]["annotations"]
    stage.api.delete("Secret", "agentos-database", place)
    stage.api.patch("Workspace", place.removeprefix("ws-"), {"metadata": {"annotations": {"look": "now"}}})
    eventually(lambda: stage.api.get("Secret", "agentos-database", place) is not None, "the Secret is there again")
    assert stage.secret("agentos-database", place)["password"] != old["password"]
    eventually(lambda: stage.can_log_in(place), "the new password opens the database")
    eventually(
        lambda: (
            stage.child("Deployment", place, "support")["spec"]["template"]["metadata"]["annotations"] != annotations
        ),
        "the pods are replaced",
    )


def test_a_namespace_deleted_by_hand_comes_back_with_everything_in_it(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = f"ws-{name}"
    uid = stage.child("Namespace", "", place)["metadata"]["uid"]
    stage.api.delete("Namespace", place)
    stage.wait_for("Workspace", name, status="False", reason="NamespaceTerminating")
    body = stage.wait_for("Workspace", name)
    assert body["status"]["namespace"]["uid"] == stage.child("Namespace", "", place)["metadata"]["uid"] != uid
    for kind, child in WORKSPACE_CHILDREN:
        assert stage.child(kind, place, child)
    assert stage.can_log_in(place)


def look_at(stage: Stage, place: str) -> None:
    """Make events about the Workspace and the AgentDeployment, as any edit of them would."""
    body = stage.child("Workspace", "", place.removeprefix("ws-"))
    annotations = {"metadata": {"annotations": {"look": body["metadata"]["resourceVersion"]}}}
    stage.api.patch("Workspace", place.removeprefix("ws-"), annotations)
    stage.api.patch("AgentDeployment", "support", annotations, place)

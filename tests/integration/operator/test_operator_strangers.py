"""What belongs to somebody else is never touched: a condition says so, and all goes on once it is out of the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import (
    OperatorProcess,
    Stage,
    agent_deployment,
    condition,
    namespace,
    new_name,
    secret,
    workspace,
)

pytestmark = pytest.mark.usefixtures("operator")

FORGED_LABELS = {"app.kubernetes.io/managed-by": "agentos-operator", "agentos.hyvve.io/workspace": ""}


def owner(uid: str, kind: str = "Workspace", name: str = "somebody") -> list[Object]:
    return [{"apiVersion": "agentos.hyvve.io/v1alpha1", "kind": kind, "name": name, "uid": uid, "controller": True}]


def untouched(stage: Stage, before: Object) -> bool:
    metadata = before["metadata"]
    now = stage.api.get(before["kind"], metadata["name"], metadata.get("namespace"))
    return now is not None and now["metadata"]["resourceVersion"] == metadata["resourceVersion"]


def test_a_namespace_that_was_there_before_is_left_alone_until_it_is_gone(stage: Stage) -> None:
    name = new_name()
    theirs = stage.api.create(namespace(f"ws-{name}"))
    stage.apply_workspace(name)
    body = stage.wait_for("Workspace", name, status="False", reason="NamespaceNotOwned")
    assert "spec.namespace.adopt" in condition(body)["message"]
    assert condition(body, "Stalled")["status"] == "True"
    assert untouched(stage, theirs)
    assert not stage.has_schema(stage.names(body))
    assert stage.roles(stage.names(body)) == {}
    assert "finalizers" not in body["metadata"]
    stage.api.delete("Namespace", f"ws-{name}")
    ready = stage.wait_for("Workspace", name)
    assert ready["status"]["namespace"]["uid"] != theirs["metadata"]["uid"]


@pytest.mark.parametrize(
    ("adopt", "label"),
    [(True, None), (False, "its own"), (True, "another's")],
    ids=["only the Workspace says so", "only the Namespace says so", "the Namespace names another Workspace"],
)
def test_adoption_needs_both_sides(stage: Stage, adopt: bool, label: str | None) -> None:
    name = new_name()
    labels = {"agentos.hyvve.io/workspace": name if label == "its own" else "another"} if label else {}
    theirs = stage.api.create(namespace(f"ws-{name}", labels=labels))
    stage.apply_workspace(name, namespace={"adopt": adopt})
    stage.wait_for("Workspace", name, status="False", reason="NamespaceNotOwned")
    assert untouched(stage, theirs)


def test_a_namespace_is_adopted_when_both_sides_say_so_and_keeps_what_is_in_it(stage: Stage) -> None:
    name = new_name()
    place = f"ws-{name}"
    theirs = stage.api.create(namespace(place, labels={"agentos.hyvve.io/workspace": name, "team": "red"}))
    kept = stage.api.create(secret(place, "theirs", note="keep me"))
    stage.ready_workspace(name, namespace={"adopt": True})
    adopted = stage.child("Namespace", "", place)
    assert adopted["metadata"]["uid"] == theirs["metadata"]["uid"]
    assert adopted["metadata"]["labels"]["team"] == "red"
    assert adopted["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert untouched(stage, kept)


@pytest.mark.parametrize("forged", ["labels", "another Workspace's UID", "an UID that nobody has"])
def test_forged_marks_on_a_namespace_gain_nothing(stage: Stage, forged: str) -> None:
    name = new_name()
    metadata: dict[str, Any] = {"labels": FORGED_LABELS | {"agentos.hyvve.io/workspace": name}}
    if forged == "another Workspace's UID":
        other = stage.child("Workspace", "", stage.ready_workspace())
        metadata["ownerReferences"] = owner(other["metadata"]["uid"], name=other["metadata"]["name"])
    elif forged == "an UID that nobody has":
        # Garbage collection would take an object away whose only owner does not exist.
        metadata["finalizers"] = ["example.com/kept"]
        metadata["ownerReferences"] = owner("00000000-0000-4000-8000-000000000000")
    theirs = stage.api.create(namespace(f"ws-{name}", **metadata))
    stage.apply_workspace(name)
    reason = "NamespaceTerminating" if "finalizers" in metadata else "NamespaceNotOwned"
    body = stage.wait_for("Workspace", name, type_="NamespaceReady", status="False")
    assert condition(body)["reason"] in ("NamespaceNotOwned", reason)
    found = stage.child("Namespace", "", f"ws-{name}")
    assert found["metadata"]["labels"] == theirs["metadata"]["labels"]
    assert not stage.has_schema(stage.names(body))
    if "finalizers" in metadata:
        stage.api.patch("Namespace", f"ws-{name}", {"metadata": {"finalizers": None}})


THEIRS: list[Object] = [
    secret("", "agentos-jwt", secret="chosen-by-somebody-else-and-long-enough"),
    secret("", "agentos-database", url="postgresql://somebody@elsewhere/else"),
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "agentos-openings"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    },
    {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "agentos-operator"},
        "spec": {"hard": {"pods": "9999"}},
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "agentos-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [],
    },
]


@pytest.mark.parametrize("theirs", THEIRS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_an_object_of_our_name_in_an_adopted_namespace_is_not_touched(stage: Stage, theirs: Object) -> None:
    name = new_name()
    place = f"ws-{name}"
    stage.api.create(namespace(place, labels={"agentos.hyvve.io/workspace": name}))
    labels = FORGED_LABELS | {"agentos.hyvve.io/workspace": name}
    metadata = {"name": theirs["metadata"]["name"], "namespace": place, "labels": labels}
    before = stage.api.create({**theirs, "metadata": metadata})
    stage.api.apply(workspace(name, namespace={"adopt": True}))
    body = stage.wait_for("Workspace", name, status="False", reason="NotOwned")
    assert theirs["metadata"]["name"] in condition(body)["message"]
    assert theirs["kind"] in condition(body)["message"]
    now = stage.child(theirs["kind"], place, theirs["metadata"]["name"])
    assert now["metadata"].get("ownerReferences") is None
    for part in ("data", "spec", "roleRef", "subjects"):
        assert now.get(part) == before.get(part)
    stage.api.delete(theirs["kind"], theirs["metadata"]["name"], place)
    stage.wait_for("Workspace", name)


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget", "HTTPRoute"])
def test_an_object_of_a_deployments_name_is_not_touched(stage: Stage, kind: str) -> None:
    place = f"ws-{stage.ready_workspace()}"
    stage.available_deployment(place.removeprefix("ws-"), "model")
    theirs = stage.child(kind, place, "model")
    spec = {key: value for key, value in theirs["spec"].items() if not key.startswith(("clusterIP", "ipFam"))}
    before = stage.api.create(
        {
            "apiVersion": theirs["apiVersion"],
            "kind": kind,
            "metadata": {"name": "support", "namespace": place, "ownerReferences": []},
            "spec": spec,
        }
    )
    stage.api.apply(agent_deployment(place))
    aspect = "RouteReady" if kind == "HTTPRoute" else "Available"
    body = stage.wait_for("AgentDeployment", "support", place, type_=aspect, status="False", reason="NotOwned")
    assert f"{kind} support" in condition(body, aspect)["message"]
    assert stage.child(kind, place, "support")["spec"] == before["spec"]
    stage.api.delete(kind, "support", place)
    stage.serve(place)


def test_a_deployment_in_a_strangers_namespace_of_a_workspaces_name_gets_no_credentials(stage: Stage) -> None:
    name = new_name()
    place = f"ws-{name}"
    stage.api.create(namespace(place))
    stage.apply_workspace(name)
    stage.wait_for("Workspace", name, status="False", reason="NamespaceNotOwned")
    stage.api.apply(agent_deployment(place))
    stage.wait_for("AgentDeployment", "support", place, status="False", reason="WorkspaceNotReady")
    assert stage.api.items("Deployment", place) == []
    assert stage.api.items("Secret", place) == []


@pytest.mark.parametrize("what", ["schema", "role"])
def test_a_schema_or_role_of_our_name_that_is_somebody_elses_is_not_touched(
    stage: Stage, operator: OperatorProcess, what: str
) -> None:
    name = new_name()
    # The names follow from the UID, so they are only known while something keeps the operator from going on.
    stage.api.create(namespace(f"ws-{name}"))
    stage.apply_workspace(name)
    body = stage.wait_for("Workspace", name, status="False", reason="NamespaceNotOwned")
    names = stage.names(body)
    taken = names.schema if what == "schema" else names.login_b
    stage.sql(f"CREATE {what} {{}}", taken)
    stage.sql(f"COMMENT ON {what} {{}} IS 'somebody else''s'", taken)
    stage.api.patch("Namespace", f"ws-{name}", {"metadata": {"labels": {"agentos.hyvve.io/workspace": name}}})
    stage.apply_workspace(name, namespace={"adopt": True})
    body = stage.wait_for("Workspace", name, status="False", reason="DatabaseNotOwned")
    assert f"{what} {taken}" in condition(body)["message"]
    if what == "schema":
        assert stage.roles(names) == {}, "nothing half-made"
    else:
        assert stage.roles(names) == {taken: False}
        assert not stage.has_schema(names)
    stage.sql(f"DROP {what} {{}}", taken)
    stage.wait_for("Workspace", name)


def test_deleting_a_workspace_that_never_owned_its_namespace_leaves_the_namespace_alone(stage: Stage) -> None:
    name = new_name()
    theirs = stage.api.create(namespace(f"ws-{name}"))
    stage.apply_workspace(name, deletionPolicy="Delete")
    stage.wait_for("Workspace", name, status="False", reason="NamespaceNotOwned")
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)
    assert untouched(stage, theirs)


def test_a_forged_owner_reference_on_a_config_map_does_not_get_it_deleted_with_old_specs(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    neighbour = stage.available_deployment(name, "neighbour")
    other = stage.child("AgentDeployment", neighbour, "neighbour")["metadata"]["uid"]
    labels = stage.config_maps(place)[0]["metadata"]["labels"]
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": place, "labels": labels},
    }
    theirs["metadata"]["ownerReferences"] = owner(other, "AgentDeployment", "neighbour")  # type: ignore[index]
    before = stage.api.create(theirs)
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o"}}]
    old = {each["metadata"]["name"] for each in stage.config_maps(place)} - {"theirs"}
    stage.api.apply(agent_deployment(place, agents=agents))
    eventually(lambda: len(stage.config_maps(place)) == 3, "there is a new ConfigMap")
    stage.serve(place)
    eventually(lambda: not old & {each["metadata"]["name"] for each in stage.config_maps(place)}, "the old one is gone")
    assert untouched(stage, before)

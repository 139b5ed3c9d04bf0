"""What the people of a workspace can do there, and what none of them can: real requests in their names."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from local.api import endpoint
from tests.integration.apiserver import ApiServer, Object, RefusedError, eventually
from tests.integration.operator.stage import (
    OperatorProcess,
    Stage,
    agent_deployment,
    condition,
    new_name,
    secret,
)

pytestmark = pytest.mark.usefixtures("operator", "policies")

Ask = Callable[..., tuple[int, Object]]

MEMBERS = [
    {"kind": "User", "name": "vera@example.com", "role": "Viewer"},
    {"kind": "User", "name": "edda@example.com", "role": "Editor"},
    {"kind": "Group", "name": "acme admins", "role": "Admin"},
]
PEOPLE = {
    "viewer": {"Impersonate-User": "vera@example.com"},
    "editor": {"Impersonate-User": "edda@example.com"},
    "admin": {"Impersonate-User": "adam@example.com", "Impersonate-Group": "acme admins"},
    "stranger": {"Impersonate-User": "mallory@example.com"},
}
CORE, APPS, NETWORK = "/api/v1/namespaces/{place}", "/apis/apps/v1/namespaces/{place}", "networking.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{place}"
OURS = "/apis/agentos.hyvve.io/v1alpha1"
AGENTS = OURS + "/namespaces/{place}/agentdeployments"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def ask(api_server: ApiServer) -> Ask:
    """Answer to a request in somebody's name."""
    server, tls = endpoint(api_server.kubeconfig)

    def call(who: str, method: str, path: str, body: Object | None = None, media: str = "") -> tuple[int, Object]:
        connection = http.client.HTTPSConnection(server.hostname or "", server.port, context=tls, timeout=10)
        headers = {**PEOPLE[who], "Content-Type": media or (MERGE if method == "PATCH" else "application/json")}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else {}
        finally:
            connection.close()

    return call


@pytest.fixture(scope="module")
def place(stage: Stage, operator: OperatorProcess, ask: Ask) -> str:
    """Namespace of a workspace with one member of each role, a runtime, and a model key."""
    name = stage.ready_workspace(members=MEMBERS)
    place = stage.available_deployment(name)
    stage.api.apply(secret(place, "model", key="planted-key-of-a-model"))

    def in_force() -> bool:
        forged = secret(place, "agentos-probe", key="x")
        said = [ask(who, "POST", f"/api/v1/namespaces/{place}/secrets", forged) for who in ("editor", "admin")]
        listed = ask("viewer", "GET", AGENTS.format(place=place))
        # Until the policy is in force the first attempt succeeds, and the next is answered that the Secret exists.
        refused = all(status == 403 and "are the operator's" in body["message"] for status, body in said)
        return refused and listed[0] == 200

    eventually(in_force, "roles and policies are in force")
    return place


ALLOWED: dict[str, tuple[str, str, str]] = {
    "look at AgentDeployments": ("viewer", "GET", AGENTS),
    "look at pods": ("viewer", "GET", CORE + "/pods"),
    "look at the quota": ("viewer", "GET", CORE + "/resourcequotas"),
    "look at events": ("viewer", "GET", CORE + "/events"),
    "look at policies": ("viewer", "GET", f"/apis/{NETWORK}/namespaces/{{place}}/networkpolicies"),
    "look at routes": ("viewer", "GET", "/apis/gateway.networking.k8s.io/v1/namespaces/{place}/httproutes"),
    "look at autoscalers": ("viewer", "GET", "/apis/autoscaling/v2/namespaces/{place}/horizontalpodautoscalers"),
    "look at the history": ("viewer", "GET", "/apis/apps/v1/namespaces/{place}/controllerrevisions"),
    "read the signing key": ("admin", "GET", CORE + "/secrets/agentos-jwt"),
}


@pytest.mark.parametrize("attempt", ALLOWED)
def test_a_member_can(ask: Ask, place: str, attempt: str) -> None:
    who, method, path = ALLOWED[attempt]
    roles = ("viewer", "editor", "admin")
    for each in roles[roles.index(who) :]:
        assert ask(each, method, path.format(place=place))[0] == 200, each


@pytest.mark.parametrize("who", ["editor", "admin"])
def test_an_editor_writes_agent_deployments_and_the_secrets_they_name(ask: Ask, place: str, who: str) -> None:
    name = new_name("mine")
    agents, secrets = AGENTS.format(place=place), f"/api/v1/namespaces/{place}/secrets"
    assert ask(who, "POST", secrets, secret(place, name, key="first-key-of-a-model"))[0] == 201
    assert ask(who, "PATCH", f"{secrets}/{name}", {"stringData": {"key": "second-key-of-a-model"}})[0] == 200
    assert ask(who, "POST", agents, agent_deployment(place, name))[0] == 201
    assert ask(who, "PATCH", f"{agents}/{name}", {"spec": {"suspended": True}})[0] == 200
    assert ask(who, "PATCH", f"{agents}/{name}/scale", {"spec": {"replicas": 2}})[0] == 200
    assert ask(who, "DELETE", f"{agents}/{name}")[0] == 200
    assert ask(who, "DELETE", f"{secrets}/{name}")[0] == 200


POD: Object = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
GRANT: Object = {
    "metadata": {"name": "mine"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "agentos-member-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory@example.com"}],
}
OPEN: Object = {"metadata": {"name": "open"}, "spec": {"podSelector": {}, "ingress": [{}], "egress": [{}]}}
TOKEN: Object = {
    "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": "default"}},
    "type": "kubernetes.io/service-account-token",
}
FORGED: Object = {"metadata": {"name": "agentos-forged"}, "stringData": {"secret": "chosen-by-a-tenant" * 3}}

REFUSED: dict[str, tuple[str, str, Object | None]] = {
    "take the history away": ("DELETE", "/apis/apps/v1/namespaces/{place}/controllerrevisions", None),
    "make an autoscaler of a Deployment": (
        "POST",
        "/apis/autoscaling/v2/namespaces/{place}/horizontalpodautoscalers",
        {"metadata": {"name": "mine"}},
    ),
    "list the Secrets": ("GET", CORE + "/secrets", None),
    "watch the Secrets": ("GET", CORE + "/secrets?watch=1&timeoutSeconds=1", None),
    "read the database's password": ("GET", CORE + "/secrets/agentos-database", None),
    "read a model key": ("GET", CORE + "/secrets/model", None),
    "read the database's password by an empty patch": ("PATCH", CORE + "/secrets/agentos-database", {}),
    "read the signing key by a dry run": ("PATCH", CORE + "/secrets/agentos-jwt?dryRun=All", {"metadata": {}}),
    "choose the signing key": ("PATCH", CORE + "/secrets/agentos-jwt", {"stringData": {"secret": "mine" * 10}}),
    "delete the signing key": ("DELETE", CORE + "/secrets/agentos-jwt", None),
    "make a Secret of the operator's names": ("POST", CORE + "/secrets", FORGED),
    "delete all Secrets": ("DELETE", CORE + "/secrets", None),
    "get a ServiceAccount's token as a Secret": ("POST", CORE + "/secrets", TOKEN),
    "get a ServiceAccount's token": ("POST", CORE + "/serviceaccounts/default/token", {"spec": {}}),
    "make a ServiceAccount": ("POST", CORE + "/serviceaccounts", {"metadata": {"name": "x"}}),
    "make a pod": ("POST", CORE + "/pods", POD),
    "run a command in a pod": ("POST", CORE + "/pods/x/exec?command=sh", None),
    "attach to a pod": ("POST", CORE + "/pods/x/attach", None),
    "forward a port of a pod": ("POST", CORE + "/pods/x/portforward", None),
    "add a container to a pod": ("PATCH", CORE + "/pods/x/ephemeralcontainers", {}),
    "make a Deployment": ("POST", APPS + "/deployments", {"metadata": {"name": "x"}}),
    "give the Deployment a ServiceAccount": (
        "PATCH",
        APPS + "/deployments/support",
        {"spec": {"template": {"spec": {"serviceAccountName": "other"}}}},
    ),
    "scale the Deployment": ("PATCH", APPS + "/deployments/support/scale", {"spec": {"replicas": 9}}),
    "make a Job": ("POST", "/apis/batch/v1/namespaces/{place}/jobs", {"metadata": {"name": "x"}}),
    "open the network": ("POST", f"/apis/{NETWORK}/namespaces/{{place}}/networkpolicies", OPEN),
    "change a NetworkPolicy": (
        "PATCH",
        f"/apis/{NETWORK}/namespaces/{{place}}/networkpolicies/agentos-default-deny",
        {"spec": {"egress": [{}]}},
    ),
    "make an Ingress": ("POST", f"/apis/{NETWORK}/namespaces/{{place}}/ingresses", {"metadata": {"name": "x"}}),
    "take another's host": (
        "POST",
        "/apis/gateway.networking.k8s.io/v1/namespaces/{place}/httproutes",
        {"metadata": {"name": "x"}},
    ),
    "make a Service": ("POST", CORE + "/services", {"metadata": {"name": "x"}}),
    "give the Service an outside address": (
        "PATCH",
        CORE + "/services/support",
        {"spec": {"externalIPs": ["1.2.3.4"]}},
    ),
    "raise the quota": ("PATCH", CORE + "/resourcequotas/agentos-operator", {"spec": {"hard": {"pods": "999"}}}),
    "drop the limits": ("DELETE", CORE + "/limitranges/agentos-operator", None),
    "forge the agents' ConfigMap": ("POST", CORE + "/configmaps", {"metadata": {"name": "x"}}),
    "weaken pod security": (
        "PATCH",
        CORE,
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
    ),
    "delete the Namespace": ("DELETE", CORE, None),
    "grant a role": ("POST", RBAC + "/rolebindings", GRANT),
    "become an admin": ("PATCH", RBAC + "/rolebindings/agentos-members-admin", {"subjects": []}),
    "take the operator's rights away": ("DELETE", RBAC + "/rolebindings/agentos-operator", None),
    "make a Role": ("POST", RBAC + "/roles", {"metadata": {"name": "x"}}),
    "say that a deployment is Ready": ("PATCH", AGENTS + "/support/status", {"status": {"url": "http://evil.example"}}),
    "read the Workspace": ("GET", OURS + "/workspaces/{name}", None),
    "change the Workspace": ("PATCH", OURS + "/workspaces/{name}", {"spec": {"quota": {"pods": 999}}}),
    "look at AgentDeployments everywhere": ("GET", OURS + "/agentdeployments", None),
    "look at another workspace": ("GET", OURS + "/namespaces/ws-other/agentdeployments", None),
    "list the Namespaces": ("GET", "/api/v1/namespaces", None),
    "list the nodes": ("GET", "/api/v1/nodes", None),
    "read a Secret of kube-system": ("GET", "/api/v1/namespaces/kube-system/secrets/theirs", None),
    "write a Secret of kube-system": ("POST", "/api/v1/namespaces/kube-system/secrets", FORGED),
    "impersonate": ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {}}),
}


@pytest.mark.parametrize("who", ["viewer", "editor", "admin", "stranger"])
@pytest.mark.parametrize("attempt", REFUSED)
def test_nobody_of_a_workspace_can(ask: Ask, place: str, who: str, attempt: str) -> None:
    method, path, body = REFUSED[attempt]
    status, said = ask(who, method, path.format(place=place, name=place.removeprefix("ws-")), body)
    assert status == 403, said
    assert "data" not in said


VIEWER_REFUSED = {
    "make an AgentDeployment": ("POST", AGENTS, {"metadata": {"name": "x"}}),
    "change an AgentDeployment": ("PATCH", AGENTS + "/support", {"spec": {"replicas": 2}}),
    "scale an AgentDeployment": ("PATCH", AGENTS + "/support/scale", {"spec": {"replicas": 2}}),
    "delete an AgentDeployment": ("DELETE", AGENTS + "/support", None),
    "write a Secret": ("POST", CORE + "/secrets", {"metadata": {"name": "x"}}),
    "read the signing key": ("GET", CORE + "/secrets/agentos-jwt", None),
    "read a log": ("GET", CORE + "/pods/x/log", None),
    "delete a pod": ("DELETE", CORE + "/pods/x", None),
}


@pytest.mark.parametrize("attempt", VIEWER_REFUSED)
def test_a_viewer_cannot(ask: Ask, place: str, attempt: str) -> None:
    method, path, body = VIEWER_REFUSED[attempt]
    assert ask("viewer", method, path.format(place=place), body)[0] == 403


@pytest.mark.parametrize("attempt", ["read the signing key", "delete a pod"])
def test_an_editor_cannot(ask: Ask, place: str, attempt: str) -> None:
    method, path, body = VIEWER_REFUSED[attempt]
    assert ask("editor", method, path.format(place=place), body)[0] == 403


def test_a_tenant_who_renames_a_secret_by_generation_gets_no_reserved_name(ask: Ask, place: str) -> None:
    body = {"metadata": {"generateName": "agentos-"}, "stringData": {"key": "x"}}
    assert ask("editor", "POST", f"/api/v1/namespaces/{place}/secrets", body)[0] == 403


def test_the_operator_and_administrators_still_write_the_operators_secrets(stage: Stage, place: str) -> None:
    stage.api.delete("Secret", "agentos-jwt", place)
    stage.api.patch("Workspace", place.removeprefix("ws-"), {"metadata": {"annotations": {"look": "now"}}})
    eventually(lambda: stage.api.get("Secret", "agentos-jwt", place) is not None, "the Secret is there again")


def bindings(stage: Stage, place: str) -> dict[str, list[str]]:
    return {
        body["metadata"]["name"]: [subject["name"] for subject in body["subjects"]]
        for body in stage.api.items("RoleBinding", place)
        if body["metadata"]["name"].startswith("agentos-members-")
    }


def test_roles_change_with_the_spec_and_go_when_nobody_has_them(stage: Stage) -> None:
    members = [{"kind": "User", "name": name, "role": "Editor"} for name in ("b", "a")]
    name = stage.ready_workspace(members=members)
    place = f"ws-{name}"
    assert bindings(stage, place) == {"agentos-members-editor": ["a", "b"]}
    stage.apply_workspace(name, members=[{"kind": "Group", "name": "b", "role": "Viewer"}])
    eventually(lambda: bindings(stage, place) == {"agentos-members-viewer": ["b"]}, "the Editor's binding is gone")
    stage.apply_workspace(name, members=members)
    eventually(lambda: bindings(stage, place) == {"agentos-members-editor": ["a", "b"]}, "it is there again")
    stage.apply_workspace(name)
    eventually(lambda: bindings(stage, place) == {}, "no member is left")


def test_an_edited_or_deleted_binding_comes_back(stage: Stage) -> None:
    place = f"ws-{stage.ready_workspace(members=MEMBERS[:1])}"
    before = bindings(stage, place)
    intruder = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]
    stage.api.patch("RoleBinding", "agentos-members-viewer", {"subjects": intruder}, place)
    eventually(lambda: bindings(stage, place) == before, "the intruder is out")
    stage.api.delete("RoleBinding", "agentos-members-viewer", place)
    eventually(lambda: bindings(stage, place) == before, "the binding is there again")


def test_a_binding_that_was_swapped_for_a_stronger_role_is_replaced(stage: Stage) -> None:
    place = f"ws-{stage.ready_workspace(members=MEMBERS[:1])}"
    theirs = stage.child("RoleBinding", place, "agentos-members-viewer")
    metadata = {key: theirs["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    stage.api.delete("RoleBinding", "agentos-members-viewer", place)
    eventually(lambda: stage.api.get("RoleBinding", "agentos-members-viewer", place) is not None, "it is there again")
    stage.api.delete("RoleBinding", "agentos-members-viewer", place)
    with suppress(RefusedError):  # the operator may be faster, which is as good
        stage.api.create({**theirs, "metadata": metadata, "roleRef": role})

    def restored() -> bool:
        found = stage.api.get("RoleBinding", "agentos-members-viewer", place) or {"roleRef": {"name": ""}}
        return bool(found["roleRef"]["name"] == "agentos-member-viewer")

    eventually(restored, "the role is the Viewer's again")


def test_a_binding_of_that_name_that_is_somebody_elses_is_not_touched(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = f"ws-{name}"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    theirs = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "agentos-members-admin", "namespace": place},
        "roleRef": role,
    }
    stage.api.create(theirs)
    stage.apply_workspace(name, members=[{"kind": "User", "name": "a", "role": "Admin"}])
    body = stage.wait_for("Workspace", name, status="False", reason="NotOwned")
    assert "agentos-members-admin" in condition(body)["message"]
    assert stage.child("RoleBinding", place, "agentos-members-admin")["roleRef"] == role
    stage.api.delete("RoleBinding", "agentos-members-admin", place)
    stage.wait_for("Workspace", name)

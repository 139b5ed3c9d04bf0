"""What somebody could do who has stolen the operator's token: nothing but what its work needs.

That the work needs no more is shown by all the other tests here: they run with this token.
"""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64decode
from collections.abc import Callable

import pytest
import yaml

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import ACCOUNT, SYSTEM_NAMESPACE, Stage, secret

RBAC = "/apis/rbac.authorization.k8s.io/v1"
OURS = "/apis/agentos.hyvve.io/v1alpha1"
SUBJECTS = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM_NAMESPACE}]
POD = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}

Ask = Callable[..., int]


def binding(role: str, kind: str = "ClusterRole") -> Object:
    return {
        "metadata": {"name": "stolen"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": SUBJECTS,
    }


@pytest.fixture(scope="module")
def place(stage: Stage, policies: None) -> str:
    """Namespace of a workspace, in which the operator has its rights; its whole life went by under the policies."""
    members = [{"kind": "User", "name": "alice", "role": role} for role in ("Viewer", "Editor", "Admin")]
    with stage.running():
        brief = stage.ready_workspace(deletionPolicy="Delete", members=members[:1], preventDeletion=True)
        stage.available_deployment(brief)
        stage.apply_workspace(brief, deletionPolicy="Delete", members=members[1:2], suspended=True)
        eventually(lambda: stage.child("Deployment", f"ws-{brief}", "support")["spec"]["replicas"] == 0, "it stops")
        stage.api.delete("Workspace", brief)
        stage.wait_until_gone("Workspace", brief)
        name = stage.ready_workspace(members=members[2:])
    role = {"kind": "Role", "metadata": {"name": "mine", "namespace": f"ws-{name}"}, "rules": [EVERYTHING]}
    stage.api.request("POST", f"{RBAC}/namespaces/ws-{name}/roles", role)
    stage.api.apply(secret("kube-system", "theirs", note="keep me"))
    stage.api.apply(secret(f"ws-{name}", "theirs", note="keep me"))
    return f"ws-{name}"


@pytest.fixture(scope="module")
def ask(stage: Stage) -> Ask:
    """Status of the answer to a request with the operator's token."""
    cluster = yaml.safe_load(stage.api.kubeconfig.read_text())["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())

    def call(method: str, path: str, body: Object | None = None, media: str = "application/json") -> int:
        connection = http.client.HTTPSConnection(cluster["server"].removeprefix("https://"), context=tls)
        headers = {"Authorization": f"Bearer {stage.token}", "Content-Type": media}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    return call


REFUSED: dict[str, tuple[str, str, Object | None]] = {
    "list the Secrets of the cluster": ("GET", "/api/v1/secrets", None),
    "list the Secrets of a workspace": ("GET", "/api/v1/namespaces/{place}/secrets", None),
    "watch the Secrets of a workspace": ("GET", "/api/v1/namespaces/{place}/secrets?watch=1&timeoutSeconds=1", None),
    "read a Secret of kube-system": ("GET", "/api/v1/namespaces/kube-system/secrets/theirs", None),
    "read a Secret of its own Namespace": ("GET", f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/theirs", None),
    "list the ConfigMaps of the cluster": ("GET", "/api/v1/configmaps", None),
    "read a ConfigMap of kube-system": ("GET", "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt", None),
    "list the pods of the cluster": ("GET", "/api/v1/pods", None),
    "make a pod in default": ("POST", "/api/v1/namespaces/default/pods", POD),
    "change a pod in a workspace": ("PATCH", "/api/v1/namespaces/{place}/pods/x", POD),
    "run a command in a pod": ("POST", "/api/v1/namespaces/{place}/pods/x/exec?command=sh", None),
    "read a pod's log": ("GET", "/api/v1/namespaces/{place}/pods/x/log", None),
    "make a Deployment in default": ("POST", "/apis/apps/v1/namespaces/default/deployments", {}),
    "make a token of a ServiceAccount": (
        "POST",
        "/api/v1/namespaces/kube-system/serviceaccounts/default/token",
        {"spec": {}},
    ),
    "bind cluster-admin in the cluster": ("POST", f"{RBAC}/clusterrolebindings", binding("cluster-admin")),
    "bind cluster-admin in a Namespace": (
        "POST",
        f"{RBAC}/namespaces/kube-system/rolebindings",
        binding("cluster-admin"),
    ),
    "bind its tenant role in kube-system": (
        "POST",
        f"{RBAC}/namespaces/kube-system/rolebindings",
        binding("agentos-operator-tenant"),
    ),
    "bind a member's role in default": (
        "POST",
        f"{RBAC}/namespaces/default/rolebindings",
        binding("agentos-member-admin"),
    ),
    "make a Namespace that is no workspace's": ("POST", "/api/v1/namespaces", {"metadata": {"name": "mine"}}),
    "delete a Namespace that is no workspace's": ("DELETE", "/api/v1/namespaces/default", None),
    "bind a role of its own naming": ("POST", f"{RBAC}/namespaces/{{place}}/rolebindings", binding("agentos-view")),
    "impersonate an administrator": (
        "POST",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"spec": {"token": "x"}},
    ),
    "change an admission policy": (
        "DELETE",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/agentos-operator-boundaries",
        None,
    ),
    "bind admin in a workspace": ("POST", f"{RBAC}/namespaces/{{place}}/rolebindings", binding("admin")),
    "bind a stronger Role": ("POST", f"{RBAC}/namespaces/{{place}}/rolebindings", binding("mine", "Role")),
    "make a Role": (
        "POST",
        f"{RBAC}/namespaces/{{place}}/roles",
        {"metadata": {"name": "mine"}, "rules": [EVERYTHING]},
    ),
    "make a ClusterRole": ("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "mine"}, "rules": [EVERYTHING]}),
    "delete a RoleBinding of kube-system": (
        "DELETE",
        f"{RBAC}/namespaces/kube-system/rolebindings/system:controller:bootstrap-signer",
        None,
    ),
    "make a Workspace": ("POST", f"{OURS}/workspaces", {"metadata": {"name": "x"}, "spec": {"displayName": "x"}}),
    "delete a Workspace": ("DELETE", f"{OURS}/workspaces/{{name}}", None),
    "delete an AgentDeployment": ("DELETE", f"{OURS}/namespaces/{{place}}/agentdeployments/x", None),
    "make a CustomResourceDefinition": ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}),
    "make a webhook": (
        "POST",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        {"metadata": {"name": "x"}, "webhooks": []},
    ),
    "list the nodes": ("GET", "/api/v1/nodes", None),
    "take the Lease of the scheduler": (
        "PUT",
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler",
        {},
    ),
}


@pytest.mark.parametrize("attempt", REFUSED)
def test_the_operators_token_does_not_allow_to(ask: Ask, place: str, attempt: str) -> None:
    method, path, body = REFUSED[attempt]
    assert ask(method, path.format(place=place, name=place.removeprefix("ws-")), body) == 403


MERGED: dict[str, tuple[str, Object]] = {
    "widen its ClusterRole": (f"{RBAC}/clusterroles/agentos-operator", {"rules": [EVERYTHING]}),
    "widen the tenant role": (f"{RBAC}/clusterroles/agentos-operator-tenant", {"rules": [EVERYTHING]}),
    "widen its leader Role": (f"{RBAC}/namespaces/{SYSTEM_NAMESPACE}/roles/agentos-operator", {"rules": [EVERYTHING]}),
    "add itself to cluster-admin": (f"{RBAC}/clusterrolebindings/cluster-admin", {"subjects": SUBJECTS}),
    "add itself to a stronger RoleBinding": (
        f"{RBAC}/namespaces/kube-system/rolebindings/system:controller:token-cleaner",
        {"subjects": SUBJECTS},
    ),
    "give a member's binding another role": (
        f"{RBAC}/namespaces/{{place}}/rolebindings/agentos-members-admin",
        {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}},
    ),
    "add itself to a RoleBinding of another's Namespace": (
        f"{RBAC}/namespaces/kube-system/rolebindings/system:controller:bootstrap-signer",
        {"subjects": SUBJECTS},
    ),
    "pass another's Namespace off as a workspace's": (
        "/api/v1/namespaces/kube-system",
        {"metadata": {"labels": {"agentos.hyvve.io/workspace": "x"}}},
    ),
    "weaken pod security elsewhere": (
        "/api/v1/namespaces/default",
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
    ),
    "change a Workspace's AgentDeployment": (f"{OURS}/namespaces/{{place}}/agentdeployments/x", {"spec": {}}),
}


@pytest.mark.parametrize("attempt", MERGED)
def test_the_operators_token_does_not_allow_by_a_patch_to(ask: Ask, place: str, attempt: str) -> None:
    path, change = MERGED[attempt]
    assert ask("PATCH", path.format(place=place), change, "application/merge-patch+json") == 403


def test_it_reads_what_it_must_in_a_workspace_and_nowhere_else(ask: Ask, place: str) -> None:
    assert ask("GET", f"/api/v1/namespaces/{place}/secrets/agentos-jwt") == 200
    assert ask("GET", "/api/v1/namespaces/default/secrets/agentos-jwt") == 403

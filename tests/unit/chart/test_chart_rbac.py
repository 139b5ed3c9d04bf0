"""Every right that the chart hands out, verb by verb; one more would be one more for an attacker."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

Rights = dict[str, set[str]]

WATCHED = {
    "apps/deployments",
    "services",
    "networking.k8s.io/networkpolicies",
    "resourcequotas",
    "limitranges",
    "policy/poddisruptionbudgets",
    "autoscaling/horizontalpodautoscalers",
    "gateway.networking.k8s.io/httproutes",
    "networking.k8s.io/ingresses",
    "rbac.authorization.k8s.io/rolebindings",
}
"""The kinds that the operator makes and watches for drift; none of them holds a secret."""

OURS = "agentos.hyvve.io"
OPERATOR: Rights = {kind: {"list", "watch"} for kind in WATCHED} | {
    f"{OURS}/workspaces": {"get", "list", "watch", "patch"},
    f"{OURS}/agentdeployments": {"get", "list", "watch"},
    f"{OURS}/workspaces/status": {"patch"},
    f"{OURS}/agentdeployments/status": {"patch"},
    f"{OURS}/workspaces/finalizers": {"update"},
    f"{OURS}/agentdeployments/finalizers": {"update"},
    "namespaces": {"get", "list", "watch", "create", "patch", "delete"},
    "rbac.authorization.k8s.io/rolebindings": {"get", "list", "watch", "create", "patch"},
    **{
        f"rbac.authorization.k8s.io/clusterroles[agentos-{name}]": {"bind"}
        for name in ("operator-tenant", "member-viewer", "member-editor", "member-admin")
    },
    "apiextensions.k8s.io/customresourcedefinitions": {"list", "watch"},
}
MANAGED = {"get", "list", "create", "patch", "delete"}
TENANT: Rights = dict.fromkeys(WATCHED | {"configmaps", "apps/controllerrevisions"}, MANAGED) | {
    "secrets": {"get", "create", "patch", "delete"},
    "gateway.networking.k8s.io/httproutes/status": {"get"},
    "pods": {"get", "list", "create", "delete"},
    "apps/replicasets": {"get", "list"},
}


def rights(role: dict[str, Any]) -> Rights:
    """The role's verbs by `group/resource`, with `[name]` where a rule is for one object only."""
    found: Rights = {}
    for rule in role["rules"]:
        names = [f"[{name}]" for name in rule.get("resourceNames", [])] or [""]
        for group, resource, name in itertools.product(rule["apiGroups"], rule["resources"], names):
            key = (f"{group}/{resource}" if group else resource) + name
            found.setdefault(key, set()).update(rule["verbs"])
    return found


def role(render: Any, name: str, kind: str = "ClusterRole", values: dict[str, Any] | None = None) -> Any:
    return render(values).one(kind, name)


def test_the_operator_may_do_this_in_the_whole_cluster_and_nothing_else(render: Any) -> None:
    assert rights(role(render, "agentos-operator")) == OPERATOR


def test_the_operator_may_do_this_in_workspace_namespaces_and_nothing_else(render: Any) -> None:
    assert rights(role(render, "agentos-operator-tenant")) == TENANT


def test_the_operator_may_lead_and_keep_two_lists_in_its_own_namespace(render: Any) -> None:
    leader = role(render, "agentos-operator", "Role")
    assert leader["metadata"]["namespace"] == "platform"
    assert rights(leader) == {
        "coordination.k8s.io/leases": {"get", "create", "update", "patch"},
        "configmaps": {"create"},
        "configmaps[agentos-retained]": {"get", "patch"},
        "configmaps[agentos-network]": {"get", "patch"},
        "configmaps[agentos-handover]": {"get", "patch"},
    }


API = {"namespace": "platform-api", "service": "main", "port": 3000}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("Gateway", {"gateway.networking.k8s.io/referencegrants": {"get", "create", "patch"}}),
        ("Ingress", {"networking.k8s.io/ingresses": {"get", "create", "patch", "delete"}}),
    ],
)
def test_the_operator_may_lead_api_to_the_main_api_in_that_apis_namespace_and_do_nothing_else_there(
    render: Any, mode: str, expected: Rights
) -> None:
    values = {"routing": {"mode": mode, "api": API, "sourceNamespaces": ["gateways"]}}
    found = role(render, "agentos-operator-api", "Role", values)
    assert found["metadata"]["namespace"] == "platform-api"
    assert rights(found) == expected
    binding = role(render, "agentos-operator-api", "RoleBinding", values)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "agentos-operator", "namespace": "platform"}]


def test_without_a_main_api_the_operator_has_no_right_in_another_namespace(render: Any) -> None:
    spaces = {item["metadata"]["namespace"] for item in render().of("Role")}
    assert spaces == {"platform", "default"}


def test_the_operator_may_warn_of_a_breach_and_learn_where_the_api_server_is(render: Any) -> None:
    isolation = role(render, "agentos-operator-isolation", "Role")
    assert isolation["metadata"]["namespace"] == "default"
    assert rights(isolation) == {
        "events.k8s.io/events": {"create"},
        "discovery.k8s.io/endpointslices[kubernetes]": {"get"},
    }


def test_without_verification_no_pod_can_be_made(render: Any) -> None:
    off = {"isolation": {"verification": {"enabled": False}}}
    assert rights(role(render, "agentos-operator-tenant", values=off))["pods"] == {"get", "list"}
    assert "agentos-operator-isolation" not in {each["metadata"]["name"] for each in render(off).of("Role")}


def test_no_right_reads_secrets_of_the_whole_cluster_or_raises_itself(render: Any) -> None:
    bound = {binding["roleRef"]["name"] for binding in render().of("ClusterRoleBinding")}
    assert bound == {"agentos-operator"}
    held = rights(role(render, "agentos-operator"))
    assert not any(key.startswith(("secrets", "configmaps")) or "*" in key for key in held)
    every = [rights(item) for item in render().of("ClusterRole")]
    verbs = {verb for one in every for found in one.values() for verb in found}
    assert not verbs & {"*", "escalate", "impersonate"}


@pytest.mark.parametrize("kind", ["ClusterRoleBinding", "RoleBinding"])
def test_rights_go_to_the_operators_account_alone(render: Any, kind: str) -> None:
    binding = role(render, "agentos-operator", kind, {"serviceAccount": {"name": "mine"}})
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "mine", "namespace": "platform"}]


def test_tenants_get_agent_deployments_by_the_clusters_own_roles_but_never_workspaces(render: Any) -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    aggregated = {
        item["metadata"]["name"]: {
            key.removeprefix(prefix) for key in item["metadata"]["labels"] if key.startswith(prefix)
        }
        for item in render().of("ClusterRole")
    }
    assert {name: targets for name, targets in aggregated.items() if targets} == {
        "agentos-view": {"view", "edit", "admin"},
        "agentos-edit": {"edit", "admin"},
    }
    view, edit = (rights(role(render, f"agentos-{name}")) for name in ("view", "edit"))
    deployments = f"{OURS}/agentdeployments"
    assert view == {f"{deployments}{part}": {"get", "list", "watch"} for part in ("", "/status", "/scale")}
    assert edit == {
        deployments: {"create", "update", "patch", "delete", "deletecollection"},
        f"{deployments}/scale": {"update", "patch"},
    }


def test_a_platform_administrator_manages_both_resources(render: Any) -> None:
    everything = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
    assert rights(role(render, "agentos-platform-admin")) == {
        f"{OURS}/workspaces": everything,
        f"{OURS}/agentdeployments": everything,
        f"{OURS}/agentdeployments/scale": {"get", "update", "patch"},
    }


def test_the_clusters_own_roles_can_be_left_alone(render: Any) -> None:
    names = {item["metadata"]["name"] for item in render({"rbac": {"aggregate": False}}).of("ClusterRole")}
    assert not names & {"agentos-view", "agentos-edit"}


SEEN = {"get", "list", "watch"}
VIEWER: Rights = dict.fromkeys(
    {
        f"{OURS}/agentdeployments",
        f"{OURS}/agentdeployments/status",
        f"{OURS}/agentdeployments/scale",
        "pods",
        "services",
        "events",
        "resourcequotas",
        "limitranges",
        "apps/deployments",
        "apps/replicasets",
        "apps/controllerrevisions",
        "autoscaling/horizontalpodautoscalers",
        "networking.k8s.io/networkpolicies",
        "networking.k8s.io/ingresses",
        "gateway.networking.k8s.io/httproutes",
    },
    SEEN,
)
EDITOR = VIEWER | {
    f"{OURS}/agentdeployments": SEEN | {"create", "update", "patch", "delete"},
    f"{OURS}/agentdeployments/scale": SEEN | {"update", "patch"},
    "pods/log": {"get"},
    "secrets": {"create", "update", "patch", "delete"},
}
ADMIN = EDITOR | {"secrets[agentos-jwt]": {"get"}, "pods": SEEN | {"delete"}}


@pytest.mark.parametrize(("name", "expected"), [("viewer", VIEWER), ("editor", EDITOR), ("admin", ADMIN)])
def test_the_people_of_a_workspace_may_do_this_and_nothing_else(render: Any, name: str, expected: Rights) -> None:
    assert rights(role(render, f"agentos-member-{name}")) == expected


def test_without_the_policy_that_guards_the_operators_secrets_nobody_writes_secrets(render: Any) -> None:
    values = {"admission": {"enabled": False}}
    left = {key: verbs for key, verbs in EDITOR.items() if key != "secrets"}
    assert rights(role(render, "agentos-member-editor", values=values)) == left

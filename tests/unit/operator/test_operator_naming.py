"""Names keep the guarantees that ``naming`` and ``database_names`` state."""

from __future__ import annotations

import re
from itertools import product

import pytest

from agentos_operator.database_names import database_names, tenants_role
from agentos_operator.naming import (
    deployment_labels,
    digest,
    host_of,
    namespace_of,
    pod_selector,
    workspace_labels,
    workspace_of,
)

LONGEST = "a" * 30
ADMITTED = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
ALIKE = ["a", "b", "a-b", "b-a", "a-b-a", "aa", "a1", "a-1", "ab", LONGEST, LONGEST[:-1] + "b", "ws-a", "x-ws-a"]
"""Names that the CRDs admit and that somebody could confuse."""


def test_two_different_pairs_of_deployment_and_workspace_never_share_a_host() -> None:
    assert all(ADMITTED.fullmatch(name) and "--" not in name for name in ALIKE)
    pairs = list(product(ALIKE, ALIKE))
    hosts = {host_of(deployment, workspace, "agents.example.com") for deployment, workspace in pairs}
    assert len(hosts) == len(pairs)


def test_two_hyphens_inside_a_name_would_break_that_which_is_why_the_schema_refuses_them() -> None:
    assert host_of("a--b", "c", "example.com") == host_of("a", "b--c", "example.com")


def test_the_longest_names_still_fit_into_a_dns_label() -> None:
    assert len(host_of(LONGEST, LONGEST, "example.com").split(".")[0]) <= 63
    assert len(namespace_of(LONGEST)) <= 63


@pytest.mark.parametrize("name", ALIKE)
def test_a_namespace_leads_back_to_its_workspace(name: str) -> None:
    assert workspace_of(namespace_of(name)) == name


@pytest.mark.parametrize("namespace", ["default", "kube-system", "workspace-acme", "WS-acme", "acme"])
def test_a_namespace_of_another_form_belongs_to_no_workspace(namespace: str) -> None:
    assert workspace_of(namespace) is None


def test_the_selector_of_pods_is_part_of_their_labels_and_holds_nothing_that_could_ever_change() -> None:
    assert pod_selector("support").items() <= deployment_labels("support", "acme").items()
    assert pod_selector("support") == {
        "app.kubernetes.io/name": "agentos-runtime",
        "app.kubernetes.io/instance": "support",
    }


def test_a_deployments_labels_are_its_workspaces_and_more() -> None:
    assert workspace_labels("acme").items() < deployment_labels("support", "acme").items()


def test_a_digest_does_not_depend_on_the_order_of_keys_and_changes_with_any_value() -> None:
    assert digest({"a": 1, "b": {"c": [1, 2], "d": 3}}) == digest({"b": {"d": 3, "c": [1, 2]}, "a": 1})
    assert len({digest(value) for value in ({"a": 1}, {"a": "1"}, {"a": [1]}, {"a": None}, {"a": True}, {})}) == 6


@pytest.mark.parametrize("workspace", [*ALIKE, LONGEST * 10, "ü", "a'; DROP SCHEMA public; --"])
def test_a_database_name_needs_no_quotes_and_is_never_cut(workspace: str) -> None:
    names = database_names(workspace, "uid")
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) for name in (names.schema, *names.roles))
    assert len({names.schema, *names.roles}) == 4


def test_a_workspace_made_again_never_finds_its_predecessors_schema() -> None:
    assert database_names("acme", "uid-1").schema != database_names("acme", "uid-2").schema


def test_parts_of_a_hashed_name_cannot_be_shifted_into_each_other() -> None:
    assert database_names("ab", "c").schema != database_names("a", "bc").schema


@pytest.mark.parametrize(("workspace", "uid"), [("", "uid"), ("acme", "")])
def test_a_workspace_that_the_api_server_has_not_stored_has_no_database_names(workspace: str, uid: str) -> None:
    with pytest.raises(ValueError, match="uid"):
        database_names(workspace, uid)


def test_a_tenant_of_one_database_is_no_tenant_of_another_on_the_same_server() -> None:
    assert tenants_role("agentos") != tenants_role("other")

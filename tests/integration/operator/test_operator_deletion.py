"""What remains of a Workspace and what does not. Kubernetes waits five seconds before it empties a Namespace, so the
Workspaces of this module go down side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from agentos_operator.database_names import DatabaseNames
from tests.integration.apiserver import eventually
from tests.integration.operator.stage import (
    DEPLOYMENT_CHILDREN,
    OperatorProcess,
    Stage,
    agent_deployment,
    condition,
    new_name,
)

pytestmark = pytest.mark.usefixtures("operator")


@dataclass(frozen=True)
class Removed:
    """A Workspace on its way out."""

    name: str
    uid: str
    names: DatabaseNames
    url: str


@pytest.fixture(scope="module")
def acme(stage: Stage, operator: OperatorProcess) -> str:
    """A Workspace that stays."""
    return stage.ready_workspace()


@pytest.fixture(scope="module")
def removed(stage: Stage, operator: OperatorProcess) -> dict[str, Removed]:
    """By deletion policy, a Workspace with a table and a runtime that was asked to go."""
    found = {}
    for policy in ("Retain", "Delete"):
        name = stage.ready_workspace(deletionPolicy=policy)
        place = stage.available_deployment(name)
        with stage.log_in(place) as connection:
            connection.execute("CREATE TABLE notes AS SELECT 'keep me' AS text")
        body = stage.child("Workspace", "", name)
        url = stage.secret("agentos-database", place)["url"]
        found[policy] = Removed(name, body["metadata"]["uid"], stage.names(body), url)
    for each in found.values():
        stage.api.delete("Workspace", each.name)
    return found


def test_workloads_stop_and_the_logins_close_before_the_namespace_is_gone(
    stage: Stage, removed: dict[str, Removed]
) -> None:
    for each in removed.values():
        body = stage.wait_for("Workspace", each.name, status="False", reason="NamespaceTerminating")
        assert f"Namespace ws-{each.name} is being deleted" in condition(body)["message"]
        assert stage.api.get("Deployment", "support", f"ws-{each.name}") is None
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(each.url)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_the_namespace_and_the_workspace_go(stage: Stage, removed: dict[str, Removed], policy: str) -> None:
    stage.wait_until_gone("Workspace", removed[policy].name)
    assert stage.api.get("Namespace", f"ws-{removed[policy].name}") is None


def test_retained_data_stays_and_nobody_can_log_in(stage: Stage, removed: dict[str, Removed]) -> None:
    names = removed["Retain"].names
    stage.wait_until_gone("Workspace", removed["Retain"].name)
    assert stage.sql("SELECT text FROM {}.notes", names.schema) == [("keep me",)]
    assert stage.roles(names) == {names.owner: False, names.login_a: False, names.login_b: False}


def test_deleted_data_is_gone_with_all_its_roles(stage: Stage, removed: dict[str, Removed]) -> None:
    stage.wait_until_gone("Workspace", removed["Delete"].name)
    assert not stage.has_schema(removed["Delete"].names)
    assert stage.roles(removed["Delete"].names) == {}


def test_the_same_name_again_starts_empty_with_a_schema_of_its_own(stage: Stage, removed: dict[str, Removed]) -> None:
    before = removed["Retain"]
    stage.wait_until_gone("Workspace", before.name)
    stage.ready_workspace(before.name)
    body = stage.child("Workspace", "", before.name)
    assert body["metadata"]["uid"] != before.uid
    assert stage.names(body).schema != before.names.schema
    with stage.log_in(f"ws-{before.name}") as connection:
        assert connection.execute("SELECT to_regclass('notes')").fetchone() == (None,)
    assert stage.sql("SELECT text FROM {}.notes", before.names.schema) == [("keep me",)]


def test_deleted_during_creation_it_leaves_nothing_behind(stage: Stage) -> None:
    bodies = [stage.apply_workspace(new_name("brief"), deletionPolicy="Delete") for _ in range(4)]
    for body in bodies:
        stage.api.delete("Workspace", body["metadata"]["name"])
    for body in bodies:
        stage.wait_until_gone("Workspace", body["metadata"]["name"])
        stage.wait_until_gone("Namespace", f"ws-{body['metadata']['name']}")
        assert not stage.has_schema(stage.names(body))
        assert stage.roles(stage.names(body)) == {}


def test_what_a_finalizer_of_somebody_else_holds_up_is_named(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = f"ws-{name}"
    stage.api.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "held", "namespace": place, "finalizers": ["example.com/held"]},
        }
    )
    stage.api.delete("Workspace", name)

    def named() -> bool:
        return "example.com/held" in condition(stage.api.get("Workspace", name)).get("message", "")

    eventually(named, "Ready names the finalizer")
    stage.api.patch("ConfigMap", "held", {"metadata": {"finalizers": None}}, place)
    stage.wait_until_gone("Workspace", name)


def test_a_deployment_in_a_workspace_that_goes_is_not_started_again(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    stage.api.patch("AgentDeployment", "support", {"metadata": {"finalizers": ["example.com/held"]}}, place)
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Deployment", "support", place)
    stage.wait_for("Workspace", name, status="False", reason="NamespaceTerminating")
    assert stage.api.get("Deployment", "support", place) is None
    stage.api.patch("AgentDeployment", "support", {"metadata": {"finalizers": None}}, place)


def test_a_session_of_somebody_else_that_holds_a_table_is_named_and_the_drop_goes_on_after_it(stage: Stage) -> None:
    name = stage.ready_workspace(deletionPolicy="Delete")
    names = stage.names(stage.child("Workspace", "", name))
    with stage.log_in(f"ws-{name}") as connection:
        connection.execute("CREATE TABLE notes (text text)")
    with stage.postgres.connect(stage.database) as blocker:
        blocker.execute("BEGIN")
        blocker.execute(f"LOCK TABLE {names.schema}.notes")
        pid = blocker.info.backend_pid
        stage.api.delete("Workspace", name)
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseBusy")
        assert f"pid {pid}" in condition(body)["message"]
        assert stage.child("Namespace", "", f"ws-{name}")
    stage.wait_until_gone("Workspace", name)
    assert not stage.has_schema(names)


def test_an_agent_deployment_can_be_deleted_while_its_workspace_is_in_trouble(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = f"ws-{name}"
    stage.api.apply(agent_deployment(place, env=[{"name": "KEY", "secretKeyRef": {"name": "none", "key": "none"}}]))
    stage.wait_for("AgentDeployment", "support", place, status="False", reason="SecretMissing")
    stage.api.delete("AgentDeployment", "support", place)
    stage.wait_until_gone("AgentDeployment", "support", place)


def test_a_deleted_deployment_takes_its_children_and_nothing_else_with_it(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "deleted")
    stage.available_deployment(acme, "kept")
    stage.api.delete("AgentDeployment", "deleted", place)
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "HTTPRoute"):
        stage.wait_until_gone(kind, "deleted", place)
    eventually(lambda: not stage.config_maps(place, "deleted"), "its ConfigMap is gone")
    for kind in DEPLOYMENT_CHILDREN:
        assert stage.child(kind, place, "kept")


def test_recreated_under_the_same_name_it_comes_back_with_children_of_its_own(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "again")
    stage.api.delete("AgentDeployment", "again", place)
    new = stage.api.apply(agent_deployment(place, "again"))

    def replaced() -> bool:
        found = [stage.api.get(kind, "again", place) for kind in DEPLOYMENT_CHILDREN if kind != "ConfigMap"]
        found += stage.config_maps(place, "again") or [None]
        uid = new["metadata"]["uid"]
        return all(each and each["metadata"]["ownerReferences"][0]["uid"] == uid for each in found)

    eventually(replaced, "every child belongs to the new AgentDeployment")
    stage.serve(place, "again")

"""What no watch can tell is found by the resync: passwords, schemas, Secrets, a PostgreSQL that went away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.apiserver import eventually
from tests.integration.operator.stage import Stage, agent_deployment, condition, new_name
from tests.operators import HTTP_ROUTE, install_http_routes


@pytest.fixture(scope="module")
def place(stage: Stage) -> Iterator[str]:
    """Namespace of a workspace whose operator looks at it every second."""
    with stage.running(resyncSeconds=1):
        yield stage.available_deployment(stage.ready_workspace())


def test_a_password_changed_by_sql_is_put_back_at_a_resync(stage: Stage, place: str) -> None:
    login = stage.secret("agentos-database", place)["username"]
    stage.sql("ALTER ROLE {} PASSWORD 'planted-by-the-tenant'", login)
    assert not stage.can_log_in(place)
    eventually(lambda: stage.can_log_in(place), "the Secret's password opens the database again")


@pytest.mark.parametrize("name", ["agentos-database", "agentos-jwt"])
def test_a_deleted_secret_is_replaced_at_a_resync_and_pods_follow(stage: Stage, place: str, name: str) -> None:
    template = stage.child("Deployment", place, "support")["spec"]["template"]
    old = stage.secret(name, place)
    stage.api.delete("Secret", name, place)
    eventually(lambda: stage.api.get("Secret", name, place) is not None, "the Secret is there again")
    assert stage.secret(name, place) != old
    eventually(lambda: stage.can_log_in(place), "the Secret opens the database")
    eventually(lambda: stage.child("Deployment", place, "support")["spec"]["template"] != template, "pods are replaced")


def test_a_secret_that_somebody_edited_is_put_right(stage: Stage, place: str) -> None:
    for name, change in (("agentos-jwt", {"secret": "c2hvcnQ="}), ("agentos-database", {"url": None})):
        stage.api.patch("Secret", name, {"data": change}, place)
    eventually(lambda: len(stage.secret("agentos-jwt", place)["secret"]) >= 32, "the signing key is long enough")
    eventually(lambda: "url" in stage.secret("agentos-database", place), "the URL is there again")
    assert stage.can_log_in(place)


def test_a_schema_dropped_by_hand_comes_back(stage: Stage, place: str) -> None:
    names = stage.names(stage.child("Workspace", "", place.removeprefix("ws-")))
    stage.sql("DROP SCHEMA {} CASCADE", names.schema)
    eventually(lambda: stage.has_schema(names), "the schema is there again")


def test_postgresql_stopped_while_ready_is_told_and_forgotten_when_it_is_back(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    stage.wait_for("Workspace", name)
    before = stage.child("Deployment", place, "support")
    stage.postgres.stop()
    try:
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseUnavailable")
    finally:
        stage.postgres.start()
    assert condition(body, "NamespaceReady")["status"] == "True"
    stage.wait_for("Workspace", name)
    assert stage.child("Deployment", place, "support")["spec"] == before["spec"], "the runtimes were left alone"


def test_without_the_gateway_api_the_pods_run_and_the_route_follows_its_installation(
    stage: Stage, place: str, http_routes: Path
) -> None:
    name = new_name("gateway")
    stage.api.kubectl("delete", "-f", str(http_routes / HTTP_ROUTE), "--wait=true")
    try:
        stage.api.apply(agent_deployment(place, name))
        stage.roll_out(place, name)
        body = stage.wait_for("AgentDeployment", name, place, status="False", reason="GatewayAPIAbsent")
        assert condition(body, "Available")["status"] == "True"
        assert "routing.mode" in condition(body)["message"]
    finally:
        install_http_routes(stage.api, http_routes)
    stage.accept_route(place, name)
    stage.wait_for("AgentDeployment", name, place)
    # Its kind may not be watched yet, and then nothing tells the operator of this.
    stage.api.delete("HTTPRoute", name, place)
    eventually(lambda: stage.api.get("HTTPRoute", name, place) is not None, "the route is there again")

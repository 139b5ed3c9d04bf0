"""From a Workspace to an isolated place, with a real API server and a real PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from tests.integration.operator.stage import (
    WORKSPACE_CHILDREN,
    OperatorProcess,
    Stage,
)

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="module")
def acme(stage: Stage, operator: OperatorProcess) -> str:
    return stage.ready_workspace(database={"connectionLimit": 7, "statementTimeout": "1234ms"})


def test_a_workspace_gets_a_namespace_that_enforces_pod_security(stage: Stage, acme: str) -> None:
    labels = stage.child("Namespace", "", f"ws-{acme}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["agentos.hyvve.io/workspace"] == acme


@pytest.mark.parametrize(("kind", "name"), WORKSPACE_CHILDREN)
def test_every_child_of_a_workspace_is_owned_by_its_uid(stage: Stage, acme: str, kind: str, name: str) -> None:
    (owner,) = stage.child(kind, f"ws-{acme}", name)["metadata"]["ownerReferences"]
    assert owner["uid"] == stage.child("Workspace", "", acme)["metadata"]["uid"]
    assert owner["controller"] is True


def test_the_secret_logs_in_and_creates_a_table_in_its_own_schema_only(stage: Stage, acme: str) -> None:
    place = f"ws-{acme}"
    neighbour = stage.ready_workspace()
    theirs = stage.secret("agentos-database", f"ws-{neighbour}")["schema"]
    with stage.log_in(place) as connection:
        connection.execute("CREATE TABLE notes (text text)")
        found = connection.execute("SELECT schemaname::text FROM pg_tables WHERE tablename = 'notes'").fetchall()
        for schema in (theirs, "public", "ext"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"CREATE TABLE {schema}.notes (text text)")
    assert found == [(stage.secret("agentos-database", place)["schema"],)]


def test_the_limits_of_the_spec_hold_in_postgresql(stage: Stage, acme: str) -> None:
    username = stage.secret("agentos-database", f"ws-{acme}")["username"]
    with stage.log_in(f"ws-{acme}") as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1234ms",)
    assert stage.sql(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{username}'") == [(7,)]


def test_status_tells_where_everything_is(stage: Stage, acme: str) -> None:
    body = stage.wait_for("Workspace", acme)
    names = stage.names(body)
    assert body["status"]["namespace"] == {
        "name": f"ws-{acme}",
        "uid": stage.child("Namespace", "", f"ws-{acme}")["metadata"]["uid"],
    }
    made = {body["status"][part].pop("lastRotationTime") for part in ("database", "auth")}
    assert all(time <= body["status"]["conditions"][0]["lastTransitionTime"] for time in made)
    assert body["status"]["database"] == {
        "server": "default",
        "database": stage.database,
        "schema": names.schema,
        "owner": names.owner,
        "login": names.login_a,
    }
    assert body["status"]["auth"] == {"issuer": "agentos.hyvve.io", "audience": body["metadata"]["uid"]}


def test_a_changed_spec_changes_quota_and_roles(stage: Stage) -> None:
    name = stage.ready_workspace()
    stage.apply_workspace(name, quota={"pods": 3}, database={"connectionLimit": 9})
    body = stage.wait_for("Workspace", name)
    assert stage.child("ResourceQuota", f"ws-{name}", "agentos-operator")["spec"]["hard"]["pods"] == "3"
    login = stage.names(body).login_a
    assert stage.sql(f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{login}'") == [(9,)]

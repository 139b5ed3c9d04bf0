"""A workspace's data through its whole life as its owner sees it: resources, conditions, Secrets, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.integration.apiserver import Object, RefusedError, eventually
from tests.integration.operator.rotating import ask, wait_until_handled, works
from tests.integration.operator.stage import (
    SYSTEM_NAMESPACE,
    OperatorProcess,
    Stage,
    condition,
    new_name,
    workspace,
)

pytestmark = pytest.mark.usefixtures("operator")
MODES = ("Schema", "Database")


def retained(stage: Stage) -> list[Object]:
    """What administrators are told about the data of deleted Workspaces."""
    body = stage.api.get("ConfigMap", "agentos-retained", SYSTEM_NAMESPACE)
    found: list[Object] = json.loads((body or {}).get("data", {}).get("default", "[]"))
    return found


def database(body: Object) -> dict[str, Any]:
    """What status tells about the database."""
    found: dict[str, Any] = body["status"]["database"]
    return found


@pytest.fixture(scope="module", params=MODES)
def isolation(request: pytest.FixtureRequest) -> str:
    """Both modes."""
    mode: str = request.param
    return mode


@pytest.fixture(scope="module")
def left_behind(stage: Stage, operator: OperatorProcess, isolation: str) -> str:
    """Name of the schema or database of a Workspace that was deleted with Retain and had a table."""
    name = stage.ready_workspace(database={"isolation": isolation})
    with stage.log_in(f"ws-{name}") as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'keep me' AS text")
    body = stage.child("Workspace", "", name)
    stage.api.delete("Workspace", name)
    eventually(lambda: name in [each["workspace"] for each in retained(stage)], "the list names the workspace")
    (entry,) = [each for each in retained(stage) if each["workspace"] == name]
    assert entry["uid"] == body["metadata"]["uid"]
    assert entry["isolation"] == isolation
    return str(entry["name"])


def test_status_and_secret_name_the_database(stage: Stage, isolation: str) -> None:
    name = stage.ready_workspace(database={"isolation": isolation})
    body = stage.child("Workspace", "", name)
    names = stage.names(body)
    expected = names.database if isolation == "Database" else stage.database
    values = stage.secret("agentos-database", f"ws-{name}")
    assert (database(body)["database"], database(body)["schema"]) == (expected, names.schema)
    assert (values["database"], values["schema"]) == (expected, names.schema)
    assert f"/{expected}?" in values["url"]
    with stage.log_in(f"ws-{name}") as connection:
        assert connection.execute("SELECT current_database(), current_schema").fetchone() == (expected, names.schema)


def test_retained_data_becomes_a_new_workspaces_and_is_dropped_with_it(
    stage: Stage, isolation: str, left_behind: str
) -> None:
    heir = stage.ready_workspace(
        new_name("heir"), database={"isolation": isolation, "restoreFrom": left_behind}, deletionPolicy="Delete"
    )
    with stage.log_in(f"ws-{heir}") as connection:
        assert connection.execute("SELECT text FROM notes").fetchone() == ("keep me",)
    assert left_behind not in [each["name"] for each in retained(stage)]
    names = stage.names(stage.child("Workspace", "", heir))
    late = stage.apply_workspace(new_name("late"), database={"isolation": isolation, "restoreFrom": left_behind})
    body = stage.wait_for("Workspace", late["metadata"]["name"], status="False", reason="RestoreImpossible")
    assert f"no retained {isolation.lower()} {left_behind}" in condition(body)["message"]
    assert stage.roles(stage.names(body)) == {}
    stage.api.delete("Workspace", heir)
    stage.wait_until_gone("Workspace", heir)
    assert stage.roles(names) == {}
    assert not stage.has_schema(names)
    assert (
        stage.sql("SELECT datname FROM pg_database WHERE datname = 'ws_" + names.database.removeprefix("ws_") + "'")
        == []
    )


def test_data_of_a_living_workspace_is_not_given_away(stage: Stage, isolation: str) -> None:
    victim = stage.ready_workspace(database={"isolation": isolation})
    names = stage.names(stage.child("Workspace", "", victim))
    thief = stage.apply_workspace(new_name("thief"), database={"isolation": isolation, "restoreFrom": names.schema})
    body = stage.wait_for("Workspace", thief["metadata"]["name"], status="False", reason="RestoreImpossible")
    assert "not retained but in use" in condition(body)["message"]
    assert condition(body, "Stalled")["status"] == "True"
    assert stage.can_log_in(f"ws-{victim}")


def test_the_mode_and_the_origin_cannot_be_changed_later(stage: Stage, isolation: str) -> None:
    name = stage.ready_workspace(database={"isolation": isolation})
    other = next(mode for mode in MODES if mode != isolation)
    for change, word in (({"isolation": other}, "isolation"), ({"restoreFrom": "ws_" + 24 * "0"}, "restoreFrom")):
        with pytest.raises(RefusedError, match=f"spec.database.{word} is immutable"):
            stage.api.apply(workspace(name, database={"isolation": isolation, **change}))


def test_what_only_an_administrator_can_mend_is_a_condition_of_its_own(stage: Stage) -> None:
    """The test's server lacks pgvector in this database, and may have databases that everybody may connect to."""
    name = stage.ready_workspace()
    body = stage.wait_for("Workspace", name, type_="DatabaseServerSafe", status="False", reason="DatabaseServerUnsafe")
    assert "; run as " in condition(body, "DatabaseServerSafe")["message"]
    assert condition(body)["status"] == "True"


def test_a_tenants_idle_transaction_does_not_hold_up_the_deletion(stage: Stage, isolation: str) -> None:
    name = stage.ready_workspace(database={"isolation": isolation}, deletionPolicy="Delete")
    names = stage.names(stage.child("Workspace", "", name))
    with stage.log_in(f"ws-{name}") as idle:
        idle.execute("CREATE TABLE notes (id int)")
        idle.execute("BEGIN")
        idle.execute("LOCK TABLE notes")
        stage.api.delete("Workspace", name)
        stage.wait_until_gone("Workspace", name)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    assert stage.roles(names) == {}


def test_a_prepared_transaction_of_the_tenant_does_not_hold_up_the_deletion(stage: Stage, isolation: str) -> None:
    name = stage.ready_workspace(database={"isolation": isolation}, deletionPolicy="Delete")
    with stage.log_in(f"ws-{name}") as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE notes (id int)")
        connection.execute(f"PREPARE TRANSACTION '{name}'")
    stage.api.delete("Workspace", name)
    stage.wait_until_gone("Workspace", name)
    assert stage.sql(f"SELECT gid FROM pg_prepared_xacts WHERE gid = '{name}'") == []


def test_a_backup_of_a_workspaces_own_database_is_named_and_the_drop_goes_on_after_it(stage: Stage) -> None:
    name = stage.ready_workspace(database={"isolation": "Database"}, deletionPolicy="Delete")
    names = stage.names(stage.child("Workspace", "", name))
    with stage.postgres.connect(names.database) as backup:
        stage.api.delete("Workspace", name)
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseBusy")
        assert f"database {names.database} is in use by pid {backup.info.backend_pid}" in condition(body)["message"]
        assert stage.child("Namespace", "", f"ws-{name}")
    stage.wait_until_gone("Workspace", name)
    assert stage.roles(names) == {}


def test_a_missing_right_to_create_databases_is_told_and_the_workspace_goes_on_once_it_is_there(stage: Stage) -> None:
    stage.sql("ALTER ROLE {} NOCREATEDB", stage.role)
    try:
        name = stage.apply_workspace(new_name(), database={"isolation": "Database"})["metadata"]["name"]
        body = stage.wait_for("Workspace", name, status="False", reason="DatabaseForbidden")
        assert f'ALTER ROLE "{stage.role}" CREATEDB' in condition(body)["message"]
    finally:
        stage.sql("ALTER ROLE {} CREATEDB", stage.role)
    stage.wait_for("Workspace", name)


def test_the_list_of_retained_data_is_made_again_after_it_was_deleted(stage: Stage) -> None:
    before, gone = stage.ready_workspace(), stage.ready_workspace()
    stage.api.delete("Workspace", before)
    eventually(lambda: before in [each["workspace"] for each in retained(stage)], "the first is listed")
    stage.api.delete("ConfigMap", "agentos-retained", SYSTEM_NAMESPACE)
    stage.api.delete("Workspace", gone)
    eventually(lambda: {before, gone} <= {each["workspace"] for each in retained(stage)}, "both are listed")


def test_the_login_rotates_in_either_place(stage: Stage, isolation: str) -> None:
    name = stage.ready_workspace(database={"isolation": isolation})
    before = stage.secret("agentos-database", f"ws-{name}")
    with psycopg.connect(before["url"], autocommit=True) as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'keep me' AS text")
    ask(stage, name, "now", "rotate-database")
    wait_until_handled(stage, name, "database", "now")
    after = stage.secret("agentos-database", f"ws-{name}")
    assert after["database"] == before["database"]
    assert after["username"] != before["username"]
    assert not works(before["url"])
    with psycopg.connect(after["url"]) as connection:
        assert connection.execute("SELECT text FROM notes").fetchone() == ("keep me",)

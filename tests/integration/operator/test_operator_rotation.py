"""Both credentials of a workspace are replaced while everything that has the earlier ones goes on working."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.apiserver import eventually
from tests.integration.operator.rotating import (
    age,
    age_to_step,
    ask,
    end_pod,
    nudge,
    pods_id,
    rotating,
    start_pod,
    stop_pod,
    wait_for_step,
    wait_until_handled,
    works,
)
from tests.integration.operator.stage import Stage, agent_deployment, condition, new_name, workspace

if TYPE_CHECKING:
    from tests.integration.operator.stage import OperatorProcess

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def place(stage: Stage, operator: OperatorProcess) -> str:
    """Namespace of a workspace with one AgentDeployment, whose one pod is called ``old``."""
    name = stage.ready_workspace(auth={"maxTokenLifetime": "1m"})
    found = stage.available_deployment(name)
    start_pod(stage, found, "old")
    return found


def test_the_login_is_closed_when_the_last_pod_that_was_started_with_it_has_ended(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    before = stage.secret("agentos-database", place)
    with psycopg.connect(before["url"], autocommit=True) as old_session:
        old_session.execute("CREATE TABLE notes AS SELECT 1 AS id")
        ask(stage, name, "now", "rotate-database")
        body = wait_for_step(stage, name, "database", "MovingPods")
        after = stage.secret("agentos-database", place)
        assert after["username"] != before["username"]
        assert body["status"]["database"]["login"] == after["username"]
        assert body["status"]["database"]["rotation"] == {"handledRequests": ["now"], "step": "MovingPods", "pods": 1}
        assert condition(body)["status"] == "True", "a workspace that rotates is ready"
        assert "support (1 pod" in rotating(body)
        assert works(before["url"])
        assert works(after["url"])
        old_session.execute("INSERT INTO notes VALUES (2)")

        stage.serve(place)
        start_pod(stage, place, "new")
        stop_pod(stage, place, "old")
        nudge(stage, name)
        body = wait_for_step(stage, name, "database", "MovingPods")
        assert works(before["url"]), "a pod that is ending still answers"
        end_pod(stage, place, "old")
        body = wait_until_handled(stage, name, "database", "now")
        assert rotating(body) == ""
        assert not works(before["url"])
        with pytest.raises(psycopg.OperationalError):
            old_session.execute("SELECT 1")
    with psycopg.connect(after["url"]) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)
    secret = stage.secret("agentos-database", place)
    assert (secret["next-password"], secret["previous-password"]) == ("", "")


def test_pods_are_replaced_once_for_the_login_and_twice_for_the_signing_secret(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    seen: dict[str, list[str]] = {"database": [], "jwt": []}

    def note(purpose: str = "jwt", wanted: int = 0) -> bool:
        for each, ids in seen.items():
            if (found := pods_id(stage, place, each)) not in ids:
                ids.append(found)
        return len(seen[purpose]) == wanted

    note()
    end_pod(stage, place, "old")
    ask(stage, name, "both")
    wait_until_handled(stage, name, "database", "both")
    wait_for_step(stage, name, "auth", "WaitingForOldTokens")
    eventually(lambda: note("jwt", 2), "pods that accept the new secret are asked for")
    age_to_step(stage, place, timedelta(hours=1), None)
    eventually(lambda: note("jwt", 3), "pods that do not accept the old secret are asked for")
    nudge(stage, name)
    stage.serve(place)
    note()
    assert (len(seen["database"]), len(seen["jwt"])) == (2, 3)


def test_the_signing_secret_changes_when_every_pod_accepts_the_new_one_and_old_tokens_outlive_that(
    stage: Stage, place: str
) -> None:
    name = place.removeprefix("ws-")
    before, first = stage.secret("agentos-jwt", place), pods_id(stage, place, "jwt")
    ask(stage, name, "now", "rotate-jwt")
    body = wait_for_step(stage, name, "auth", "AddingVerifier")
    adding = stage.secret("agentos-jwt", place)
    old, new = adding["verification-secrets"].split()
    stage.secrets.add(new)
    assert adding["secret"] == old == before["secret"], "nobody signs with what a pod does not accept"
    assert "support (1 pod" in rotating(body)

    eventually(lambda: pods_id(stage, place, "jwt") != first, "new pods are to accept the new secret")
    second = pods_id(stage, place, "jwt")
    stage.serve(place)
    start_pod(stage, place, "second")
    end_pod(stage, place, "old")
    body = wait_for_step(stage, name, "auth", "WaitingForOldTokens")
    switched = stage.secret("agentos-jwt", place)
    assert switched["secret"] == new
    assert set(switched["verification-secrets"].split()) == {old, new}
    until = body["status"]["auth"]["rotation"]["acceptedUntil"]
    assert until in rotating(body)

    nudge(stage, name)
    age(stage, place, "agentos-jwt", "signer-switched-at", timedelta(minutes=2))
    wait_for_step(stage, name, "auth", "WaitingForOldTokens")
    assert old in stage.secret("agentos-jwt", place)["verification-secrets"], "a slow signer's last token still lives"
    age_to_step(stage, place, timedelta(minutes=4), "RemovingVerifier")
    assert stage.secret("agentos-jwt", place)["verification-secrets"] == new
    eventually(lambda: pods_id(stage, place, "jwt") != second, "new pods are to know the earlier secret no more")
    stage.serve(place)
    start_pod(stage, place, "third")
    end_pod(stage, place, "second")
    body = wait_until_handled(stage, name, "auth", "now")
    assert rotating(body) == ""


def test_pods_that_never_become_ready_leave_the_old_login_working_and_are_named(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    before = stage.secret("agentos-database", place)
    ask(stage, name, "now", "rotate-database")
    wait_for_step(stage, name, "database", "MovingPods")
    container = {
        "name": "runtime",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not there"}},
    }

    def rolls() -> bool:
        found = stage.child("Deployment", place, "support")
        return bool(found["metadata"]["generation"] > found["status"]["observedGeneration"])

    eventually(rolls, "the Deployment has a new revision")
    start_pod(stage, place, "broken")
    stage.api.patch("Pod", "broken", {"status": {"containerStatuses": [container]}}, place, "status")
    nudge(stage, name)

    def told() -> bool:
        nudge(stage, name)
        return "ImagePullFailed" in rotating(stage.child("Workspace", "", name))

    eventually(told, "the condition names the cause")
    assert works(before["url"])
    end_pod(stage, place, "broken")
    end_pod(stage, place, "old")
    wait_until_handled(stage, name, "database", "now")
    assert not works(before["url"])


def test_a_rotation_asked_for_during_one_is_done_after_it(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    first = stage.secret("agentos-database", place)
    ask(stage, name, "monday", "rotate-database")
    wait_for_step(stage, name, "database", "MovingPods")
    second = stage.secret("agentos-database", place)
    ask(stage, name, "tuesday", "rotate-database")
    nudge(stage, name)
    body = wait_for_step(stage, name, "database", "MovingPods")
    assert body["status"]["database"]["rotation"]["handledRequests"] == ["monday"]
    assert stage.secret("agentos-database", place)["password"] == second["password"]
    end_pod(stage, place, "old")
    wait_until_handled(stage, name, "database", "tuesday")
    third = stage.secret("agentos-database", place)
    assert third["username"] == first["username"]
    assert len({each["password"] for each in (first, second, third)}) == 3
    assert not works(second["url"])


def test_an_old_credential_is_replaced_by_its_interval_and_a_young_one_is_not(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    end_pod(stage, place, "old")
    auth = {"maxTokenLifetime": "1m", "rotation": {"interval": "720h"}}
    stage.apply_workspace(name, auth=auth, database={"rotation": {"interval": "720h"}})
    stage.wait_for("Workspace", name)
    database, jwt = (stage.secret(each, place) for each in ("agentos-database", "agentos-jwt"))
    age(stage, place, "agentos-database", "rotated-at", timedelta(hours=719))
    age(stage, place, "agentos-jwt", "rotated-at", timedelta(hours=719))
    stage.apply_workspace(name, auth=auth, database={"rotation": {"interval": "720h"}}, displayName="Later")
    stage.wait_for("Workspace", name)
    assert stage.secret("agentos-database", place)["username"] == database["username"]
    assert stage.secret("agentos-jwt", place)["verification-secrets"] == jwt["secret"]

    def rotated(secret: str, key: str, before: str) -> bool:
        found = stage.secret(secret, place)[key] != before
        if not found:
            age(stage, place, secret, "rotated-at", timedelta(hours=721))
        return found

    eventually(lambda: rotated("agentos-database", "username", database["username"]), "the login is another")
    eventually(lambda: rotated("agentos-jwt", "secret", jwt["secret"]), "the signer is another")


@pytest.mark.parametrize("isolation", ["Schema", "Database"])
def test_a_workspace_without_pods_has_its_new_login_at_once(stage: Stage, isolation: str) -> None:
    name = stage.ready_workspace(suspended=True, database={"isolation": isolation})
    before = stage.secret("agentos-database", f"ws-{name}")
    ask(stage, name, "now", "rotate-database")
    wait_until_handled(stage, name, "database", "now")
    assert not works(before["url"])
    assert stage.can_log_in(f"ws-{name}")


def test_a_workspace_that_is_made_with_a_request_on_it_is_not_rotated(stage: Stage, operator: OperatorProcess) -> None:
    name = new_name()
    body = workspace(name)
    body["metadata"]["annotations"] = {"agentos.hyvve.io/rotate": "now"}
    stage.api.apply(body)
    body = wait_until_handled(stage, name, "database", "now")
    assert body["status"]["database"]["login"] == stage.names(body).login_a
    assert wait_until_handled(stage, name, "auth", "now")


def test_a_secret_deleted_in_the_middle_of_a_rotation_heals(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    before = stage.secret("agentos-database", place)
    ask(stage, name, "now")
    wait_for_step(stage, name, "database", "MovingPods")
    wait_for_step(stage, name, "auth", "AddingVerifier")
    moved = stage.secret("agentos-database", place)
    for secret in ("agentos-database", "agentos-jwt"):
        stage.api.delete("Secret", secret, place)
    nudge(stage, name)
    body = wait_for_step(stage, name, "database", None)
    eventually(lambda: stage.api.get("Secret", "agentos-jwt", place) is not None, "the Secret is made again")
    after = stage.secret("agentos-database", place)
    assert body["status"]["database"]["login"] == after["username"] == moved["username"]
    assert stage.can_log_in(place)
    assert not works(before["url"])
    jwt = stage.secret("agentos-jwt", place)
    assert jwt["secret"] == jwt["verification-secrets"]


def test_keys_that_a_tenant_adds_to_the_secret_start_one_rotation_and_not_one_after_the_other(
    stage: Stage, place: str
) -> None:
    """A key that somebody else owns outlives an apply that does not name it."""
    name = place.removeprefix("ws-")
    end_pod(stage, place, "old")
    annotations = {"agentos.hyvve.io/next-credentials-id": "mine"}
    change = {"metadata": {"annotations": annotations}, "stringData": {"next-password": "planted-as-the-next-password"}}
    stage.secrets.add("planted-as-the-next-password")
    stage.api.patch("Secret", "agentos-database", change, place)
    nudge(stage, name)

    def settled_again() -> bool:
        values = stage.secret("agentos-database", place)
        return values["next-password"] == values["previous-password"] == ""

    eventually(settled_again, "the keys are ours again")
    wait_for_step(stage, name, "database", None)
    settled = stage.secret("agentos-database", place)
    nudge(stage, name)
    stage.apply_workspace(name, displayName="Later", auth={"maxTokenLifetime": "1m"})
    stage.wait_for("Workspace", name)
    assert stage.secret("agentos-database", place) == settled


def test_tokens_may_live_as_long_as_the_workspace_says(stage: Stage, place: str) -> None:
    assert stage.secret("agentos-jwt", place)["max-lifetime-seconds"] == "60"
    container = stage.child("Deployment", place, "support")["spec"]["template"]["spec"]["containers"][0]
    (variable,) = (each for each in container["env"] if each["name"] == "AGENTOS_JWT_MAX_LIFETIME")
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "agentos-jwt", "key": "max-lifetime-seconds"}
    before = pods_id(stage, place, "jwt")
    stage.apply_workspace(place.removeprefix("ws-"), auth={"maxTokenLifetime": "2h"})
    eventually(lambda: pods_id(stage, place, "jwt") != before, "pods follow the new lifetime")


def test_a_second_deployment_that_comes_during_a_rotation_starts_with_the_new_login(stage: Stage, place: str) -> None:
    name = place.removeprefix("ws-")
    ask(stage, name, "now", "rotate-database")
    wait_for_step(stage, name, "database", "MovingPods")
    stage.api.apply(agent_deployment(place, "sales"))
    stage.serve(place, "sales")
    start_pod(stage, place, "sales-pod", "sales")
    end_pod(stage, place, "old")
    wait_until_handled(stage, name, "database", "now")

"""The operator is killed around the writes of a rotation: it goes on from the Secret, and the end is the same."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.apiserver import RefusedError, eventually
from tests.integration.operator.proxy import Answer, Proxy, Request
from tests.integration.operator.rotating import age, ask, end_pod, nudge, start_pod, works
from tests.integration.operator.stage import OperatorProcess, Stage, new_name

MOST_LIVES = 60
"""More than both rotations have writes."""


class Player:
    """Plays pods and time for one workspace: what the rotation waits for happens as soon as it may."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.name, self.place = stage, name, f"ws-{name}"
        self._numbers = itertools.count()
        self._pods: dict[str, str] = {}
        """By pod, the annotations that it was started with."""

    def play(self) -> None:
        """One pod of the newest revision, the others gone; the wait for old tokens over."""
        template = self.stage.child("Deployment", self.place, "support")["spec"]["template"]["metadata"]
        wanted = json.dumps(template["annotations"], sort_keys=True)
        if wanted not in self._pods.values():
            pod = f"pod-{next(self._numbers)}"
            start_pod(self.stage, self.place, pod)
            for old in [*self._pods]:
                end_pod(self.stage, self.place, old)
                del self._pods[old]
            self._pods[pod] = wanted
            self.stage.roll_out(self.place)
            nudge(self.stage, self.name)
        annotations = self.stage.child("Secret", self.place, "agentos-jwt")["metadata"]["annotations"]
        yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if annotations["agentos.hyvve.io/signer-switched-at"] > yesterday:
            age(self.stage, self.place, "agentos-jwt", "signer-switched-at", timedelta(days=2))

    @property
    def has_ended(self) -> bool:
        """Whether both rotations are over, in the Secrets as well as in status."""
        status = self.stage.child("Workspace", "", self.name).get("status", {})
        found = [status.get(field, {}).get("rotation", {}) for field in ("database", "auth")]
        return all("now" in each.get("handledRequests", ()) and "step" not in each for each in found)


def final_state(stage: Stage, name: str, before: dict[str, str]) -> Any:
    """Both Secrets, the roles and the conditions, without what differs by nature."""
    place, body = f"ws-{name}", stage.child("Workspace", "", name)
    names = stage.names(body)
    database, jwt = (stage.secret(each, place) for each in ("agentos-database", "agentos-jwt"))
    annotations = [
        stage.child("Secret", place, each)["metadata"]["annotations"] for each in ("agentos-database", "agentos-jwt")
    ]
    found = {
        "roles": stage.roles(names),
        "login": database["username"],
        "keys": sorted(key for values in (database, jwt) for key, value in values.items() if value),
        "signs with what it accepts": jwt["secret"] == jwt["verification-secrets"],
        "old login": works(before["url"]),
        "new login": stage.can_log_in(place),
        "conditions": [(each["type"], each["status"], each["message"]) for each in body["status"]["conditions"]],
        "annotations": [{key: bool(value) for key, value in each.items()} for each in annotations],
        "comments": stage.sql(
            "SELECT regexp_replace(shobj_description(oid, 'pg_authid'), '=[0-9a-f-]+', '', 'g') FROM pg_authid"
            f" WHERE rolname LIKE '{names.schema}%' ORDER BY rolname"
        ),
    }
    text = json.dumps(found).replace(names.schema, "SCHEMA").replace(name, "NAME")
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", text))


def prepared(stage: Stage) -> tuple[Player, dict[str, str]]:
    """A workspace with a pod, and what its Secret says before the rotation."""
    name = new_name()
    with stage.running():
        stage.ready_workspace(name)
        stage.available_deployment(name)
    player = Player(stage, name)
    player.play()
    return player, stage.secret("agentos-database", player.place)


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Any:
    """The end of both rotations when nothing went wrong."""
    player, before = prepared(stage)
    ask(stage, player.name, "now")
    with stage.running():
        return ended(player, before)


def ended(player: Player, before: dict[str, str]) -> Any:
    """The final state, once there is one."""

    def over() -> bool:
        player.play()
        return player.has_ended

    eventually(over, "both rotations have ended")
    player.stage.wait_for("Workspace", player.name)
    return final_state(player.stage, player.name, before)


def lives(stage: Stage, proxy: Proxy, player: Player) -> Iterator[int]:
    """One operator after the other, each until it is killed; the last one brings both rotations to their end."""
    for number in range(MOST_LIVES):
        operator = stage.start(server=proxy.url, wait=False)
        yield number

        def over(operator: OperatorProcess = operator) -> bool:
            player.play()
            return operator.process.poll() is not None or player.has_ended

        try:
            eventually(over, "the operator was killed, or both rotations have ended")
        finally:
            operator.kill()
        if player.has_ended:
            return
    pytest.fail(f"{MOST_LIVES} operators did not bring it to an end")


class KillAfterChange:
    """Ends the operator as soon as one of its writes has changed an object of the workspace."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage, self._name = stage, name
        self._versions: dict[str, str] = {}
        self.changes: list[str] = []

    def before(self, request: Request) -> Answer | None:
        """Remember what there was."""
        if request.is_write and self._name in request.path:
            self._versions[request.path] = self._version(request.path)
        return None

    def after(self, request: Request) -> Answer | None:
        """Kill, if there is something else now."""
        if not request.is_write or self._name not in request.path:
            return None
        if self._version(request.path) == self._versions[request.path]:
            return None
        self.changes.append(request.path)
        self._stage.started[-1].process.kill()
        return Answer(None)

    def _version(self, path: str) -> str:
        try:
            body = self._stage.api.request("GET", path.removesuffix("/status"))
        except RefusedError:
            return "absent"
        return str(body["metadata"]["resourceVersion"])


def test_killed_after_each_write_that_changes_something(stage: Stage, undisturbed: Any) -> None:
    player, before = prepared(stage)
    ask(stage, player.name, "now")
    killer = KillAfterChange(stage, player.name)
    with Proxy(stage.api, before=killer.before, after=killer.after) as proxy:
        for _ in lives(stage, proxy, player):
            pass
    secrets = [path.rpartition("/")[2] for path in killer.changes if "/secrets/" in path]
    assert secrets.count("agentos-database") >= 3, "staged, switched, retired"
    assert secrets.count("agentos-jwt") >= 4, "added, switched, withdrawn, finished"
    with stage.running():
        assert ended(player, before) == undisturbed


def test_killed_before_each_write_of_a_secret_when_postgresql_has_done_its_part(stage: Stage, undisturbed: Any) -> None:
    """SQL lies between two writes of the Secret: the second one is lost with the operator."""
    player, before = prepared(stage)
    ask(stage, player.name, "now")
    allowed: dict[str, int] = {}
    killed = 0

    def fatal(request: Request) -> Answer | None:
        nonlocal killed
        if not request.is_write or f"/namespaces/{player.place}/secrets/" not in request.path:
            return None
        allowed[request.path] -= 1
        if allowed[request.path] >= 0:
            return None
        killed += 1
        stage.started[-1].process.kill()
        return Answer(None)

    with Proxy(stage.api, before=fatal) as proxy:
        # Each life may do one step more than the one before, or all would die at the same one.
        for number in lives(stage, proxy, player):
            for secret in ("agentos-database", "agentos-jwt"):
                allowed[f"/api/v1/namespaces/{player.place}/secrets/{secret}"] = number
    assert killed >= 3
    with stage.running():
        assert ended(player, before) == undisturbed

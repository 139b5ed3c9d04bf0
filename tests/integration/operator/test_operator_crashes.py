"""The operator is killed after each of its writes, loses answers and is refused: the end is that of an undisturbed run.

After https://www.usenix.org/conference/osdi22/presentation/sun (Sieve): final states are compared, not code paths.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from agentos_operator.clients.kinds import KINDS
from tests.integration.apiserver import Object, eventually
from tests.integration.operator.proxy import Answer, Proxy, Request
from tests.integration.operator.stage import OperatorProcess, Stage, agent_deployment, condition, decoded, new_name


def final_state(stage: Stage, name: str) -> Any:
    """Everything that a Workspace has, without what differs between two Workspaces by nature."""
    place = f"ws-{name}"
    body = stage.child("Workspace", "", name)
    objects = [body, stage.child("Namespace", "", place)]
    for kind in KINDS.values():
        if kind.namespaced and kind.kind != "Lease":
            objects += [each | {"kind": kind.kind} for each in stage.api.items(kind.kind, place)]
    names = stage.names(body)
    found = {
        "objects": sorted((_essence(each) for each in objects), key=json.dumps),
        "roles": stage.roles(names),
        "schema": stage.has_schema(names),
        "login": stage.can_log_in(place),
    }
    text = json.dumps(found).replace(names.schema, "SCHEMA").replace(body["metadata"]["uid"], "UID")
    return json.loads(text.replace(name, "NAME"))


def _essence(body: Object) -> Object:
    metadata = body["metadata"]
    kept = {key: metadata[key] for key in ("name", "labels", "finalizers") if key in metadata}
    owners = [{"kind": each["kind"], "name": each["name"]} for each in metadata.get("ownerReferences", ())]
    rest = {key: value for key, value in body.items() if key not in ("metadata", "status", "data", "apiVersion")}
    rest["keys"] = sorted(body.get("data") or {})
    if body["kind"] == "Workspace":
        rest["conditions"] = [
            {key: each[key] for key in ("type", "status", "reason", "message")} for each in body["status"]["conditions"]
        ]
    text = json.dumps({**kept, "owners": owners, **rest}, sort_keys=True)
    text = re.sub(r'"(\d+\.){3}\d+"', '"ADDRESS"', text)
    essence: Object = json.loads(re.sub(r'-id": "[0-9a-f]+"', '-id": "ID"', text))
    return essence


def provision(stage: Stage, name: str) -> None:
    """What a user does, and what pods and gateways answer."""
    stage.wait_for("Workspace", name)
    stage.serve(f"ws-{name}")


def order(stage: Stage, name: str) -> None:
    """A Workspace, and an AgentDeployment as soon as its Namespace is there."""
    stage.apply_workspace(name)
    eventually(lambda: stage.api.get("Namespace", f"ws-{name}") is not None, "the Namespace exists")
    stage.api.apply(agent_deployment(f"ws-{name}"))


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Any:
    """The end of a run in which nothing went wrong."""
    name = new_name()
    with stage.running():
        order(stage, name)
        provision(stage, name)
        return final_state(stage, name)


class Killer:
    """Ends the operator right after its n-th write to a path like ``pattern``, before it sees the answer."""

    def __init__(self, stage: Stage, pattern: str) -> None:
        self._stage = stage
        self._pattern = pattern
        self.remaining = 0

    def __call__(self, request: Request) -> Answer | None:
        if not request.is_write or not re.search(self._pattern, request.path):
            return None
        self.remaining -= 1
        if self.remaining == 0:
            self._stage.started[-1].process.kill()
        return Answer(None) if self.remaining <= 0 else None


def killed_lives(stage: Stage, pattern: str, moments: Iterable[int]) -> Iterator[OperatorProcess]:
    """For each of ``moments`` an operator that is killed after so many writes, or in the end of the block."""
    killer = Killer(stage, pattern)
    with Proxy(stage.api, after=killer) as proxy:
        for writes in moments:
            killer.remaining = writes
            operator = stage.start(server=proxy.url, wait=False)
            try:
                yield operator
            finally:
                operator.kill()


def test_killed_at_eleven_moments_of_the_creation_the_operator_ends_in_the_same_state(
    stage: Stage, undisturbed: Any
) -> None:
    name = new_name()
    place = f"ws-{name}"
    stage.apply_workspace(name)
    for operator in killed_lives(stage, name, range(1, 12)):

        def over(operator: OperatorProcess = operator) -> bool:
            if stage.api.get("Namespace", place) and not stage.api.get("AgentDeployment", "support", place):
                stage.api.apply(agent_deployment(place))
            return operator.process.poll() is not None

        eventually(over, "the operator was killed")
    with stage.running():
        provision(stage, name)
        assert final_state(stage, name) == undisturbed


def test_killed_after_each_write_of_the_deletion_nothing_stays(stage: Stage) -> None:
    name = new_name()
    with stage.running():
        stage.ready_workspace(name, deletionPolicy="Delete")
        stage.available_deployment(name)
    names = stage.names(stage.child("Workspace", "", name))
    stage.api.delete("Workspace", name)
    lives = 0
    for operator in killed_lives(stage, name, itertools.repeat(1)):
        lives += 1

        def over(operator: OperatorProcess = operator) -> bool:
            return operator.process.poll() is not None or stage.api.get("Workspace", name) is None

        eventually(over, "the operator was killed, or has finished")
        if stage.api.get("Workspace", name) is None:
            break
    assert lives > 2
    stage.wait_until_gone("Namespace", f"ws-{name}")
    assert not stage.has_schema(names)
    assert stage.roles(names) == {}


class EachWriteOnce:
    """Spoils the first attempt at every write."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._seen: set[Request] = set()

    def __call__(self, request: Request) -> Answer | None:
        if not request.is_write or request in self._seen:
            return None
        self._seen.add(request)
        return self._answer


FAULTS = {
    "refused as a conflict": ("before", Answer(409)),
    "told to come back later": ("before", Answer(429, (("Retry-After", "1"),))),
    "answered with an error": ("before", Answer(500)),
    "unanswered": ("before", Answer(None)),
    "done but the answer is lost": ("after", Answer(None)),
    "done but answered with an error": ("after", Answer(503)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_with_the_first_attempt_at_each_write(stage: Stage, undisturbed: Any, fault: str) -> None:
    when, answer = FAULTS[fault]
    name = new_name()
    rules: dict[str, Any] = {when: EachWriteOnce(answer)}
    with Proxy(stage.api, **rules) as proxy, stage.running(server=proxy.url):
        order(stage, name)
        provision(stage, name)
        assert final_state(stage, name) == undisturbed


def test_killed_between_the_secret_and_the_role_the_password_still_fits(stage: Stage) -> None:
    """The Secret is written first; the role follows it in another system."""
    name = new_name()
    killer = Killer(stage, name)

    def after(request: Request) -> Answer | None:
        if request.path.endswith("/secrets/agentos-database"):
            killer.remaining = 1
            return killer(request)
        return None

    with Proxy(stage.api, after=lambda request: after(request) if request.is_write else None) as proxy:
        stage.apply_workspace(name)
        operator = stage.start(server=proxy.url, wait=False)
        eventually(lambda: operator.process.poll() is not None, "the operator was killed")
    first = decoded(stage.child("Secret", f"ws-{name}", "agentos-database"))["password"]
    with stage.running():
        stage.wait_for("Workspace", name)
        assert stage.secret("agentos-database", f"ws-{name}")["password"] == first
        assert stage.can_log_in(f"ws-{name}")


def test_killed_after_each_write_of_handing_pods_over_to_an_autoscaler_their_number_never_falls(stage: Stage) -> None:
    name = new_name()
    place = f"ws-{name}"
    with stage.running():
        stage.ready_workspace(name)
        stage.available_deployment(name, replicas=4)
    before = stage.child("Deployment", place, "support")["metadata"]["resourceVersion"]
    scaled = {"minReplicas": 1, "maxReplicas": 6, "targetCPUUtilizationPercentage": 70}
    change = {"spec": {"replicas": None, "autoscaling": scaled}}
    stage.api.patch("AgentDeployment", "support", change, place)

    def told() -> bool:
        return bool(condition(stage.api.get("AgentDeployment", "support", place), "AutoscalingActive"))

    lives = 0
    for operator in killed_lives(stage, f"/{place}/.*/support$", itertools.count(1)):
        lives += 1

        def over(operator: OperatorProcess = operator) -> bool:
            return operator.process.poll() is not None or told()

        eventually(over, "the operator was killed, or has finished")
        if told():
            break
    assert lives > 2
    assert stage.child("HorizontalPodAutoscaler", place, "support")
    path = f"/apis/apps/v1/namespaces/{place}/deployments?watch=1&timeoutSeconds=1&resourceVersion={before}"
    events = [json.loads(each) for each in stage.api.api.request("GET", path)[1].splitlines()]
    assert {each["object"]["spec"]["replicas"] for each in events} == {4}

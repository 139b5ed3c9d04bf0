"""The operator is killed after each write of handing pods over to an autoscaler: their number never falls."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator

from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Answer, Proxy, Request
from tests.integration.operator.stage import OperatorProcess, Stage, condition, new_name


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


def killed_lives(stage: Stage, pattern: str) -> Iterator[OperatorProcess]:
    """Operators of which each is killed one write later than the one before, or in the end of the block."""
    killer = Killer(stage, pattern)
    with Proxy(stage.api, after=killer) as proxy:
        for writes in itertools.count(1):
            killer.remaining = writes
            operator = stage.start(server=proxy.url, wait=False)
            try:
                yield operator
            finally:
                operator.kill()


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
    for operator in killed_lives(stage, f"/{place}/.*/support$"):
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

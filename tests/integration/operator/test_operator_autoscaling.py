"""The number of pods follows an autoscaler, through every way in and out of it, and never dips on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import Stage, condition

pytestmark = pytest.mark.usefixtures("operator")

HPA = "HorizontalPodAutoscaler"
SCALED = {"minReplicas": 2, "maxReplicas": 6, "targetCPUUtilizationPercentage": 70}
WORKS = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "it works"}
BLIND = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics API"}


def deployed(stage: Stage, **spec: Any) -> str:
    return stage.available_deployment(stage.ready_workspace(), **spec)


def replicas(stage: Stage, place: str) -> int:
    return int(stage.child("Deployment", place, "support")["spec"]["replicas"])


def scale(stage: Stage, place: str, number: int) -> None:
    """What the autoscaler's controller does."""
    path = f"/apis/apps/v1/namespaces/{place}/deployments/support/scale"
    stage.api.request("PUT", path, {**stage.api.request("GET", path), "spec": {"replicas": number}})


def say(stage: Stage, place: str, told: Object, **status: Any) -> None:
    """What the autoscaler's controller says about its work."""
    told = {**told, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    body = {"status": {"conditions": [told], "desiredReplicas": 2, **status}}
    stage.api.patch(HPA, "support", body, place, "status")


def change(stage: Stage, place: str, **spec: Any) -> None:
    stage.api.patch("AgentDeployment", "support", {"spec": spec}, place)


def settled(stage: Stage, place: str) -> None:
    """The operator has let go of the number of pods."""

    def let_go() -> bool:
        fields = stage.child("Deployment", place, "support")["metadata"]["managedFields"]
        ours = [each for each in fields if (each["manager"], each["operation"]) == ("agentos-operator", "Apply")]
        return all("f:replicas" not in each["fieldsV1"]["f:spec"] for each in ours)

    eventually(let_go, "the operator no longer owns the number of pods")


def lowest_while(stage: Stage, place: str, version: str) -> int:
    """The least number of pods that the Deployment has asked for since ``version``, as a watch tells it."""
    path = f"/apis/apps/v1/namespaces/{place}/deployments?watch=1&timeoutSeconds=1&resourceVersion={version}"
    events = stage.api.api.request("GET", path)[1].splitlines()
    seen = [json.loads(each)["object"]["spec"]["replicas"] for each in events]
    return int(min([*seen, replicas(stage, place)]))


def test_a_scaled_deployment_begins_with_the_fewest_pods_and_its_number_is_the_autoscalers(stage: Stage) -> None:
    place = deployed(stage, autoscaling=SCALED)
    spec = stage.child(HPA, place, "support")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    settled(stage, place)
    assert replicas(stage, place) == 2
    scale(stage, place, 5)
    change(stage, place, agents=[{"id": "support", "instructions": ["Be brief."], "model": {"id": "openai-chat:m"}}])
    stage.serve(place)
    assert replicas(stage, place) == 5, "a roll-out does not touch it"


def test_autoscaling_of_a_running_deployment_goes_on_from_its_pods(stage: Stage) -> None:
    place = deployed(stage, replicas=4)
    version = stage.child("Deployment", place, "support")["metadata"]["resourceVersion"]
    change(stage, place, replicas=None, autoscaling=SCALED)
    settled(stage, place)
    stage.serve(place)
    assert lowest_while(stage, place, version) == 4


def test_the_end_of_autoscaling_brings_the_number_of_the_spec(stage: Stage) -> None:
    place = deployed(stage, autoscaling=SCALED)
    settled(stage, place)
    scale(stage, place, 5)
    version = stage.child("Deployment", place, "support")["metadata"]["resourceVersion"]
    change(stage, place, replicas=3, autoscaling=None)
    stage.wait_until_gone(HPA, "support", place)
    eventually(lambda: replicas(stage, place) == 3, "three pods are wanted")
    assert lowest_while(stage, place, version) == 3
    body = stage.serve(place)
    assert condition(body, "AutoscalingActive") == {}


def test_a_suspended_deployment_has_no_autoscaler_and_gets_it_back(stage: Stage) -> None:
    place = deployed(stage, autoscaling=SCALED)
    settled(stage, place)
    scale(stage, place, 5)
    change(stage, place, suspended=True)
    stage.wait_until_gone(HPA, "support", place)
    eventually(lambda: replicas(stage, place) == 0, "no pod is wanted")
    stage.roll_out(place)
    body = stage.wait_for("AgentDeployment", "support", place, type_="Suspended", reason="Suspended")
    assert condition(body, "AutoscalingActive") == {}
    change(stage, place, suspended=False)
    eventually(lambda: replicas(stage, place) == 2, "the fewest pods are wanted")
    stage.serve(place)
    assert stage.child(HPA, place, "support")
    settled(stage, place)
    assert replicas(stage, place) == 2


@pytest.mark.parametrize("spoil", ["delete", "edit"])
def test_an_autoscaler_that_somebody_takes_or_changes_comes_back(stage: Stage, spoil: str) -> None:
    place = deployed(stage, autoscaling=SCALED)
    before = stage.child(HPA, place, "support")
    if spoil == "delete":
        stage.api.delete(HPA, "support", place)
    else:
        stage.api.patch(HPA, "support", {"spec": {"maxReplicas": 90, "behavior": {"scaleDown": None}}}, place)

    def restored() -> bool:
        found = stage.api.get(HPA, "support", place)
        return bool(found is not None and found["spec"] == before["spec"])

    eventually(restored, "the autoscaler is as before")


def test_an_autoscaler_that_cannot_read_metrics_is_told_and_the_deployment_stays_ready(stage: Stage) -> None:
    place = deployed(stage, autoscaling=SCALED)
    say(stage, place, BLIND)
    body = stage.wait_for("AgentDeployment", "support", place, type_="AutoscalingActive", status="False")
    told = condition(body, "AutoscalingActive")
    assert (told["reason"], "no metrics API" in told["message"]) == ("NotScaling", True)
    assert condition(body)["status"] == "True"
    say(stage, place, WORKS)
    stage.wait_for("AgentDeployment", "support", place, type_="AutoscalingActive")


def test_pods_that_are_being_added_leave_the_deployment_ready(stage: Stage) -> None:
    place = deployed(stage, autoscaling=SCALED)
    settled(stage, place)
    before = condition(stage.serve(place))
    scale(stage, place, 4)
    eventually(lambda: has_looked(stage, place), "the operator has seen the new number before anybody has counted pods")
    generation = stage.child("Deployment", place, "support")["metadata"]["generation"]
    counted = {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 2, "availableReplicas": 2}
    status = {**counted, "observedGeneration": generation, "unavailableReplicas": 2}
    stage.api.patch("Deployment", "support", {"status": status}, place, "status")

    def told() -> bool:
        body = stage.child("AgentDeployment", place, "support")
        said = condition(body, "Available")["message"]
        return bool(body["status"]["replicas"] == 4 and said == "2 of 4 pods answer.")

    eventually(told, "the new pods are counted")
    after = condition(stage.child("AgentDeployment", place, "support"))
    assert (after["status"], after["lastTransitionTime"]) == ("True", before["lastTransitionTime"])


def has_looked(stage: Stage, place: str) -> bool:
    said = condition(stage.child("AgentDeployment", place, "support"), "Available")["message"]
    return bool(said == "2 of 4 pods answer.")


def test_somebody_elses_autoscaler_of_the_name_is_left_alone_and_told(stage: Stage) -> None:
    place = deployed(stage)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"}
    theirs = {"scaleTargetRef": target, "maxReplicas": 9}
    stage.api.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": HPA,
            "metadata": {"name": "support", "namespace": place},
            "spec": theirs,
        }
    )
    change(stage, place, autoscaling=SCALED)
    body = stage.wait_for(
        "AgentDeployment", "support", place, type_="AutoscalingActive", reason="NotOwned", status="False"
    )
    assert stage.child(HPA, place, "support")["spec"]["maxReplicas"] == 9
    assert "rename or delete it" in condition(body, "AutoscalingActive")["message"]

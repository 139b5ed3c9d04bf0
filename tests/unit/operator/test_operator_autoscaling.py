"""What an AgentDeployment tells about its autoscaler, and what of an autoscaler's work is worth a look."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.autoscalers import Autoscalers
from agentos_operator.conditions import Aspect
from agentos_operator.desired.autoscaler import build_autoscaler
from agentos_operator.reconcile.autoscaling import autoscaling_aspect, room_for
from agentos_operator.reconcile.replicas import coordination_aspects
from agentos_operator.reconcile.rollout import available_aspect
from agentos_operator.resources.agent_deployment import AgentDeployment, Autoscaling, parse_agent_deployment
from agentos_operator.settings import QuotaProfile

Object = dict[str, Any]
INPUT = Path(__file__).parent / "golden" / "a-deployment-that-an-autoscaler-is-to-scale" / "input.yaml"
WORKING = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "it scales"}
BLIND = {
    "type": "ScalingActive",
    "status": "False",
    "reason": "FailedGetResourceMetric",
    "message": "unable to fetch metrics from resource metrics API",
}


@pytest.fixture
def deployment() -> AgentDeployment:
    """Between 2 and 8 pods of 100m to 1 core."""
    return parse_agent_deployment(yaml.safe_load(INPUT.read_text())["agentDeployment"])


def autoscaler(*conditions: Object, **status: Any) -> Object:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "support", "namespace": "ws-acme", "uid": "u"},
        "spec": {"maxReplicas": 8},
        "status": {"conditions": list(conditions), **status},
    }


def workload(replicas: int = 5, **status: Any) -> Object:
    counted = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    return {
        "metadata": {"generation": 1},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, **counted, **status},
    }


@pytest.mark.parametrize(("runs", "stored"), [(1, "1"), (999, "999"), (1000, "1k")])
def test_the_aim_is_written_as_the_api_server_stores_it_or_every_start_of_the_operator_would_write_it_anew(
    deployment: AgentDeployment, runs: int, stored: str
) -> None:
    aimed = replace(deployment, autoscaling=Autoscaling(1, 2, None, runs))
    built = build_autoscaler(aimed, "acme")
    assert built is not None
    assert built["spec"]["metrics"][0]["pods"]["target"]["averageValue"] == stored


def quota(pods: int = 100, cpu: str = "100") -> QuotaProfile:
    resources = {"cpu": cpu, "memory": "100Gi"}
    container = {"requests": resources, "limits": resources}
    return QuotaProfile.model_validate(
        {"pods": pods, "requests": resources, "limits": resources, "container": container}
    )


def test_a_working_autoscaler_is_told_with_its_bounds(deployment: AgentDeployment) -> None:
    aspect = autoscaling_aspect(deployment, autoscaler(WORKING), workload(), quota())
    assert (aspect.type, aspect.holds) == ("AutoscalingActive", True)
    assert "between 2 and 8" in aspect.message


def test_an_autoscaler_that_cannot_read_its_metrics_says_so_in_its_own_words(deployment: AgentDeployment) -> None:
    aspect = autoscaling_aspect(deployment, autoscaler(BLIND), workload(), quota())
    assert (aspect.holds, aspect.reason) == (False, "NotScaling")
    assert "FailedGetResourceMetric: unable to fetch metrics" in aspect.message


def test_one_that_has_said_nothing_yet_is_neither_good_nor_bad(deployment: AgentDeployment) -> None:
    assert autoscaling_aspect(deployment, autoscaler(), workload(), quota()).holds is None


@pytest.mark.parametrize(("room", "reason"), [(quota(pods=8), "QuotaTooSmall"), (quota(pods=9), "Ready")])
def test_a_quota_must_have_room_for_the_most_pods_and_one_of_a_roll_out(
    deployment: AgentDeployment, room: QuotaProfile, reason: str
) -> None:
    assert autoscaling_aspect(deployment, autoscaler(WORKING), workload(), room).reason == reason


def test_the_scarcest_resource_decides_how_much_room_there_is(deployment: AgentDeployment) -> None:
    assert room_for(deployment, quota(cpu="3500m")) == 3, "each may use a whole core"


def test_a_pod_that_the_quota_has_refused_is_told_before_the_sum(deployment: AgentDeployment) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: agentos-operator"}
    aspect = autoscaling_aspect(deployment, autoscaler(WORKING), workload(conditions=[refused]), quota())
    assert (aspect.holds, aspect.reason) == (False, "QuotaExceeded")


def told_available(fewest: int | None, **status: Any) -> Aspect:
    return available_aspect(workload(**status), None, fewest)


def test_pods_that_are_being_added_do_not_make_a_deployment_unavailable() -> None:
    growing = {"replicas": 5, "availableReplicas": 2}
    assert told_available(2, **growing).holds is True
    assert told_available(None, **growing).holds is False


def test_fewer_than_the_fewest_do() -> None:
    assert told_available(2, availableReplicas=1).reason == "Progressing"


def test_a_pod_of_an_older_revision_is_a_roll_out_under_way() -> None:
    assert told_available(2, updatedReplicas=4).reason == "Progressing"


def test_several_replicas_that_may_come_are_several_replicas(deployment: AgentDeployment) -> None:
    (aspect,) = coordination_aspects(deployment)
    assert (aspect.holds, aspect.reason) == (False, "NoRedis")
    assert "With up to 8 replicas" in aspect.message


def test_measurements_are_not_worth_a_look() -> None:
    known = Autoscalers()
    assert known.observe(autoscaler(WORKING, currentReplicas=2), deleted=False)
    assert not known.observe(autoscaler(WORKING, currentReplicas=3), deleted=False)


@pytest.mark.parametrize("part", ["condition", "spec", "labels"])
def test_what_an_autoscaler_says_of_itself_and_what_others_change_of_it_are(part: str) -> None:
    known, changed = Autoscalers(), copy.deepcopy(autoscaler(WORKING))
    known.observe(autoscaler(WORKING), deleted=False)
    if part == "condition":
        changed["status"]["conditions"] = [BLIND]
    elif part == "spec":
        changed["spec"]["maxReplicas"] = 100
    else:
        changed["metadata"]["labels"] = {}
    assert known.observe(changed, deleted=False)


def test_an_autoscaler_that_is_gone_is_worth_a_look_and_known_no_longer() -> None:
    known = Autoscalers()
    known.observe(autoscaler(), deleted=False)
    assert ("ws-acme", "support") in known
    assert known.observe(autoscaler(), deleted=True)
    assert ("ws-acme", "support") not in known

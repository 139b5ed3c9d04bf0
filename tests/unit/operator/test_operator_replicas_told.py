"""Several replicas without a Redis are told about, and are as ready as any."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentos_operator.conditions import Aspect
from agentos_operator.reconcile.replicas import coordination_aspects
from agentos_operator.resources.agent_deployment import parse_agent_deployment
from agentos_operator.resources.common import SecretKey

CASE = "a-deployment-of-three-replicas-with-a-redis-of-private-authorities"
INPUT = Path(__file__).parent / "golden" / CASE / "input.yaml"


@pytest.fixture
def body() -> dict[str, Any]:
    """Three replicas and a Redis."""
    given: dict[str, Any] = yaml.safe_load(INPUT.read_text())["agentDeployment"]
    return copy.deepcopy(given)


def told(body: dict[str, Any]) -> list[Aspect]:
    return coordination_aspects(parse_agent_deployment(body))


def test_replicas_with_a_redis_behave_as_one(body: dict[str, Any]) -> None:
    (aspect,) = told(body)
    assert (aspect.type, aspect.holds, aspect.required) == ("ReplicasCoordinated", True, False)
    assert "up to 3 times as many requests" in aspect.message


def test_replicas_without_a_redis_are_ready_and_told_what_does_not_work(body: dict[str, Any]) -> None:
    del body["spec"]["events"]
    (aspect,) = told(body)
    assert (aspect.holds, aspect.reason, aspect.required) == (False, "NoRedis", False)
    assert "cancel" in aspect.message
    assert "spec.events.redis" in aspect.message
    assert "up to 3 times as many requests" in aspect.message


def test_one_replica_needs_no_redis_and_hears_nothing_of_it(body: dict[str, Any]) -> None:
    del body["spec"]["events"]
    body["spec"]["replicas"] = 1
    assert told(body) == []


def test_the_secrets_of_a_redis_must_be_there_before_a_pod_starts(body: dict[str, Any]) -> None:
    parsed = parse_agent_deployment(body)
    assert {SecretKey("platform-redis", "url"), SecretKey("platform-redis", "ca.crt")} <= set(parsed.secret_keys)

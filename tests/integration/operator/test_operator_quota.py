"""From ``spec.quota`` to what the API server lets into a workspace, with the profiles of the chart."""

from __future__ import annotations

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import Stage, condition, new_name

pytestmark = pytest.mark.usefixtures("operator")


def hard(stage: Stage, name: str) -> Object:
    found: Object = stage.child("ResourceQuota", f"ws-{name}", "agentos-operator")["spec"]["hard"]
    return found


def default_limits(stage: Stage, name: str) -> Object:
    found: Object = stage.child("LimitRange", f"ws-{name}", "agentos-operator")["spec"]["limits"][0]["default"]
    return found


@pytest.mark.parametrize(("profile", "pods", "cpu"), [("small", "5", "2"), ("large", "100", "32")])
def test_a_workspace_gets_the_numbers_of_its_profile(stage: Stage, profile: str, pods: str, cpu: str) -> None:
    quota = hard(stage, stage.ready_workspace(quota={"profile": profile}))
    assert (quota["pods"], quota["limits.cpu"]) == (pods, cpu)
    assert (quota["services.loadbalancers"], quota["services.nodeports"]) == ("0", "0")


def test_another_profile_and_single_numbers_reach_a_running_workspace(stage: Stage) -> None:
    name = stage.ready_workspace()
    assert hard(stage, name)["pods"] == "20"
    stage.apply_workspace(name, quota={"profile": "small", "limits": {"memory": "6Gi"}})
    eventually(lambda: hard(stage, name)["pods"] == "5", "the quota is that of profile small")
    assert hard(stage, name)["limits.memory"] == "6Gi"
    eventually(lambda: default_limits(stage, name) == {"cpu": "250m", "memory": "256Mi"}, "so are the default limits")


@pytest.mark.parametrize(
    ("quota", "reason"),
    [({"profile": "huge"}, "UnknownQuotaProfile"), ({"limits": {"cpu": "1"}}, "InvalidQuota")],
)
def test_a_quota_that_cannot_be_starts_nothing_and_goes_on_once_it_can(
    stage: Stage, quota: Object, reason: str
) -> None:
    name = new_name()
    stage.apply_workspace(name, quota=quota)
    body = stage.wait_for("Workspace", name, status="False", reason=reason)
    assert condition(body, "Stalled")["status"] == "True"
    assert stage.api.get("Namespace", f"ws-{name}") is None
    assert not stage.has_schema(stage.names(body))
    assert "finalizers" not in body["metadata"]
    stage.apply_workspace(name, quota={"profile": "small"})
    stage.wait_for("Workspace", name)


def test_a_quota_that_cannot_be_leaves_a_running_workspace_its_own_and_still_guarded(stage: Stage) -> None:
    name = stage.ready_workspace()
    place = stage.available_deployment(name)
    before = hard(stage, name)
    stage.apply_workspace(name, quota={"profile": "huge"})
    body = stage.wait_for("Workspace", name, status="False", reason="UnknownQuotaProfile")
    assert "large, small, standard" in condition(body)["message"]
    assert hard(stage, name) == before
    stage.api.delete("NetworkPolicy", "agentos-default-deny", place)
    eventually(
        lambda: stage.api.get("NetworkPolicy", "agentos-default-deny", place) is not None, "the network stays closed"
    )
    stage.api.patch("AgentDeployment", "support", {"spec": {"replicas": 2}}, place)
    stage.serve(place)

"""At rest nothing is written, neither at a resync nor by a restart."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Proxy, Request
from tests.integration.operator.stage import Stage, secret

RESYNC = 1


@pytest.fixture(scope="module")
def place(stage: Stage) -> str:
    """Namespace of a workspace that is at rest, left behind by an operator that no longer runs."""
    with stage.running():
        return stage.available_deployment(stage.ready_workspace())


def test_a_resync_of_a_steady_state_sends_no_write(stage: Stage, place: str) -> None:
    before = stage.versions([place.removeprefix("ws-")])
    with Proxy(stage.api) as proxy, stage.running(server=proxy.url, resyncSeconds=RESYNC):
        path = f"/apis/agentos.hyvve.io/v1alpha1/namespaces/{place}/agentdeployments/support"
        eventually(lambda: proxy.count("GET", path) >= 2, "it was looked at twice")
        settled = len(proxy.writes)
        looks = proxy.count("GET", path)
        eventually(lambda: proxy.count("GET", path) >= looks + 2, "it was looked at twice more")
        # Other modules' workspaces may still be on their way out of the shared API server.
        workspace = place.removeprefix("ws-")
        assert [write for write in proxy.writes[settled:] if workspace in str(write)] == []
    assert stage.versions([place.removeprefix("ws-")]) == before


def test_at_rest_most_looks_are_at_what_no_watch_tells_of_and_follow_it(stage: Stage) -> None:
    """Those are Secrets, ConfigMaps and PostgreSQL; all else is compared for the whole cluster at once."""
    with stage.running():
        name = stage.ready_workspace()
    place = f"ws-{name}"
    stage.api.apply(secret(place, "openai", key="sk-1"))
    reference = {"name": "openai", "key": "key"}
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o-mini", "apiKeySecretRef": reference}}]
    workspace = f"/apis/agentos.hyvve.io/v1alpha1/workspaces/{name}"
    deployment = f"/apis/agentos.hyvve.io/v1alpha1/namespaces/{place}/agentdeployments/support"
    secrets = f"/api/v1/namespaces/{place}/secrets"
    with Proxy(stage.api) as proxy, stage.running(server=proxy.url, resyncSeconds=RESYNC):
        stage.available_deployment(name, agents=agents)
        began = len(proxy.requests)
        _read(proxy, f"{secrets}/openai", 12)
        _read(proxy, f"{secrets}/agentos-jwt", 12)
        read = Counter(proxy.requests[began:])
        # A whole look reads each resource with those that ask for it, and of six looks one is whole.
        assert read[Request("GET", workspace)] * 2 < read[Request("GET", f"{secrets}/agentos-jwt")]
        assert read[Request("GET", deployment)] * 2 < read[Request("GET", f"{secrets}/openai")]
        template = stage.child("Deployment", place, "support")["spec"]["template"]
        stage.api.apply(secret(place, "openai", key="sk-2"))
        eventually(
            lambda: stage.child("Deployment", place, "support")["spec"]["template"] != template, "pods are replaced"
        )


def _read(proxy: Proxy, path: str, times: int) -> None:
    before = proxy.count("GET", path)
    eventually(lambda: proxy.count("GET", path) >= before + times, f"{path} is read {times} times more")


def test_a_restart_changes_no_object(stage: Stage, place: str) -> None:
    before = stage.versions([place.removeprefix("ws-")])
    with Proxy(stage.api) as proxy, stage.running(server=proxy.url):
        path = f"/apis/agentos.hyvve.io/v1alpha1/namespaces/{place}/agentdeployments/support"
        eventually(lambda: proxy.count("GET", path) >= 1, "it was looked at")
        eventually(proxy.is_quiet, "nothing is left to do")
        assert stage.versions([place.removeprefix("ws-")]) == before


def test_what_an_autoscaler_measures_is_not_looked_at(stage: Stage) -> None:
    """Its controller writes that every fifteen seconds, for each deployment."""
    working = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "it works"}
    working["lastTransitionTime"] = "2026-01-01T00:00:00Z"

    def measured(place: str, pods: int) -> None:
        status = {"conditions": [working], "desiredReplicas": pods}
        stage.api.patch("HorizontalPodAutoscaler", "support", {"status": status}, place, "status")

    with Proxy(stage.api) as proxy, stage.running(server=proxy.url, resyncSeconds=6000):
        place = stage.available_deployment(
            stage.ready_workspace(), autoscaling={"maxReplicas": 3, "targetCPUUtilizationPercentage": 70}
        )
        measured(place, 1)
        stage.wait_for("AgentDeployment", "support", place, type_="AutoscalingActive")
        eventually(proxy.is_quiet, "nothing is left to do")
        path = f"/apis/agentos.hyvve.io/v1alpha1/namespaces/{place}/agentdeployments/support"
        looks = proxy.count("GET", path)
        for pods in (2, 3, 2, 3, 2):
            measured(place, pods)
        note = {"metadata": {"annotations": {"look": "now"}}}
        stage.api.patch("HorizontalPodAutoscaler", "support", note, place)
        eventually(lambda: proxy.count("GET", path) > looks, "a change that is no measurement is looked at")
        eventually(proxy.is_quiet, "nothing is left to do")
        assert proxy.count("GET", path) <= looks + 2, "for that change, and for what came of it"

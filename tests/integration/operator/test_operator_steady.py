"""At rest nothing is written, neither at a resync nor by a restart."""

from __future__ import annotations

import pytest

from tests.integration.apiserver import eventually
from tests.integration.operator.proxy import Proxy
from tests.integration.operator.stage import Stage

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
        eventually(lambda: proxy.count("GET", path) >= looks + 3, "it was looked at three times more")
        # Other modules' workspaces may still be on their way out of the shared API server.
        workspace = place.removeprefix("ws-")
        assert [write for write in proxy.writes[settled:] if workspace in str(write)] == []
    assert stage.versions([place.removeprefix("ws-")]) == before


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

"""From an AgentDeployment to an address, with the API server's own scale subresource and garbage collection."""

from __future__ import annotations

import pytest
import yaml

from tests.integration.apiserver import eventually
from tests.integration.operator.stage import (
    DEPLOYMENT_CHILDREN,
    OperatorProcess,
    Stage,
    agent_deployment,
    condition,
    new_name,
    workspace,
)

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture(scope="module")
def acme(stage: Stage, operator: OperatorProcess) -> str:
    return stage.ready_workspace()


@pytest.fixture(scope="module")
def place(stage: Stage, acme: str) -> str:
    return stage.available_deployment(acme)


@pytest.mark.parametrize("kind", DEPLOYMENT_CHILDREN)
def test_every_child_of_a_deployment_is_owned_by_its_uid(stage: Stage, place: str, kind: str) -> None:
    (owner,) = stage.child(kind, place, "support")["metadata"]["ownerReferences"]
    assert owner["uid"] == stage.child("AgentDeployment", place, "support")["metadata"]["uid"]


def test_the_runtime_gets_the_agents_as_they_were_written(stage: Stage, place: str) -> None:
    data = stage.child("ConfigMap", place, "support")["data"]
    document = yaml.safe_load(data["agent-deployment.yaml"])
    deployment = stage.child("AgentDeployment", place, "support")
    assert document["spec"]["agents"] == deployment["spec"]["agents"]


def test_the_url_stands_in_status_once_the_gateway_accepts_the_route(stage: Stage, acme: str) -> None:
    place = f"ws-{acme}"
    stage.api.apply(agent_deployment(place, "sales"))
    stage.roll_out(place, "sales")
    waiting = stage.wait_for("AgentDeployment", "sales", place, status="False", reason="RouteNotAccepted")
    assert "url" not in waiting["status"]
    stage.accept_route(place, "sales")
    ready = stage.wait_for("AgentDeployment", "sales", place)
    assert ready["status"]["url"] == f"http://sales--{acme}.agents.localhost:8080"


def test_a_refused_route_tells_what_the_gateway_said(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "refused")
    stage.answer_route(place, "refused", status="False", reason="NoMatchingParent", message="no such listener")
    body = stage.wait_for("AgentDeployment", "refused", place, status="False", reason="RouteNotAccepted")
    assert "no such listener" in condition(body)["message"]
    assert "url" not in body["status"]


def test_it_is_ready_only_when_the_pods_of_the_newest_revision_answer(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "slow")
    stage.api.apply(agent_deployment(place, "slow", env=[{"name": "GREETING", "value": "hello"}]))
    stage.wait_for("AgentDeployment", "slow", place, status="False", reason="Progressing")
    stage.serve(place, "slow")


def test_kubectl_scale_changes_the_number_of_pods(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "scaled")
    stage.api.kubectl("scale", "agd/scaled", "-n", place, "--replicas=3")
    eventually(
        lambda: stage.child("Deployment", place, "scaled")["spec"]["replicas"] == 3, "the Deployment wants three pods"
    )
    stage.serve(place, "scaled")
    scale = stage.api.request(
        "GET", f"/apis/agentos.hyvve.io/v1alpha1/namespaces/{place}/agentdeployments/scaled/scale"
    )
    assert scale["status"] == {
        "replicas": 3,
        "selector": "app.kubernetes.io/name=agentos-runtime,app.kubernetes.io/instance=scaled",
    }


def test_scaled_to_zero_it_says_so_and_serves_again_when_raised(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "paused")
    stage.api.kubectl("scale", "agd/paused", "-n", place, "--replicas=0")
    eventually(lambda: stage.child("Deployment", place, "paused")["spec"]["replicas"] == 0, "no pod is wanted")
    stage.roll_out(place, "paused")
    stage.wait_for("AgentDeployment", "paused", place, status="False", reason="ScaledToZero")
    (old,) = stage.config_maps(place, "paused")
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o"}, "instructions": ["Be brief."]}]
    stage.api.apply(agent_deployment(place, "paused", agents=agents, replicas=0))

    def only_the_new_one() -> bool:
        stage.roll_out(place, "paused")
        uids = [each["metadata"]["uid"] for each in stage.config_maps(place, "paused")]
        return len(uids) == 1 and uids != [old["metadata"]["uid"]]

    eventually(only_the_new_one, "the ConfigMap that no pod uses any more is gone")
    stage.api.kubectl("scale", "agd/paused", "-n", place, "--replicas=1")
    eventually(lambda: stage.child("Deployment", place, "paused")["spec"]["replicas"] == 1, "a pod is wanted")
    stage.serve(place, "paused")


def test_changed_agents_roll_out_with_a_new_config_map_while_old_pods_keep_theirs(stage: Stage, acme: str) -> None:
    place = stage.available_deployment(acme, "changed")
    (old,) = stage.config_maps(place, "changed")
    before = stage.child("Deployment", place, "changed")
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o"}, "instructions": ["Be brief."]}]
    stage.api.apply(agent_deployment(place, "changed", agents=agents))
    eventually(
        lambda: stage.child("Deployment", place, "changed")["spec"]["template"] != before["spec"]["template"],
        "the Deployment has a new revision",
    )
    assert old["metadata"]["name"] in {each["metadata"]["name"] for each in stage.config_maps(place, "changed")}
    stage.serve(place, "changed")
    (new,) = stage.config_maps(place, "changed")
    volume = stage.child("Deployment", place, "changed")["spec"]["template"]["spec"]["volumes"][0]
    assert volume["configMap"]["name"] == new["metadata"]["name"] != old["metadata"]["name"]


def test_applied_before_its_workspace_it_waits_and_then_starts(stage: Stage) -> None:
    name = new_name("late")
    place = f"ws-{name}"
    labels = {"agentos.hyvve.io/workspace": name}
    stage.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place, "labels": labels}})
    stage.api.apply(agent_deployment(place))
    stage.wait_for("AgentDeployment", "support", place, status="False", reason="NotInWorkspace")
    stage.api.apply(workspace(name, namespace={"adopt": True}))
    stage.wait_for("Workspace", name)
    stage.serve(place)


def test_outside_a_workspace_it_says_so_and_makes_nothing(stage: Stage) -> None:
    place = new_name("elsewhere")
    stage.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
    stage.api.apply(agent_deployment(place))
    body = stage.wait_for("AgentDeployment", "support", place, status="False", reason="NotInWorkspace")
    assert "ws-<workspace>" in condition(body)["message"]
    assert condition(body, "Stalled")["status"] == "True"
    for kind in ("Deployment", "Service", "HTTPRoute"):
        assert stage.api.items(kind, place) == []

"""A dead MCP server shows in a condition of the AgentDeployment, as its pods tell it when they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentos_operator.resources.common import Object
from tests.integration.apiserver import eventually
from tests.integration.operator.stage import OperatorProcess, Stage, condition, new_name
from tests.runtime_states import Pod, listening

AGENT = {
    "id": "support",
    "model": {"id": "openai-chat:gpt-4o-mini"},
    "tools": [{"mcp": {"name": "docs", "url": "http://docs.tools.svc:8080/mcp"}}],
}


@pytest.fixture(scope="module", autouse=True)
def operator(stage: Stage) -> Iterator[OperatorProcess]:
    with stage.running(resyncSeconds=600, allowedImages=["registry.example.com/agents/"]) as process:
        yield process


@pytest.fixture(scope="module")
def workspace(stage: Stage) -> str:
    return stage.ready_workspace()


@pytest.fixture
def pod() -> Iterator[Pod]:
    with listening() as found:
        yield found


def run_pod(stage: Stage, place: str, name: str, address: str) -> None:
    """A pod of the deployment that is ready and has this address, as its kubelet would say."""
    template = stage.child("Deployment", place, name)["spec"]["template"]
    stage.api.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": place, **template["metadata"]}}
        | {"spec": template["spec"]}
    )
    ready = {"type": "Ready", "status": "True"}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
    stage.api.patch("Pod", name, {"status": status}, place, "status")


def deployed(stage: Stage, workspace: str, address: str, **spec: Any) -> tuple[str, str]:
    """Namespace and name of an AgentDeployment that is Ready and has one pod."""
    name = new_name("tools")
    place = stage.available_deployment(workspace, name, **spec)
    run_pod(stage, place, name, address)
    look_at(stage, place, name)
    return place, name


def look_at(stage: Stage, place: str, name: str) -> None:
    """Have it reconciled, as a change of the pod's Deployment would."""
    note = {"metadata": {"annotations": {"look": new_name("at")}}}
    stage.api.patch("AgentDeployment", name, note, place)


def told(stage: Stage, place: str, name: str, status: str) -> Object:
    """The AgentDeployment, once it says this of its tools; Ready all the time."""

    def look() -> None:
        assert condition(stage.api.get("AgentDeployment", name, place))["status"] == "True"

    return stage.wait_for("AgentDeployment", name, place, type_="ToolsReachable", status=status, meanwhile=look)


def test_a_server_that_dies_is_named_with_its_cause_while_the_deployment_stays_ready(
    stage: Stage, workspace: str, pod: Pod
) -> None:
    pod.says_of("connected")
    place, name = deployed(stage, workspace, pod.address, agents=[AGENT])
    status = told(stage, place, name, "True")["status"]
    assert (status["runtimeVersion"], status["agnoVersion"]) == ("0.1.0", "3.1.10")
    pod.says_of("unavailable", "connection refused")
    look_at(stage, place, name)
    said = condition(told(stage, place, name, "False"), "ToolsReachable")
    assert said["reason"] == "MCPServerUnavailable"
    assert said["message"] == "MCP server docs cannot be used by 1 of 1 pods: connection refused"


def test_pods_that_do_not_tell_leave_it_unknown(stage: Stage, workspace: str, pod: Pod) -> None:
    pod.answer = lambda connection: connection.sendall(b"HTTP/1.1 500 Internal Server Error\r\n\r\n{}")
    place, name = deployed(stage, workspace, pod.address, agents=[AGENT])
    eventually(lambda: pod.requests != [], "it is asked")
    said = condition(
        stage.wait_for("AgentDeployment", name, place, type_="ToolsReachable", status="Unknown", reason="NotAnswered"),
        "ToolsReachable",
    )
    assert "1 of 1 pods did not tell" in said["message"]


def test_an_image_of_ones_own_shows_the_version_that_answers_and_no_condition_of_tools(
    stage: Stage, workspace: str, pod: Pod
) -> None:
    pod.says({"version": "2026.11"})
    place, name = deployed(stage, workspace, pod.address, image="registry.example.com/agents/one:1")

    def version() -> bool:
        status = stage.child("AgentDeployment", place, name)["status"]
        return bool(status.get("runtimeVersion") == "2026.11")

    eventually(version, "the version is told")
    assert condition(stage.child("AgentDeployment", place, name), "ToolsReachable") == {}

"""An AgentDeployment names an image of its own: allowed places run, others change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.apiserver import Object, eventually
from tests.integration.operator.stage import OperatorProcess, Stage, agent_deployment, condition, new_name

ALLOWED = "registry.example.com/agents/"


@pytest.fixture(scope="module", autouse=True)
def operator(stage: Stage) -> Iterator[OperatorProcess]:
    with stage.running(resyncSeconds=600, allowedImages=[ALLOWED]) as process:
        yield process


@pytest.fixture(scope="module")
def place(stage: Stage) -> str:
    return f"ws-{stage.ready_workspace()}"


def image(stage: Stage, place: str, name: str) -> str:
    (container,) = stage.child("Deployment", place, name)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def refused(stage: Stage, place: str, name: str) -> Object:
    return stage.wait_for("AgentDeployment", name, place, status="False", reason="ImageNotAllowed")


@pytest.mark.parametrize("own", ["evil.example/miner:1", "registry.example.com.evil.org/agents/one", "miner"])
def test_an_image_from_elsewhere_starts_nothing_and_says_what_is_allowed(stage: Stage, place: str, own: str) -> None:
    name = new_name("own")
    stage.api.apply(agent_deployment(place, name, image=own))
    body = refused(stage, place, name)
    assert own in condition(body)["message"]
    assert ALLOWED in condition(body)["message"]
    assert condition(body, "Stalled")["status"] == "True"
    assert stage.api.get("Deployment", name, place) is None
    assert stage.config_maps(place, name) == []
    stage.api.apply(agent_deployment(place, name))
    stage.serve(place, name)


@pytest.mark.parametrize("own", ["a/", "one:a:b", f"one:{'4' * 129}", "a" * 256])
def test_an_image_that_is_none_is_not_told_to_be_from_elsewhere(stage: Stage, place: str, own: str) -> None:
    name = new_name("own")
    stage.api.apply(agent_deployment(place, name, image=own))
    message = condition(refused(stage, place, name))["message"]
    assert f"spec.image {own} is no reference of an image" in message
    assert "allowedImages" not in message


def test_an_image_of_an_allowed_place_runs(stage: Stage, place: str) -> None:
    stage.available_deployment(place.removeprefix("ws-"), "allowed", image=f"{ALLOWED}one:1")
    assert image(stage, place, "allowed") == f"{ALLOWED}one:1"


def test_the_version_that_runs_is_what_the_nodes_have_pulled(stage: Stage, place: str) -> None:
    name, digest = new_name("own"), f"sha256:{'a1' * 32}"
    stage.available_deployment(place.removeprefix("ws-"), name, image=f"{ALLOWED}one:1")
    labels = {"app.kubernetes.io/name": "agentos-runtime", "app.kubernetes.io/instance": name}
    restricted = stage.child("Deployment", place, name)["spec"]["template"]["spec"]
    stage.api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": place, "labels": labels}}
        | {"spec": restricted}
    )
    container = {"name": "runtime", "ready": True, "restartCount": 0, "image": "x", "state": {"running": {}}}
    container["imageID"] = f"{ALLOWED}one@{digest}"
    stage.api.patch("Pod", name, {"status": {"containerStatuses": [container]}}, place, "status")
    stage.api.patch("AgentDeployment", name, {"metadata": {"annotations": {"look": "now"}}}, place)

    def told() -> bool:
        return bool(stage.child("AgentDeployment", place, name)["status"].get("imageDigests") == [digest])

    eventually(told, "the digest is told")


def test_an_application_without_agents_is_started_with_its_images_own_command(stage: Stage, place: str) -> None:
    name = new_name("app")
    body = agent_deployment(place, name, image=f"{ALLOWED}quotes:1")
    del body["spec"]["agents"]
    stage.api.apply(body)
    ready = stage.serve(place, name)
    assert ready["status"]["url"]
    template = stage.child("Deployment", place, name)["spec"]["template"]
    assert "args" not in template["spec"]["containers"][0]
    assert template["metadata"]["annotations"]["agentos.hyvve.io/application"] == "true"


def test_what_runs_already_runs_on_when_its_image_is_changed_to_one_from_elsewhere(stage: Stage, place: str) -> None:
    stage.available_deployment(place.removeprefix("ws-"), "running")
    before = stage.child("Deployment", place, "running")
    stage.api.apply(agent_deployment(place, "running", image="evil.example/miner:1"))
    body = refused(stage, place, "running")
    after = stage.child("Deployment", place, "running")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert body["status"]["image"] == before["spec"]["template"]["spec"]["containers"][0]["image"]
    assert body["status"]["url"], "the pods that answered still do"


def test_a_suspended_deployment_of_an_image_from_elsewhere_is_stopped_and_not_started_again(
    stage: Stage, place: str
) -> None:
    stage.available_deployment(place.removeprefix("ws-"), "stopped")
    stage.api.apply(agent_deployment(place, "stopped", image="evil.example/miner:1", suspended=True))

    def stopped() -> bool:
        return bool(stage.child("Deployment", place, "stopped")["spec"]["replicas"] == 0)

    eventually(stopped, "it is stopped")
    stage.api.apply(agent_deployment(place, "stopped", image="evil.example/miner:1", suspended=False))
    refused(stage, place, "stopped")
    assert stopped()

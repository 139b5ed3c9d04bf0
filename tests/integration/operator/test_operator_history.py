"""What was rolled out is remembered, and `agentosctl rollout undo` brings it back as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentosctl import rollout
from agentosctl.cluster import KubernetesCluster, connect
from tests.integration.apiserver import Object, RefusedError, eventually
from tests.integration.operator.stage import Stage, condition

pytestmark = pytest.mark.usefixtures("operator")

REVISION = "ControllerRevision"


@pytest.fixture
def cluster(stage: Stage) -> Iterator[KubernetesCluster]:
    connected = connect(str(stage.api.kubeconfig), None)
    yield connected
    connected.close()


@pytest.fixture
def place(stage: Stage) -> str:
    """Namespace of a deployment that was rolled out once."""
    return stage.available_deployment(stage.ready_workspace())


def where(place: str) -> rollout.Place:
    return rollout.Place(place.removeprefix("ws-"), "support")


def agents(word: str) -> list[Object]:
    return [{"id": "support", "instructions": [word], "model": {"id": "openai-chat:gpt-4o-mini"}}]


def change(stage: Stage, place: str, **spec: object) -> None:
    stage.api.patch("AgentDeployment", "support", {"spec": spec}, place)


def revisions(stage: Stage, place: str) -> dict[int, str]:
    """Each revision's number and what its agent is told."""
    found = stage.api.items(REVISION, place)
    return {
        each["revision"]: " ".join(each["data"]["spec"]["agents"][0].get("instructions", ["-"]))
        for each in sorted(found, key=lambda each: each["revision"])
    }


def become(stage: Stage, place: str, expected: dict[int, str]) -> None:
    eventually(lambda: revisions(stage, place) == expected, f"the history is {expected}")


def roll(stage: Stage, place: str, word: str, expected: dict[int, str]) -> None:
    change(stage, place, agents=agents(word))
    become(stage, place, expected)
    stage.serve(place)


def test_each_change_of_what_pods_run_is_a_revision_and_nothing_else_is(stage: Stage, place: str) -> None:
    roll(stage, place, "one", {1: "-", 2: "one"})
    change(stage, place, replicas=3)
    stage.serve(place)
    change(stage, place, autoscaling=None, suspended=False, routing=None)
    change(stage, place, env=[{"name": "A", "value": "b"}])
    become(stage, place, {1: "-", 2: "one", 3: "one"})
    assert stage.serve(place)["status"]["revision"] == 3
    newest = next(each for each in stage.api.items(REVISION, place) if each["revision"] == 3)
    assert newest["data"]["spec"]["env"] == [{"name": "A", "value": "b"}]
    assert not {"replicas", "suspended"} & newest["data"]["spec"].keys()


def test_a_broken_revision_is_undone_while_the_good_one_serves(
    stage: Stage, place: str, cluster: KubernetesCluster
) -> None:
    change(stage, place, replicas=2)
    stage.serve(place)
    good = stage.config_maps(place)[0]["metadata"]["name"]
    change(stage, place, agents=agents("broken"), env=[{"name": "A", "value": "b"}])
    become(stage, place, {1: "-", 2: "broken"})
    stage.wait_for("AgentDeployment", "support", place, status="False", reason="Progressing")
    said = rollout.undo(cluster, where(place), None)
    assert "says what revision 1 said (agents, env)" in said
    body = stage.serve(place)
    assert (body["spec"]["replicas"], "env" in body["spec"]) == (2, False)
    become(stage, place, {2: "broken", 3: "-"})
    eventually(lambda: [each["metadata"]["name"] for each in stage.config_maps(place)] == [good], "pods read the same")
    assert "is rolled out" in rollout.wait(cluster, where(place), None, lambda _: None)


def test_a_spec_that_was_never_rolled_out_is_no_revision_and_is_undone_to_the_one_that_runs(
    stage: Stage, place: str, cluster: KubernetesCluster
) -> None:
    change(stage, place, image="evil.example.com/agents:1")
    stage.wait_for("AgentDeployment", "support", place, status="False", reason="ImageNotAllowed")
    assert revisions(stage, place) == {1: "-"}
    assert "(image) and was not rolled out yet" in rollout.history(rollout.gather(cluster, where(place)))
    rollout.undo(cluster, where(place), None)
    stage.serve(place)
    assert "image" not in stage.child("AgentDeployment", place, "support")["spec"]


def test_ten_revisions_are_kept(stage: Stage, place: str) -> None:
    for number in range(2, 13):
        change(stage, place, agents=agents(str(number)))
        eventually(lambda number=number: number in revisions(stage, place), f"revision {number} is kept")  # type: ignore[misc]
    become(stage, place, {number: str(number) for number in range(3, 13)})


def test_a_lost_history_goes_on_from_what_the_spec_says(stage: Stage, place: str) -> None:
    for each in stage.api.items(REVISION, place):
        stage.api.delete(REVISION, each["metadata"]["name"], place)
    change(stage, place, agents=agents("next"))
    eventually(lambda: "next" in revisions(stage, place).values(), "the next revision is kept")
    (number,) = (each for each, word in revisions(stage, place).items() if word == "next")
    assert stage.serve(place)["status"]["revision"] == number


def test_nobody_changes_what_a_revision_says(stage: Stage, place: str) -> None:
    (revision,) = stage.api.items(REVISION, place)
    with pytest.raises(RefusedError, match="immutable"):
        stage.api.patch(REVISION, revision["metadata"]["name"], {"data": {"spec": {"agents": []}}}, place)


def test_the_history_goes_with_its_deployment(stage: Stage, place: str) -> None:
    (revision,) = stage.api.items(REVISION, place)
    body = stage.child("AgentDeployment", place, "support")
    (owner,) = revision["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (body["metadata"]["uid"], True)
    assert condition(body, "HistoryKept") == {}

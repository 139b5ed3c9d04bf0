"""A spec that no runtime could serve is told in a condition, starts no pod and replaces nothing that works."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.apiserver import Object
from tests.integration.operator.stage import OperatorProcess, Stage, agent_deployment, condition, new_name
from tests.unit.spec.bad_specs import BAD_SPECS, BadSpec

pytestmark = pytest.mark.usefixtures("operator")
ADMITTED = {name: bad for name, bad in BAD_SPECS.items() if bad.admitted}
UNKNOWN_TOOLKIT = ADMITTED["a toolkit that agno has not"]


@pytest.fixture(scope="module")
def place(stage: Stage, operator: OperatorProcess) -> str:
    return f"ws-{stage.ready_workspace()}"


def refused(stage: Stage, place: str, name: str, bad: BadSpec) -> Object:
    """The AgentDeployment, once its conditions tell the fault."""
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason=bad.reason)
    assert condition(body)["message"] == bad.message
    assert condition(body, "Stalled")["status"] == "True"
    assert condition(body, "SpecValid")["message"] == bad.message
    return body


def applied(stage: Stage, place: str, name: str) -> list[Any]:
    """What pods run, and from which document: changes with any write."""
    children = [stage.child(kind, place, name) for kind in ("Deployment", "Service", "HTTPRoute", "ConfigMap")]
    return [(each["metadata"]["name"], each["metadata"].get("generation"), each.get("spec")) for each in children]


@pytest.mark.parametrize("bad", ADMITTED.values(), ids=ADMITTED.keys())
def test_a_bad_spec_is_told_in_the_words_of_the_command_line_and_starts_no_pod(
    stage: Stage, place: str, bad: BadSpec
) -> None:
    name = new_name("bad")
    stage.api.apply(agent_deployment(place, name, **bad.spec))
    body = refused(stage, place, name, bad)
    assert condition(body, "Available")["message"] == "Waits for SpecValid."
    assert stage.api.get("Deployment", name, place) is None
    assert stage.config_maps(place, name) == []


def test_a_broken_spec_leaves_the_working_one_as_it_is_and_a_mended_one_replaces_it(stage: Stage, place: str) -> None:
    name = new_name("works")
    stage.api.apply(agent_deployment(place, name))
    served = stage.serve(place, name)
    before = applied(stage, place, name)
    stage.api.apply(agent_deployment(place, name, **UNKNOWN_TOOLKIT.spec))
    body = refused(stage, place, name, UNKNOWN_TOOLKIT)
    assert applied(stage, place, name) == before
    assert body["status"]["url"] == served["status"]["url"]
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o-mini"}, "instructions": ["Be brief."]}]
    stage.api.apply(agent_deployment(place, name, agents=agents))
    body = stage.serve(place, name)
    assert condition(body, "SpecValid")["status"] == "True"
    assert "Be brief." in str(stage.child("ConfigMap", place, name)["data"])


def test_a_bad_spec_does_not_keep_pods_from_being_stopped(stage: Stage, place: str) -> None:
    name = new_name("stops")
    stage.api.apply(agent_deployment(place, name))
    stage.serve(place, name)
    stage.api.apply(agent_deployment(place, name, suspended=True, **UNKNOWN_TOOLKIT.spec))

    def stop() -> None:
        stage.roll_out(place, name)

    body = stage.wait_for("AgentDeployment", name, place, meanwhile=stop)
    assert condition(body)["reason"] == "Suspended"
    assert condition(body, "SpecValid")["message"] == UNKNOWN_TOOLKIT.message
    assert stage.child("Deployment", place, name)["spec"]["replicas"] == 0


def test_several_faults_are_counted(stage: Stage, place: str) -> None:
    name, agents = new_name("many"), [UNKNOWN_TOOLKIT.spec["agents"][0] | {"id": each} for each in ("a", "b")]
    stage.api.apply(agent_deployment(place, name, agents=agents))
    body = stage.wait_for("AgentDeployment", name, place, status="False", reason="UnknownToolkit")
    assert condition(body)["message"] == f"{UNKNOWN_TOOLKIT.message} (and 1 more; agentosctl validate lists them)"

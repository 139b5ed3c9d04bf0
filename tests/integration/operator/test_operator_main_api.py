"""The platform's main API below ``/api``, with the rights that the chart gives for it and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.integration.operator.stage import Stage, agent_deployment, namespace
from tests.operators import render

API = {"namespace": "platform-api", "service": "main", "port": 3000}


@pytest.fixture
def routed(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """An operator in the mode of the test's parameter."""
    routing = {"mode": request.param, "api": API}
    stage.api.apply(namespace("platform-api"))
    rights = [each for each in render(stage.postgres.port, **routing) if each["metadata"]["name"].endswith("-api")]
    assert {each["kind"] for each in rights} == {"Role", "RoleBinding"}
    stage.api.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(rights))
    with stage.running(routing={**stage.configuration["routing"], **routing}):
        yield stage


@pytest.mark.parametrize("routed", ["Gateway"], indirect=True)
def test_a_gateway_is_led_to_the_service_and_a_grant_permits_it_until_the_workspace_goes(routed: Stage) -> None:
    name = routed.ready_workspace()
    place = routed.available_deployment(name)
    rules = routed.child("HTTPRoute", place, "support")["spec"]["rules"]
    targets = {rule["matches"][0]["path"]["value"]: rule["backendRefs"][0] for rule in rules}
    assert targets.keys() == {"/", "/api"}
    assert {key: targets["/api"][key] for key in ("name", "namespace", "port")} == {
        "name": "main",
        "namespace": "platform-api",
        "port": 3000,
    }
    grant = routed.child("ReferenceGrant", "platform-api", place)
    assert grant["spec"]["from"][0]["namespace"] == place
    routed.api.delete("Workspace", name)
    routed.wait_until_gone("ReferenceGrant", place, "platform-api")


@pytest.mark.parametrize("routed", ["Ingress"], indirect=True)
def test_an_ingress_beside_the_service_comes_and_goes_with_the_deployment(routed: Stage) -> None:
    name = routed.ready_workspace()
    place, beside = f"ws-{name}", f"{name}--support"
    routed.api.apply(agent_deployment(place))
    routed.roll_out(place)
    routed.wait_for("AgentDeployment", "support", place, type_="RouteReady", status="False")
    (rule,) = routed.child("Ingress", "platform-api", beside)["spec"]["rules"]
    assert rule["host"] == f"support--{name}.agents.localhost"
    assert [path["path"] for path in rule["http"]["paths"]] == ["/api"]
    routed.api.patch("AgentDeployment", "support", {"spec": {"suspended": True}}, place)
    routed.wait_until_gone("Ingress", beside, "platform-api")
    routed.api.patch("AgentDeployment", "support", {"spec": {"suspended": False}}, place)
    routed.wait_for("AgentDeployment", "support", place, type_="RouteReady", status="False")
    assert routed.api.get("Ingress", beside, "platform-api")
    # Deleted while no operator runs: the next one finds what is left.
    routed.started[-1].kill()
    routed.api.delete("AgentDeployment", "support", place)
    routing = {**routed.configuration["routing"], "mode": "Ingress", "api": API}
    with routed.running(routing=routing):
        routed.wait_until_gone("Ingress", beside, "platform-api")

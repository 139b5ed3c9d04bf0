"""Hosts of one's own, addresses that are true, and withdrawal, with an operator that only its watches wake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.integration.apiserver import eventually
from tests.integration.operator.hosts import (
    holding,
    hostnames,
    is_told,
    new_host,
    own,
    place_of,
    waits_for_host,
)
from tests.integration.operator.stage import Stage, agent_deployment, condition, new_name, workspace

pytestmark = pytest.mark.usefixtures("operator")


def test_a_granted_host_serves_beside_the_generated_one_and_stands_in_the_url(stage: Stage) -> None:
    host = new_host()
    place = holding(stage, place_of(stage, host), host)
    assert hostnames(stage, place) == [f"support--{place[3:]}.agents.localhost", host]
    status = stage.child("AgentDeployment", place, "support")["status"]
    assert (status["host"], status["url"]) == (host, f"http://{host}:8080")


def test_a_host_that_was_not_granted_is_refused_and_the_generated_one_serves(stage: Stage) -> None:
    place = place_of(stage, new_host())
    stage.api.apply(own(place, new_host()))
    body = waits_for_host(stage, place, "HostNotGranted")
    assert "spec.routing.hosts" in condition(body, "HostReady")["message"]
    generated = f"support--{place[3:]}.agents.localhost"
    assert hostnames(stage, place) == [generated]
    eventually(
        lambda: stage.child("AgentDeployment", place, "support")["status"].get("url") == f"http://{generated}:8080",
        "the generated address stands in status",
    )


def test_a_grant_that_comes_later_is_taken_up_without_a_resync(stage: Stage) -> None:
    host, place = new_host(), place_of(stage)
    stage.api.apply(own(place, host))
    waits_for_host(stage, place, "HostNotGranted")
    stage.api.patch("Workspace", place[3:], {"spec": {"routing": {"hosts": [host]}}})
    stage.serve(place)
    assert host in hostnames(stage, place)


@pytest.mark.parametrize("host", ["agents.localhost", "support--acme.agents.localhost", "x.agents.localhost"])
def test_no_grant_reaches_the_domain_of_generated_hosts(stage: Stage, host: str) -> None:
    name = new_name()
    stage.api.apply(workspace(name, routing={"hosts": [host]}))
    body = stage.wait_for("Workspace", name, type_="HostsGranted", status="False", reason="HostReserved")
    assert host in condition(body, "HostsGranted")["message"]
    stage.api.apply(own(f"ws-{name}", host))
    waits_for_host(stage, f"ws-{name}", "HostNotGranted")
    assert hostnames(stage, f"ws-{name}") == [f"support--{name}.agents.localhost"]


def test_the_second_one_is_told_and_gets_the_host_when_the_first_lets_go(stage: Stage) -> None:
    host = new_host()
    first = holding(stage, place_of(stage, host), host)
    second = place_of(stage, host)
    stage.api.apply(own(second, host))
    body = waits_for_host(stage, second, "HostTaken")
    assert first[3:] not in str(body["status"]), "who holds it is another tenant's business"
    assert host not in hostnames(stage, second)
    stage.api.apply(own(first, None))
    stage.serve(second)
    assert host in hostnames(stage, second)
    assert host not in hostnames(stage, first)
    assert "host" not in stage.child("AgentDeployment", first, "support")["status"]


def test_the_second_one_gets_the_host_when_the_first_is_deleted(stage: Stage) -> None:
    host = new_host()
    first = holding(stage, place_of(stage, host), host)
    second = place_of(stage, host)
    stage.api.apply(own(second, host))
    waits_for_host(stage, second, "HostTaken")
    stage.api.delete("AgentDeployment", "support", first)
    stage.serve(second)
    assert host in hostnames(stage, second)


def test_a_withdrawn_grant_frees_the_host_for_the_next(stage: Stage) -> None:
    host = new_host()
    first = holding(stage, place_of(stage, host), host)
    second = place_of(stage, host)
    stage.api.apply(own(second, host))
    waits_for_host(stage, second, "HostTaken")
    stage.api.patch("Workspace", first[3:], {"spec": {"routing": {"hosts": []}}})
    stage.serve(second)
    assert host in hostnames(stage, second)
    assert host not in hostnames(stage, first)


def test_a_grant_is_lost_also_while_a_secret_is_missing(stage: Stage) -> None:
    host = new_host()
    first = holding(stage, place_of(stage, host), host)
    key = {"name": "absent", "key": "k"}
    broken = [{"id": "support", "model": {"id": "openai-chat:gpt-4o-mini", "apiKeySecretRef": key}}]
    stage.api.apply(agent_deployment(first, agents=broken, routing={"host": host}))
    stage.wait_for("AgentDeployment", "support", first, status="False", reason="SecretMissing")
    second = place_of(stage, host)
    stage.api.apply(own(second, host))
    waits_for_host(stage, second, "HostTaken")
    stage.api.patch("Workspace", first[3:], {"spec": {"routing": {"hosts": []}}})
    stage.serve(second)
    assert host not in hostnames(stage, first)


def test_a_deployment_moves_from_one_host_to_another(stage: Stage) -> None:
    old, new = new_host(), new_host()
    place = holding(stage, place_of(stage, old, new), old)
    stage.api.apply(own(place, new))
    stage.serve(place)
    assert hostnames(stage, place)[1:] == [new]
    assert stage.child("AgentDeployment", place, "support")["status"]["host"] == new


def test_of_many_that_ask_at_once_one_gets_the_host_and_no_two_routes_name_it(stage: Stage) -> None:
    host = new_host()
    places = [place_of(stage, host) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda place: stage.api.apply(own(place, host)), places))
    for place in places:
        stage.roll_out(place)
        eventually(partial(is_told, stage, place), "each is told whether it has the host")
    assert len([place for place in places if host in hostnames(stage, place)]) == 1


def test_a_host_that_somebody_writes_into_a_route_by_hand_is_taken_out_again(stage: Stage) -> None:
    host = new_host()
    place = stage.available_deployment(stage.ready_workspace())
    stage.api.patch("HTTPRoute", "support", {"spec": {"hostnames": [host]}}, place)
    eventually(lambda: host not in hostnames(stage, place), "the route is repaired")


def test_a_suspended_deployment_has_no_route_and_keeps_its_host(stage: Stage) -> None:
    host = new_host()
    place = holding(stage, place_of(stage, host), host)
    stage.api.patch("AgentDeployment", "support", {"spec": {"suspended": True}}, place)
    stage.wait_until_gone("HTTPRoute", "support", place)
    body = stage.wait_for("AgentDeployment", "support", place, type_="RouteReady", status="False")
    assert "url" not in body["status"]
    assert body["status"]["host"] == host
    second = place_of(stage, host)
    stage.api.apply(own(second, host))
    waits_for_host(stage, second, "HostTaken")
    stage.api.patch("AgentDeployment", "support", {"spec": {"suspended": False}}, place)
    stage.serve(place)
    assert host in hostnames(stage, place)


def test_the_url_is_gone_while_no_pod_answers(stage: Stage) -> None:
    place = stage.available_deployment(stage.ready_workspace())
    none = {"readyReplicas": 0, "availableReplicas": 0}
    stage.api.patch("Deployment", "support", {"status": none}, place, "status")
    eventually(lambda: "url" not in stage.child("AgentDeployment", place, "support")["status"], "no address is shown")
    stage.serve(place)
    assert "url" in stage.child("AgentDeployment", place, "support")["status"]

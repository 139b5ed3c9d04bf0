"""Routes over restarts of the operator: holders stay, and a change of ``routing.mode`` leaves nothing behind."""

from __future__ import annotations

from tests.integration.operator.hosts import holding, hostnames, new_host, own, place_of, waits_for_host
from tests.integration.operator.proxy import Answer, Proxy, Request
from tests.integration.operator.stage import OperatorProcess, Stage, agent_deployment


def _stop(operator: OperatorProcess) -> None:
    assert operator.stop() == 0


def test_a_new_operator_leaves_hosts_with_those_that_hold_them(stage: Stage) -> None:
    operator, host = stage.start(), new_host()
    younger = place_of(stage, host)
    older = place_of(stage, host)
    stage.api.apply(own(older, None))  # created first, asks for the host last
    stage.serve(older)
    holding(stage, younger, host)
    operator.kill()
    stage.api.apply(own(older, host))
    stage.start()
    waits_for_host(stage, older, "HostTaken")
    stage.serve(younger)
    assert host in hostnames(stage, younger)
    assert host not in hostnames(stage, older)
    stage.started[-1].kill()


def test_a_change_of_mode_replaces_the_routes_and_an_ingress_counts_once_it_has_an_address(stage: Stage) -> None:
    first = stage.start()
    place = stage.available_deployment(stage.ready_workspace())
    _stop(first)
    routing = stage.configuration["routing"]
    second = stage.start(routing={**routing, "mode": "Ingress"})
    stage.wait_until_gone("HTTPRoute", "support", place)
    waiting = stage.wait_for("AgentDeployment", "support", place, type_="RouteReady", status="False")
    assert "url" not in waiting["status"]
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    stage.api.patch("Ingress", "support", address, place, "status")
    assert "url" in stage.wait_for("AgentDeployment", "support", place)["status"]
    _stop(second)
    third = stage.start()
    stage.wait_until_gone("Ingress", "support", place)
    stage.serve(place)
    _stop(third)


def test_a_strangers_ingress_of_a_deployments_name_survives_every_mode(stage: Stage) -> None:
    with stage.running():
        place = stage.available_deployment(stage.ready_workspace())
        labels = {"app.kubernetes.io/managed-by": "agentos-operator"}
        backend = {"service": {"name": "support", "port": {"number": 80}}}
        stage.api.create(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": "support", "namespace": place, "labels": labels},
                "spec": {"defaultBackend": backend},
            }
        )
        stage.api.apply(agent_deployment(place, replicas=2))
        stage.serve(place)
        assert stage.api.get("Ingress", "support", place) is not None


class Killer:
    """Ends the operator right after its n-th write of a route or of a status, before it sees the answer."""

    def __init__(self, stage: Stage, writes: int) -> None:
        self._stage = stage
        self._remaining = writes

    def __call__(self, request: Request) -> Answer | None:
        if not request.is_write or not ("/httproutes/" in request.path or "/agentdeployments/" in request.path):
            return None
        self._remaining -= 1
        if self._remaining == 0:
            self._stage.started[-1].process.kill()
        return Answer(None) if self._remaining <= 0 else None


def test_killed_during_a_handover_the_operator_never_leaves_two_routes_with_one_host(stage: Stage) -> None:
    host = new_host()
    with stage.running():
        first, second = holding(stage, place_of(stage, host), host), place_of(stage, host)
        stage.api.apply(own(second, host))
        waits_for_host(stage, second, "HostTaken")
    stage.api.apply(own(first, None))
    for writes in (1, 2, 3):
        with Proxy(stage.api, after=Killer(stage, writes)) as proxy:
            operator = stage.start(server=proxy.url, wait=False)
            operator.process.wait(60)
        assert [host in hostnames(stage, place) for place in (first, second)] != [True, True]
    with stage.running():
        stage.serve(second)
        assert host in hostnames(stage, second)
        assert host not in hostnames(stage, first)

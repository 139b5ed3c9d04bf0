"""What the tests of routes and hosts say to the stage."""

from __future__ import annotations

import uuid

from tests.integration.apiserver import Object
from tests.integration.operator.stage import Stage, agent_deployment, condition


def new_host() -> str:
    """A host that no other test has."""
    return f"agents-{uuid.uuid4().hex[:8]}.example.com"


def own(place: str, host: str | None, name: str = "support") -> Object:
    """An AgentDeployment that asks for ``host``."""
    return agent_deployment(place, name, **({"routing": {"host": host}} if host else {}))


def hostnames(stage: Stage, place: str, name: str = "support") -> list[str]:
    """The hosts of the deployment's route; none when it has no route."""
    route = stage.api.get("HTTPRoute", name, place)
    return route["spec"]["hostnames"] if route else []


def place_of(stage: Stage, *hosts: str) -> str:
    """Namespace of a new Workspace that was granted ``hosts``."""
    return f"ws-{stage.ready_workspace(routing={'hosts': list(hosts)})}"


def holding(stage: Stage, place: str, host: str) -> str:
    """Namespace of a Ready deployment that holds ``host``."""
    stage.api.apply(own(place, host))
    stage.serve(place)
    return place


def is_told(stage: Stage, place: str) -> bool:
    """Whether the deployment has a route and says whether it has its host."""
    body = stage.api.get("AgentDeployment", "support", place)
    return bool(hostnames(stage, place) and condition(body, "HostReady"))


def waits_for_host(stage: Stage, place: str, reason: str) -> Object:
    """The deployment, once it says why it does not have its host."""
    stage.roll_out(place)
    stage.accept_route(place)
    return stage.wait_for("AgentDeployment", "support", place, type_="HostReady", status="False", reason=reason)

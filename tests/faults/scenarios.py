"""What happens to a workspace in its life: each scenario is prepared without faults, begun, and driven to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.world import Pods, World
from tests.integration.apiserver import Object
from tests.integration.operator.rotating import ask
from tests.integration.operator.stage import agent_deployment, condition

NEXT_IMAGE = "registry.example.com/agentos-runtime:next"
"""An image that the operator's configuration allows beside its own."""


@dataclass(frozen=True)
class Scenario:
    """One change of a workspace's life."""

    name: str
    prepare: Callable[[World, str], None]
    """What a user did before, without waiting."""
    prepared: Callable[[World, str], bool]
    """Whether that has come about; asked again and again, it goes on with what a user does next."""
    act: Callable[[World, str], None]
    """What the user does now."""
    over: Callable[[World, str], bool]
    """Whether the operator says that it is done; asked like ``prepared``."""

    def __str__(self) -> str:
        return self.name


def _settled(body: Object | None) -> bool:
    ready = condition(body)
    return (
        body is not None
        and ready.get("status") == "True"
        and ready["observedGeneration"] == body["metadata"]["generation"]
    )


def _create(policy: str = "Retain") -> Callable[[World, str], None]:
    return lambda world, name: world.create(name, deletionPolicy=policy)


def _serves(world: World, name: str) -> bool:
    """Both resources are Ready; the second is applied as soon as there is a Namespace for it."""
    api, place = world.stage.api, f"ws-{name}"
    deployment = api.get("AgentDeployment", "support", place)
    if deployment is None and api.get("Namespace", place) is not None:
        api.apply(agent_deployment(place))
    return _settled(deployment) and _settled(api.get("Workspace", name))


def _serves_somebody(world: World, name: str) -> bool:
    """Ready, with a table and an open session of its runtime."""
    if not _serves(world, name):
        return False
    world.open_session(name)
    return True


def _nothing(_world: World, _name: str) -> None:
    return None


def _always(_world: World, _name: str) -> bool:
    return True


def _update(world: World, name: str) -> None:
    """Something of the database, of the Namespace and of the runtime at once."""
    spec = {
        "database": {"connectionLimit": 60, "statementTimeout": "45s"},
        "quota": {"pods": 20},
        "members": [{"kind": "Group", "name": "acme-people", "role": "Editor"}],
    }
    world.stage.api.patch("Workspace", name, {"spec": spec})
    agents = [{"id": "support", "model": {"id": "openai-chat:gpt-4o-mini"}, "instructions": ["Be brief."]}]
    world.stage.api.apply(agent_deployment(f"ws-{name}", agents=agents, replicas=2))


def _upgrade(world: World, name: str) -> None:
    world.stage.api.patch("AgentDeployment", "support", {"spec": {"image": NEXT_IMAGE}}, f"ws-{name}")


def _suspend(suspended: bool) -> Callable[[World, str], None]:
    def do(world: World, name: str) -> None:
        world.stage.api.patch("Workspace", name, {"spec": {"suspended": suspended}})

    return do


def _create_suspended(world: World, name: str) -> None:
    world.create(name, suspended=True)


def _rests(world: World, name: str) -> bool:
    """Nothing runs, and both say that this is as asked for."""
    if not _serves(world, name):
        return False
    bodies = (world.stage.api.get("Workspace", name), world.stage.api.get("AgentDeployment", "support", f"ws-{name}"))
    return all(condition(body, "Suspended").get("status") == "True" for body in bodies)


def _has_pods(world: World, name: str) -> bool:
    if not _serves(world, name):
        return False
    world.pods[name] = Pods(world.stage, name)
    world.pods[name].play()
    world.open_session(name)
    return True


def _rotate(world: World, name: str) -> None:
    ask(world.stage, name, "now")


def _has_rotated(world: World, name: str) -> bool:
    world.pods[name].play()
    status = world.stage.child("Workspace", "", name).get("status", {})
    found = [status.get(part, {}).get("rotation", {}) for part in ("database", "auth")]
    return all("now" in each.get("handledRequests", ()) and "step" not in each for each in found) and _serves(
        world, name
    )


def _delete(world: World, name: str) -> None:
    world.stage.api.delete("Workspace", name)


def _is_gone(world: World, name: str) -> bool:
    api = world.stage.api
    return api.get("Workspace", name) is None and api.get("Namespace", f"ws-{name}") is None


def _is_gone_after_its_namespace_was_there(world: World, name: str) -> bool:
    """Deleted half-way through its creation."""
    api = world.stage.api
    body = api.get("Workspace", name)
    if body is not None and "deletionTimestamp" not in body["metadata"]:
        if api.get("Namespace", f"ws-{name}") is not None:
            api.delete("Workspace", name)
        return False
    return _is_gone(world, name)


def _is_there_again(world: World, name: str) -> bool:
    """The name is taken anew as soon as it is free, while the Namespace of before may still be going."""
    if world.stage.api.get("Workspace", name) is None:
        world.create(name, deletionPolicy="Delete")
        return False
    return len(world.identities[name]) == 2 and _serves(world, name)


SCENARIOS = (
    Scenario("create", _nothing, _always, _create(), _serves),
    Scenario("update", _create(), _serves, _update, _serves),
    Scenario("rotate", _create(), _has_pods, _rotate, _has_rotated),
    Scenario("suspend", _create(), _serves, _suspend(True), _rests),
    Scenario("resume", _create_suspended, _rests, _suspend(False), _serves),
    Scenario("upgrade", _create(), _serves, _upgrade, _serves),
    Scenario("delete-and-retain", _create(), _serves_somebody, _delete, _is_gone),
    Scenario("delete", _create("Delete"), _serves_somebody, _delete, _is_gone),
    Scenario("delete-during-creation", _nothing, _always, _create("Delete"), _is_gone_after_its_namespace_was_there),
    Scenario("recreate", _create(), _serves_somebody, _delete, _is_there_again),
)
BY_NAME = {each.name: each for each in SCENARIOS}
